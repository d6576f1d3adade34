"""Convolution, its transpose, and the two depthwise layers that Keras names.

A convolution reads windows and multiplies; its transpose multiplies and writes windows.
"""

from layerref.convolution.conv import Conv1d, Conv2d, Conv3d
from layerref.convolution.separable import DepthwiseConv2d, SeparableConv2d
from layerref.convolution.transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "DepthwiseConv2d",
    "SeparableConv2d",
]

"""Pooling: the largest or the mean cell of every window."""

from layerref.pooling.adaptive_average import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
)
from layerref.pooling.adaptive_max import (
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
)
from layerref.pooling.average import AvgPool1d, AvgPool2d, AvgPool3d
from layerref.pooling.fractional import FractionalMaxPool2d, FractionalMaxPool3d
from layerref.pooling.max import MaxPool1d, MaxPool2d, MaxPool3d

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]

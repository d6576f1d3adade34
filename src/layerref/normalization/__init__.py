"""Normalisation: bring sets of values to mean 0 and variance 1, then learn a scale and a shift.

The layers differ in the set: all values of a channel in the batch (BatchNorm), the last axes of
one position (LayerNorm, RMSNorm), some channels of one sample (GroupNorm), one channel of one
sample (InstanceNorm), or a learned mixture (SwitchableNorm2d).
"""

from layerref.normalization.batch import BatchNorm1d, BatchNorm2d, BatchNorm3d
from layerref.normalization.group import GroupNorm
from layerref.normalization.instance import (
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from layerref.normalization.layer import LayerNorm
from layerref.normalization.rms import RMSNorm
from layerref.normalization.switchable import SwitchableNorm2d

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "RMSNorm",
    "SwitchableNorm2d",
]

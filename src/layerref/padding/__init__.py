"""Padding layers: five ways to extend the last one, two or three axes of an input.

All of them are :func:`layerref.windows.pad` behind torch's order of the arguments: torch writes
the padding from the last axis to the first, ``(left, right, top, bottom, front, back)``.
"""

from layerref.padding.circular import CircularPad1d, CircularPad2d, CircularPad3d
from layerref.padding.constant import (
    ConstantPad1d,
    ConstantPad2d,
    ConstantPad3d,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
)
from layerref.padding.reflection import ReflectionPad1d, ReflectionPad2d, ReflectionPad3d
from layerref.padding.replication import ReplicationPad1d, ReplicationPad2d, ReplicationPad3d

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

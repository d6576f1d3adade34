"""Resampling: change the size of an image; cut it into windows, and add windows up to an image."""

from layerref.resampling.fold import Fold, Unfold
from layerref.resampling.upsample import Upsample

__all__ = ["Fold", "Unfold", "Upsample"]

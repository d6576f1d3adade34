r"""The three mask conventions of attention, and the way from each to each.

A mask says which query (row, L) may attend to which key (column, S).

=========  ==================  ========  ========================================================
name       dtype               hidden    who takes it
=========  ==================  ========  ========================================================
keep       bool                False     layerref, ``scaled_dot_product_attention``, the chapter
torch's    bool                True      ``nn.MultiheadAttention``, ``nn.Transformer`` and its parts
additive   floating point      ``-inf``  all of them: added to the scores before softmax
=========  ==================  ========  ========================================================

Shapes of a keep or additive mask: ``(L, S)``, ``(N, L, S)`` or ``(N, h, L, S)``, where N, h and L
may be 1. Every function here is pure: it leaves its argument alone.
"""

from layerref.masks.convert import (
    mask_from_torch,
    mask_to_additive,
    mask_to_boolean,
    mask_to_torch,
)
from layerref.masks.make import causal_mask, combine_masks, padding_mask

__all__ = [
    "causal_mask",
    "combine_masks",
    "mask_from_torch",
    "mask_to_additive",
    "mask_to_boolean",
    "mask_to_torch",
    "padding_mask",
]

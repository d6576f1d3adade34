"""Attention: the readable form, the fused form that models use, and positions."""

from layerref.attention.multi_head import MultiHeadAttention
from layerref.attention.positional_encoding import PositionalEncoding
from layerref.attention.scaled_dot_product import ScaledDotProductAttention

__all__ = ["MultiHeadAttention", "PositionalEncoding", "ScaledDotProductAttention"]

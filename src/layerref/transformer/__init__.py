"""Encoder and decoder layers, stacks of them, and the whole Transformer."""

from layerref.transformer.layers import TransformerDecoderLayer, TransformerEncoderLayer
from layerref.transformer.stacks import Transformer, TransformerDecoder, TransformerEncoder

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

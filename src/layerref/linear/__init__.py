"""Layers that mix, look up or rearrange features: Linear, Embedding, Flatten, Unflatten."""

from layerref.linear.embedding import Embedding
from layerref.linear.flatten import Flatten, Unflatten
from layerref.linear.linear import Linear

__all__ = ["Embedding", "Flatten", "Linear", "Unflatten"]

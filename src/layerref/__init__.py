"""Readable twins of torch.nn's layers, and the rules that say what they cost."""

from layerref import linear, activation, dropout, padding, normalization, convolution, pooling, resampling, recurrent, masks, attention, transformer, rules
from layerref.linear import *
from layerref.activation import *
from layerref.dropout import *
from layerref.padding import *
from layerref.normalization import *
from layerref.convolution import *
from layerref.pooling import *
from layerref.resampling import *
from layerref.recurrent import *
from layerref.masks import *
from layerref.attention import *
from layerref.transformer import *
from layerref.rules import *

__all__ = [*linear.__all__, *activation.__all__, *dropout.__all__, *padding.__all__, *normalization.__all__, *convolution.__all__, *pooling.__all__, *resampling.__all__, *recurrent.__all__, *masks.__all__, *attention.__all__, *transformer.__all__, *rules.__all__]

__version__ = "0.1.0"

"""Readable twins of torch.nn's layers, and the rules that say what they cost."""

from layerref.activation import (
    GELU,
    Hardtanh,
    ReLU,
    Threshold,
)
from layerref.attention import (
    MultiHeadAttention,
    PositionalEncoding,
    ScaledDotProductAttention,
)
from layerref.convolution import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    DepthwiseConv2d,
    SeparableConv2d,
)
from layerref.dropout import (
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
)
from layerref.linear import (
    Embedding,
    Flatten,
    Linear,
    Unflatten,
)
from layerref.masks import (
    causal_mask,
    combine_masks,
    mask_from_torch,
    mask_to_additive,
    mask_to_boolean,
    mask_to_torch,
    padding_mask,
)
from layerref.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    RMSNorm,
    SwitchableNorm2d,
)
from layerref.padding import (
    CircularPad1d,
    CircularPad2d,
    CircularPad3d,
    ConstantPad1d,
    ConstantPad2d,
    ConstantPad3d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReflectionPad3d,
    ReplicationPad1d,
    ReplicationPad2d,
    ReplicationPad3d,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
)
from layerref.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    FractionalMaxPool2d,
    FractionalMaxPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from layerref.recurrent import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    RNNCell,
)
from layerref.resampling import (
    Fold,
    Unfold,
    Upsample,
)
from layerref.rules import (
    flops,
    output_shape,
    parameter_count,
    settings_for,
)
from layerref.transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022  grouped by family, as the reference has them
    # linear
    "Embedding",
    "Flatten",
    "Linear",
    "Unflatten",
    # activation
    "GELU",
    "Hardtanh",
    "ReLU",
    "Threshold",
    # dropout
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    # padding
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
    # normalization
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
    # convolution
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "DepthwiseConv2d",
    "SeparableConv2d",
    # pooling
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
    # resampling
    "Fold",
    "Unfold",
    "Upsample",
    # recurrent
    "GRU",
    "GRUCell",
    "LSTM",
    "LSTMCell",
    "RNN",
    "RNNCell",
    # masks
    "causal_mask",
    "combine_masks",
    "mask_from_torch",
    "mask_to_additive",
    "mask_to_boolean",
    "mask_to_torch",
    "padding_mask",
    # attention
    "MultiHeadAttention",
    "PositionalEncoding",
    "ScaledDotProductAttention",
    # transformer
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    # rules
    "flops",
    "output_shape",
    "parameter_count",
    "settings_for",
]

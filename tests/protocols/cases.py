"""The table of the protocols: how each layer is built and what it is given.

A new layer adds one line to ``CASES``. ``case(*args, x=..., **kwargs)`` builds the layer with
``args`` and ``kwargs`` and calls it with the tensors of ``x``: a tuple is the shape of a tensor of
random numbers, ``tokens(...)`` of token numbers below 5, and a list holds several of them.
``free`` names the axes of each tensor whose length an exported program leaves open (a list has one
tuple for each tensor); by default the batch and, after the channels, the axes of an image.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace

import torch
from torch import nn

import layerref
from layerref.twin import Twin
from protocols.equivalents import EQUIVALENTS


@dataclass(frozen=True)
class Tokens:
    shape: tuple


@dataclass(frozen=True)
class Case:
    args: tuple
    kwargs: dict
    x: list
    forward: dict = field(default_factory=dict)
    free: tuple | None = None
    build: object = None

    def layer(self, module, name, **more):
        """Build the layer from ``module``: ``layerref``, or ``torch.nn`` with our equivalents."""
        if self.build:
            return self.build(module, name, *self.args, **self.kwargs, **more)
        return getattr(module, name)(*self.args, **self.kwargs, **more)

    def free_axes(self):
        """Return for each input the axes that an exported program leaves open."""
        if isinstance(self.free, list):
            return self.free
        rank = len(self.x[0].shape if isinstance(self.x[0], Tokens) else self.x[0])
        free = (0, *range(2, rank)) if self.free is None else self.free
        return [free] * len(self.x)

    def __str__(self):
        given = [*map(str, self.args), *(f"{k}={v}" for k, v in self.kwargs.items())]
        return ",".join(given).replace(" ", "") or "default"


def tokens(*shape):
    return Tokens(shape)


def case(*args, x, free=None, forward=None, build=None, **kwargs):
    x = x if isinstance(x, list) else [x]
    return Case(args, kwargs, x, forward or {}, free, build)


def stack(module, name, count, *args, **kwargs):
    """Build a TransformerEncoder or -Decoder from the settings of its layer."""
    layer = getattr(module, f"{name}Layer")(*args, **kwargs)
    more = {"enable_nested_tensor": False} if name == "TransformerEncoder" else {}
    return getattr(module, name)(layer, count, module.LayerNorm(args[0]), **more)


IMAGE = {1: (2, 4, 9), 2: (2, 4, 8, 6), 3: (2, 4, 6, 5, 4)}


def each(prefix, *make, axes=(1, 2, 3)):
    """Return the cases of a layer that exists for one, two and three axes."""
    return {f"{prefix}{n}d": [m(n) for m in make] for n in axes}


PADS = {1: (1, 2), 2: (1, 2, 0, 1), 3: (1, 2, 0, 1, 1, 0)}
SEQ, LAST = (5, 3, 4), (3, 5, 4)  # (L, N, H_in), and batch first

CASES = {
    "Linear": [case(4, 3, x=LAST, free=(0, 1)), case(4, 3, bias=False, x=(5, 4))],
    "Embedding": [case(5, 3, x=tokens(2, 4), free=(0, 1)), case(5, 3, padding_idx=1, x=tokens(4))],
    "Flatten": [case(x=IMAGE[2]), case(0, 1, x=LAST, free=(0, 1))],
    "Unflatten": [case(1, (2, 2), x=IMAGE[2]), case(-1, (-1, 3), x=(4, 6))],
    "GELU": [case(x=IMAGE[2]), case(approximate="tanh", x=LAST, free=(0, 1))],
    "ReLU": [case(x=IMAGE[2]), case(inplace=False, x=LAST)],
    "Hardtanh": [case(-0.5, 0.7, x=IMAGE[2])],
    "Threshold": [case(0.1, 2.0, x=IMAGE[2])],
    "Dropout": [case(0.4, x=IMAGE[2]), case(x=LAST, free=(0, 1))],
    **each("Dropout", lambda n: case(0.4, x=IMAGE[n])),
    **{
        name: cases
        for kind in ("Zero", "Circular", "Reflection", "Replication")
        for name, cases in each(f"{kind}Pad", lambda n: case(PADS[n], x=IMAGE[n])).items()
    },
    **each("ConstantPad", lambda n: case(PADS[n], 1.5, x=IMAGE[n])),
    **each(
        "BatchNorm",
        lambda n: case(4, x=IMAGE[n]),
        lambda n: case(4, momentum=None, affine=False, x=IMAGE[n]),
        lambda n: case(4, track_running_stats=False, x=IMAGE[n]),
    ),
    **each(
        "InstanceNorm",
        lambda n: case(4, x=IMAGE[n]),
        lambda n: case(4, affine=True, track_running_stats=True, x=IMAGE[n]),
    ),
    "GroupNorm": [case(2, 4, x=IMAGE[2]), case(2, 4, affine=False, x=(3, 4))],
    "LayerNorm": [
        case(4, x=LAST, free=(0, 1)),
        case((5, 4), bias=False, x=LAST, free=(0,)),
        case(4, elementwise_affine=False, x=(3, 4)),
    ],
    "RMSNorm": [case(4, x=LAST, free=(0, 1)), case((5, 4), eps=1e-3, x=LAST, free=(0,))],
    "SwitchableNorm2d": [case(4, x=IMAGE[2])],
    **each(
        "Conv",
        lambda n: case(4, 6, 3, stride=2, padding=1, x=IMAGE[n]),
        lambda n: case(4, 6, 2, dilation=2, groups=2, bias=False, x=IMAGE[n]),
        lambda n: case(4, 2, 3, padding="same", padding_mode="circular", x=IMAGE[n]),
    ),
    **each(
        "ConvTranspose",
        lambda n: case(4, 6, 3, stride=2, padding=1, output_padding=1, x=IMAGE[n]),
        lambda n: case(4, 6, 2, dilation=2, groups=2, bias=False, x=IMAGE[n]),
    ),
    "DepthwiseConv2d": [case(4, 3, depth_multiplier=2, padding=1, x=IMAGE[2])],
    "SeparableConv2d": [case(4, 6, 3, stride=2, x=IMAGE[2])],
    **each(
        "MaxPool",
        lambda n: case(2, x=IMAGE[n]),
        lambda n: case(3, 2, padding=1, ceil_mode=True, x=IMAGE[n]),
        lambda n: case(2, 1, dilation=2, return_indices=True, x=IMAGE[n]),
    ),
    **each(
        "AvgPool",
        lambda n: case(2, x=IMAGE[n]),
        lambda n: case(3, 2, 1, ceil_mode=True, count_include_pad=False, x=IMAGE[n]),
    ),
    **each("AdaptiveAvgPool", lambda n: case(3, x=IMAGE[n]), lambda n: case(1, x=IMAGE[n])),
    **each(
        "AdaptiveMaxPool",
        lambda n: case(3, x=IMAGE[n]),
        lambda n: case(2, return_indices=True, x=IMAGE[n]),
    ),
    **each(
        "FractionalMaxPool",
        lambda n: case(2, output_ratio=0.5, x=IMAGE[n]),
        lambda n: case(2, output_size=2, return_indices=True, x=IMAGE[n]),
        axes=(2, 3),
    ),
    "Upsample": [
        case(scale_factor=2, x=IMAGE[2]),
        case(scale_factor=1.5, mode="bilinear", x=IMAGE[2]),
        case(size=7, mode="linear", align_corners=True, x=IMAGE[1]),
        case(scale_factor=2, mode="bicubic", x=IMAGE[2]),
        case(size=(5, 4, 3), mode="trilinear", x=IMAGE[3]),
        case(size=4, mode="area", x=IMAGE[2]),
    ],
    "Unfold": [case(2, stride=2, padding=1, x=IMAGE[2]), case((3, 2), dilation=2, x=IMAGE[2])],
    "Fold": [case((5, 4), 2, x=(2, 12, 12), free=(0,)), case(6, 3, stride=3, x=(9, 4), free=())],
    **{
        name: [
            case(4, 3, x=SEQ, free=(0, 1)),
            case(4, 3, 2, batch_first=True, bidirectional=True, x=LAST, free=(0, 1)),
            case(4, 3, 2, bias=False, dropout=0.4, x=[SEQ, (2, 3, 3)], free=[(0, 1), (1,)]),
        ]
        for name in ("RNN", "GRU")
    },
    "LSTM": [
        case(4, 3, x=SEQ, free=(0, 1)),
        case(4, 3, 2, batch_first=True, bidirectional=True, x=LAST, free=(0, 1)),
        case(4, 3, 2, bias=False, dropout=0.4, x=SEQ, free=(0, 1)),
        case(4, 3, proj_size=2, batch_first=True, x=LAST, free=(0, 1)),
    ],
    "RNNCell": [
        case(4, 3, x=(5, 4)),
        case(4, 3, nonlinearity="relu", x=[(5, 4), (5, 3)], free=(0,)),
    ],
    "GRUCell": [case(4, 3, x=(5, 4)), case(4, 3, bias=False, x=[(5, 4), (5, 3)], free=(0,))],
    "LSTMCell": [case(4, 3, x=(5, 4)), case(4, 3, bias=False, x=(5, 4))],
    "ScaledDotProductAttention": [case(x=[(3, 5, 4), (3, 6, 4), (3, 6, 2)], free=(0, 1))],
    "MultiHeadAttention": [
        case(2, 4, dropout=0.0, x=[LAST, (3, 6, 4), (3, 6, 4)], free=(0, 1)),
        case(2, 4, dropout=0.0, x=[LAST] * 3, forward={"need_weights": True}, free=(0, 1)),
    ],
    "MultiheadAttention": [
        case(4, 2, x=[SEQ, (6, 3, 4), (6, 3, 4)], free=(0, 1)),
        case(4, 2, dropout=0.4, batch_first=True, kdim=3, vdim=2, x=[LAST, (3, 6, 3), (3, 6, 2)],
             free=(0, 1)),
        case(4, 2, bias=False, add_bias_kv=True, add_zero_attn=True, x=[SEQ] * 3,
             forward={"average_attn_weights": False}, free=(0, 1)),
        case(4, 2, batch_first=True, x=[LAST] * 3, forward={"need_weights": False}, free=(0, 1)),
    ],
    "PositionalEncoding": [case(4, 0.0, 9, x=LAST, free=(0, 1)), case(4, 0.4, x=(5, 4), free=(0,))],
    "TransformerEncoderLayer": [
        case(4, 2, 6, 0.0, batch_first=True, x=LAST, free=(0, 1)),
        case(4, 2, 6, 0.2, norm_first=True, activation="gelu", x=SEQ, free=(0, 1)),
    ],
    "TransformerDecoderLayer": [
        case(4, 2, 6, 0.0, batch_first=True, x=[LAST, (3, 6, 4)], free=(0, 1)),
        case(4, 2, 6, 0.2, bias=False, x=[SEQ, (6, 3, 4)], free=(0, 1)),
    ],
    "TransformerEncoder": [
        case(2, 4, 2, 6, 0.0, batch_first=True, x=LAST, free=(0, 1), build=stack),
    ],
    "TransformerDecoder": [
        case(2, 4, 2, 6, 0.0, batch_first=True, x=[LAST, (3, 6, 4)], free=(0, 1), build=stack),
    ],
    "Transformer": [case(4, 2, 1, 1, 6, 0.0, batch_first=True, x=[LAST, (3, 6, 4)], free=(0, 1))],
}  # fmt: skip

THEIRS = SimpleNamespace(**(vars(nn) | EQUIVALENTS))
# the layers that inherit from torch's; the others enter as soon as they do
NAMES = [name for name in CASES if issubclass(getattr(layerref, name, object), Twin)]


def tensors(case, *, dtype=torch.float64, seed=1, grad=True, longer=None):
    """Return the inputs of a case; ``longer`` are the axes of each to make longer by 2."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for i, x in enumerate(case.x):
        shape = list(x.shape if isinstance(x, Tokens) else x)
        for axis in longer[i] if longer else ():
            shape[axis] += 2
        if isinstance(x, Tokens):
            made.append(torch.randint(5, shape, generator=generator))
        else:
            made.append(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype))
            made[-1].requires_grad_(grad)
    return made

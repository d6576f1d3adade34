"""Rules of the transformer: layers, stacks of them, and the whole model."""

from collections.abc import Iterator, Mapping
from typing import Any

from layerref.rules.arithmetic import Number, equal
from layerref.rules.attention import attention_products, attention_state, dropout, heads_divide
from layerref.rules.normalization import RULES as NORMALIZATIONS
from layerref.rules.reading import checked, read_settings
from layerref.rules.record import (
    Entry,
    Need,
    Parameter,
    Rule,
    Settings,
    Steps,
    fits_layout,
    need,
    same_size,
    several_shapes,
)

LAYER_NORM = next(rule for rule in NORMALIZATIONS if rule.name == "LayerNorm")
NORM_FIRST = Parameter("norm_first", "bool", False)
BATCH_FIRST = Parameter("batch_first", "bool", False, structural=True)
BIAS = Parameter("bias", "bool", True)


# ---------------------------------------------------------------- one layer
def norm_state(name: str, width: Number, bias: Any) -> list[Entry]:
    """Scale and shift of a LayerNorm over the features."""
    return [Entry(f"{name}.weight", (width,)), Entry(f"{name}.bias", (width,), bias)]


def layer_state(s: Settings, attentions: tuple[str, ...]) -> list[Entry]:
    """Attention, the two matrices of the feed-forward part, and one norm for each part."""
    width, inner = s.d_model, s.dim_feedforward
    entries = [e for name in attentions for e in attention_state(width, s.bias, f"{name}.")]
    entries += [
        Entry("linear1.weight", (inner, width)),
        Entry("linear1.bias", (inner,), s.bias),
        Entry("linear2.weight", (width, inner)),
        Entry("linear2.bias", (width,), s.bias),
    ]
    for n in range(len(attentions) + 1):
        entries += norm_state(f"norm{n + 1}", width, s.bias)
    return entries


def encoder_layer_state(s: Settings) -> list[Entry]:
    """Self-attention and feed-forward."""
    return layer_state(s, ("self_attn",))


def decoder_layer_state(s: Settings) -> list[Entry]:
    """Self-attention, attention to the memory, and feed-forward."""
    return layer_state(s, ("self_attn", "multihead_attn"))


def layer_check(s: Settings) -> Iterator[Need]:
    """Need heads of equal width and a known activation."""
    yield heads_divide(s.nhead, s.d_model, "nhead")
    known = not isinstance(s.activation, str) or s.activation in ("relu", "gelu")
    yield need(known, "activation is 'relu', 'gelu' or a function, got '{a}'", a=s.activation)


def self_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep the shape."""
    yield from fits_layout(x, s)
    yield same_size(x[-1], s.d_model, "last", "d_model")
    return x


def pair_shape(x: Any, s: Settings, names: tuple[str, str], result: int) -> Steps[Any]:
    """Keep the shape of one of two sequences, which have the same batch axis."""
    both = several_shapes(x, *names)
    for n, (name, one) in enumerate(zip(names, both)):
        yield from fits_layout(one, s, name, n)
        yield same_size(one[-1], s.d_model, f"last ({name})", "d_model")
    axis = 0 if s.batch_first else 1
    same = len(both[0]) == len(both[1])
    if same and len(both[0]) == 3:
        same = equal(both[0][axis], both[1][axis])
    text = "both sequences have the same batch axis, or none, got {a} and {b}"
    yield need(same, text, a=both[0], b=both[1])
    return both[result]


def decoder_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep the shape of the target."""
    return (yield from pair_shape(x, s, ("tgt", "memory"), 0))


def transformer_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep the shape of the target."""
    return (yield from pair_shape(x, s, ("src", "tgt"), 1))


def batch_and_length(x: Any, s: Settings) -> tuple[Number, Number]:
    """Read N and the length of a sequence."""
    if len(x) == 2:
        return 1, x[0]
    return (x[0], x[1]) if s.batch_first else (x[1], x[0])


def encoder_products(x: Any, s: Settings) -> Number:
    """Take self-attention and the two matrices of the feed-forward part."""
    N, L = batch_and_length(x, s)
    return attention_products(N, L, L, s.d_model) + 4 * N * L * s.d_model * s.dim_feedforward


def decoder_products(tgt: Any, memory: Any, s: Settings) -> Number:
    """Take an encoder layer's products and attention to the memory."""
    N, L = batch_and_length(tgt, s)
    _, S = batch_and_length(memory, s)
    return encoder_products(tgt, s) + attention_products(N, L, S, s.d_model)


# ---------------------------------------------------------------- stacks
def layer_settings(s: Settings) -> Settings:
    """Read the settings of the layer that a stack repeats: a mapping, or such a layer."""
    rule = ENCODER_LAYER if s.rule.name == "TransformerEncoder" else DECODER_LAYER
    layer = s.encoder_layer if rule is ENCODER_LAYER else s.decoder_layer
    if not isinstance(layer, Mapping):
        attention = layer.self_attn
        layer = {
            "d_model": layer.linear1.in_features,
            "nhead": attention.num_heads if hasattr(attention, "num_heads") else attention.h,
            "dim_feedforward": layer.linear1.out_features,
            "batch_first": (layer if hasattr(layer, "batch_first") else attention).batch_first,
            "bias": layer.linear1.bias is not None,
        }
    return read_settings(rule, layer)


def norm_entries(norm: Any) -> list[Entry]:
    """Entries of the final norm: a mapping of LayerNorm's settings, or the layer itself."""
    if norm is None:
        return []
    if isinstance(norm, Mapping):
        entries = LAYER_NORM.state(read_settings(LAYER_NORM, norm))
    else:
        entries = [Entry(key, tuple(t.shape)) for key, t in norm.state_dict().items()]
    return [e._replace(key=f"norm.{e.key}") for e in entries]


def stack_check(s: Settings) -> Iterator[Need]:
    """Need what the repeated layer needs."""
    yield from checked(layer_settings(s))


def repeated(entries: list[Entry], times: int, name: str) -> list[Entry]:
    """Repeat the entries of one layer under its number."""
    return [e._replace(key=f"{name}.{n}.{e.key}") for n in range(times) for e in entries]


def stack_state(s: Settings) -> list[Entry]:
    """All layers, then the final norm."""
    inner = layer_settings(s)
    layers = repeated(list(inner.rule.state(inner)), s.num_layers, "layers")
    return layers + norm_entries(s.norm)


def stack_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep the shape, as every layer does."""
    inner = layer_settings(s)
    return (yield from inner.rule.shape(x, inner))


def stack_products(x: Any, y: Any, s: Settings) -> Number:
    """Take each layer's products."""
    inner = layer_settings(s)
    return s.num_layers * inner.rule.products(x, y, inner)


def transformer_state(s: Settings) -> list[Entry]:
    """Name encoder and decoder, each with a norm after its last layer."""
    norm = norm_state("norm", s.d_model, s.bias)
    encoder = repeated(encoder_layer_state(s), s.num_encoder_layers, "layers") + norm
    decoder = repeated(decoder_layer_state(s), s.num_decoder_layers, "layers") + norm
    return [e._replace(key=f"encoder.{e.key}") for e in encoder] + [
        e._replace(key=f"decoder.{e.key}") for e in decoder
    ]


def decoder_layer_products(x: Any, y: Any, s: Settings) -> Number:
    """Take the products of a layer between target and memory."""
    tgt, memory = x
    return decoder_products(tgt, memory, s)


def transformer_products(x: Any, y: Any, s: Settings) -> Number:
    """Take the layers of both stacks."""
    src, tgt = x
    decoder = s.num_decoder_layers * decoder_products(tgt, src, s)
    return s.num_encoder_layers * encoder_products(src, s) + decoder


def transformer_check(s: Settings) -> Iterator[Need]:
    """Need the standard stacks."""
    yield from layer_check(s)
    for name in ("custom_encoder", "custom_decoder"):
        text = "{name} is None here: no rule knows what another one does"
        yield need(getattr(s, name) is None, text, name=name)


# ---------------------------------------------------------------- the table
WIDTH = Parameter("d_model", "int", letter="E", low=1, example=64)
HEADS = Parameter("nhead", "int", letter="h", low=1, example=8)
INNER = Parameter("dim_feedforward", "int", 2048, letter="F", low=0)
ACTIVATION = Parameter("activation", "any", "relu")
EPS = Parameter("layer_norm_eps", "float", 1e-5)
LAYER = (WIDTH, HEADS, INNER, dropout(0.1), ACTIVATION, EPS, BATCH_FIRST, NORM_FIRST, BIAS)
NORM = Parameter("norm", "layer", None, optional=True)
DEPTH = Parameter("num_layers", "int", letter="n", low=1, example=2)
TWO = ("L N E, S N E", "L E, S E")
EXAMPLE = {"d_model": 64, "nhead": 8, "dim_feedforward": 256}
DROPS: dict[str, Any] = {"mode": "differs", "mode_note": "same if dropout=0"}

ENCODER_LAYER = Rule(
    "TransformerEncoderLayer",
    "transformer",
    LAYER,
    ("L N E", "L E"),
    self_shape,
    encoder_layer_state,
    layer_check,
    lambda x, y, s: encoder_products(x, s),
    **DROPS,
)
DECODER_LAYER = Rule(
    "TransformerDecoderLayer",
    "transformer",
    LAYER,
    TWO,
    decoder_shape,
    decoder_layer_state,
    layer_check,
    decoder_layer_products,
    **DROPS,
)
RULES = [
    ENCODER_LAYER,
    DECODER_LAYER,
    Rule(
        "TransformerEncoder",
        "transformer",
        (
            Parameter("encoder_layer", "layer", example=EXAMPLE),
            DEPTH,
            NORM,
            Parameter("enable_nested_tensor", "bool", True),
            Parameter("mask_check", "bool", True),
        ),
        ("L N E", "L E"),
        stack_shape,
        stack_state,
        stack_check,
        stack_products,
        stacks=("num_layers",),
        **DROPS,
    ),
    Rule(
        "TransformerDecoder",
        "transformer",
        (Parameter("decoder_layer", "layer", example=EXAMPLE), DEPTH, NORM),
        TWO,
        stack_shape,
        stack_state,
        stack_check,
        stack_products,
        stacks=("num_layers",),
        **DROPS,
    ),
    Rule(
        "Transformer",
        "transformer",
        (
            Parameter("d_model", "int", 512, letter="E", low=1),
            Parameter("nhead", "int", 8, letter="h", low=1),
            Parameter("num_encoder_layers", "int", 6, letter="n_e", low=1),
            Parameter("num_decoder_layers", "int", 6, letter="n_d", low=1),
            *(INNER, dropout(0.1), ACTIVATION),
            Parameter("custom_encoder", "any", None, optional=True),
            Parameter("custom_decoder", "any", None, optional=True),
            *(EPS, BATCH_FIRST, NORM_FIRST, BIAS),
        ),
        ("S N E, L N E", "S E, L E"),
        transformer_shape,
        transformer_state,
        transformer_check,
        transformer_products,
        stacks=("num_encoder_layers", "num_decoder_layers"),
        **DROPS,
    ),
]

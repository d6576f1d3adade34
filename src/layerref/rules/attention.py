"""Rules of attention and of position."""

from collections.abc import Iterator, Sequence
from typing import Any

from layerref.rules.arithmetic import Number, choose, equal, product
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
    unchanged,
)

BIAS = Parameter("bias", "bool", True)
THREE = ("query", "key", "value")


def dropout(default: float) -> Parameter:
    """Build the parameter of a probability."""
    return Parameter("dropout", "float", default, low=0, high=1)


# ---------------------------------------------------------------- scaled dot product
def broadcast(a: Sequence[Number], b: Sequence[Number]) -> Steps[tuple[Number, ...]]:
    """Need leading axes that are equal, or 1, or missing; return the larger ones."""
    long, short = (a, b) if len(a) >= len(b) else (b, a)
    sizes = list(long)
    for n, size in enumerate(short, start=len(long) - len(short)):
        yield need(
            equal(sizes[n], size) | equal(sizes[n], 1) | equal(size, 1),
            "the axes before the last two are equal or 1, got {a} and {b}",
            a=tuple(a),
            b=tuple(b),
        )
        sizes[n] = choose(equal(sizes[n], 1), size, sizes[n])
    return tuple(sizes)


def scaled_dot_product_check(s: Settings) -> Iterator[Need]:
    """Need a weight to survive."""
    yield need(s.dropout < 1, "dropout is smaller than 1, got {dropout}", dropout=s.dropout)


def scaled_dot_product_shape(x: Any, s: Settings) -> Steps[Any]:
    """Give one value for each query, and its weights over the keys."""
    query, key, value = several_shapes(x, *THREE)
    for n, (what, one) in enumerate(zip(THREE, (query, key, value))):
        yield from fits_layout(one, s, what, n)
    text = "query and key have the same number of features, got {a} and {b}"
    yield need(equal(query[-1], key[-1]), text, a=query[-1], b=key[-1])
    text = "there is one value for each key, got {a} keys and {b} values"
    yield need(equal(key[-2], value[-2]), text, a=key[-2], b=value[-2])
    leading = yield from broadcast(query[:-2], key[:-2])
    weights = (*leading, query[-2], key[-2])
    leading = yield from broadcast(leading, value[:-2])
    return (*leading, query[-2], value[-1]), weights


def scaled_dot_product_products(x: Any, y: Any, s: Settings) -> Number:
    """Multiply queries by keys, and weights by values."""
    output, weights = y
    return 2 * product(weights) * x[0][-1] + 2 * product(output) * weights[-1]


# ---------------------------------------------------------------- multi-head
def heads_divide(heads: Number, width: Number, heads_name: str) -> Need:
    """Need heads of equal width."""
    return need(
        equal(width % heads, 0),
        heads_name + " divides d_model, got {heads} heads and a width of {width}",
        heads=heads,
        width=width,
    )


def attention_state(width: Number, bias: Any, name: str = "") -> list[Entry]:
    """Three projections stacked into one matrix, and the one of the output."""
    return [
        Entry(f"{name}in_proj_weight", (3 * width, width)),
        Entry(f"{name}in_proj_bias", (3 * width,), bias),
        Entry(f"{name}out_proj.weight", (width, width)),
        Entry(f"{name}out_proj.bias", (width,), bias),
    ]


def attention_products(N: Number, L: Number, S: Number, E: Number) -> Number:
    """Project queries and outputs (L) and keys and values (S), then mix S values L times."""
    return 4 * N * (L + S) * E**2 + 4 * N * L * S * E


def multi_head_shape(x: Any, s: Settings) -> Steps[Any]:
    """Give one output for each query, and on request the weights of each head."""
    query, key, value = several_shapes(x, *THREE)
    for n, (what, one) in enumerate(zip(THREE, (query, key, value))):
        yield from fits_layout(one, s, what, n)
        yield same_size(one[-1], s.d_model, f"last ({what})", "d_model")
        fits = len(one) == len(query) and (len(query) == 2 or equal(one[0], query[0]))
        text = "query and {what} have the same batch axis, or both none, got {a} and {b}"
        yield need(fits, text, what=what, a=query, b=one)
    text = "there is one value for each key, got {a} keys and {b} values"
    yield need(equal(key[-2], value[-2]), text, a=key[-2], b=value[-2])
    weights = (*query[:-2], s.h, query[-2], key[-2])
    return (query, weights) if s.need_weights else query


def multi_head_products(x: Any, y: Any, s: Settings) -> Number:
    """Take what attention takes."""
    query, key, _ = x
    return attention_products(product(query[:-2]), query[-2], key[-2], s.d_model)


# ---------------------------------------------------------------- positions
def positional_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep the shape; every position has to have an encoding."""
    yield from unchanged(x, s)
    yield same_size(x[-1], s.d_model, "last", "d_model")
    text = "there are encodings for max_len = {most} positions, got {length}: raise max_len"
    yield need(x[-2] <= s.max_len, text, most=s.max_len, length=x[-2])
    return x


WIDTH = Parameter("d_model", "int", letter="E", low=1, example=64)
RULES = [
    Rule(
        "ScaledDotProductAttention",
        "attention",
        (dropout(0.0),),
        ("N L E, N S E, N S E_v", "* L E, * S E, * S E_v"),
        scaled_dot_product_shape,
        check=scaled_dot_product_check,
        products=scaled_dot_product_products,
        changes=("E_v",),
        mode_note="differs if dropout > 0",
    ),
    Rule(
        "MultiHeadAttention",
        "attention",
        (Parameter("h", "int", letter="h", low=1, example=8), WIDTH, dropout(0.1), BIAS),
        ("N L E, N S E, N S E", "L E, S E, S E"),
        multi_head_shape,
        lambda s: attention_state(s.d_model, s.bias),
        lambda s: [heads_divide(s.h, s.d_model, "h"), *scaled_dot_product_check(s)],
        multi_head_products,
        mode="differs",
        mode_note="same if dropout=0",
        forward=(Parameter("need_weights", "bool", False, structural=True),),
    ),
    Rule(
        "PositionalEncoding",
        "attention",
        (WIDTH, dropout(0.1), Parameter("max_len", "int", 5000, low=1)),
        ("N L E", "L E"),
        positional_shape,
        mode="differs",
        mode_note="same if dropout=0",
    ),
]

"""Rules of the layers that work on single elements or on the last axis."""

from collections.abc import Iterable
from typing import Any

from layerref.rules.arithmetic import Number, equal, exact_div, product
from layerref.rules.inverse import feature_candidates
from layerref.rules.record import (
    Entry,
    Need,
    Parameter,
    Rule,
    Settings,
    Steps,
    batched_or_not,
    fits_layout,
    need,
    same_size,
    unchanged,
)

ANY = ("N C H W", "*")
INPLACE = Parameter("inplace", "bool", False, structural=True)
BIAS = Parameter("bias", "bool", True)


# ---------------------------------------------------------------- Linear, Embedding
def linear_shape(x: Any, s: Settings) -> Steps[Any]:
    """Replace the last axis."""
    yield from fits_layout(x, s)
    yield same_size(x[-1], s.in_features, "last", "in_features")
    return (*x[:-1], s.out_features)


def linear_state(s: Settings) -> list[Entry]:
    """One weight for each pair of features."""
    weight = Entry("weight", (s.out_features, s.in_features))
    return [weight, Entry("bias", (s.out_features,), s.bias)]


def matrix_products(x: Any, y: Any, s: Settings) -> Number:
    """Multiply every position by the weight matrix: 2 for each weight."""
    return 2 * product(x[:-1]) * product(s.rule.state(s)[0].shape)


def embedding_shape(x: Any, s: Settings) -> Steps[Any]:
    """Append the embedding to the axes of the indices."""
    yield from fits_layout(x, s)
    return (*x, s.embedding_dim)


def embedding_check(s: Settings) -> Iterable[Need]:
    """Need a padding index that is one of the rows."""
    if s.padding_idx is not None:
        inside = (s.padding_idx >= -s.num_embeddings) & (s.padding_idx < s.num_embeddings)
        text = "padding_idx is a row, from -{rows} to {rows} - 1, got {index}"
        yield need(inside, text, rows=s.num_embeddings, index=s.padding_idx)


# ---------------------------------------------------------------- Flatten, Unflatten
def axis_number(x: Any, dim: int, name: str) -> Steps[int]:
    """Count a negative axis from the end; a tensor without axes counts as one of one axis."""
    rank = max(len(x), 1)
    text = "{name} names one of the {rank} axes, from -{rank} to {rank} - 1, got {dim}"
    yield need(-rank <= dim < rank, text, name=name, rank=rank, dim=dim)
    return dim % rank


def flatten_shape(x: Any, s: Settings) -> Steps[Any]:
    """Merge the axes from start_dim to end_dim."""
    yield from fits_layout(x, s)
    start = yield from axis_number(x, s.start_dim, "start_dim")
    end = yield from axis_number(x, s.end_dim, "end_dim")
    text = "start_dim comes no later than end_dim, got axes {start} and {end}"
    yield need(start <= end, text, start=start, end=end)
    return (*x[:start], product(x[start : end + 1]), *x[end + 1 :])


def unflatten_shape(x: Any, s: Settings) -> Steps[Any]:
    """Split one axis; one of the new sizes may be -1, which is what remains."""
    yield from fits_layout(x, s)
    yield need(len(x) > 0, "a tensor without axes has none to split: unsqueeze it")
    dim = yield from axis_number(x, s.dim, "dim")
    sizes = s.unflattened_size
    known = product(n for n in sizes if n != -1)
    open_sizes = sizes.count(-1)
    possible = (open_sizes <= 1) & (len(sizes) > 0)
    for n in sizes:
        possible = possible & (n >= -1)
    if open_sizes:
        possible = possible & (known > 0)
    text = "it takes one size or more, at least 0, or one -1 if no other is 0, got {sizes}"
    yield need(possible, text, sizes=sizes)
    fits = equal(x[dim] % known, 0) if open_sizes else equal(x[dim], known)
    text = "the sizes {sizes} have to multiply to {size}, the size of axis {dim}; one may be -1"
    yield need(fits, text, sizes=sizes, size=x[dim], dim=dim)
    sizes = tuple(exact_div(x[dim], known) if n == -1 else n for n in sizes)
    return (*x[:dim], *sizes, *x[dim + 1 :])


# ---------------------------------------------------------------- activations, dropout
def hardtanh_check(s: Settings) -> Iterable[Need]:
    """Need an interval that is not empty."""
    low = s.min_val if s.min_value is None else s.min_value
    high = s.max_val if s.max_value is None else s.max_value
    text = "min_val is smaller than max_val, got {low} and {high}"
    yield need(low < high, text, low=low, high=high)


def channel_dropout_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep the shape; a channel axis has to exist as soon as something is dropped."""
    yield from fits_layout(x, s)
    idle = s.p in (0, 1) or equal(product(x), 0)
    least = 1 if s.rule.name == "Dropout3d" else 2  # it adds the batch axis by itself
    text = "the channel axis is missing, the input has {rank} axes: unsqueeze it, or use Dropout"
    yield need(len(x) >= least or idle, text, rank=len(x))
    return x


def elementwise(name: str, family: str, *parameters: Parameter, **more: Any) -> Rule:
    """Build the rule of a layer that keeps the shape and has no parameters."""
    return Rule(name, family, parameters, ANY, unchanged, **more)


def dropout(name: str, layouts: tuple[str, ...], shape: Any = unchanged) -> Rule:
    """Build the rule of a dropout."""
    p = Parameter("p", "float", 0.5, "p", low=0, high=1)
    return Rule(name, "dropout", (p, INPLACE), layouts, shape, mode="differs")


def size(name: str, letter: str, example: int) -> Parameter:
    """Build a parameter that is one size."""
    return Parameter(name, "int", letter=letter, low=0, example=example)


RULES = [
    Rule(
        "Linear",
        "linear",
        (size("in_features", "H_in", 64), size("out_features", "H_out", 32), BIAS),
        ("N H_in", "* H_in"),
        linear_shape,
        linear_state,
        products=matrix_products,
        changes=("H_in",),
        candidates=feature_candidates("in_features", "out_features"),
    ),
    Rule(
        "Embedding",
        "linear",
        (
            size("num_embeddings", "V", 1000),
            size("embedding_dim", "E", 64),
            Parameter("padding_idx", "int", None, optional=True),
            Parameter("max_norm", "float", None, optional=True),
            Parameter("norm_type", "float", 2.0),
            Parameter("scale_grad_by_freq", "bool", False),
            Parameter("sparse", "bool", False),
            Parameter("_weight", "any", None, optional=True),
            Parameter("_freeze", "bool", False),
        ),
        ("N L", "*"),
        embedding_shape,
        lambda s: [Entry("weight", (s.num_embeddings, s.embedding_dim))],
        embedding_check,
        changes=("E",),
    ),
    Rule(
        "Flatten",
        "linear",
        (
            Parameter("start_dim", "int", 1, structural=True),
            Parameter("end_dim", "int", -1, structural=True),
        ),
        ANY,
        flatten_shape,
        changes=("*",),
    ),
    Rule(
        "Unflatten",
        "linear",
        (
            Parameter("dim", "int", structural=True, example=1),
            Parameter("unflattened_size", "sizes", structural=True, example=(2, -1)),
        ),
        ANY,
        unflatten_shape,
        changes=("*",),
    ),
    elementwise(
        "Threshold",
        "activation",
        Parameter("threshold", "float", example=0.0),
        Parameter("value", "float", example=0.0),
        INPLACE,
    ),
    elementwise("ReLU", "activation", INPLACE),
    elementwise(
        "GELU", "activation", Parameter("approximate", "choice", "none", choices=("none", "tanh"))
    ),
    elementwise(
        "Hardtanh",
        "activation",
        Parameter("min_val", "float", -1.0),
        Parameter("max_val", "float", 1.0),
        INPLACE,
        Parameter("min_value", "float", None, optional=True),
        Parameter("max_value", "float", None, optional=True),
        check=hardtanh_check,
    ),
    dropout("Dropout", ANY),
    dropout("Dropout1d", batched_or_not("C", 1)),
    dropout("Dropout2d", ("N C H W", "*"), channel_dropout_shape),
    dropout("Dropout3d", ("N C D H W", "C D H W", "*"), channel_dropout_shape),
]

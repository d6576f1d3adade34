"""Rules of the recurrent layers and their cells."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from layerref.rules.arithmetic import Number, as_flag, choose, product
from layerref.rules.inverse import feature_candidates
from layerref.rules.reading import is_shape
from layerref.rules.record import (
    Entry,
    Need,
    Parameter,
    Rule,
    Settings,
    Steps,
    fits_layout,
    need,
    same_shapes,
    same_size,
)

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def inputs(x: Any) -> tuple[Any, Any]:
    """Split what forward takes into the input and the initial states, if they are given."""
    if is_shape(x):
        return x, None
    if len(x) != 2:
        raise ValueError(f"give the input's shape, or (input, initial state), got {len(x)} items")
    return x


def weights(s: Settings, features: Number, name: str, present: Any = 1) -> list[Entry]:
    """Weights and two biases of one layer in one direction, its gates stacked."""
    rows = GATES[s.rule.name.removesuffix("Cell")] * s.hidden_size
    seen, projected = exposed_size(s), as_flag(getattr(s, "proj_size", 0) > 0)
    return [
        Entry(f"weight_ih{name}", (rows, features), present),
        Entry(f"weight_hh{name}", (rows, seen), present),
        Entry(f"bias_ih{name}", (rows,), present * s.bias),
        Entry(f"bias_hh{name}", (rows,), present * s.bias),
        Entry(f"weight_hr{name}", (seen, s.hidden_size), present * projected),
    ]


def exposed_size(s: Settings) -> Number:
    """Features of h: the hidden size, or what an LSTM projects it to."""
    projected = getattr(s, "proj_size", 0)
    return choose(projected > 0, projected, s.hidden_size)


def matrix_products(s: Settings, positions: Number) -> Number:
    """Multiply every position by every weight matrix."""
    return (
        2
        * positions
        * sum(as_flag(e.present) * product(e.shape) for e in s.rule.state(s) if e.key[0] == "w")
    )


# ---------------------------------------------------------------- layers
def check(s: Settings) -> Iterator[Need]:
    """Need a projection that makes the hidden state smaller."""
    text = "proj_size is smaller than hidden_size, got {proj} and {hidden}; 0 means none"
    proj = getattr(s, "proj_size", 0)
    yield need(proj < s.hidden_size, text, proj=proj, hidden=s.hidden_size)


def shape(x: Any, s: Settings) -> Steps[Any]:
    """Give the features of both directions at each step, and the last states."""
    input, states = inputs(x)
    yield from fits_layout(input, s)
    yield same_size(input[-1], s.input_size, "feature", "input_size")
    *steps, _ = input
    batch = [steps[0 if s.batch_first else 1]] if len(steps) == 2 else []
    length = steps[1 if s.batch_first and batch else 0]
    yield need(length > 0, "a sequence has at least one step, got {shape}", shape=tuple(input))
    directions = 1 + s.bidirectional
    h = (s.num_layers * directions, *batch, exposed_size(s))
    c = (s.num_layers * directions, *batch, s.hidden_size)
    last = (h, c) if s.rule.name == "LSTM" else h
    if states is not None:
        yield same_shapes(states, last, "initial state")
    return (*steps, directions * exposed_size(s)), last


def state(s: Settings) -> list[Entry]:
    """Every layer's weights, in both directions."""
    entries = []
    for layer in range(s.num_layers):
        features = s.input_size if layer == 0 else exposed_size(s) * (1 + s.bidirectional)
        entries += weights(s, features, f"_l{layer}")
        entries += weights(s, features, f"_l{layer}_reverse", s.bidirectional)
    return entries


# ---------------------------------------------------------------- cells
def cell_shape(x: Any, s: Settings) -> Steps[Any]:
    """Give the next state."""
    input, states = inputs(x)
    yield from fits_layout(input, s)
    yield same_size(input[-1], s.input_size, "feature", "input_size")
    h = (*input[:-1], s.hidden_size)
    following = (h, h) if s.rule.name == "LSTMCell" else h
    if states is not None:
        yield same_shapes(states, following, "state")
    return following


SIZES = (
    Parameter("input_size", "int", letter="H_in", low=1, example=64),
    Parameter("hidden_size", "int", letter="H", low=1, example=32),
)
LAYERS = Parameter("num_layers", "int", 1, letter="n", low=1)
BIAS = Parameter("bias", "bool", True)
NONLINEARITY = Parameter("nonlinearity", "choice", "tanh", choices=("tanh", "relu"))
SHARED = (
    BIAS,
    Parameter("batch_first", "bool", False, structural=True),
    Parameter("dropout", "float", 0.0, low=0, high=1),
    Parameter("bidirectional", "bool", False),
)
PROJECTION = Parameter("proj_size", "int", 0, low=0)
RULES = [
    *(
        Rule(
            name,
            "recurrent",
            (*SIZES, LAYERS, *own, *SHARED, *last),
            ("L N H_in", "L H_in"),
            shape,
            state,
            check,
            lambda x, y, s: matrix_products(s, product(inputs(x)[0][:-1])),
            changes=("H_in",),
            mode_note="differs if dropout > 0 and num_layers > 1",
            stacks=("num_layers",),
            candidates=feature_candidates("input_size", "hidden_size"),
        )
        for name, own, last in (
            ("RNN", (NONLINEARITY,), ()),
            ("LSTM", (), (PROJECTION,)),
            ("GRU", (), ()),
        )
    ),
    *(
        Rule(
            name,
            "recurrent",
            (*(replace(size, low=0) for size in SIZES), BIAS, *own),
            ("N H_in", "H_in"),
            cell_shape,
            lambda s: weights(s, s.input_size, ""),
            products=lambda x, y, s: matrix_products(s, product(inputs(x)[0][:-1])),
            changes=("H_in",),
            candidates=feature_candidates("input_size", "hidden_size"),
        )
        for name, own in (("RNNCell", (NONLINEARITY,)), ("LSTMCell", ()), ("GRUCell", ()))
    ),
]

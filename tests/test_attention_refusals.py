"""What attention refuses: the error names argument, values and remedy."""

from functools import partial

import oracle
import pytest
import torch
from attention_cases import build
from hypothesis import given
from hypothesis import strategies as st

from layerref import MultiHeadAttention, ScaledDotProductAttention

X, Y = torch.zeros(2, 5, 6), torch.zeros(2, 7, 6)


def call(*args):
    return lambda **kwargs: MultiHeadAttention(2, 6)(*args, **kwargs)


REFUSED = {
    "query's width": (call(X[..., :4], Y, Y), ValueError, ["query", "(2, 5, 4)", "Linear(4, 6)"]),
    "key's width": (call(X, Y[..., :4], Y), ValueError, ["key", "(2, 7, 4)", "d_model = 6"]),
    "value's width": (call(X, Y, Y[..., :4]), ValueError, ["value", "(2, 7, 4)"]),
    "one axis": (call(X[0, 0], Y, Y), ValueError, ["query", "(6,)", "(N, L, E) or (L, E)"]),
    "four axes": (call(X[None], Y, Y), ValueError, ["query", "(1, 2, 5, 6)"]),
    "no axis": (call(X.sum(), Y, Y), ValueError, ["query", "()"]),
    "batched and not": (call(X, Y[0], Y[0]), ValueError, ["key (7, 6)", "(2, 5, 6)"]),
    "batch": (call(X, Y[:1], Y[:1]), ValueError, ["key (1, 7, 6)", "key.expand(N, -1, -1)"]),
    "batch of value": (call(X, Y, Y[:1]), ValueError, ["value (1, 7, 6)"]),
    "lengths": (call(X, Y, Y[:, :6]), ValueError, ["key (2, 7, 6)", "value (2, 6, 6)", "S"]),
    "dtype of key": (
        call(X, Y.double(), Y),
        TypeError,
        ["key in torch.float64", "parameters in torch.float32", "key.to(torch.float32)"],
    ),
    "dtype of all": (call(X.half(), Y.half(), Y.half()), TypeError, ["query in torch.float16"]),
    "integers": (call(X.long(), Y, Y), TypeError, ["query in torch.int64"]),
    "mask of integers": (
        call(X, Y, Y, torch.ones(5, 7).int()),
        TypeError,
        ["int32", "mask.bool()"],
    ),
    "mask of doubles": (
        call(X, Y, Y, torch.ones(5, 7).double()),
        TypeError,
        ["mask in torch.float64", "query in torch.float32", "mask.to(torch.float32)"],
    ),
    "mask of one axis": (call(X, Y, Y, torch.ones(7).bool()), ValueError, ["(7,)", "(L, S)"]),
    "mask of five axes": (call(X, Y, Y, torch.ones(1, 1, 1, 5, 7).bool()), ValueError, ["5, 7)"]),
    "mask of padding": (
        call(X, Y, Y, torch.ones(2, 7).bool()),
        ValueError,
        ["(2, 7)", "mask[:, None, :]", "N=2, h=2, L=5, S=7"],
    ),
    "mask of torch": (
        call(X, Y, Y, torch.ones(4, 5, 7).bool()),
        ValueError,
        ["(4, 5, 7)", "mask_from_torch"],
    ),
    "mask of other S": (call(X, Y, Y, torch.ones(5, 5).bool()), ValueError, ["(5, 5)", "S=7"]),
    "mask of S = 1": (call(X, Y, Y, torch.ones(5, 1).bool()), ValueError, ["(5, 1)"]),
    "mask of other h": (call(X, Y, Y, torch.ones(2, 3, 5, 7).bool()), ValueError, ["h=2"]),
    "mask of other N": (call(X, Y, Y, torch.ones(3, 1, 5, 7).bool()), ValueError, ["N=2"]),
    "batched mask, no batch": (
        call(X[0], Y[0], Y[0], torch.ones(2, 5, 7).bool()),
        ValueError,
        ["N=1", "(2, 5, 7)"],
    ),
    "mask of other L": (call(X, Y, Y, torch.ones(4, 7).bool()), ValueError, ["(4, 7)", "L=5"]),
    "batched mask of other L": (
        call(X, Y, Y, torch.ones(2, 4, 7).bool()),
        ValueError,
        ["(2, 4, 7)", "L=5"],
    ),
    "heads' mask of other S": (
        call(X, Y, Y, torch.ones(2, 2, 5, 6).bool()),
        ValueError,
        ["(2, 2, 5, 6)", "S=7"],
    ),
    "mask of no axis": (call(X, Y, Y, torch.tensor(True)), ValueError, ["()", "(L, S)"]),
    "float mask of padding": (call(X, Y, Y, torch.zeros(2, 7)), ValueError, ["mask[:, None, :]"]),
    "float mask of torch": (call(X, Y, Y, torch.zeros(4, 5, 7)), ValueError, ["mask_from_torch"]),
    "mask of bytes": (
        call(X, Y, Y, torch.ones(5, 7, dtype=torch.uint8)),
        TypeError,
        ["uint8", "mask.bool()"],
    ),
    "mask of complex numbers": (
        call(X, Y, Y, torch.ones(5, 7, dtype=torch.complex64)),
        TypeError,
        ["complex64"],
    ),
    "mask of halves": (
        call(X, Y, Y, torch.zeros(5, 7).half()),
        TypeError,
        ["mask in torch.float16", "mask.to(torch.float32)"],
    ),
}
BUILT = {
    "h does not divide": ((4, 6), ["h=4, d_model=6", "[1, 2, 3, 6]"]),
    "h swapped": ((64, 8), ["h=64, d_model=8", "first"]),
    "h zero": ((0, 6), ["h=0"]),
    "h negative": ((-2, 6), ["h=-2"]),
    "d_model zero": ((1, 0), ["d_model=0"]),
    "dropout 1": ((2, 6, 1.0), ["dropout", "1.0"]),
    "dropout below": ((2, 6, -0.1), ["dropout", "-0.1"]),
}
READABLE = {
    "dropout NaN": (lambda: ScaledDotProductAttention(float("nan")), ValueError, ["nan"]),
    "dropout 1": (lambda: ScaledDotProductAttention(1.0), ValueError, ["1.0"]),
    "mask of integers": (
        lambda: ScaledDotProductAttention()(X, Y, Y, torch.ones(5, 7).int()),
        TypeError,
        ["int32", "mask.bool()"],
    ),
}


def assert_refuses(refused, error, words):
    with pytest.raises(error) as caught:
        refused()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_argument_values_and_remedy(case, need_weights, is_causal):
    refused, error, words = REFUSED[case]
    call = partial(refused, need_weights=need_weights, is_causal=is_causal)
    assert_refuses(call, error, words)


@pytest.mark.parametrize("case", BUILT)
def test_settings_that_are_refused(case):
    settings, words = BUILT[case]
    assert_refuses(lambda: MultiHeadAttention(*settings), ValueError, words)


@pytest.mark.parametrize("case", READABLE)
def test_readable_form_refuses(case):
    assert_refuses(*READABLE[case])


@st.composite
def shapes(draw):
    """Draw three input shapes that fit more or less."""
    size = st.sampled_from
    made = []
    for _ in range(3):
        shape = [draw(size([2, 2, 2, 1])), draw(size([5, 5, 5, 3])), draw(size([6, 6, 6, 6, 4]))]
        made.append(shape[draw(size([0, 0, 0, 1, 1, 2])) :])
    return made


@given(shapes())
def test_refuses_the_inputs_that_torch_refuses(made):
    ours, theirs = build(2, 6)
    inputs = [torch.zeros(shape, dtype=torch.float64) for shape in made]
    oracle.assert_refused_alike(lambda: ours(*inputs), lambda: theirs(*inputs))

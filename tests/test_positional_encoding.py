"""PositionalEncoding against its formula in exact-enough arithmetic."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from layerref import PositionalEncoding


def formula(t, column, d_model):
    angle = t / 10000 ** ((column - column % 2) / d_model)
    return math.cos(angle) if column % 2 else math.sin(angle)


def test_by_hand():
    """Section 3.5 with E = 4: the second hand turns a hundred times slower."""
    pe = PositionalEncoding(4, dropout=0.0).double().pe
    assert pe[0].tolist() == [0.0, 1.0, 0.0, 1.0]
    expected = [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)]
    torch.testing.assert_close(pe[1], torch.tensor(expected, dtype=torch.float64))


@given(st.integers(1, 9), st.integers(1, 60))
def test_equals_the_formula(d_model, max_len):
    pe = PositionalEncoding(d_model, max_len=max_len).double().pe
    expected = [[formula(t, c, d_model) for c in range(d_model)] for t in range(max_len)]
    torch.testing.assert_close(pe, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_every_type_is_rounded_once(dtype):
    """Far positions too: computed in float32, the last would be wrong by 1e-4."""
    exact = PositionalEncoding(6).double().pe
    by_detour = PositionalEncoding(6).half().to(dtype).pe
    assert torch.equal(by_detour, exact.to(dtype))
    assert exact[4999, 0].item() == pytest.approx(math.sin(4999), abs=1e-12)


@given(st.integers(1, 9), st.integers(0, 20), st.integers(0, 20))
def test_a_shift_is_a_fixed_rotation(d_model, t, k):
    """PE(t + k) = R(k) PE(t), with one rotation for all t."""
    d_model += d_model % 2
    pe = PositionalEncoding(d_model, max_len=64).double().pe
    hands = pe.view(64, -1, 2)
    sin, cos = hands[k].unbind(-1)
    rotation = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
    turned = (rotation @ hands[t][..., None])[..., 0]
    torch.testing.assert_close(turned, hands[t + k], rtol=0, atol=1e-12)
    # so the product of two codes depends on their distance alone
    torch.testing.assert_close(pe[t] @ pe[t + k], pe[0] @ pe[k], rtol=0, atol=1e-12)


@given(st.booleans(), st.integers(0, 7), st.integers(1, 5))
def test_adds_the_first_rows(batched, length, d_model):
    encode = PositionalEncoding(d_model, dropout=0.5, max_len=7).double().eval()
    x = torch.randn(*[3][:batched], length, d_model, dtype=torch.float64, requires_grad=True)
    y = encode(x)
    torch.testing.assert_close(y, x + encode.pe[:length], rtol=0, atol=0)
    y.sum().backward()
    assert (x.grad == 1).all()


def test_dropout():
    encode, x = PositionalEncoding(8, dropout=0.25), torch.zeros(3, 5000, 8)
    y = encode(x)
    assert 0.24 < (y == 0).float().mean() - (encode.pe == 0).float().mean() * 0.75 < 0.26
    kept = y != 0
    torch.testing.assert_close(y[kept], (encode.pe / 0.75).expand_as(y)[kept])
    assert torch.equal(encode.eval()(x), encode.pe.expand_as(x))
    assert (PositionalEncoding(8, dropout=1.0)(x) == 0).all()


def test_state():
    encode = PositionalEncoding(6, 0.3, 11)
    assert (encode.d_model, encode.dropout, encode.max_len) == (6, 0.3, 11)
    assert repr(encode) == "PositionalEncoding(d_model=6, dropout=0.3, max_len=11)"
    assert list(encode.state_dict()) == list(encode.parameters()) == []
    assert not encode.pe.requires_grad
    PositionalEncoding(6, max_len=20).load_state_dict(encode.state_dict())
    assert torch.equal(copy.deepcopy(encode).pe, encode.pe)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_keeps_the_type_of_its_input(dtype):
    x = torch.randn(2, 5, 6).to(dtype)
    for encode in (PositionalEncoding(6, 0.0), PositionalEncoding(6, 0.0).to(dtype)):
        y = encode(x)
        assert y.dtype == dtype
        tolerance = 2 * torch.finfo(dtype).eps
        exact = x.double() + PositionalEncoding(6).double().pe[:5]
        torch.testing.assert_close(y.double(), exact, rtol=tolerance, atol=max(tolerance, 1e-7))


def test_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        assert PositionalEncoding(6).pe.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_meta_device():
    with torch.device("meta"):
        encode = PositionalEncoding(6)
        assert encode(torch.zeros(2, 3, 6)).is_meta
    assert encode.pe.is_meta
    # buffers that are in no state dict stay unset after to_empty, but for this one
    assert torch.equal(encode.to_empty(device="cpu").pe, PositionalEncoding(6).pe)
    assert PositionalEncoding(6).to("meta").pe.is_meta


def test_compiles_and_exports():
    encode, x = PositionalEncoding(6).eval(), torch.randn(2, 5, 6)
    compiled = torch.compile(encode, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), encode(x))
    torch.testing.assert_close(torch.export.export(encode, (x,)).module()(x), encode(x))
    torch.testing.assert_close(torch.vmap(encode)(x), encode(x))
    assert torch.autograd.gradcheck(encode.double(), x.double().requires_grad_())


REFUSED = {
    "width": (lambda: PositionalEncoding(0), ValueError, ["d_model=0"]),
    "length": (lambda: PositionalEncoding(4, max_len=0), ValueError, ["max_len=0"]),
    "dropout": (lambda: PositionalEncoding(4, dropout=1.5), ValueError, ["dropout", "1.5"]),
    "long": (
        lambda: PositionalEncoding(4, max_len=3)(torch.zeros(2, 5, 4)),
        ValueError,
        ["max_len=3", "L=5", "(2, 5, 4)", "max_len=5 or more"],
    ),
    "other width": (
        lambda: PositionalEncoding(4)(torch.zeros(2, 5, 6)),
        ValueError,
        ["d_model = 4", "(2, 5, 6)"],
    ),
    "one axis": (lambda: PositionalEncoding(4)(torch.zeros(4)), ValueError, ["(4,)"]),
    "four axes": (
        lambda: PositionalEncoding(4)(torch.zeros(1, 2, 5, 4)),
        ValueError,
        ["(N, L, E)"],
    ),
    "integers": (
        lambda: PositionalEncoding(4)(torch.zeros(2, 5, 4).long()),
        TypeError,
        ["torch.int64", "Embedding"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    refused, error, words = REFUSED[case]
    with pytest.raises(error) as caught:
        refused()
    for word in words:
        assert word in str(caught.value)

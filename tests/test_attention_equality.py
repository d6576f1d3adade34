"""Attention against nn.MultiheadAttention and the fused kernel, by hand, and near-misses."""

import copy

import oracle
import pytest
import torch
import torch.nn.functional as F
from attention_cases import Cross, First, Self, Three, build, masks, settings
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from layerref import MultiHeadAttention, ScaledDotProductAttention, causal_mask


@given(settings())
def test_equals_nn_multihead_attention(setting):
    made, wrapper, inputs, call = setting
    ours, theirs = build(**made)
    oracle.compare(wrapper(ours), wrapper(theirs), *inputs, **call)


@given(settings())
def test_equals_nn_multihead_attention_in_inference(setting):
    """Their eval mode without gradients runs other code, a kernel of its own."""
    made, wrapper, inputs, call = setting
    ours, theirs = (wrapper(m).eval() for m in build(**made))
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            oracle.assert_close(ours(*inputs, **call), theirs(*inputs, **call))


@pytest.mark.parametrize("wrapper", [Self, Cross, Three])
@pytest.mark.parametrize("need_weights", [False, True])
def test_long_sequences_equal_nn_multihead_attention(wrapper, need_weights):
    """Beyond some length the heads are laid out anew."""
    ours, theirs = (wrapper(m) for m in build(2, 6))
    lengths = {Self: [521], Cross: [257, 521], Three: [257, 521, 521]}[wrapper]
    inputs = [torch.randn(2, n, 6, dtype=torch.float64) for n in lengths]
    keep = torch.rand(2, 1, 521) < 0.7
    oracle.compare(ours, theirs, *inputs, keep, need_weights=need_weights)


@st.composite
def bare(draw):
    torch.manual_seed(draw(st.integers(0, 2**31)))
    lead = draw(st.sampled_from([(), (2,), (3, 2), (1, 2, 3)]))
    L, S, d_k, d_v = (draw(st.sampled_from(n)) for n in ([1, 2, 5], [1, 3, 7], [1, 2, 5], [1, 3]))
    tensors = [
        torch.randn(*lead, *shape, dtype=torch.float64) for shape in ((L, d_k), (S, d_k), (S, d_v))
    ]
    mask = draw(st.none() | masks(*(1, 1, L, S), empty=True))
    if mask is not None and mask.dim() > len(lead) + 2:
        mask = mask.reshape(mask.shape[-2:])
    return [*tensors, mask], draw(st.sampled_from([0.0, 0.0, 0.3]))


@given(bare())
def test_readable_form_equals_the_fused_kernel(setting):
    inputs, dropout = setting

    class Fused(nn.Module):
        def forward(self, query, key, value, mask):
            p = dropout if self.training else 0.0
            return F.scaled_dot_product_attention(query, key, value, mask, p)

    oracle.compare(First(ScaledDotProductAttention(dropout)), Fused(), *inputs)


@given(bare())
def test_readable_weights(setting):
    inputs, _ = setting
    *tensors, mask = inputs
    output, weights = ScaledDotProductAttention().double()(*tensors, mask)
    assert weights.shape == (*output.shape[:-1], tensors[1].shape[-2])
    total = weights.sum(-1)
    hidden = torch.zeros(1, dtype=torch.bool)
    if mask is not None:
        hidden = ~mask if mask.dtype == torch.bool else mask == -torch.inf
        assert (weights.masked_select(hidden) == 0).all()
        hidden = hidden.all(-1)
    expected = torch.ones_like(total).masked_fill(hidden, 0)
    torch.testing.assert_close(total, expected)
    oracle.assert_close(output, weights @ tensors[2])


# --- by hand --------------------------------------------------------------------------------------


def test_by_hand():
    """d_k = 4: scores 0 and ln 3 after the division by 2 give weights 1/4 and 3/4."""
    query = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    key = torch.tensor([[0.0, 1.0, 0.0, 0.0], [torch.tensor(3.0).log(), 0.0, 0.0, 0.0]])
    value = torch.tensor([[4.0], [8.0]])
    output, weights = ScaledDotProductAttention()(query, key, value)
    torch.testing.assert_close(weights, torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(output, torch.tensor([[7.0]]))


def test_one_head_of_identity_projections_is_the_readable_form():
    mha = MultiHeadAttention(1, 3, dropout=0.0)
    with torch.no_grad():
        mha.in_proj_weight.copy_(torch.eye(3).repeat(3, 1))
        mha.out_proj.weight.copy_(torch.eye(3))
    x, y = torch.randn(2, 5, 3), torch.randn(2, 7, 3)
    expected = ScaledDotProductAttention()(x, y, y)
    torch.testing.assert_close(mha(x, y, y), expected[0])
    _output, weights = mha(x, y, y, need_weights=True)
    torch.testing.assert_close(weights[:, 0], expected[1])


def test_parameter_count_does_not_depend_on_heads():
    for h in (1, 8, 16):
        assert sum(p.numel() for p in MultiHeadAttention(h, 64).parameters()) == 16_640


def test_settings_can_be_read_back():
    mha = MultiHeadAttention(2, 6, 0.25, bias=False)
    assert (mha.h, mha.d_model, mha.dropout) == (2, 6, 0.25)
    assert mha.in_proj_bias is None
    assert mha.out_proj.bias is None
    assert repr(mha).startswith("MultiHeadAttention(\n  h=2, d_model=6, bias=False\n")
    assert repr(ScaledDotProductAttention(0.5)) == "ScaledDotProductAttention(dropout=0.5)"


# --- near-misses ----------------------------------------------------------------------------------


def near_miss(ours, change):
    """Return a copy of the layer whose forward arguments or projections are changed."""
    wrong = copy.deepcopy(ours)
    if change in ("flipped mask", "causal off by one", "causal excludes itself"):
        right = wrong.forward

        def forward(q, k, v, mask=None, *, is_causal=False, need_weights=False):
            if change == "flipped mask":
                mask = None if mask is None else ~mask
            elif is_causal:
                offset = 1 if change == "causal off by one" else -1
                mask, is_causal = causal_mask(q.shape[-2], k.shape[-2], offset=offset), False
            return right(q, k, v, mask, is_causal=is_causal, need_weights=need_weights)

        wrong.forward = forward
    else:
        d_k = ours.d_model // ours.h
        factor = {"no scale": d_k**0.5, "scaled by d_model": (d_k / ours.d_model) ** 0.5}[change]
        project = wrong._project
        wrong._project = lambda *args: [
            t * f for t, f in zip(project(*args), (factor, 1, 1), strict=True)
        ]
    return wrong


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize(
    ("change", "call"),
    [
        ("flipped mask", {"mask": torch.ones(5, 5).tril().bool()}),
        ("causal off by one", {"is_causal": True}),
        ("causal excludes itself", {"is_causal": True}),
        ("no scale", {}),
        ("scaled by d_model", {}),
    ],
)
def test_near_misses_are_told_apart(change, call, need_weights):
    ours, theirs = build(2, 6)
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    call = {**call, "need_weights": need_weights}
    oracle.compare(ours, theirs, x, x, x, **call)
    oracle.assert_rejected(near_miss(ours, change), theirs, x, x, x, **call)


# --- identities -----------------------------------------------------------------------------------


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_symmetries(seed, other):
    torch.manual_seed(seed)
    mha, _ = build(2, 6, seed=seed)
    x, y = torch.randn(2, 5, 6).double(), torch.randn(2, 7, 6).double()
    keep = torch.rand(5, 7) < 0.6
    torch.manual_seed(other)
    rows, columns = torch.randperm(5), torch.randperm(7)
    a = mha(x, y, y, keep)
    oracle.assert_close(mha(x[:, rows], y, y, keep[rows]), a[:, rows])
    oracle.assert_close(mha(x, y[:, columns], y[:, columns], keep[:, columns]), a)
    # keys and values that are hidden from all may as well be absent
    some = torch.rand(7) < 0.6
    oracle.assert_close(mha(x, y, y, some[None]), mha(x, y[:, some], y[:, some]))
    # a shift of a query's scores, which is all that a bias of the keys makes, changes nothing
    with torch.no_grad():
        mha.in_proj_bias[6:12] += 3.0
    oracle.assert_close(mha(x, y, y, keep), a)

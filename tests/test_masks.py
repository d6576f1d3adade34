"""The three mask conventions and the way from each to each."""

import oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import layerref
from layerref import (
    MultiHeadAttention,
    causal_mask,
    combine_masks,
    mask_from_torch,
    mask_to_additive,
    mask_to_boolean,
    mask_to_torch,
    padding_mask,
)

SIZES = (2, 3, 5, 7)  # N, h, L, S


@st.composite
def masks(draw, size=SIZES, additive=True):
    """Draw a keep mask, or an additive one, of any shape that fits ``size``."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    N, h, L = (n if draw(st.booleans()) else 1 for n in size[:3])
    shape = draw(st.sampled_from([(L,), (N, L), (N, h, L)]))
    keep = torch.rand(*shape, size[3]) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    if additive and draw(st.booleans()):
        return torch.randn(keep.shape).masked_fill(~keep, -torch.inf)
    return keep


def full(mask, size=SIZES):
    """Expand a mask to (N, h, L, S), additive, by a rule written here alone."""
    if mask.dtype == torch.bool:
        mask = torch.where(mask, 0.0, -torch.inf)
    while mask.dim() < 4:
        mask = mask.unsqueeze(0 if mask.dim() == 2 else 1)
    return mask.expand(size)


# --- made masks -----------------------------------------------------------------------------------


@given(*[st.integers(0, 7)] * 2, st.integers(-8, 8))
def test_causal_mask(L, S, offset):
    mask = causal_mask(L, S, offset=offset)
    assert mask.shape == (L, S)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[j <= i + offset for j in range(S)] for i in range(L)]


def test_causal_mask_is_what_is_causal_means():
    for L, S in ((5, 5), (3, 7), (7, 3)):
        q, k, v = torch.randn(1, 2, L, 4), torch.randn(1, 2, S, 4), torch.randn(1, 2, S, 4)
        by_flag = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        by_mask = F.scaled_dot_product_attention(q, k, v, causal_mask(L, S))
        torch.testing.assert_close(by_flag, by_mask)
    assert torch.equal(causal_mask(4), causal_mask(4, 4))
    assert causal_mask(2, device="meta").is_meta


@given(st.lists(st.integers(0, 7), max_size=5), st.integers(0, 3))
def test_padding_mask(lengths, more):
    longest = max(lengths, default=0)
    rows = [[[j < n for j in range(longest)]] for n in lengths]
    assert padding_mask(lengths).tolist() == rows
    assert padding_mask(torch.tensor(lengths, dtype=torch.long)).tolist() == rows
    wider = padding_mask(lengths, longest + more)
    assert wider.shape == (len(lengths), 1, longest + more)
    assert wider[..., longest:].sum() == 0


# --- conversions ----------------------------------------------------------------------------------


@given(masks())
def test_round_trip_through_torch(mask):
    back = mask_from_torch(mask_to_torch(mask, SIZES), num_heads=SIZES[1])
    assert back.dtype == mask.dtype
    assert torch.equal(full(back), full(mask))
    if mask.dim() == 2:
        assert torch.equal(mask_from_torch(mask_to_torch(mask)), mask)


@given(masks(additive=False), st.sampled_from([torch.float64, torch.float16, torch.bfloat16]))
def test_round_trip_through_additive(mask, dtype):
    additive = mask_to_additive(mask, dtype)
    assert additive.dtype == dtype
    assert torch.equal(mask_to_boolean(additive), mask)
    assert torch.equal(mask_to_boolean(mask), mask)
    assert torch.equal(mask_to_additive(additive, torch.float64), mask_to_additive(mask).double())
    assert mask_to_additive(mask).dtype == torch.get_default_dtype()


@given(st.lists(st.none() | masks(), max_size=4))
def test_combined_masks_hide_what_any_hides(given_masks):
    before = [m if m is None else m.clone() for m in given_masks]
    combined = combine_masks(*given_masks)
    there = [m for m in given_masks if m is not None]
    if not there:
        assert combined is None
        return
    assert combined.dim() == max(m.dim() for m in there)
    assert (combined.dtype == torch.bool) == all(m.dtype == torch.bool for m in there)
    torch.testing.assert_close(full(combined), sum(map(full, there)))
    assert all(
        a is b is None or torch.equal(a, b) for a, b in zip(before, given_masks, strict=True)
    )


@given(st.data())
def test_from_torch_means_what_torch_means(data):
    """nn.MultiheadAttention with its masks, ours with the one that we make of them."""
    N, h, L, S = 2, 3, 5, 7
    torch.manual_seed(data.draw(st.integers(0, 2**31)))

    def draw_hidden(*shape):
        hidden = torch.rand(shape) < 0.5
        hidden[..., 0] = False
        if data.draw(st.booleans()):
            return torch.randn(shape, dtype=torch.float64).masked_fill(hidden, -torch.inf)
        return hidden

    batched = data.draw(st.booleans())
    N = N if batched else 1
    shape = data.draw(st.sampled_from([None, (L, S), (N * h, L, S)]))
    attn = draw_hidden(*shape) if shape else None
    padding = draw_hidden(*((N, S) if batched else (S,))) if data.draw(st.booleans()) else None
    if attn is not None and padding is not None and attn.dtype != padding.dtype:
        # torch warns of mixed types, and takes them
        attn, padding = (
            m.double().masked_fill(m, -torch.inf) if m.dtype == torch.bool else m
            for m in (attn, padding)
        )
    theirs = nn.MultiheadAttention(6, h, batch_first=True).double()
    ours = MultiHeadAttention(h, 6, 0.0).double()
    ours.load_state_dict(theirs.state_dict())
    x, y = torch.randn(N, L, 6).double(), torch.randn(N, S, 6).double()
    x, y = (x, y) if batched else (x[0], y[0])
    mask = mask_from_torch(attn, padding, h)
    assert (mask is None) == (attn is None and padding is None)
    expected = theirs(x, y, y, padding, attn_mask=attn, average_attn_weights=False)
    oracle.assert_close(ours(x, y, y, mask, need_weights=True), expected)
    if mask is not None:
        back = mask_to_torch(mask, (N, h, L, S))
        again = theirs(x, y, y, attn_mask=back, average_attn_weights=False)
        oracle.assert_close(again, expected)


def test_mixed_types_of_torch_masks():
    hidden = torch.tensor([[False, True, False]])
    bias = torch.tensor([[1.0, 2.0, -torch.inf]])
    both = mask_from_torch(bias, hidden)
    assert both.tolist() == [[[1.0, -torch.inf, -torch.inf]]]


def test_near_miss_a_flipped_mask_is_told_apart():
    hidden = torch.ones(5, 5).triu(1).bool()
    assert not torch.equal(mask_from_torch(hidden), hidden)
    assert torch.equal(mask_from_torch(hidden), causal_mask(5))


# --- refusals -------------------------------------------------------------------------------------

T = torch.ones

REFUSED = {
    "negative size": (lambda: causal_mask(-1), ValueError, ["L=-1, S=-1"]),
    "length above S": (lambda: padding_mask([3, 6], S=5), ValueError, ["S=5", "[3, 6]", "S=6"]),
    "length below 0": (lambda: padding_mask([-1, 2]), ValueError, ["[-1, 2]"]),
    "lengths of two axes": (lambda: padding_mask(T(2, 3).long()), ValueError, ["(2, 3)", "(N,)"]),
    "lengths of floats": (lambda: padding_mask([1.0]), ValueError, ["torch.float32"]),
    "lengths of bools": (lambda: padding_mask(T(2).bool()), ValueError, ["torch.bool"]),
    "combined integers": (lambda: combine_masks(T(2, 3).int()), TypeError, ["int32", ".bool()"]),
    "combined one axis": (lambda: combine_masks(T(3).bool()), ValueError, ["(3,)", "(L, S)"]),
    "combined sizes": (
        lambda: combine_masks(T(2, 3).bool(), T(2, 1, 4).bool()),
        ValueError,
        ["(2, 3), (2, 1, 4)", "S equal"],
    ),
    "attn_mask integers": (
        lambda: mask_from_torch(T(2, 3).int()),
        TypeError,
        ["attn_mask", "int32"],
    ),
    "attn_mask axes": (
        lambda: mask_from_torch(T(1, 2, 3, 4)),
        ValueError,
        ["attn_mask", "(1, 2, 3, 4)"],
    ),
    "attn_mask without heads": (
        lambda: mask_from_torch(T(6, 2, 3)),
        ValueError,
        ["(6, 2, 3)", "num_heads=None", "N * h"],
    ),
    "attn_mask with other heads": (
        lambda: mask_from_torch(T(6, 2, 3), None, 4),
        ValueError,
        ["=4"],
    ),
    "attn_mask with negative heads": (
        lambda: mask_from_torch(T(6, 2, 3), None, -2),
        ValueError,
        ["=-2"],
    ),
    "padding integers": (
        lambda: mask_from_torch(None, T(2, 3).long()),
        TypeError,
        ["key_padding_mask", "int64"],
    ),
    "padding axes": (lambda: mask_from_torch(None, T(2, 1, 3).bool()), ValueError, ["(2, 1, 3)"]),
    "torch without size": (
        lambda: mask_to_torch(T(2, 1, 3).bool()),
        ValueError,
        ["size=(N, h, L, S)"],
    ),
    "torch of other size": (
        lambda: mask_to_torch(T(2, 1, 3).bool(), (4, 1, 1, 3)),
        ValueError,
        ["(2, 1, 3)", "(4, 1, 1, 3)"],
    ),
    "torch of integers": (lambda: mask_to_torch(T(2, 3).int()), TypeError, ["int32"]),
    "additive of integers": (lambda: mask_to_additive(T(2, 3).int()), TypeError, ["int32"]),
    "additive as integers": (
        lambda: mask_to_additive(T(2, 3).bool(), torch.int32),
        TypeError,
        ["int32", "floating-point"],
    ),
    "boolean of integers": (lambda: mask_to_boolean(T(2, 3).int()), TypeError, ["int32"]),
    "boolean of a bias": (
        lambda: mask_to_boolean(torch.tensor([[0.0, -1e9]])),
        ValueError,
        ["-1000000000.0", "masked_fill"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_argument_values_and_remedy(case):
    refused, error, words = REFUSED[case]
    with pytest.raises(error) as caught:
        refused()
    for word in words:
        assert word in str(caught.value)


def test_public_names():
    assert {name for name in layerref.__all__ if "mask" in name} == set(layerref.masks.__all__)

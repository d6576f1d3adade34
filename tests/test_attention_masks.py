"""Masks of attention: queries without keys, hidden keys, the causal mask beside another."""

import itertools

import oracle
import pytest
import torch
import torch.nn.functional as F
from attention_cases import DTYPES, First, build, every_mask, settings
from hypothesis import given
from torch import nn
from torch.utils._pytree import tree_leaves

from layerref import MultiHeadAttention, causal_mask


@given(settings(empty=True))
def test_fused_and_readable_form_agree_with_empty_rows(setting):
    """Nothing is NaN, whatever the mask hides, and both forms have the same gradients."""
    made, wrapper, inputs, call = setting
    ours, _ = build(**made)
    for mode in (True, False):
        layer = wrapper(ours).train(mode)
        runs = [
            oracle.run(layer, inputs, {**call, "need_weights": need}, seed=7)
            for need in (False, True)
        ]
        fused, readable = runs
        weights = readable["output"][1]
        # the cotangent of the weights adds to the gradients: run again through the output alone
        only = oracle.run(First(layer), inputs, {**call, "need_weights": True}, seed=7)
        only["parameter gradients"] = {
            name.removeprefix("layer."): g for name, g in only["parameter gradients"].items()
        }
        assert all(t.isfinite().all() for t in tree_leaves([only, fused, weights]) if t is not None)
        oracle.assert_close(only["output"], fused["output"])
        oracle.assert_close(only["input gradients"], fused["input gradients"])
        oracle.assert_close(only["parameter gradients"], fused["parameter gradients"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["bool", "float", "learned"])
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_empty_rows(dtype, kind, need_weights, dropout):
    mha = MultiHeadAttention(2, 6, dropout)
    nn.init.normal_(mha.out_proj.bias)
    mha.to(dtype)
    keep = torch.rand(3, 2, 5, 5) < 0.7
    keep[0] = False
    keep[1, 1, 2] = False
    keep[2, :, 4] = False
    mask = keep if kind == "bool" else torch.zeros(keep.shape).masked_fill(~keep, -torch.inf)
    mask = mask if kind == "bool" else mask.to(dtype)
    for mode, shape in itertools.product(("train", "eval", "no_grad"), ("full", "padding")):
        mha.train(mode == "train")
        x = torch.randn(3, 5, 6).to(dtype).requires_grad_()
        used = mask if shape == "full" else mask[:, :, :1]
        used = used.clone().requires_grad_(kind == "learned")
        with torch.set_grad_enabled(mode != "no_grad"):
            result = mha(x, x, x, used, need_weights=need_weights)
        output = result[0] if need_weights else result
        assert torch.equal(output[0], mha.out_proj.bias.expand(5, 6))
        if shape == "full":
            assert torch.equal(output[2, 4], mha.out_proj.bias)
        if need_weights:
            hidden = ~keep if shape == "full" else ~keep[:, :, :1].expand_as(result[1])
            assert (result[1][hidden] == 0).all()
        assert output.isfinite().all()
        if mode != "no_grad":
            mha.zero_grad()
            output.float().square().sum().backward()
            learned = [x, *mha.parameters()] + ([used] if kind == "learned" else [])
            assert all(t.grad.isfinite().all() for t in learned)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mode", ["train", "eval", "inference"])
@pytest.mark.parametrize(("N", "L", "S"), [(0, 3, 5), (2, 0, 5), (2, 3, 0), (0, 0, 0)])
def test_nothing_to_attend_to_or_from(N, L, S, mode, causal, need_weights):
    mha = MultiHeadAttention(2, 6).train(mode == "train")
    nn.init.normal_(mha.out_proj.bias)
    for mask in every_mask(N, 2, L, S):
        with torch.inference_mode(mode == "inference"):
            x = torch.randn(N, L, 6, requires_grad=True)
            y = torch.randn(N, S, 6, requires_grad=True)
            result = mha(x, y, y, mask, is_causal=causal, need_weights=need_weights)
        output = result[0] if need_weights else result
        assert output.shape == (N, L, 6)
        if need_weights:
            assert result[1].shape == (N, 2, L, S)
        if S == 0:
            torch.testing.assert_close(output, mha.out_proj.bias.expand(N, L, 6))
        if mode != "inference":
            mha.zero_grad()
            output.sum().backward()
            gradients = [x.grad, y.grad, *(p.grad for p in mha.parameters())]
            assert all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("h", [1, 2, 6])
def test_one_key_is_the_answer_to_every_query_that_may_see_it(h, need_weights):
    mha, x, y = MultiHeadAttention(h, 6, dropout=0.0), torch.randn(3, 5, 6), torch.randn(3, 1, 6)
    nn.init.normal_(mha.in_proj_bias)
    nn.init.normal_(mha.out_proj.bias)
    value = F.linear(y, mha.in_proj_weight[12:], mha.in_proj_bias[12:])
    value = value.unflatten(-1, (h, 6 // h)).transpose(1, 2)
    for mask in every_mask(3, h, 5, 1):
        seen = torch.ones(5, 1) if mask is None else (mask == (mask.dtype == torch.bool)).float()
        seen = (seen[:, None] if seen.dim() == 3 else seen).expand(3, h, 5, 1)
        result = mha(x, y, y, mask, need_weights=need_weights)
        expected = mha.out_proj((seen * value).transpose(1, 2).flatten(2))
        torch.testing.assert_close(result[0] if need_weights else result, expected)
        if need_weights:
            torch.testing.assert_close(result[1], seen)


# --- hidden keys ----------------------------------------------------------------------------------


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_huge_values_of_a_hidden_key_do_not_leak(dtype, kind, need_weights):
    mha = MultiHeadAttention(2, 6, dropout=0.0).to(dtype)
    x, y = torch.randn(2, 5, 6).to(dtype), torch.randn(2, 7, 6).to(dtype)
    mask = torch.ones(2, 1, 7).bool()
    mask[:, :, 3] = False
    if kind == "float":
        mask = torch.zeros(2, 1, 7, dtype=dtype).masked_fill(~mask, -torch.inf)
    huge = y.clone()
    huge[:, 3] = torch.finfo(dtype).max / (1e4 if dtype == torch.float16 else 1e8)
    for causal in (False, True):
        outcomes = []
        for memory in (y, huge):
            query, memory = x.clone().requires_grad_(), memory.clone().requires_grad_()
            call = {"is_causal": causal, "need_weights": need_weights}
            result = tree_leaves(mha(query, memory, memory, mask, **call))
            result[0].sum().backward()
            outcomes.append([*result, query.grad, memory.grad])
        for calm, wild in zip(*outcomes, strict=True):
            assert torch.equal(calm, wild)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_nan_of_a_hidden_key_reaches_its_sample_and_no_other(kind, need_weights):
    """0 * NaN is NaN: a weight of zero cannot stop it, in the kernel as in the readable form."""
    mha = MultiHeadAttention(2, 6, dropout=0.0)
    x = torch.randn(2, 5, 6)
    y = torch.randn(2, 7, 6)
    y[1, 3] = torch.nan
    mask = torch.ones(2, 1, 7).bool()
    mask[:, :, 3] = False
    if kind == "float":
        mask = torch.zeros(2, 1, 7).masked_fill(~mask, -torch.inf)
    output = tree_leaves(mha(x, y, y, mask, need_weights=need_weights))[0]
    assert output[0].isfinite().all()
    assert output[1].isnan().all()
    cleaned = mha(x, y.nan_to_num(0.0), y.nan_to_num(0.0), mask)
    assert cleaned.isfinite().all()


# --- causal ---------------------------------------------------------------------------------------


def test_causal_alignment_is_top_left_as_in_the_kernel():
    mha, x, y = MultiHeadAttention(2, 6, 0.0), torch.randn(1, 3, 6), torch.randn(1, 5, 6)
    for q, k in ((x, y), (y, x)):
        L, S = q.shape[1], k.shape[1]
        expected = mha(q, k, k, causal_mask(L, S))
        torch.testing.assert_close(mha(q, k, k, is_causal=True), expected)
        torch.testing.assert_close(mha(q, k, k, torch.ones(1, S).bool(), is_causal=True), expected)
        _, weights = mha(q, k, k, is_causal=True, need_weights=True)
        assert ((weights > 0) == causal_mask(L, S)).all()

"""Attention under stress: narrow types, huge scores, odd strides, dropout, memory."""

import copy
import itertools
import warnings

import oracle
import pytest
import torch
from attention_cases import (
    DTYPES,
    HALF,
    Cross,
    Keyed,
    Self,
    Three,
    build,
    calls,
    every_mask,
    settings,
)
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from layerref import MultiHeadAttention


@pytest.mark.parametrize("dtype", [torch.float32, *HALF])
@pytest.mark.parametrize("need_weights", [False, True])
def test_narrow_types_are_close_to_float64(dtype, need_weights):
    exact, _ = build(2, 6)
    x, y = torch.randn(3, 5, 6, dtype=torch.float64), torch.randn(3, 7, 6, dtype=torch.float64)
    x, y = x.to(dtype).double(), y.to(dtype).double()
    with torch.no_grad():
        for p in exact.parameters():
            p.copy_(p.to(dtype).mul_(0.5))
    narrow = copy.deepcopy(exact).to(dtype)
    tolerance = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}[dtype]
    keep = torch.rand(5, 7) < 0.8
    for mask in (None, keep, torch.randn(5, 7).to(dtype).double()):
        used = mask if mask is None or mask.dtype == torch.bool else mask.to(dtype)
        a = exact(x, y, y, mask, need_weights=need_weights)
        b = narrow(x.to(dtype), y.to(dtype), y.to(dtype), used, need_weights=need_weights)
        for exactly, narrowly in zip(tree_leaves(a), tree_leaves(b), strict=True):
            assert narrowly.dtype == dtype
            torch.testing.assert_close(narrowly.double(), exactly, rtol=tolerance, atol=tolerance)


@given(
    settings(empty=True),
    st.sampled_from([torch.float32, *HALF]),
    st.sampled_from([torch.enable_grad, torch.no_grad, torch.inference_mode]),
)
def test_every_setting_in_every_type_is_close_to_float64(setting, dtype, context):
    made, wrapper, inputs, call = setting
    exact, _ = build(**{**made, "dropout": 0.0})
    with torch.no_grad():
        for p in exact.parameters():
            p.copy_(p.to(dtype).mul_(0.25))
    narrow = copy.deepcopy(exact).to(dtype)

    def narrowed(t):
        return t.to(dtype) if t is not None and t.is_floating_point() else t

    inputs = [narrowed(t) for t in inputs]
    wide = [t.double() if t is not None and t.is_floating_point() else t for t in inputs]
    with context():
        expected, got = wrapper(exact)(*wide, **call), wrapper(narrow)(*inputs, **call)
    tolerance = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 8e-2}[dtype]
    for a, b in zip(tree_leaves(got), tree_leaves(expected), strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_huge_scores_do_not_overflow(dtype, need_weights):
    """Products of a few hundred thousand, where float16 ends at 65504."""
    mha = MultiHeadAttention(1, 8, dropout=0.0).to(dtype)
    with torch.no_grad():
        mha.in_proj_weight.copy_(torch.eye(8).repeat(3, 1))
        mha.out_proj.weight.copy_(torch.eye(8))
    x = torch.randn(2, 5, 8).sign() * 300
    x[:, 0] = 300
    x = x.to(dtype).requires_grad_()
    lowest = torch.full((5, 5), torch.finfo(dtype).min, dtype=dtype)
    for mask in (None, torch.ones(1, 5).bool(), lowest):
        result = mha(x, x, x, mask, need_weights=need_weights)
        for t in tree_leaves(result):
            assert t.isfinite().all()
        tree_leaves(result)[0].float().mean().backward()
        assert x.grad.isfinite().all()
        assert tree_leaves(result)[0].abs().max() <= 300


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("need_weights", [False, True])
def test_autocast(dtype, need_weights):
    mha, x = MultiHeadAttention(2, 6, 0.0), torch.randn(3, 5, 6)
    keep = torch.rand(3, 1, 5) < 0.7
    keep[1] = False
    for mask, causal in itertools.product((keep, *every_mask(3, 2, 5, 5)), (False, True)):
        call = {"is_causal": causal, "need_weights": need_weights}
        expected = mha(x, x, x, mask, **call)
        with torch.autocast("cpu", dtype):
            got = mha(x, x.to(dtype), x, mask, **call)
        for a, b in zip(tree_leaves(got), tree_leaves(expected), strict=True):
            torch.testing.assert_close(a.float(), b, rtol=0, atol=3e-2)
        mha.zero_grad()
        tree_leaves(got)[0].float().sum().backward()
        assert all(p.grad.isfinite().all() for p in mha.parameters())


# --- strides --------------------------------------------------------------------------------------


@given(settings(empty=True))
def test_strides_do_not_matter(setting):
    made, wrapper, inputs, call = setting
    ours, _ = build(**{**made, "dropout": 0.0})
    layer = wrapper(ours)

    def scattered(t):
        if not isinstance(t, torch.Tensor):
            return t
        wide = torch.stack([t, t + (t.dtype != torch.bool)], -1).transpose(0, -2).contiguous()
        return wide.transpose(0, -2)[..., 0]

    oracle.assert_close(layer(*map(scattered, inputs), **call), layer(*inputs, **call))


def test_expanded_inputs():
    mha, x = MultiHeadAttention(2, 6, 0.0), torch.randn(1, 5, 6)
    expanded, keep = x.expand(3, 5, 6), torch.ones(1, 1, 5).bool().expand(3, 5, 5)
    for need_weights in (False, True):
        got = mha(expanded, expanded, expanded, keep, need_weights=need_weights)
        copied = expanded.contiguous()
        oracle.assert_close(got, mha(copied, copied, copied, need_weights=need_weights))


# --- dropout --------------------------------------------------------------------------------------


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("kwargs", [{}, {"is_causal": True}, {"mask": torch.eye(5).bool()}])
def test_dropout_is_reproducible_and_unbiased(kwargs, need_weights):
    mha = MultiHeadAttention(2, 6, dropout=0.3)
    x = torch.randn(2, 5, 6)

    def call(seed):
        torch.manual_seed(seed)
        return tree_leaves(mha(x, x, x, need_weights=need_weights, **kwargs))[0].detach()

    assert torch.equal(call(1), call(1))
    assert not torch.equal(call(1), call(2))
    mean = torch.stack([call(seed) for seed in range(500)]).mean(0)
    mha.eval()
    assert torch.equal(call(1), call(2))
    assert (mean - call(1)).abs().max() < 0.06


def test_returned_weights_are_those_that_were_used():
    mha = MultiHeadAttention(1, 3, dropout=0.5)
    x = torch.randn(1, 200, 3)
    _, weights = mha(x, x, x, need_weights=True)
    assert 0.45 < (weights == 0).float().mean() < 0.55
    assert abs(weights.sum(-1).mean() - 1) < 0.05
    assert torch.equal(mha.attn, weights)


# --- memory and products --------------------------------------------------------------------------


class Largest(TorchDispatchMode):
    """Record the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for t in tree_leaves(result):
            if isinstance(t, torch.Tensor):
                self.elements = max(self.elements, t.untyped_storage().size() // t.itemsize)
        return result


@pytest.mark.parametrize("call", ["none", "causal", "padding"])
@pytest.mark.parametrize("train", [False, True])
def test_no_square_tensor_without_weights(call, train):
    L, mha = 128, MultiHeadAttention(2, 8, dropout=0.0).train(train)
    x = torch.randn(1, L, 8, requires_grad=train)
    padding = torch.ones(1, 1, L).bool()
    kwargs = {"none": {}, "causal": {"is_causal": True}, "padding": {"mask": padding}}[call]
    with Largest() as fused:
        output = mha(x, x, x, **kwargs)
        if train:
            output.sum().backward()
    assert fused.elements == 3 * 8 * L < L * L
    with Largest() as readable:
        mha(x, x, x, need_weights=True, **kwargs)
    assert readable.elements >= 2 * L * L


class Products(TorchDispatchMode):
    """Count products by a weight."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func in (torch.ops.aten.addmm.default, torch.ops.aten.linear.default)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("wrapper", "products"), [(Self, 1), (Cross, 2), (Keyed, 3), (Three, 3)])
def test_one_product_for_what_is_one_tensor(wrapper, products):
    layer, x = wrapper(MultiHeadAttention(2, 6)), torch.randn(3, 3, 5, 6)
    inputs = x.unbind(0)[: {Self: 1, Three: 3}.get(wrapper, 2)]
    with Products() as counted:
        layer(*inputs)
    assert counted.count == products + 1  # and out_proj


def test_no_warning_in_ordinary_use():
    mha, x = MultiHeadAttention(2, 6), torch.randn(3, 5, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kwargs in calls():
            mha(x, x, x, **kwargs)

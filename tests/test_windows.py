"""Sliding windows, their adjoint, columns and padding, against loops and torch's own functions."""

import itertools

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from torch.autograd import gradcheck, gradgradcheck

from layerref.windows import (
    check_window,
    from_columns,
    overlap_add,
    pad,
    sliding_windows,
    to_columns,
)


@st.composite
def windows(draw):
    """Sizes, kernel, stride and dilation of 1 to 3 axes into which at least one window fits."""
    axes = draw(st.integers(1, 3))
    per_axis = st.lists(st.integers(1, 3), min_size=axes, max_size=axes)
    kernel, stride, dilation = draw(per_axis), draw(per_axis), draw(per_axis)
    more = draw(st.lists(st.integers(0, 4), min_size=axes, max_size=axes))
    size = [d * (k - 1) + 1 + m for k, d, m in zip(kernel, dilation, more, strict=True)]
    lead = draw(st.sampled_from([(), (2,), (0, 2), (2, 3)]))
    return torch.randn(*lead, *size, dtype=torch.float64), size, kernel, stride, dilation


@given(windows())
def test_sliding_windows_follow_their_formula(case):
    x, size, kernel, stride, dilation = case
    w = sliding_windows(x, kernel, stride, dilation)
    axes = zip(size, kernel, stride, dilation, strict=True)
    out = [(i - d * (k - 1) - 1) // s + 1 for i, k, s, d in axes]
    assert list(w.shape) == [*x.shape[: x.dim() - len(size)], *out, *kernel]
    assert w.numel() == 0 or w.data_ptr() == x.data_ptr()  # a view: nothing is copied
    for o, j in itertools.product(
        itertools.product(*map(range, out)), itertools.product(*map(range, kernel))
    ):
        place = [s * a + d * b for s, a, d, b in zip(stride, o, dilation, j, strict=True)]
        assert torch.equal(w[(..., *o, *j)], x[(..., *place)])


@given(windows())
def test_overlap_add_is_the_adjoint(case):
    x, size, kernel, stride, dilation = case
    w = sliding_windows(x, kernel, stride, dilation)
    y = torch.randn_like(w)
    back = overlap_add(y, size, stride, dilation)
    assert back.shape == x.shape
    torch.testing.assert_close((w * y).sum(), (x * back).sum())


@given(windows())
def test_columns_and_back(case):
    x, size, kernel, stride, dilation = case
    x = x.unsqueeze(0) if x.dim() == len(size) else x
    axes = len(size)
    w = sliding_windows(x, kernel, stride, dilation)
    columns = to_columns(w, axes)
    out = w.shape[w.dim() - 2 * axes : w.dim() - axes]
    assert columns.dim() == x.dim() - axes + 1
    assert torch.equal(from_columns(columns, out, kernel), w)
    if axes == 2 and x.dim() == 4 and x.shape[0]:
        assert torch.equal(columns, F.unfold(x, kernel, dilation, 0, stride))


def test_gradients_of_every_order_and_mode():
    """Backward, double backward, forward mode and batched gradients: each is the other's."""
    x = torch.randn(2, 7, 6, dtype=torch.float64, requires_grad=True)
    view = (3, 2), (2, 1), (2, 3)

    def read(t):
        return sliding_windows(t, *view)

    def write(t):
        return overlap_add(t, (7, 6), *view[1:])

    for function, value in ((read, x), (write, read(x).detach().clone().requires_grad_())):
        assert gradcheck(function, value, check_forward_ad=True, check_batched_grad=True)
        assert gradgradcheck(function, value)
    # and as a function transform, over a batch
    torch.testing.assert_close(torch.func.vmap(read)(x), read(x))
    torch.testing.assert_close(torch.func.vmap(write)(read(x)), write(read(x)))
    for derivative in (torch.func.jacfwd, torch.func.jacrev):
        w = derivative(read)(x).flatten(0, -4).flatten(1)  # the matrix of the view
        torch.testing.assert_close(w @ x.flatten(), read(x).flatten())


def test_backward_agrees_with_unfold():
    x = torch.randn(3, 11, dtype=torch.float64, requires_grad=True)
    ours, theirs = sliding_windows(x, (3,), (2,), (1,)), x.unfold(1, 3, 2)
    gradient = torch.randn_like(theirs)
    a, b = (torch.autograd.grad(w, x, gradient)[0] for w in (ours, theirs))
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, torch.float16])
def test_other_dtypes(dtype):
    x = torch.tensor([0, 1, 1, 0]).to(dtype)
    w = sliding_windows(x, (2,), (1,), (1,))
    assert torch.equal(w, torch.stack([x[:-1], x[1:]], 1))
    assert torch.equal(to_columns(w.unsqueeze(0), 1), w.mT)
    if dtype != torch.bool:
        assert torch.equal(
            overlap_add(w, (4,), (1,), (1,)), x * torch.tensor([1, 2, 2, 1]).to(dtype)
        )


def test_meta_tensors_have_shapes_only():
    w = sliding_windows(torch.empty(2, 7, device="meta"), (3,), (2,), (1,))
    assert w.shape == (2, 3, 3)
    assert overlap_add(w, (7,), (2,), (1,)).shape == (2, 7)
    assert pad(torch.empty(2, 7, device="meta"), [(1, 2)], "reflect").shape == (2, 10)


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(
        ValueError, match="kernel_size=3 and dilation=3 spans 7 cells, more than the 6"
    ):
        sliding_windows(torch.zeros(6), (3,), (1,), (3,))
    sliding_windows(torch.zeros(7), (3,), (1,), (3,))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (((0, 1), (1, 1), (0, 0), (1, 1)), "kernel_size is at least 1"),
        (((1, 1), (1, 0), (0, 0), (1, 1)), "stride is at least 1"),
        (((1, 1), (1, 1), (0, -1), (1, 1)), "padding is at least 0"),
        (((1, 1), (1, 1), (0, 0), (0, 1)), "dilation is at least 1"),
    ],
)
def test_impossible_windows_are_refused(values, text):
    with pytest.raises(ValueError, match=f"Layer: {text}"):
        check_window("Layer", *values)


@st.composite
def pads(draw):
    axes = draw(st.integers(1, 3))
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    sizes = draw(st.lists(st.integers(0, 5), min_size=axes, max_size=axes))
    amounts = st.tuples(st.integers(-3, 6), st.integers(-3, 6))
    lead = draw(st.sampled_from([(2, 3), (1, 2)]))
    return lead + tuple(sizes), draw(st.lists(amounts, min_size=axes, max_size=axes)), mode


@given(pads())
def test_pad_equals_torch_where_torch_pads(case):
    shape, amounts, mode = case
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    flat = [n for pair in reversed(amounts) for n in pair]
    kept = [n + min(a, 0) + min(b, 0) for n, (a, b) in zip(shape[2:], amounts, strict=True)]
    if mode == "circular" and any(max(a, b) > k for k, (a, b) in zip(kept, amounts, strict=True)):
        with pytest.raises(ValueError, match="circular padding"):
            pad(x, amounts, mode)  # torch, too, except for some crops that show unset memory
        return
    sizes = [n + a + b for n, (a, b) in zip(shape[2:], amounts, strict=True)]
    assume(mode == "constant" or 0 not in sizes)  # torch decides by the other axes
    try:
        theirs = F.pad(x, flat, mode, **({"value": 7.0} if mode == "constant" else {}))
    except RuntimeError:
        return
    ours = pad(x, amounts, mode, 7.0)
    assert torch.equal(ours, theirs)
    gradient = torch.randn_like(theirs)
    a, b = (torch.autograd.grad(y, x, gradient)[0] for y in (ours, theirs))
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("size", "amount", "mode", "rule"),
    [
        (3, (3, 0), "reflect", "adds at most 2"), (3, (0, 3), "reflect", "adds at most 2"),
        (3, (4, 0), "circular", "adds at most 3"), (0, (1, 0), "circular", "adds at most 0"),
        (0, (1, 0), "replicate", "cannot remove all"), (3, (-4, 0), "reflect", "cannot remove all"),
        (3, (-2, -2), "constant", "cannot remove all"),
    ],
)  # fmt: skip
def test_impossible_padding_is_refused(size, amount, mode, rule):
    with pytest.raises(ValueError, match=f"{mode} padding of an axis of size {size} {rule}"):
        pad(torch.zeros(2, size), [amount], mode)


def test_largest_padding_of_each_mode():
    x = torch.tensor([1, 2, 3])
    assert pad(x, [(2, 2)], "reflect").tolist() == [3, 2, 1, 2, 3, 2, 1]
    assert pad(x, [(3, 3)], "circular").tolist() == [1, 2, 3] * 3
    assert pad(x, [(4, 0)], "replicate").tolist() == [1, 1, 1, 1, 1, 2, 3]
    assert pad(x, [(0, 0)], "reflect") is x


def test_compiles_forward_and_backward():
    """torch.compile refuses to write through a view whose cells overlap."""
    x = torch.randn(2, 7, requires_grad=True)

    def both(x):
        return overlap_add(sliding_windows(x, (3,), (2,), (1,)).sin(), (7,), (2,), (1,))

    compiled = torch.compile(both, backend="aot_eager")
    torch.testing.assert_close(compiled(x), both(x))
    a, b = (torch.autograd.grad(f(x).sum(), x)[0] for f in (compiled, both))
    torch.testing.assert_close(a, b)

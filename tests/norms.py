"""What the tests of the normalisation layers share."""

import oracle
import pytest
import torch
from hypothesis import strategies as st
from torch import nn

import layerref

SIZES = [1, 2, 3, 5, 7]
seeds = st.integers(0, 2**16)


@st.composite
def shapes(draw, least, most, sizes=SIZES):
    """Draw a shape of ``least`` to ``most`` axes, of which no two are equally long."""
    return tuple(draw(st.lists(st.sampled_from(sizes), min_size=least, max_size=most, unique=True)))


@st.composite
def inputs(draw, shape):
    """Draw a double tensor, neither centred nor of scale 1, contiguous or not."""
    generator = torch.Generator().manual_seed(draw(seeds))
    x = torch.randn(shape, generator=generator, dtype=torch.float64) * 3 + draw(st.integers(-5, 5))
    if x.dim() > 1 and draw(st.booleans()):
        x = x.transpose(0, -1).contiguous().transpose(0, -1)
    return x


def fill(theirs, seed):
    """Give parameters and running statistics random values, positive ones for variances."""
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in theirs.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(values.abs() + 0.5 if key == "running_var" else values)


def build(name, *args, seed=0, **kwargs):
    """Build our layer and torch's alike (as oracle.build), then leave the initial values."""
    ours, theirs = oracle.build(name, *args, seed=seed, **kwargs)
    fill(theirs, seed)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def assert_same_half(name, *args, shape, dtype, wide_parameters=False, **kwargs):
    """Assert that outputs and input gradients in a narrow dtype agree to its resolution."""
    theirs = getattr(nn, name)(*args, **kwargs)
    fill(theirs, 1)
    ours = getattr(layerref, name)(*args, **kwargs)
    ours.load_state_dict(theirs.state_dict())
    if not wide_parameters:
        ours, theirs = ours.to(dtype), theirs.to(dtype)
    x = torch.randn(shape) * 300 + 400  # whose squares are beyond float16
    cotangent = (torch.randn(shape) * 300).to(dtype)
    for training in (True, False):
        results = []
        for layer in (ours.train(training), theirs.train(training)):
            leaf = x.to(dtype).requires_grad_()
            output = layer(leaf)
            output.backward(cotangent)
            results.append([output, leaf.grad, *layer.buffers()])
        step = torch.finfo(dtype).eps
        for a, b in zip(*results, strict=True):
            assert a.dtype == b.dtype
            torch.testing.assert_close(a, b, rtol=4 * step, atol=4 * step)


half = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)


def assert_says(call, error, *words):
    """Assert that a call raises this error with a text that names rule, values and remedy."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value), f"{word!r} not in {caught.value}"


def assert_meta(name, *args, shape, **kwargs):
    """Assert that a layer is built and runs on the meta device."""
    with torch.device("meta"):
        layer = getattr(layerref, name)(*args, **kwargs)
    assert all(t.is_meta for t in [*layer.parameters(), *layer.buffers()])
    for training in (True, False):
        y = layer.train(training)(torch.empty(shape, device="meta"))
        assert y.is_meta
        assert y.shape == shape


def assert_same_repr(name, *args, **kwargs):
    assert repr(getattr(layerref, name)(*args, **kwargs)) == repr(
        getattr(nn, name)(*args, **kwargs)
    )

"""Fractional max pooling against torch.nn: the same seed gives the same windows."""

import oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from test_pooling import kinds, make_input
from torch import nn

import layerref

AXES = (2, 3)
NAMES = ["FractionalMaxPool2d", "FractionalMaxPool3d"]


def same_as_torch(name, x, **kwargs):
    """Assert that ours refuses what torch refuses, and else agrees. Return whether it agreed."""
    refused = oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(**kwargs)(x), lambda: getattr(nn, name)(**kwargs)(x)
    )
    if not refused:
        oracle.compare(*oracle.build(name, **kwargs), x)
    return not refused


@st.composite
def cases(draw, axes):
    """Draw settings and sizes that mostly fit, and an input's shape."""
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(axes))
    size = tuple(k + draw(st.integers(0, 6)) for k in kernel)
    out = tuple(
        draw(st.integers(0 if k == 1 else 1, n - k + 1)) for k, n in zip(kernel, size, strict=True)
    )
    if axes == 3:  # where torch wants one cell more
        out = tuple(max(o - 1, 1) for o in out)
    kwargs = {"kernel_size": draw(st.sampled_from([kernel, list(kernel), min(kernel)]))}
    if draw(st.booleans()):
        kwargs["output_size"] = draw(st.sampled_from([out, list(out), min(out)]))
    else:
        ratio = tuple((o + 0.5) / n for o, n in zip(out, size, strict=True))
        ratio = draw(st.sampled_from([ratio, list(ratio), min(ratio)]))
        kwargs["output_ratio"] = ratio
    shape = (*draw(st.sampled_from([(2,), (3, 2), (1, 3), (0, 2)])), *size)
    kwargs["return_indices"] = draw(st.booleans())
    if draw(st.booleans()):
        n = 1 if len(shape) == axes + 1 else shape[0]
        n += draw(st.integers(0, 1))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
        samples = torch.rand(n, shape[-axes - 1], axes, generator=generator, dtype=torch.float64)
        kwargs["_random_samples"] = samples
    return kwargs, shape


@pytest.mark.parametrize("axes", AXES)
@given(st.data(), kinds, st.integers(0, 999))
def test_fractional_max_pooling_equals_torch(axes, data, kind, seed):
    kwargs, shape = data.draw(cases(axes))
    same_as_torch(f"FractionalMaxPool{axes}d", make_input(shape, kind, seed), **kwargs)


@pytest.mark.parametrize("axes", AXES)
@given(
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
    st.integers(1, 2000),
    st.integers(1, 4),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_windows_start_where_torchs_do_in_every_precision(axes, dtype, room, k, share, seed):
    length, out = room + k + 1, max(1, round(share * room))
    x = torch.randn(2, 3, length, *(2,) * (axes - 1)).to(dtype)
    args = (k, *(1,) * (axes - 1)), (out, *(1,) * (axes - 1))
    ours, theirs = (
        getattr(m, f"FractionalMaxPool{axes}d")(*args, return_indices=True) for m in (layerref, nn)
    )
    torch.manual_seed(seed)
    actual = ours(x)
    torch.manual_seed(seed)
    try:
        expected = theirs(x)
    except RuntimeError:  # an internal assertion: a start was rounded beyond the edge
        assert dtype in (torch.float16, torch.bfloat16)
        return
    oracle.assert_close(actual, expected)


def test_a_start_rounded_beyond_the_edge_is_moved_back():
    x = torch.arange(1424.0).to(torch.bfloat16).reshape(1, 1424, 1).expand(64, -1, -1)
    with pytest.raises(RuntimeError, match="INTERNAL ASSERT"):
        nn.FractionalMaxPool2d(1, (900, 1))(x)
    y = layerref.FractionalMaxPool2d(1, (900, 1))(x)
    assert y.shape == (64, 900, 1)
    assert (y[:, 1:] >= y[:, :-1]).all()


def test_fractional_max_pooling_by_hand():
    # alpha = (10 - 2) / 3: starts 0, 2, 5, 8 for u = 0 and 0, 3, 5, 8 for u = 0.5
    x = torch.arange(100.0).reshape(1, 10, 10)
    samples = torch.tensor([[[0.5, 0.0]]])  # W, then H
    y, indices = layerref.FractionalMaxPool2d(2, 4, None, True, samples)(x)
    assert y[0, 0].tolist() == [11, 14, 16, 19]
    assert y[0, :, 0].tolist() == [11, 31, 61, 91]
    assert torch.equal(indices, y.long())
    x = torch.arange(1000.0).reshape(1, 10, 10, 10)
    samples = torch.tensor([[[0.5, 0.0, 0.0]]])  # D, then H, then W
    y = layerref.FractionalMaxPool3d(2, 4, _random_samples=samples)(x)
    assert y[0, :, 0, 0].tolist() == [111, 411, 611, 911]
    assert y[0, 0, 0].tolist() == [111, 113, 116, 119]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("u", [1.0, 1.5, 3.0, -1.0, -0.3])
def test_samples_outside_the_unit_interval(name, u):
    samples = torch.full((2, 3, int(name[-2])), u, dtype=torch.float64)
    x = make_input((2, 3, *(11,) * int(name[-2])), "plain", 0)
    same_as_torch(name, x, kernel_size=2, output_size=4, _random_samples=samples)


FORMS = [0, 1, -1, 2.0, "2", None, True, (), (2,), [2], (2, 2), (2, 2, 2), (2, 3, 1, 2),
         (2.0, 2.0), (2, 0), (-1, 2)]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", FORMS, ids=repr)
def test_settings_of_any_form(name, value):
    x = make_input((2, *(7,) * int(name[-2])), "plain", 0)
    same_as_torch(name, x, kernel_size=2, output_size=value)
    if name.endswith("2d") and value in (0, -1, (2, 0), (-1, 2)):
        with pytest.raises(ValueError, match="kernel_size is at least 1"):  # torch gives -inf
            getattr(layerref, name)(value, 3)
    else:
        same_as_torch(name, x, kernel_size=value, output_size=3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "ratio",
    [0.5, 0.1, 0.7, 0.9, 1, 0, 1.0, -0.5, "a", True, (0.5,), (0.5, 0.3), (0.5, 2), (0.5, 0.3, 0.6)],
    ids=repr,
)
def test_ratios_of_any_form(name, ratio):
    x = make_input((2, *(7,) * int(name[-2])), "plain", 0)
    same_as_torch(name, x, kernel_size=2, output_ratio=ratio)


def test_a_fourth_ratio_is_refused():
    nn.FractionalMaxPool3d(2, output_ratio=(0.5,) * 4)(torch.zeros(1, 5, 5, 5))
    with pytest.raises(ValueError, match="one number or 3"):
        layerref.FractionalMaxPool3d(2, output_ratio=(0.5,) * 4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("output_size", [0, 1, 2, 4, 5, 6, 7])
def test_whether_windows_fit(name, kernel_size, output_size):
    x = make_input((2, *(7,) * int(name[-2])), "plain", 0)
    same_as_torch(name, x, kernel_size=kernel_size, output_size=output_size)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("c", [3, 4])
@pytest.mark.parametrize("last", [2, 3])
def test_shapes_of_the_random_samples(name, n, c, last):
    samples = torch.rand(n, c, last, dtype=torch.float64)
    for lead in ((3,), (2, 3)):
        x = make_input((*lead, *(7,) * int(name[-2])), "plain", 0)
        same_as_torch(name, x, kernel_size=2, output_size=3, _random_samples=samples)
        for wrong in (samples[0], samples[None], samples.float()):
            assert oracle.assert_refused_alike(
                lambda: getattr(layerref, name)(2, 3, _random_samples=wrong)(x),  # noqa: B023
                lambda: getattr(nn, name)(2, 3, _random_samples=wrong)(x),  # noqa: B023
            )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rank", range(7))
def test_ranks(name, rank):
    x = make_input((5,) * rank, "plain", 0)
    assert same_as_torch(name, x, kernel_size=2, output_size=3) == (rank - int(name[-2]) in (1, 2))


@pytest.mark.parametrize("name", NAMES)
def test_empty_axes(name):
    for lead in ((), (2,)):
        shape = [*lead, 3, *(7,) * int(name[-2])]
        for axis in range(len(shape)):
            x = torch.empty([0 if i == axis else n for i, n in enumerate(shape)]).double()
            assert same_as_torch(name, x, kernel_size=2, output_size=3) == (axis == 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.int64, torch.float16, torch.float32, torch.complex64], ids=str
)
def test_dtypes(name, dtype):
    x = torch.randn(2, *(7,) * int(name[-2])).to(dtype)
    oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(2, 3)(x), lambda: getattr(nn, name)(2, 3)(x)
    )


@pytest.mark.parametrize("name", NAMES)
def test_attributes_state_repr_gradients_and_meta(name):
    axes = int(name[-2])
    samples = torch.rand(1, 2, axes)
    for kwargs in (
        {"output_size": 3},
        {"output_ratio": 0.5, "return_indices": True},
        {"output_size": (3,) * axes, "_random_samples": samples},
    ):
        ours, theirs = oracle.build(name, 2, **kwargs)
        names = "kernel_size", "output_size", "output_ratio", "return_indices"
        oracle.assert_attributes(ours, theirs, *names)
        assert repr(ours) == repr(theirs)
    x = make_input((2, *(5,) * axes), "plain", 0).requires_grad_()
    torch.autograd.gradcheck(ours, (x,))
    with torch.device("meta"):
        y = getattr(layerref, name)(2, 3)(torch.empty(2, *(7,) * axes))
    assert y.is_meta
    assert y.shape == (2, *(3,) * axes)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: layerref.FractionalMaxPool2d(2), ValueError, "either output_size or"),
        (lambda x: layerref.FractionalMaxPool2d(2, 3, 0.5), ValueError, "either output_size or"),
        (lambda x: layerref.FractionalMaxPool2d(2, output_ratio=1), ValueError, "between 0 and 1"),
        (lambda x: layerref.FractionalMaxPool2d(2, 7)(x), ValueError, "shrink the output or"),
        (lambda x: layerref.FractionalMaxPool2d(2, 3)(x[0, 0]), ValueError, r"\(C, H, W\) or"),
        (lambda x: layerref.FractionalMaxPool2d(2, 3)(x.long()), TypeError, "pools float16"),
        (lambda x: layerref.FractionalMaxPool2d(2, 3, _random_samples=x.double())(x), TypeError,
         "dtype torch.float64, the input torch.float32"),
        (lambda x: layerref.FractionalMaxPool2d(2, 3, _random_samples=x)(x), ValueError,
         r"has shape \(N, C, 2\), at least \(2, 3, 2\) here, got \(2, 3, 7, 5\)"),
    ],
)  # fmt: skip
def test_errors_say_the_rule(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.zeros(2, 3, 7, 5))


class Floored(nn.Module):
    """A near-miss: the windows of floor(alpha * o), without the random shift."""

    def forward(self, input):
        return F.fractional_max_pool2d(input, 2, 4, _random_samples=input.new_zeros(2, 3, 2))


class Swapped(nn.FractionalMaxPool2d):
    """A near-miss: the first random number is taken for H."""

    def forward(self, input):
        samples = torch.rand(*input.shape[:2], 2, dtype=input.dtype).flip(-1)
        return F.fractional_max_pool2d(input, 2, 4, _random_samples=samples)


class FixedInEval(nn.FractionalMaxPool2d):
    """A near-miss: random in training only."""

    def forward(self, input):
        return super().forward(input) if self.training else Floored()(input)


def test_near_misses_are_rejected():
    x = make_input((2, 3, 11, 13), "plain", 0)
    for near_miss in (Floored(), Swapped(2, 4), FixedInEval(2, 4)):
        oracle.assert_rejected(near_miss, nn.FractionalMaxPool2d(2, 4), x)


def outcomes(layer, x, draws=40):
    """Collect the different outputs of some draws."""
    return {tuple(layer(x).flatten().tolist()) for _ in range(draws)}


def test_random_in_eval_too_unless_the_ratio_of_sizes_is_an_integer_or_samples_are_given():
    layer = layerref.FractionalMaxPool2d(2, 4).eval()
    assert len(outcomes(layer, torch.randn(1, 10, 10))) > 1  # alpha = 8 / 3
    layer = layerref.FractionalMaxPool2d(2, 3).eval()
    assert len(outcomes(layer, torch.randn(1, 8, 8))) == 1  # alpha = 6 / 2
    layer = layerref.FractionalMaxPool2d(2, 4, _random_samples=torch.rand(1, 1, 2))
    assert len(outcomes(layer, torch.randn(1, 10, 10))) == 1


@given(st.integers(2, 9), st.integers(1, 3), st.integers(0, 99))
def test_windows_span_the_input_and_values_come_from_it(out, k, seed):
    x = torch.arange(out + k + 3.0).reshape(1, 1, -1).expand(1, out + k + 3, -1)
    torch.manual_seed(seed)
    y = layerref.FractionalMaxPool2d(k, out)(x)
    assert y[0, 0, 0] == k - 1  # the first window starts at 0
    assert y[0, 0, -1] == x.shape[-1] - 1  # the last ends at the edge
    assert (y.diff() >= 0).all()
    assert torch.isin(y, x).all()

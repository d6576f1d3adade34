"""Adaptive pooling against torch.nn."""

import oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from test_pooling import kinds, make_input, same_as_torch
from torch import nn

import layerref

AXES = (1, 2, 3)
NAMES = [f"Adaptive{kind}Pool{axes}d" for kind in ("Max", "Avg") for axes in AXES]
SIZES = {1: (11,), 2: (7, 11), 3: (5, 7, 11)}


@st.composite
def cases(draw, axes):
    """Draw an output size in every form, and an input's shape; empty ones included."""
    entries = st.one_of(st.integers(0, 9), st.integers(1, 9), st.just(1), st.just(None))
    output_size = draw(st.one_of(st.integers(0, 9), st.tuples(*[entries] * axes)))
    if draw(st.booleans()) and isinstance(output_size, tuple):
        output_size = list(output_size)
    lead = draw(st.sampled_from([(2,), (3, 2), (3, 2), (1, 3), (0, 2), (2, 0)]))
    return output_size, (*lead, *(draw(st.integers(1, 9)) for _ in range(axes)))


@pytest.mark.parametrize("axes", AXES)
@given(st.data(), st.booleans(), kinds, st.integers(0, 999))
def test_adaptive_max_pooling_equals_torch(axes, data, return_indices, kind, seed):
    output_size, shape = data.draw(cases(axes))
    kwargs = {"output_size": output_size, "return_indices": return_indices}
    same_as_torch(f"AdaptiveMaxPool{axes}d", make_input(shape, kind, seed), **kwargs)


@pytest.mark.parametrize("axes", AXES)
@given(st.data(), kinds, st.integers(0, 999))
def test_adaptive_average_pooling_equals_torch(axes, data, kind, seed):
    output_size, shape = data.draw(cases(axes))
    x = make_input(shape, kind, seed)
    same_as_torch(f"AdaptiveAvgPool{axes}d", x, output_size=output_size)


def test_every_pair_of_lengths_has_torchs_windows():
    for length in range(1, 17):
        x = torch.rand(1, length, dtype=torch.float64)
        for out in range(18):
            for name in ("AdaptiveMaxPool1d", "AdaptiveAvgPool1d"):
                oracle.assert_close(*(getattr(m, name)(out)(x) for m in (layerref, nn)))


def test_adaptive_pooling_by_hand():
    x = torch.tensor([[1.0, 3, 2, 8, 5]])  # windows [0, 2), [1, 4), [3, 5)
    y, indices = layerref.AdaptiveMaxPool1d(3, return_indices=True)(x)
    assert y.tolist() == [[3, 8, 8]]
    assert indices.tolist() == [[1, 3, 3]]
    x = torch.tensor([[2.0, 4, 5, 6, 8]])
    assert layerref.AdaptiveAvgPool1d(3)(x).tolist() == [[3, 5, 7]]
    assert layerref.AdaptiveAvgPool1d(10)(x).tolist() == [[2, 2, 4, 4, 5, 5, 6, 6, 8, 8]]
    x = torch.tensor([[[1.0, 2], [3, 4], [5, 6]]])
    assert layerref.AdaptiveAvgPool2d((2, 1))(x).tolist() == [[[2.5], [4.5]]]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output_size", [1, 3])
@pytest.mark.parametrize(
    "dtype",
    [
        torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float32,
        torch.complex64,
    ],
    ids=str,
)  # fmt: skip
def test_dtypes(name, output_size, dtype):
    x = (torch.randn(2, 3, *SIZES[int(name[-2])]) * 30).to(dtype)
    ours, theirs = (getattr(m, name)(output_size) for m in (layerref, nn))
    if not oracle.assert_refused_alike(lambda: ours(x), lambda: theirs(x)):
        torch.testing.assert_close(ours(x), nearest(theirs, x))


def nearest(layer, x):
    """Run a layer of torch; AdaptiveAvgPool3d in float, as on CPUs it adds halves in half."""
    if isinstance(layer, nn.AdaptiveAvgPool3d) and x.dtype in (torch.float16, torch.bfloat16):
        return layer(x.float()).to(x.dtype)
    return layer(x)


FORMS = [0, 1, -1, 2.0, "2", None, True, (), (2,), (1,), [2], (2, 2), (1, 1), (2, 2, 2), (1, 1, 1),
         (2, 2, 2, 2), (None,), (None, 2), (None, None), (2, None, 1), (-1, 2),
         (2.0, 2.0)]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output_size", FORMS, ids=repr)
def test_output_sizes_of_any_form(name, output_size):
    x = make_input((2, *SIZES[int(name[-2])]), "plain", 0)
    same_as_torch(name, x, output_size=output_size)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rank", range(7))
def test_ranks_with_the_unchecked_global_mean(name, rank):
    axes = int(name[-2])
    x = make_input((3,) * rank, "plain", 0)
    assert same_as_torch(name, x, output_size=2) == (rank - axes in (1, 2))
    single = same_as_torch(name, x, output_size=1)
    lenient = name.startswith("AdaptiveAvg") and axes > 1
    assert single == (rank >= axes if lenient else rank - axes in (1, 2))
    if axes > 1:
        tuples = same_as_torch(name, x, output_size=(1,) * axes)
        assert tuples == (rank > axes if lenient else rank - axes in (1, 2))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output_size", [0, 1, 2])
def test_empty_axes(name, output_size):
    for lead in ((), (2,)):
        shape = [*lead, 3, *SIZES[int(name[-2])]]
        for axis in range(len(shape)):
            x = torch.empty([0 if i == axis else n for i, n in enumerate(shape)]).double()
            same_as_torch(name, x, output_size=output_size)


class EqualWindows(nn.Module):
    """What spatial pyramid pooling describes: k = ceil(i / n), s = floor(i / n)."""

    def __init__(self, out, pool):
        super().__init__()
        self.out, self.pool = out, pool

    def forward(self, input):
        length = input.shape[-1]
        stride = length // self.out
        return self.pool(input, length - (self.out - 1) * stride, stride)


class MeanOfPadded(nn.AdaptiveAvgPool1d):
    """Divides every window by the length of the longest."""

    def forward(self, input):
        n = self.output_size
        bounds = [(o * input.shape[-1] // n, -(-(o + 1) * input.shape[-1] // n)) for o in range(n)]
        k = max(b - a for a, b in bounds)
        return torch.stack([input[..., a:b].sum(-1) / k for a, b in bounds], -1)


def test_near_misses_are_rejected():
    x = make_input((2, 3, 8), "plain", 0)
    for pool, theirs in (
        (F.max_pool1d, nn.AdaptiveMaxPool1d),
        (F.avg_pool1d, nn.AdaptiveAvgPool1d),
    ):
        oracle.assert_rejected(EqualWindows(5, pool), theirs(5), x)
        oracle.compare(EqualWindows(4, pool), theirs(4), x)
    oracle.assert_rejected(MeanOfPadded(5), nn.AdaptiveAvgPool1d(5), x)
    oracle.compare(MeanOfPadded(2), nn.AdaptiveAvgPool1d(2), x)


def test_no_plain_pooling_gives_the_windows_of_8_to_5():
    x = make_input((1, 8), "plain", 0)
    y = layerref.AdaptiveAvgPool1d(5)(x)
    for k in range(1, 9):
        for s in range(1, 9):
            for p in range(k // 2 + 1):
                for ceil_mode in (False, True):
                    z = F.avg_pool1d(x, k, s, p, ceil_mode, False)
                    assert z.shape != y.shape or not torch.allclose(z, y)


@pytest.mark.parametrize("name", NAMES)
def test_attributes_repr_gradients_and_meta(name):
    axes = int(name[-2])
    for output_size in (3, (3,) * axes):
        ours, theirs = oracle.build(name, output_size)
        oracle.assert_attributes(ours, theirs, "output_size")
        assert repr(ours) == repr(theirs)
        x = make_input((2, *(4,) * axes), "plain", 0).requires_grad_()
        torch.autograd.gradcheck(ours, (x,))
    with torch.device("meta"):
        y = getattr(layerref, name)(3)(torch.empty(2, *SIZES[axes]))
    assert y.is_meta
    assert y.shape == (2, *(3,) * axes)
    if "Max" in name:
        oracle.assert_attributes(*oracle.build(name, 3, True), "return_indices")


def test_an_infinity_stays_in_its_windows():
    x = torch.tensor([[1.0, torch.inf, 3, 4, torch.nan, 6]])
    y = layerref.AdaptiveAvgPool1d(6)(x)
    torch.testing.assert_close(y, x, equal_nan=True)


def test_half_precision_sums_do_not_overflow():
    x = torch.full((1, 5, 5), 6e4, dtype=torch.float16)
    assert torch.equal(layerref.AdaptiveAvgPool2d(2)(x), x[:, :2, :2])
    x = x[:, None].expand(1, 5, 5, 5)
    assert torch.equal(layerref.AdaptiveAvgPool3d(2)(x), x[:, :2, :2, :2])
    assert nn.AdaptiveAvgPool3d(2)(x).isinf().all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: layerref.AdaptiveMaxPool2d(-1), ValueError, "output_size is at least 0"),
        (lambda x: layerref.AdaptiveAvgPool2d((3,)), ValueError, "output_size takes an int or 2"),
        (lambda x: layerref.AdaptiveAvgPool1d(None), TypeError, "output_size takes an int or 1"),
        (lambda x: layerref.AdaptiveAvgPool2d(2)(x[0, 0]), ValueError, r"\(C, H, W\) or \(N, C, H"),
        (lambda x: layerref.AdaptiveMaxPool2d(2)(x.long()), TypeError, "pools float16, bfloat16"),
        (lambda x: layerref.AdaptiveMaxPool2d(2)(x[:, :0]), ValueError, "no empty axis but"),
    ],
)  # fmt: skip
def test_errors_say_the_rule(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.zeros(2, 3, 7, 5))


@pytest.mark.parametrize("axes", AXES)
@given(st.data(), st.integers(0, 99))
def test_adaptive_equals_plain_pooling_where_the_sizes_divide(axes, data, seed):
    k, out = (tuple(data.draw(st.integers(1, 4)) for _ in range(axes)) for _ in range(2))
    x = make_input((2, *(n * o for n, o in zip(k, out, strict=True))), "plain", seed)
    for kind in ("Max", "Avg"):
        adaptive = getattr(layerref, f"Adaptive{kind}Pool{axes}d")(out)
        oracle.assert_close(adaptive(x), getattr(layerref, f"{kind}Pool{axes}d")(k)(x))

"""Upsample, Unfold and Fold against torch.nn."""

import inspect
import math

import hypothesis.strategies as st
import oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from torch import nn

import layerref
from layerref import Fold, Unfold, Upsample

AXES = {
    "nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "area": (1, 2, 3),
    "linear": (1,), "bilinear": (2,), "bicubic": (2,), "trilinear": (3,),
}  # fmt: skip
SMOOTH = ("linear", "bilinear", "bicubic", "trilinear")


def is_consistent(theirs, x):
    """Tell whether torch's gradient belongs to its output.

    For the nearest modes it does not where forward and backward round differently, and for
    bicubic where a factor other than 1 leaves all sizes as they are: backward copies then.
    """
    y, gradient = (t.detach().clone() for t in (theirs(x), x))
    x = x.detach().clone().requires_grad_()
    gradient = torch.randn_like(y)
    got = torch.autograd.grad(theirs(x), x, gradient)[0]
    probe = torch.randn_like(x)
    return bool(torch.isclose((got * probe).sum(), (gradient * theirs(probe)).sum(), rtol=1e-6))


factors = (
    st.floats(0.2, 3.5) | st.integers(1, 4) | st.integers(2, 35).map(lambda n: n / 10)
)  # 1.1 as a user writes it, and any float


@st.composite
def upsamples(draw):
    mode = draw(st.sampled_from(sorted(AXES)))
    axes = draw(st.sampled_from(AXES[mode]))
    sizes = draw(st.lists(st.integers(1, 11), min_size=axes, max_size=axes))
    kwargs = {"mode": mode}
    if mode in SMOOTH:
        kwargs["align_corners"] = draw(st.sampled_from([None, False, True]))
    if draw(st.booleans()):
        numbers = st.integers(1, 23)
        kwargs["size"] = draw(numbers | st.tuples(*[numbers] * axes))
        kwargs["recompute_scale_factor"] = draw(st.sampled_from([None, False]))
    else:
        factor = kwargs["scale_factor"] = draw(factors | st.tuples(*[factors] * axes))
        kwargs["recompute_scale_factor"] = draw(st.sampled_from([None, False, True]))
        per = factor if isinstance(factor, tuple) else (factor,) * axes
        assume(all(int(n * f) for n, f in zip(sizes, per, strict=True)))
    shape = (draw(st.sampled_from([1, 2, 3, 0])), draw(st.sampled_from([1, 2, 5])), *sizes)
    x = torch.randn(shape, dtype=torch.float64)
    if axes == 2 and draw(st.booleans()):
        x = x.contiguous(memory_format=torch.channels_last)
    return kwargs, x


@given(upsamples())
def test_upsample_equals_torch(case):
    kwargs, x = case
    ours, theirs = oracle.build("Upsample", **kwargs)
    if x.numel() and not is_consistent(theirs, x):
        oracle.assert_close(ours(x), theirs(x), "output")
        assert kwargs["mode"] in ("nearest", "nearest-exact", "bicubic")
        assert is_consistent(ours, x)
    else:
        oracle.compare(ours, theirs, x, modes=("train",))
    names = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "name")
    oracle.assert_attributes(ours, theirs, *names)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("size", [(63, 65), (64, 65)])
@pytest.mark.parametrize("factor", [1.006, 0.7, 1 / 3])
def test_large_images_are_rounded_as_torch_rounds_them(mode, size, factor):
    """torch's CPU kernels change at 128 rows and columns of the output."""
    for channels, layout in ((2, torch.contiguous_format), (5, torch.channels_last)):
        big = [math.ceil(n / factor) for n in size]
        for x in (torch.randn(1, channels, *n) for n in (size, big)):
            x = x.contiguous(memory_format=layout)
            ours, theirs = (m.Upsample(scale_factor=factor, mode=mode) for m in (layerref, nn))
            assert torch.equal(ours(x), theirs(x))
            assert torch.equal(ours(x.double()), theirs(x.double()))


@pytest.mark.parametrize("mode", sorted(AXES))
@pytest.mark.parametrize("factor", [1.1, 1.24, 2.1, 2.24])
def test_factors_that_leave_or_double_the_size(mode, factor):
    """Rounded down, 4 cells stay 4 or become 8; torch then treats some axes as copied."""
    for axes in AXES[mode]:
        for dtype in (torch.float32, torch.float64):
            x = torch.randn(2, 3, *[4] * axes, dtype=dtype)
            ours, theirs = (m.Upsample(scale_factor=factor, mode=mode)(x) for m in (layerref, nn))
            assert ours.shape[-1] == 4 * int(factor)
            torch.testing.assert_close(ours, theirs)


@given(upsamples(), st.data())
def test_upsample_refuses_what_torch_refuses(case, data):
    draw, (kwargs, x) = data.draw, case
    kwargs = {"size": None, "scale_factor": None, "align_corners": None, **kwargs}
    shape = [n or 2 for n in x.shape]
    for what in draw(st.lists(st.sampled_from([*kwargs, "shape"]), min_size=1, max_size=2)):
        number = st.integers(-1, 5) | st.sampled_from([None, 1.5, 2.0])
        if what == "size":
            kwargs[what] = draw(number | st.tuples(number, number))
        elif what == "scale_factor":
            kwargs[what] = draw(st.sampled_from([-1.5, 2, 0.5, (2, 1.5), (0.5,), [2], None]))
        elif what == "mode":
            kwargs[what] = draw(st.sampled_from([*AXES, "cubic", "lanczos"]))
        elif what == "shape":
            shape = draw(st.lists(st.integers(0, 3), min_size=2, max_size=6))
        else:
            kwargs[what] = draw(st.sampled_from([None, True, False]))
    x = torch.randn(shape, dtype=torch.float64)

    def theirs():
        y = nn.Upsample(**kwargs)(x)
        if 0 in y.shape[1:]:
            raise ValueError("torch lets some empty areas pass, ours refuses all")

    oracle.assert_refused_alike(lambda: Upsample(**kwargs)(x), theirs)


# Upsample by hand


def test_nearest_by_hand():
    x = torch.tensor([[[10.0, 20.0, 30.0]]])
    assert Upsample(scale_factor=2)(x).flatten().tolist() == [10, 10, 20, 20, 30, 30]
    assert Upsample(size=2)(x).flatten().tolist() == [10, 20]
    assert Upsample(size=2, mode="nearest-exact")(x).flatten().tolist() == [10, 30]


def test_linear_by_hand():
    x = torch.tensor([[[0.0, 4.0]]])
    linear = Upsample(scale_factor=2, mode="linear")
    assert linear(x).flatten().tolist() == [0, 1, 3, 4]
    corners = Upsample(size=5, mode="linear", align_corners=True)
    assert corners(x).flatten().tolist() == [0, 1, 2, 3, 4]
    assert Upsample(size=1, mode="linear", align_corners=True)(x).item() == 0
    assert Upsample(size=1, mode="linear")(x).item() == 2


def test_cubic_by_hand():
    # half way between two cells Keys' weights are -3/32, 19/32, 19/32, -3/32 for a = -3/4
    x = torch.eye(4).reshape(4, 1, 1, 4)
    middle = Upsample(size=(1, 3), mode="bicubic", align_corners=True)(x)[:, 0, 0, 1]
    assert middle.tolist() == [-3 / 32, 19 / 32, 19 / 32, -3 / 32]


def test_area_by_hand():
    x = torch.tensor([[[1.0, 2.0, 4.0, 8.0, 16.0]]])
    # windows [0, 2.5) and [2.5, 5) both touch cell 2
    torch.testing.assert_close(Upsample(size=2, mode="area")(x), torch.tensor([[[7 / 3, 28 / 3]]]))


def test_not_a_number_and_infinity_stay_where_torch_keeps_them():
    x = torch.tensor([[[1.0, math.inf, 2.0, math.nan, 3.0, 4.0, -math.inf]]])
    for mode, size in (
        ("nearest", 11),
        ("nearest-exact", 5),
        ("area", 3),
        ("area", 5),
        ("area", 11),
    ):
        ours, theirs = (m.Upsample(size=size, mode=mode) for m in (layerref, nn))
        torch.testing.assert_close(ours(x), theirs(x), equal_nan=True)


@pytest.mark.parametrize("mode", sorted(AXES))
def test_constants_stay_and_weights_add_up(mode):
    for axes in AXES[mode]:
        for size in (1, 3, 7, 13):
            y = Upsample(size=size, mode=mode)(torch.full((1, 2, *[5] * axes), 3.0))
            torch.testing.assert_close(y, torch.full_like(y, 3.0))


def test_corners_stay_and_integer_factors_repeat():
    x = torch.randn(2, 3, 5, 7)
    y = Upsample(size=(11, 13), mode="bilinear", align_corners=True)(x)
    ends = slice(None, None, 10), slice(None, None, 12)
    torch.testing.assert_close(y[..., ends[0], ends[1]], x[..., ::4, ::6])
    repeated = x.repeat_interleave(3, -1).repeat_interleave(3, -2)
    for mode in ("nearest", "nearest-exact", "area"):
        torch.testing.assert_close(Upsample(scale_factor=3, mode=mode)(x), repeated)


class CornersByDefault(Upsample):
    """Match the centres of the corners where torch matches edges."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs, align_corners=True)


class RecomputedStep(Upsample):
    """Take the step from the sizes although a factor was given."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs, recompute_scale_factor=True)


class CatmullRom(Upsample):
    """Use the cubic of parameter -1/2, as torch does with antialias."""

    def forward(self, input):
        return F.interpolate(input, None, self.scale_factor, self.mode, antialias=True)


@pytest.mark.parametrize(
    ("near_miss", "mode"),
    [(CornersByDefault, "bilinear"), (RecomputedStep, "bilinear"), (CatmullRom, "bicubic")],
)
def test_near_misses_are_rejected(near_miss, mode):
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    theirs = nn.Upsample(scale_factor=1.5, mode=mode)
    oracle.compare(Upsample(scale_factor=1.5, mode=mode), theirs, x)
    oracle.assert_rejected(near_miss(scale_factor=1.5, mode=mode), theirs, x)


@pytest.mark.parametrize("mode", sorted(AXES))
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision(mode, dtype):
    axes = AXES[mode][0]
    x = torch.randn(2, 3, *[5] * axes).to(dtype)
    for kwargs in ({"scale_factor": 2}, {"size": 3}):
        ours, theirs = (m.Upsample(mode=mode, **kwargs)(x) for m in (layerref, nn))
        assert ours.dtype == dtype
        accuracy = 16 * torch.finfo(dtype).eps
        torch.testing.assert_close(ours, theirs, rtol=accuracy, atol=accuracy)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear"])
def test_places_are_not_counted_in_half_precision(mode):
    """bfloat16 does not know all integers above 256."""
    x = torch.randn(1, 1, 300).bfloat16()
    ours, theirs = (m.Upsample(size=411, mode=mode)(x) for m in (layerref, nn))
    torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_bytes_are_copied(mode):
    x = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
    ours, theirs = (m.Upsample(size=(7, 11), mode=mode)(x) for m in (layerref, nn))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("mode", ["nearest", "area", "bicubic", "bilinear"])
def test_gradcheck_and_meta(mode):
    layer = Upsample(size=(3, 5), mode=mode)
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    assert layer(torch.empty(1, 2, 4, 3, device="meta")).shape == (1, 2, 3, 5)


# Unfold and Fold


def per_axis(draw, numbers):
    return draw(numbers | st.tuples(numbers, numbers))


def spread(value):
    return (value, value) if isinstance(value, int) else tuple(value)


@st.composite
def windows(draw):
    k, d, s = (per_axis(draw, st.integers(1, 3)) for _ in range(3))
    p = per_axis(draw, st.integers(0, 2))
    size = [
        max(1, b * (a - 1) + 1 - 2 * e) + draw(st.integers(0, 4))
        for a, b, e in zip(spread(k), spread(d), spread(p), strict=True)
    ]
    front = draw(st.sampled_from([(2,), (3, 2), (1, 1), (0, 3)]))
    return {"kernel_size": k, "dilation": d, "padding": p, "stride": s}, size, front


@given(windows())
def test_unfold_equals_torch(case):
    kwargs, size, front = case
    ours, theirs = oracle.build("Unfold", **kwargs)
    oracle.compare(ours, theirs, torch.randn(*front, *size, dtype=torch.float64), modes=("train",))
    oracle.assert_attributes(ours, theirs, *kwargs)
    assert repr(ours) == repr(theirs)


@given(windows())
def test_fold_equals_torch(case):
    kwargs, size, front = case
    ours, theirs = oracle.build("Fold", tuple(size), **kwargs)
    columns = nn.Unfold(**kwargs)(torch.zeros(1, 1, *size)).shape[1:]
    x = torch.randn(*front[:-1], columns[0] * front[-1], columns[1], dtype=torch.float64)
    oracle.compare(ours, theirs, x, modes=("train",))
    oracle.assert_attributes(ours, theirs, "output_size", *kwargs)
    assert repr(ours) == repr(theirs)
    if front[0]:  # the adjoint
        image = torch.randn(*front, *size, dtype=torch.float64)
        torch.testing.assert_close((Unfold(**kwargs)(image) * x).sum(), (image * ours(x)).sum())


@given(st.data())
def test_windows_refuse_what_torch_refuses(data):
    draw = data.draw
    few = st.integers(-1, 3) if draw(st.booleans()) else st.integers(1, 2)
    pair = few | st.lists(few, min_size=1, max_size=3).map(tuple)
    kwargs = {
        "kernel_size": draw(pair),
        "dilation": draw(pair),
        "padding": draw(st.integers(-1, 2)),
    }
    kwargs["stride"] = draw(pair)
    small = st.integers(0, 4)
    shape = [draw(st.integers(1, 2)), *(draw(small) for _ in range(draw(st.integers(1, 4))))]
    x = torch.randn(shape, dtype=torch.float64)
    oracle.assert_refused_alike(lambda: Unfold(**kwargs)(x), lambda: nn.Unfold(**kwargs)(x))
    size = draw(st.integers(-1, 4) | st.lists(small, min_size=1, max_size=3).map(tuple))
    if draw(st.booleans()):  # columns that nearly fit
        k, more = draw(st.integers(1, 2)), draw(st.integers(0, 2))
        kwargs, size = {"kernel_size": k, "padding": draw(st.integers(0, 1))}, k + more
        out = (more + 1 + 2 * kwargs["padding"]) ** 2
        x = torch.randn(3 * k * k - draw(st.sampled_from([0, 0, 1])), max(0, out - (more == 2)))
    oracle.assert_refused_alike(lambda: Fold(size, **kwargs)(x), lambda: nn.Fold(size, **kwargs)(x))


def test_windows_by_hand():
    x = torch.arange(12.0).reshape(1, 3, 4)
    assert Unfold(2)(x)[:, 0].tolist() == [0, 1, 4, 5]
    assert Unfold((1, 2), dilation=(1, 3))(x).tolist() == [[0, 4, 8], [3, 7, 11]]
    assert Unfold(2, padding=1, stride=4)(x).tolist() == [[0, 0], [0, 0], [0, 3], [0, 0]]
    assert Fold((1, 3), (1, 2))(torch.tensor([[1.0, 10.0], [2.0, 20.0]])).tolist() == [
        [[1, 12, 20]]
    ]


def test_convolution_is_unfold_then_a_product():
    conv, x = nn.Conv2d(3, 4, (3, 2), stride=2, padding=1), torch.randn(2, 3, 7, 11)
    columns = Unfold((3, 2), stride=2, padding=1)(x)
    y = conv.weight.flatten(1) @ columns + conv.bias[:, None]
    torch.testing.assert_close(Fold((4, 6), 1)(y), conv(x))


def test_fold_after_unfold_counts_the_readings():
    x = torch.randn(2, 3, 7, 5)
    for kwargs in (
        {"kernel_size": 3},
        {"kernel_size": 2, "dilation": 2, "padding": 1, "stride": 2},
    ):
        fold, unfold = Fold((7, 5), **kwargs), Unfold(**kwargs)
        torch.testing.assert_close(fold(unfold(x)), fold(unfold(torch.ones_like(x))) * x)
    tiles = {"kernel_size": (7, 1), "stride": (7, 1)}
    assert torch.equal(Fold((7, 5), **tiles)(Unfold(**tiles)(x)), x)


class ChannelsLastRows(Unfold):
    """Let the rows run over the window first, then over the channel."""

    def forward(self, input):
        y = super().forward(input)
        return y.unflatten(-2, (input.shape[-3], -1)).transpose(-3, -2).flatten(-3, -2)


class Averaged(Fold):
    """Divide by the number of readings, which would make it an inverse."""

    def forward(self, input):
        return super().forward(input) / super().forward(torch.ones_like(input))


def test_near_misses_of_windows_are_rejected():
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    oracle.assert_rejected(ChannelsLastRows(2), nn.Unfold(2), x)
    oracle.assert_rejected(Averaged(5, 2), nn.Fold(5, 2), nn.Unfold(2)(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.bool, torch.complex64])
def test_dtypes_of_windows(dtype):
    x = torch.randn(2, 3, 5, 5).to(dtype)
    assert torch.equal(Unfold(2)(x), nn.Unfold(2)(x))
    columns = Unfold(2)(x)
    accuracy = 4 * torch.finfo(dtype).eps if dtype != torch.bool else 0
    torch.testing.assert_close(
        Fold(5, 2)(columns), nn.Fold(5, 2)(columns), rtol=accuracy, atol=accuracy
    )


# Errors and signatures


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Upsample(2, 2), "exactly one of size and scale_factor"),
        (lambda: Upsample(), "exactly one of size and scale_factor"),
        (lambda: Upsample(2, mode="cubic"), "mode is one of"),
        (lambda: Upsample(2, align_corners=True), "align_corners belongs to the modes"),
        (lambda: Upsample(2, recompute_scale_factor=True), "needs a scale_factor"),
        (lambda: Upsample(0), "size is greater than 0"),
        (lambda: Upsample(scale_factor=-1.0), "scale_factor is greater than 0"),
        (lambda: Upsample(2)(torch.zeros(3, 4)), r"\(N, C, L\) or \(N, C, H, W\)"),
        (lambda: Upsample(2, mode="linear")(torch.zeros(1, 3, 4, 5)), "mode 'linear' takes"),
        (lambda: Upsample((2, 3))(torch.zeros(1, 3, 4)), "one number, or one for each"),
        (lambda: Upsample(scale_factor=0.1)(torch.zeros(1, 3, 4)), r"for the sizes \(0,\)"),
        (lambda: Upsample(2)(torch.zeros(1, 0, 4)), "at least one channel and cell"),
        (lambda: Unfold(2)(torch.zeros(3, 4)), r"\(C, H, W\) or \(N, C, H, W\)"),
        (lambda: Unfold(3)(torch.zeros(1, 2, 4)), "spans 3 cells, more than the 2"),
        (lambda: Unfold(2)(torch.zeros(2, 0, 3, 4)), "at least one channel and cell"),
        (lambda: Unfold((2,)), "kernel_size takes an int or 2 ints"),
        (lambda: Fold(4, 2, stride=0), "stride is at least 1"),
        (lambda: Fold((4, 0), 2), "output_size is at least 1"),
        (lambda: Fold((4, 5), 2)(torch.zeros(4, 13)), "one per window, got an input of shape"),
        (lambda: Fold((4, 5), 2)(torch.zeros(5, 12)), "a multiple of 4 rows and 3 x 4 columns"),
    ],
)
def test_errors_name_rule_and_values(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize("kwargs", [{"size": 2.0}, {"size": (2, 2.5)}, {"scale_factor": [2.0]}])
def test_wrong_types_are_refused(kwargs):
    with pytest.raises(TypeError, match="a number or a tuple of numbers"):
        Upsample(**kwargs)


def test_settings_that_only_torch_accepts():
    """The refusals in the open that the docstring names."""
    image = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    nn.Upsample(2, mode="bilinear")(image)
    with pytest.raises(TypeError, match=r"takes floating point, got torch.uint8: use .float()"):
        Upsample(2, mode="bilinear")(image)
    nn.Upsample(2, mode="area")(torch.zeros(1, 0, 4))
    with pytest.raises(ValueError, match="at least one channel"):
        Upsample(2, mode="area")(torch.zeros(1, 0, 4))


@pytest.mark.parametrize("name", ["Upsample", "Unfold", "Fold"])
def test_signatures_are_torchs(name):
    ours, theirs = (
        [(p.name, p.default) for p in inspect.signature(getattr(m, name)).parameters.values()]
        for m in (layerref, nn)
    )
    assert ours == theirs


def test_functions_agree_too():
    x = torch.randn(2, 3, 5, 7)
    torch.testing.assert_close(Unfold(3)(x), F.unfold(x, 3))
    torch.testing.assert_close(Upsample((7, 5))(x), F.interpolate(x, (7, 5)))

"""MaxPool and AvgPool against torch.nn."""

import itertools

import oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given
from hypothesis import strategies as st
from torch import nn

import layerref

AXES = (1, 2, 3)
SIZES = {1: (11,), 2: (7, 11), 3: (5, 7, 11)}


def make_input(shape, kind, seed):
    """Draw doubles: all distinct, with many ties, or with values that are not finite."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    if kind == "ties":
        return x.round()
    if kind != "plain":
        special = torch.rand(shape, generator=generator) < 0.4
        return x.masked_fill(special, float(kind))
    return x


kinds = st.sampled_from(["plain", "ties", "nan", "inf", "-inf"])
leads = st.sampled_from([(2,), (3, 2), (1, 3), (0, 2)])


@st.composite
def settings(draw, axes, dilations=(1, 2, 3)):
    """Draw settings and sizes freely: some are refused by torch, most are not."""
    per_axis = [
        {
            "kernel_size": (k := draw(st.integers(1, 5 if axes < 3 else 3))),
            "stride": draw(st.integers(1, 4)),
            "padding": draw(st.integers(0, k // 2)),
            "dilation": draw(st.sampled_from(dilations)),
        }
        for _ in range(axes)
    ]
    kwargs = {}
    for name in per_axis[0]:
        values = tuple(axis[name] for axis in per_axis)
        form = draw(st.sampled_from(["tuple", "list", "int", "one"]))
        kwargs[name] = {
            "tuple": values, "list": list(values), "int": values[0], "one": values[:1]
        }[form]  # fmt: skip
    if draw(st.booleans()):
        kwargs["stride"] = None
    if dilations == (1,):
        del kwargs["dilation"]
    kwargs["ceil_mode"] = draw(st.booleans())
    smallest, largest = {1: (1, 13), 2: (1, 11), 3: (4, 8)}[axes]
    size = tuple(draw(st.integers(smallest, largest)) for _ in range(axes))
    return kwargs, (*draw(leads), *size)


def same_as_torch(name, x, **kwargs):
    """Assert that ours refuses what torch refuses, and else agrees. Return whether it agreed."""
    refused = oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(**kwargs)(x), lambda: getattr(nn, name)(**kwargs)(x)
    )
    if not refused:
        oracle.compare(*oracle.build(name, **kwargs), x, modes=("train",))
    return not refused


def sees_padding_only(name, x, **kwargs):
    """Say whether some window of a max pooling holds padding only."""
    try:
        y = getattr(nn, name)(**kwargs | {"return_indices": False})(
            torch.zeros(1, 1, *x.shape[-int(name[-2]) :])
        )
        return y.isinf().any().item()
    except RuntimeError:
        return False


# --- max pooling -------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", AXES)
@given(st.data(), st.booleans(), kinds, st.integers(0, 999))
def test_max_pooling_equals_torch(axes, data, return_indices, kind, seed):
    kwargs, shape = data.draw(settings(axes))
    name, kwargs = f"MaxPool{axes}d", kwargs | {"return_indices": return_indices}
    x = make_input(shape, kind, seed)
    if sees_padding_only(name, x, **kwargs):
        with pytest.raises(ValueError, match="padding only"):
            getattr(layerref, name)(**kwargs)(x)
    elif same_as_torch(name, x, **kwargs):
        # torch has another kernel for MaxPool1d where no gradient is wanted
        with torch.no_grad():
            outputs = [getattr(module, name)(**kwargs)(x) for module in (layerref, nn)]
        oracle.assert_close(*outputs)


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_every_small_setting_has_torchs_output_length(ceil_mode):
    names = "kernel_size", "stride", "padding", "dilation"
    for k in range(1, 6):
        for s, p, d in itertools.product(range(1, 6), range(k // 2 + 1), range(1, 4)):
            options = dict(zip(names, (k, s, p, d), strict=True)) | {"ceil_mode": ceil_mode}
            for length in (1, 2, 3, 4, 6, 7, 9):
                x = torch.zeros(1, length)
                if not sees_padding_only("MaxPool1d", x, **options):
                    same_length_as_torch("MaxPool1d", x, **options)
                if d == 1:
                    same_length_as_torch("AvgPool1d", x, k, s, p, ceil_mode)


def same_length_as_torch(name, x, *args, **kwargs):
    ours, theirs = (getattr(module, name)(*args, **kwargs) for module in (layerref, nn))
    if not oracle.assert_refused_alike(lambda: ours(x), lambda: theirs(x)):
        assert ours(x).shape == theirs(x).shape, (ours, x.shape)


def test_max_pooling_by_hand():
    x = torch.tensor([[1.0, 5, 2, 4, 4, 3, 0, -1]])
    y, indices = layerref.MaxPool1d(3, 2, return_indices=True)(x)
    assert y.tolist() == [[5, 4, 4]]
    assert indices.tolist() == [[1, 3, 4]]
    assert layerref.MaxPool1d(3, 2, ceil_mode=True)(x).tolist() == [[5, 4, 4, 0]]
    assert layerref.MaxPool1d(2, 3, 1, 2)(x).tolist() == [
        [5, 4, 3]
    ]  # cells (-1, 1), (2, 4), (5, 7)
    x = torch.tensor([[[1.0, 2, 0], [7, 3, 3], [5, 6, 3]]])
    y, indices = layerref.MaxPool2d(2, 1, return_indices=True)(x)
    assert y.tolist() == [[[7, 3], [7, 6]]]
    assert indices.tolist() == [[[3, 4], [3, 7]]]


def test_of_equal_cells_the_first_gets_the_gradient_of_nans_the_last_is_reported():
    x = torch.tensor([[2.0, 2, 1, 2]], requires_grad=True)
    layerref.MaxPool1d(4)(x).backward()
    assert x.grad.tolist() == [[1, 0, 0, 0]]
    nan = float("nan")
    x = torch.tensor([[[nan, 3.0], [nan, 5]]])
    y, indices = layerref.MaxPool2d(2, return_indices=True)(x)
    assert y.isnan().all()
    assert indices.tolist() == [[[2]]]


def test_a_window_of_minus_infinity_reports_its_first_real_cell():
    x = torch.full((1, 5, 4), -torch.inf)
    for kwargs in ({"padding": 1}, {"padding": 1, "dilation": 2}, {"padding": 1, "stride": 2}):
        layers = [m.MaxPool2d(3, return_indices=True, **kwargs) for m in (layerref, nn)]
        oracle.assert_close(*(layer(x) for layer in layers))


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("return_indices", [False, True])
@pytest.mark.parametrize(
    "dtype",
    [
        torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool,
        torch.float16, torch.bfloat16, torch.float32, torch.complex64, torch.uint16,
        torch.float8_e4m3fn,
    ],
    ids=str,
)  # fmt: skip
def test_max_pooling_dtypes(axes, return_indices, dtype):
    x = (torch.randn(2, 3, *SIZES[axes]) * 3).to(dtype)
    name, kwargs = f"MaxPool{axes}d", {"return_indices": return_indices}
    ours, theirs = (getattr(m, name)(3, 2, 1, **kwargs) for m in (layerref, nn))
    if not oracle.assert_refused_alike(lambda: ours(x), lambda: theirs(x)):
        oracle.assert_close(ours(x), theirs(x))
        if not dtype.is_floating_point:  # the padding is below every integer
            lowest = torch.full_like(x, torch.iinfo(dtype).min)
            oracle.assert_close(ours(lowest), theirs(lowest))


class PaddedWithZeros(nn.MaxPool2d):
    def forward(self, input):
        return F.max_pool2d(F.pad(input, (1, 1, 1, 1)), self.kernel_size, self.stride)


class PlainCeil(nn.MaxPool1d):
    def forward(self, input):
        k, s, p = self.kernel_size, self.stride, self.padding
        count = -(-(input.shape[-1] + 2 * p - k) // s) + 1
        beyond = (count - 1) * s + k - input.shape[-1] - p
        return F.max_pool1d(F.pad(input, (p, beyond), value=-torch.inf), k, s)


class SharedAmongTies(nn.MaxPool1d):
    def forward(self, input):
        return input.unfold(-1, self.kernel_size, self.stride).amax(-1)


class DeafToNaN(nn.MaxPool1d):
    def forward(self, input):
        return super().forward(input.nan_to_num(-torch.inf))


def test_near_misses_of_max_pooling_are_rejected():
    x = make_input((2, 3, 7, 5), "plain", 0)
    oracle.assert_rejected(PaddedWithZeros(3, 2, 1), nn.MaxPool2d(3, 2, 1), x - 5)
    # 7 + 2 - 2 = 7 = 3 + 3 + 1: rounded up, 4 windows, the last of which starts at 8 = 7 + p
    exact = (make_input((2, 3, 8), "plain", 0),)
    oracle.assert_rejected(PlainCeil(2, 3, 1), nn.MaxPool1d(2, 3, 1, ceil_mode=True), *exact)
    oracle.compare(PlainCeil(3, 2, 1), nn.MaxPool1d(3, 2, 1, ceil_mode=True), *exact)
    ties = make_input((2, 3, 11), "ties", 0)
    oracle.assert_rejected(SharedAmongTies(3), nn.MaxPool1d(3), ties)
    oracle.assert_rejected(DeafToNaN(3), nn.MaxPool1d(3), make_input((2, 3, 11), "nan", 0))


# --- average pooling ---------------------------------------------------------------------------


@pytest.mark.parametrize("axes", AXES)
@given(
    st.data(),
    st.booleans(),
    st.sampled_from([None, None, 1, 3, -2]),
    kinds,
    st.integers(0, 999),
)
def test_average_pooling_equals_torch(axes, data, count_include_pad, divisor, kind, seed):
    kwargs, shape = data.draw(settings(axes, dilations=(1,)))
    kwargs |= {"count_include_pad": count_include_pad}
    if axes > 1:
        kwargs |= {"divisor_override": divisor}
    same_as_torch(f"AvgPool{axes}d", make_input(shape, kind, seed), **kwargs)


def test_average_pooling_by_hand():
    x = torch.tensor([[1.0, 2, 6, 4, 8]])
    assert layerref.AvgPool1d(2)(x).tolist() == [[1.5, 5]]
    assert layerref.AvgPool1d(2, ceil_mode=True)(x).tolist() == [[1.5, 5, 8]]
    assert layerref.AvgPool1d(3, padding=1)(x).tolist() == [[1, 6]]
    assert layerref.AvgPool1d(3, padding=1, count_include_pad=False)(x).tolist() == [[1.5, 6]]
    # the second window holds 6, 24, one cell of padding, which counts, and one beyond it
    y = layerref.AvgPool1d(4, 2, 1, ceil_mode=True)(torch.tensor([[4.0, 6, 24]]))
    assert y.tolist() == [[8.5, 10]]
    x = torch.tensor([[[1.0, 2, 3], [4, 5, 6]]])
    assert layerref.AvgPool2d(2, 1)(x).tolist() == [[[3, 4]]]
    assert layerref.AvgPool2d(2, 1, divisor_override=2)(x).tolist() == [[[6, 8]]]


def test_the_mean_of_integers_is_rounded_towards_zero():
    x = torch.tensor([[5, -2, -7, 2, 1, 1]])
    assert layerref.AvgPool1d(2)(x).tolist() == nn.AvgPool1d(2)(x).tolist() == [[1, -2, 1]]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize(
    "dtype",
    [
        torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.bfloat16,
        torch.float32, torch.complex64,
    ],
    ids=str,
)  # fmt: skip
def test_average_pooling_dtypes(axes, dtype):
    x = (torch.randn(2, 3, *SIZES[axes]) * 30).to(dtype)
    ours, theirs = (getattr(m, f"AvgPool{axes}d")(3, 2, 1) for m in (layerref, nn))
    if axes == 3 and dtype in (torch.float16, torch.bfloat16):
        # a gap of torch's CPU kernel, not of the layer
        with pytest.raises(NotImplementedError):
            theirs(x)
        torch.testing.assert_close(ours(x), theirs(x.float()).to(dtype))
    elif not oracle.assert_refused_alike(lambda: ours(x), lambda: theirs(x)):
        torch.testing.assert_close(ours(x), theirs(x))


def test_half_precision_sums_do_not_overflow():
    x = torch.full((1, 4, 4), 6e4, dtype=torch.float16)
    assert layerref.AvgPool2d(4)(x).item() == nn.AvgPool2d(4)(x).item() == x[0, 0, 0]


class DividedByKernel(nn.AvgPool2d):
    def forward(self, input):
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode
        return F.avg_pool2d(input, *settings, divisor_override=self.kernel_size**2)


def test_near_misses_of_average_pooling_are_rejected():
    x = make_input((2, 3, 7, 5), "plain", 0)
    apart = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
    oracle.assert_rejected(nn.AvgPool2d(3, 2, 1), apart, x)
    oracle.assert_rejected(apart, nn.AvgPool2d(3, 2, 1), x)
    # with ceil_mode, cells beyond the padding do not count, even with count_include_pad
    oracle.assert_rejected(DividedByKernel(2, ceil_mode=True), nn.AvgPool2d(2, ceil_mode=True), x)
    oracle.compare(DividedByKernel(3, 2, 1), nn.AvgPool2d(3, 2, 1), x)


# --- both --------------------------------------------------------------------------------------

BOTH = [f"{kind}Pool{axes}d" for kind in ("Max", "Avg") for axes in AXES]


@pytest.mark.parametrize("name", BOTH)
def test_attributes_repr_and_construction(name):
    options = {
        "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2, "return_indices": True,
        "ceil_mode": True, "count_include_pad": False, "divisor_override": 5,
    }  # fmt: skip
    known = nn.Module.__dir__(getattr(nn, name)(1))
    options = {key: value for key, value in options.items() if key in known}
    for kwargs in ({"kernel_size": 2}, options):
        ours, theirs = oracle.build(name, **kwargs)
        oracle.assert_attributes(ours, theirs, *options)
        assert repr(ours) == repr(theirs)
    with torch.device("meta"):
        layer = getattr(layerref, name)(2)
        assert layer(torch.empty(3, *SIZES[int(name[-2])])).is_meta


@pytest.mark.parametrize("name", BOTH)
def test_gradients_are_those_of_the_function(name):
    x = make_input((2, *(5,) * int(name[-2])), "plain", 0).requires_grad_()
    torch.autograd.gradcheck(getattr(layerref, name)(3, 2, 1, ceil_mode=True), (x,))


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("rank", range(6))
def test_ranks(name, rank):
    x = torch.randn((3,) * rank, dtype=torch.float64)
    assert same_as_torch(name, x, kernel_size=2) == (rank - int(name[-2]) in (1, 2))


@pytest.mark.parametrize("name", BOTH)
def test_only_the_batch_may_be_empty(name):
    axes = int(name[-2])
    for lead in ((), (2,)):
        shape = [*lead, 3, *SIZES[axes]]
        for axis in range(len(shape)):
            x = torch.empty([0 if i == axis else n for i, n in enumerate(shape)]).double()
            assert same_as_torch(name, x, kernel_size=2) == (axis == 0 and lead == (2,))


FORMS = [0, -1, 2.0, "2", None, True, (), (2,), [2], (2, 2), (2, 2, 2), (2, 2, 2, 2), (2.0, 2.0),
         (True,), (2, 0), (2, 3, -1)]  # fmt: skip


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("value", FORMS, ids=repr)
def test_settings_of_any_form(name, value):
    x = make_input((2, *SIZES[int(name[-2])]), "plain", 0)
    for option in ("kernel_size", "stride", "padding", "dilation"):
        if option == "stride" and value == ():
            with pytest.raises(ValueError, match="stride takes an int or"):  # torch: as None
                getattr(layerref, name)(2, ())
        elif option != "dilation" or name.startswith("Max"):
            same_as_torch(name, x, **({"kernel_size": 2} | {option: value}))


@pytest.mark.parametrize("name", ["AvgPool2d", "AvgPool3d"])
@pytest.mark.parametrize("divisor", [0, 1, -3, 2.5, 2.0, True, None], ids=repr)
def test_divisors_of_any_form(name, divisor):
    x = make_input((2, *SIZES[int(name[-2])]), "plain", 0)
    same_as_torch(name, x, kernel_size=2, divisor_override=divisor)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("kernel_size", [9, 10, 12, 13])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("padding", [0, 2])
def test_windows_larger_than_the_input(name, kernel_size, ceil_mode, padding):
    x = make_input((2, *(9,) * int(name[-2])), "plain", 0)
    kwargs = {"kernel_size": kernel_size, "ceil_mode": ceil_mode, "padding": padding}
    same_as_torch(name, x, **kwargs)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: layerref.MaxPool2d(3, padding=2), ValueError, "padding is at most half of"),
        (lambda x: layerref.MaxPool2d(0), ValueError, "kernel_size is at least 1"),
        (lambda x: layerref.AvgPool2d(2, padding=-1), ValueError, "padding is at least 0"),
        (lambda x: layerref.MaxPool2d(2.5), TypeError, "kernel_size takes an int or 2 ints"),
        (lambda x: layerref.MaxPool2d((2, 3, 4)), ValueError, "kernel_size takes an int or 2"),
        (lambda x: layerref.MaxPool2d(8)(x), ValueError, "no window fits: an axis of length 7"),
        (lambda x: layerref.MaxPool3d(2)(x[0]), ValueError, r"takes an input \(C, D, H, W\) or"),
        (lambda x: layerref.MaxPool1d(2)(x[0].long()), TypeError, "MaxPool1d pools float16"),
        (lambda x: layerref.MaxPool1d(2, 1, 1, 6)(x[0]), ValueError, "hold padding only"),
        (lambda x: layerref.AvgPool2d(2, divisor_override=0), ValueError, "so it is not 0"),
        (lambda x: layerref.AvgPool3d(6, 1, 3)(x), ValueError, "larger than the input"),
        (lambda x: layerref.AvgPool2d(2)(x[:, :0]), ValueError, "no empty axis but the batch"),
    ],
)  # fmt: skip
def test_errors_say_the_rule(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.zeros(2, 3, 7, 5))


def test_changed_attributes_take_effect():
    layer = layerref.MaxPool1d(2)
    layer.ceil_mode, layer.return_indices = True, True
    y, indices = layer(torch.arange(5.0)[None])
    assert y.tolist() == [[1, 3, 4]]
    assert indices.tolist() == [[1, 3, 4]]


# --- identities --------------------------------------------------------------------------------


@example(2, 3)
@given(st.integers(1, 4), st.integers(0, 99))
def test_max_pooling_is_separable_and_composes(k, seed):
    x = make_input((2, 3, 7, 5, 11), "plain", seed)
    separate = layerref.MaxPool3d((1, 1, k))(layerref.MaxPool3d((k, k, 1))(x))
    assert torch.equal(layerref.MaxPool3d(k)(x), separate)
    x = x.flatten(2)
    once = layerref.MaxPool1d(k, 1)
    assert torch.equal(once(once(x)), layerref.MaxPool1d(2 * k - 1, 1)(x))
    twice = layerref.MaxPool1d(k)(layerref.MaxPool1d(2)(x))
    assert torch.equal(twice, layerref.MaxPool1d(2 * k)(x))


def test_max_pooling_commutes_with_increasing_functions_not_with_negation():
    x = make_input((2, 3, 7, 5), "plain", 0)
    pool = layerref.MaxPool2d(3, 2, 1)
    assert torch.equal(pool(x.exp()), pool(x).exp())
    assert not torch.equal(pool(-x), -pool(x))


def test_average_pooling_is_a_depthwise_convolution_and_at_most_the_maximum():
    x = make_input((2, 3, 7, 5), "plain", 0)
    kernel = torch.full((3, 1, 3, 3), 1 / 9, dtype=x.dtype)
    oracle.assert_close(
        layerref.AvgPool2d(3, 2, 1)(x), F.conv2d(x, kernel, stride=2, padding=1, groups=3)
    )
    assert (layerref.AvgPool2d(3)(x) <= layerref.MaxPool2d(3)(x)).all()
    twice = layerref.AvgPool1d(2)(layerref.AvgPool1d(2)(x[..., :4].flatten(2)))
    oracle.assert_close(twice, layerref.AvgPool1d(4)(x[..., :4].flatten(2)))

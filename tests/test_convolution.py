"""Convolution, its transpose, and the depthwise layers, against torch.nn."""

import inspect

import hypothesis.strategies as st
import oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

import layerref
from layerref import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    DepthwiseConv2d,
    SeparableConv2d,
)

CONVS = ["Conv1d", "Conv2d", "Conv3d"]
TRANSPOSES = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]
ATTRIBUTES = (
    "in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding",
    "dilation", "groups", "padding_mode", "transposed",
)  # fmt: skip


# What torch accepts


def per_axis(draw, numbers, axes):
    """Draw an int for all axes, or a tuple or list with one for each."""
    if draw(st.booleans()):
        return draw(numbers)
    return draw(st.sampled_from([tuple, list]))(draw(numbers) for _ in range(axes))


def spread(value, axes):
    return (value,) * axes if isinstance(value, int) else tuple(value)


def channels(draw):
    groups = draw(st.integers(1, 3))
    return groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)), groups


def lead(draw, count):
    """Draw the axes before the spatial ones: unbatched, a batch, or an empty batch."""
    return (*draw(st.sampled_from([(), (3,), (2,), (0,)])), count)


@st.composite
def convolutions(draw, axes):
    count, out, groups = channels(draw)
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    k, d = (per_axis(draw, st.integers(1, 3), axes) for _ in range(2))
    # with a mode, negative padding crops
    p = draw(st.sampled_from(["same", "valid", None, None]))
    p = p or per_axis(draw, st.integers(0 if mode == "zeros" else -1, 3), axes)
    s = 1 if p == "same" else per_axis(draw, st.integers(1, 3), axes)
    spans = [b * (a - 1) + 1 for a, b in zip(spread(k, axes), spread(d, axes), strict=True)]
    added = [0] * axes if isinstance(p, str) else [2 * n for n in spread(p, axes)]
    if p == "same":
        added = [span - 1 for span in spans]
    # a mirror needs more cells than it adds on a side, wrapping at least as many
    least = {"reflect": lambda n: (n + 1) // 2 + 1, "circular": lambda n: (n + 1) // 2}
    size = [
        max(1, span - n, least.get(mode, lambda _: 1)(n)) + draw(st.integers(0, 3))
        for span, n in zip(spans, added, strict=True)
    ]
    kwargs = {"stride": s, "padding": p, "dilation": d, "groups": groups, "padding_mode": mode}
    kwargs["bias"] = draw(st.booleans())
    return (count, out, k), kwargs, torch.randn(*lead(draw, count), *size, dtype=torch.float64)


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(data=st.data())
def test_convolution_equals_torch(axes, data):
    args, kwargs, x = data.draw(convolutions(axes))
    ours, theirs = oracle.build(CONVS[axes - 1], *args, **kwargs)
    oracle.compare(ours, theirs, x, modes=("train",))
    oracle.assert_attributes(ours, theirs, *ATTRIBUTES)
    assert repr(ours) == repr(theirs)


@st.composite
def transposes(draw, axes):
    count, out, groups = channels(draw)
    k, s, d = (per_axis(draw, st.integers(1, 3), axes) for _ in range(3))
    p = per_axis(draw, st.integers(0, 2), axes)
    limits = [max(a, b) for a, b in zip(spread(s, axes), spread(d, axes), strict=True)]
    extra = tuple(draw(st.integers(0, limit - 1)) for limit in limits)
    sizes = [  # at least so many that something of the output is left
        1 + max(0, -((2 * e - c * (a - 1)) // -b)) + draw(st.integers(0, 2))
        for a, b, c, e in zip(*(spread(v, axes) for v in (k, s, d, p)), strict=True)
    ]
    size = [
        (i - 1) * b - 2 * e + c * (a - 1) + 1
        for i, a, b, c, e in zip(sizes, *(spread(v, axes) for v in (k, s, d, p)), strict=True)
    ]
    wanted = [n + draw(st.integers(0, b - 1)) for n, b in zip(size, spread(s, axes), strict=True)]
    kwargs = {"stride": s, "padding": p, "dilation": d, "groups": groups}
    kwargs |= {"output_padding": extra, "bias": draw(st.booleans())}
    front = lead(draw, count)
    x = torch.randn(*front, *sizes, dtype=torch.float64)
    asked = draw(st.sampled_from([None, wanted, tuple(wanted), [*front, *wanted]]))
    return (count, out, k), kwargs, x, asked


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(data=st.data())
def test_transposed_convolution_equals_torch(axes, data):
    args, kwargs, x, size = data.draw(transposes(axes))
    ours, theirs = oracle.build(TRANSPOSES[axes - 1], *args, **kwargs)
    oracle.compare(ours, theirs, x, output_size=size, modes=("train",))
    oracle.assert_attributes(ours, theirs, *ATTRIBUTES)
    assert repr(ours) == repr(theirs)


@st.composite
def depthwise(draw):
    count, multiplier = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    k, s, d = (per_axis(draw, st.integers(1, 3), 2) for _ in range(3))
    p = draw(st.sampled_from([0, 1, (1, 2), "valid", "same"]))
    kwargs = {"stride": 1 if p == "same" else s, "padding": p, "dilation": d}
    kwargs["bias"] = draw(st.booleans())
    return count, k, multiplier, kwargs, torch.randn(*lead(draw, count), 7, 8, dtype=torch.float64)


@given(depthwise())
def test_depthwise_equals_grouped_torch(case):
    count, k, multiplier, kwargs, x = case
    torch.manual_seed(0)
    ours = DepthwiseConv2d(count, k, multiplier, **kwargs)
    torch.manual_seed(0)
    theirs = nn.Conv2d(count, multiplier * count, k, groups=count, **kwargs)
    oracle.assert_same_start(ours, theirs)
    oracle.assert_attributes(ours, theirs, *ATTRIBUTES)
    oracle.compare(ours.double(), theirs.double(), x, modes=("train",))


class TorchSeparable(nn.Module):
    def __init__(self, count, out, k, multiplier, bias, **kwargs):
        super().__init__()
        self.depthwise = nn.Conv2d(count, multiplier * count, k, groups=count, bias=False, **kwargs)
        self.pointwise = nn.Conv2d(multiplier * count, out, 1, bias=bias)

    def forward(self, input):
        return self.pointwise(self.depthwise(input))


@given(depthwise(), st.integers(1, 5))
def test_separable_equals_two_torch_layers(case, out):
    count, k, multiplier, kwargs, x = case
    torch.manual_seed(0)
    ours = SeparableConv2d(count, out, k, multiplier, **kwargs)
    torch.manual_seed(0)
    theirs = TorchSeparable(count, out, k, multiplier, **kwargs)
    oracle.assert_same_start(ours, theirs)
    oracle.compare(ours.double(), theirs.double(), x, modes=("train",))


# What torch refuses


def spoil(draw, args, kwargs, x, axes):
    """Change one or two things of a setting that torch accepts; often it still does."""
    few, (count, out, k) = st.integers(-1, 4), args
    for what in draw(st.lists(st.sampled_from([*kwargs, "k", "x", "C"]), min_size=1, max_size=2)):
        if what == "k":
            k = per_axis(draw, few, axes)
        elif what == "C":
            count, out = draw(st.integers(1, 4)), draw(st.integers(0, 4))
        elif what == "x":
            rank = axes + draw(st.sampled_from([1, 2, 2, 3, 0]))
            x = torch.randn(*(draw(st.integers(1, 4)) for _ in range(rank)), dtype=x.dtype)
        elif what == "padding_mode":
            modes = ["zeros", "reflect", "replicate", "circular", "edge"]
            kwargs[what] = draw(st.sampled_from(modes))
        elif what == "padding":
            kwargs[what] = draw(st.sampled_from(["same", "valid", "full"]) | few)
        elif what == "groups":
            kwargs[what] = draw(few)
        elif what != "bias":
            kwargs[what] = per_axis(draw, few, axes)
    return (
        (count, out, k),
        kwargs,
        x
        if 0 not in x.shape[:-axes]
        else x.new_ones(1).expand(
            *(n or 2 for n in x.shape)  # torch looks less closely at empty batches
        ),
    )


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(data=st.data())
def test_convolution_refuses_what_torch_refuses(axes, data):
    args, kwargs, x = spoil(data.draw, *data.draw(convolutions(axes)), axes)
    name = CONVS[axes - 1]
    oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(*args, **kwargs).double()(x),
        lambda: getattr(nn, name)(*args, **kwargs).double()(x),
    )


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(data=st.data())
def test_transposed_convolution_refuses_what_torch_refuses(axes, data):
    args, kwargs, x, size = data.draw(transposes(axes))
    if size is not None:  # a named size replaces output_padding, so that torch does not look at it
        kwargs["output_padding"] = 0
        size = [n + data.draw(st.integers(-1, 2)) for n in size][data.draw(st.integers(0, 1)) :]
    else:
        args, kwargs, x = spoil(data.draw, args, kwargs, x, axes)
    if 0 in x.shape:
        x = torch.zeros([n or 2 for n in x.shape], dtype=x.dtype)
    name = TRANSPOSES[axes - 1]
    oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(*args, **kwargs).double()(x, size),
        lambda: getattr(nn, name)(*args, **kwargs).double()(x, size),
    )


# Values by hand


def filled(layer, *values):
    """Give a layer these weights and no bias."""
    layer.weight.data = torch.tensor(values).reshape(layer.weight.shape)
    return layer


def test_one_dimensional_values():
    x = torch.tensor([[1.0, 2.0, 4.0, 8.0, 16.0]])
    difference = filled(Conv1d(1, 1, 2, bias=False), -1.0, 1.0)
    assert difference(x).tolist() == [[1, 2, 4, 8]]
    assert filled(Conv1d(1, 1, 2, stride=2, bias=False), 1.0, 3.0)(x).tolist() == [[7, 28]]
    assert filled(Conv1d(1, 1, 2, dilation=3, bias=False), 1.0, 3.0)(x).tolist() == [[25, 50]]
    # same: the extra cell of an even kernel is added after
    same = filled(Conv1d(1, 1, 2, padding="same", bias=False), 1.0, 10.0)
    assert same(x).tolist() == [[21, 42, 84, 168, 16]]


def test_two_dimensional_values():
    x = torch.arange(9.0).reshape(1, 3, 3)
    diagonal = filled(Conv2d(1, 1, 2, bias=False), 1.0, 0.0, 0.0, 1.0)
    assert diagonal(x).tolist() == [[[4, 6], [10, 12]]]
    # an impulse shows the kernel turned around: this is cross-correlation
    impulse = torch.zeros(1, 3, 3)
    impulse[0, 1, 1] = 1
    kernel = filled(Conv2d(1, 1, 2, bias=False), 1.0, 2.0, 3.0, 4.0)
    assert kernel(impulse).tolist() == [[[4, 3], [2, 1]]]


def test_groups_see_their_own_channels():
    grouped = filled(Conv1d(2, 4, 1, groups=2, bias=False), 1.0, 2.0, 3.0, 4.0)
    assert grouped(torch.tensor([[1.0], [10.0]])).flatten().tolist() == [1, 2, 30, 40]


def test_transposed_values():
    x = torch.tensor([[1.0, 10.0]])
    write = filled(ConvTranspose1d(1, 1, 3, stride=2, bias=False), 1.0, 2.0, 3.0)
    assert write(x).tolist() == [[1, 2, 13, 20, 30]]
    assert write(x, output_size=[6]).tolist() == [[1, 2, 13, 20, 30, 0]]
    crop = filled(
        ConvTranspose1d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False), 1.0, 2.0, 3.0
    )
    assert crop(x).tolist() == [[2, 13, 20, 30]]  # the cell that padding cut comes back


def test_counts_of_parameters():
    count = lambda layer: sum(p.numel() for p in layer.parameters())  # noqa: E731
    assert count(Conv1d(4, 8, 3)) == 4 * 3 * 8 + 8
    assert count(Conv2d(64, 32, 3, groups=8)) == 32 * 8 * 9 + 32
    assert count(DepthwiseConv2d(5, 3, 2)) == 5 * 2 * 9 + 5 * 2
    m, n, k = 64, 32, 3
    assert count(SeparableConv2d(m, n, k)) == k * k * m + m * n + n
    assert count(SeparableConv2d(m, n, k, bias=False)) == k * k * m + m * n


# Identities


@pytest.mark.parametrize("options", [{}, {"stride": 3}, {"dilation": 2, "groups": 2, "padding": 1}])
def test_transpose_is_the_adjoint_and_the_gradient(options):
    conv = Conv2d(2, 4, 3, bias=False, **options).double()
    back = ConvTranspose2d(4, 2, 3, bias=False, **options).double()
    back.load_state_dict(conv.state_dict())
    x = torch.randn(3, 2, 11, 13, dtype=torch.float64, requires_grad=True)
    y = conv(x)
    g = torch.randn_like(y)
    adjoint = back(g, output_size=(11, 13))
    torch.testing.assert_close((y * g).sum(), (x * adjoint).sum())
    torch.testing.assert_close(torch.autograd.grad(y, x, g)[0], adjoint)


def test_output_padding_restores_every_size():
    for i in range(3, 12):
        for k, s, p, d in ((3, 2, 1, 1), (2, 3, 0, 2), (3, 1, 2, 1)):
            if i + 2 * p < d * (k - 1) + 1:
                continue
            small = Conv1d(1, 1, k, s, p, d)(torch.zeros(1, i))
            extra = (i + 2 * p - d * (k - 1) - 1) % s
            up = ConvTranspose1d(1, 1, k, s, p, output_padding=extra, dilation=d)
            assert up(small).shape[-1] == i


def test_dense_weights_that_grouped_and_dilated_layers_stand_for():
    x = torch.randn(2, 4, 7, 9)
    grouped, dense = Conv2d(4, 6, 3, groups=2, bias=False), Conv2d(4, 6, 3, bias=False)
    dense.weight.data = torch.zeros_like(dense.weight)
    dense.weight.data[:3, :2], dense.weight.data[3:, 2:] = grouped.weight.data.split(3)
    torch.testing.assert_close(grouped(x), dense(x))
    dilated, wide = Conv2d(4, 1, 2, dilation=3, bias=False), Conv2d(4, 1, 4, bias=False)
    wide.weight.data = torch.zeros_like(wide.weight)
    wide.weight.data[..., ::3, ::3] = dilated.weight.data
    torch.testing.assert_close(dilated(x), wide(x))


def test_modes_of_padding_equal_padding_first():
    x, conv = torch.randn(2, 3, 7), Conv1d(3, 2, 3)
    for mode in ("reflect", "replicate", "circular"):
        padded = Conv1d(3, 2, 3, padding=2, padding_mode=mode)
        padded.load_state_dict(conv.state_dict())
        torch.testing.assert_close(padded(x), conv(F.pad(x, (2, 2), mode=mode)))


# Near-misses


class Flipped(Conv2d):
    """What mathematics calls a convolution."""

    def forward(self, input):
        self.weight.data = self.weight.data.flip(-1, -2)
        output = super().forward(input)
        self.weight.data = self.weight.data.flip(-1, -2)
        return output


class GroupsInterleaved(Conv2d):
    """Give group g the channels g, g + G, ... as some libraries do."""

    def forward(self, input):
        count = input.shape[-3] // self.groups
        return super().forward(input.unflatten(-3, (count, -1)).transpose(-4, -3).flatten(-4, -3))


class ExtraCellBefore(Conv2d):
    """Put the odd cell of padding="same" before, not after."""

    def _pads(self):
        return [(b, a) for a, b in super()._pads()]


class PaddedBothSides(ConvTranspose2d):
    """Share the output padding among both sides."""

    def forward(self, input, output_size=None):
        return super().forward(input, output_size).roll(1, -1)


@pytest.mark.parametrize(
    ("near_miss", "kwargs"),
    [
        (Flipped, {}),
        (GroupsInterleaved, {"groups": 2}),
        (ExtraCellBefore, {"padding": "same"}),
        (PaddedBothSides, {"stride": 2, "output_padding": 1}),
    ],
)
def test_near_misses_are_rejected(near_miss, kwargs):
    base = near_miss.__bases__[0]
    x = torch.randn(3, 4, 5, 7, dtype=torch.float64)
    theirs = getattr(nn, base.__name__)(4, 6, 2, **kwargs).double()
    for layer in (base, near_miss):
        ours = layer(4, 6, 2, **kwargs).double()
        ours.load_state_dict(theirs.state_dict())
        if layer is base:
            oracle.compare(ours, theirs, x)
        else:
            oracle.assert_rejected(ours, theirs, x)


# Errors


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Conv2d(4, 6, 3, groups=3), "groups=3 for 4 and 6: choose a divisor of 2"),
        (lambda: Conv2d(0, 6, 3), "in_channels, out_channels and groups are at least 1"),
        (lambda: Conv2d(4, 6, (3,)), "kernel_size takes an int or 2 ints"),
        (lambda: Conv2d(4, 6, 3, stride=0), "stride is at least 1"),
        (lambda: Conv2d(4, 6, 3, padding=-1), "padding is at least 0"),
        (lambda: Conv2d(4, 6, 3, dilation=0), "dilation is at least 1"),
        (lambda: Conv2d(4, 6, 0), "kernel_size is at least 1"),
        (lambda: Conv2d(4, 6, 3, padding="full"), "'same' or 'valid', got 'full'"),
        (lambda: Conv2d(4, 6, 3, 2, "same"), "needs stride=1, got stride=2"),
        (lambda: Conv2d(4, 6, 3, padding_mode="edge"), "padding_mode is one of"),
        (lambda: Conv2d(4, 6, 3)(torch.zeros(2, 5, 5, 5)), "in_channels=4 takes that many"),
        (lambda: Conv2d(4, 6, 3)(torch.zeros(4, 5)), r"\(C, H, W\) or \(N, C, H, W\)"),
        (lambda: Conv2d(4, 6, 3)(torch.zeros(4, 2, 5)), "spans 3 cells, more than the 2"),
        (lambda: Conv1d(4, 6, 3)(torch.zeros(2, 4, 0)), "at least one cell on every axis"),
        (
            lambda: Conv1d(4, 6, 3, padding=3, padding_mode="reflect")(torch.zeros(4, 3)),
            "reflect padding of an axis of size 3 adds at most 2",
        ),
        (lambda: ConvTranspose2d(4, 6, 3, output_padding=1), "less than the larger of stride"),
        (lambda: ConvTranspose2d(4, 6, 3, output_padding=-1), "output_padding is at least 0"),
        (lambda: ConvTranspose2d(4, 6, 3, padding_mode="reflect"), "padding_mode is 'zeros'"),
        (lambda: ConvTranspose2d(4, 6, 3, padding="same"), "padding is numbers"),
        (
            lambda: ConvTranspose1d(4, 6, 3, stride=2)(torch.zeros(4, 5), output_size=[13]),
            r"gives sizes from \(11,\) to \(12,\), got output_size=\(13,\)",
        ),
        (
            lambda: ConvTranspose1d(4, 6, 3)(torch.zeros(4, 5), output_size=[1, 2, 3]),
            "output_size has 1 or 2 numbers",
        ),
        (lambda: ConvTranspose1d(4, 6, 2, padding=3)(torch.zeros(4, 5)), "use less padding"),
        (lambda: DepthwiseConv2d(4, 3, 0), "at least 1, got 4, 0 and 4"),
        (lambda: SeparableConv2d(4, 0, 3), "at least 1, got 4, 0 and 1"),
    ],
)
def test_errors_name_rule_and_values(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_another_dtype_is_refused():
    with pytest.raises(TypeError, match=r"got torch.float64 for torch.float32: convert one by"):
        Conv1d(4, 6, 3)(torch.zeros(4, 5).double())


def test_settings_that_only_torch_accepts():
    """The refusals in the open that the docstrings name."""
    x = torch.zeros(2, 4, 5, 5)
    for name, args, kwargs, size in (
        ("Conv2d", (4, 6, 3), {"stride": (2,)}, None),
        ("Conv2d", (0, 6, 3), {}, None),
        ("ConvTranspose2d", (4, 6, 3), {"output_padding": 1}, (7, 7)),
    ):
        theirs = getattr(nn, name)(*args, **kwargs)
        theirs(x[:, : args[0]]) if size is None else theirs(x, size)
        with pytest.raises(ValueError, match=r"at least|per axis|less than"):
            getattr(layerref, name)(*args, **kwargs)


# Dtypes, devices, signatures


@pytest.mark.parametrize("name", [*CONVS, *TRANSPOSES])
def test_signatures_are_torchs(name):
    ours, theirs = (
        [
            (p.name, p.default)
            for p in inspect.signature(getattr(module, name)).parameters.values()
            if p.name not in ("device", "dtype")
        ]
        for module in (layerref, nn)
    )
    assert ours == theirs


@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "ConvTranspose2d"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision(name, dtype):
    torch.manual_seed(0)
    theirs = getattr(nn, name)(6, 4, 3, stride=2, padding=1, groups=2).to(dtype)
    ours = getattr(layerref, name)(6, 4, 3, stride=2, padding=1, groups=2).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 6, *[7] * int(name[-2])).to(dtype)
    results = []
    for layer in (ours, theirs):
        value = x.clone().requires_grad_()
        output = layer(value)
        assert output.dtype == dtype
        output.sum().backward()
        results.append((output, value.grad, layer.weight.grad))
    accuracy = 8 * torch.finfo(dtype).eps
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=accuracy, atol=accuracy * b.abs().max().item())


@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d"])
def test_complex_numbers(name):
    ours, theirs = oracle.build(name, 2, 4, 3, stride=2, groups=2)
    x = torch.randn(3, 2, 7, 7, dtype=torch.complex128)
    results = []
    for layer in (ours, theirs):
        layer.to(torch.complex128)
        layer.weight.data *= 1 + 2j
        value = x.clone().requires_grad_()
        output = layer(value)
        output.abs().sum().backward()
        results.append((output, value.grad, layer.weight.grad))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d"])
def test_autocast_gives_the_same_dtype(name):
    ours, theirs = getattr(layerref, name)(2, 3, 3), getattr(nn, name)(2, 3, 3)
    x = torch.randn(2, 2, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(x).dtype == theirs(x).dtype == torch.bfloat16
        assert ours(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("name", [*CONVS, *TRANSPOSES])
def test_meta_device(name):
    with torch.device("meta"):
        ours, theirs = (getattr(m, name)(2, 4, 3, padding=1) for m in (layerref, nn))
    x = torch.empty(3, 2, *[5] * int(name[-2]), device="meta")
    assert ours.weight.is_meta
    assert ours(x).is_meta
    assert ours(x).shape == theirs(x).shape


@pytest.mark.parametrize("layer", [Conv2d(2, 4, 2, 2, 1, groups=2), ConvTranspose2d(2, 2, 2, 2)])
def test_second_derivatives(layer):
    layer = layer.double()
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)

    def call(input, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, input)

    assert torch.autograd.gradcheck(call, (x, layer.weight, layer.bias), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(call, (x, layer.weight, layer.bias))


def test_channels_last_and_mapped_batches():
    conv, x = Conv2d(4, 6, 3), torch.randn(3, 4, 7, 7)
    torch.testing.assert_close(conv(x.to(memory_format=torch.channels_last)), conv(x))
    torch.testing.assert_close(torch.func.vmap(conv)(x), conv(x))
    assert Conv3d(1, 1, 1)(torch.zeros(0, 1, 2, 3, 4)).shape == (0, 1, 2, 3, 4)


def test_resetting_draws_again():
    ours, theirs = oracle.build("Conv2d", 4, 6, 3)
    for layer in (ours, theirs):
        torch.manual_seed(7)
        layer.reset_parameters()
    oracle.assert_same_start(ours, theirs)

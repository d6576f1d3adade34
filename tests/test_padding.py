"""The fifteen padding layers against their twins in torch.nn."""

import copy
import functools
import inspect
import itertools
import math

import oracle
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import layerref

KINDS = ["ConstantPad", "ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"]
NAMES = [f"{kind}{axes}d" for kind in KINDS for axes in (1, 2, 3)]
MODES = dict(zip(KINDS, ["constant", "constant", "reflect", "replicate", "circular"], strict=True))


def tensor(shape, dtype=torch.float64):
    """Return different, nowhere periodic, values."""
    return torch.arange(1, math.prod(shape) + 1).reshape(shape).square().to(dtype)


def options(name, value=0.0):
    return {"value": value} if name.startswith("Constant") else {}


def is_uninitialised(name, padding, shape):
    """Tell the settings for which torch's circular padding returns memory that nobody wrote."""
    sides = [(left, right) for left, right in zip(padding[::2], padding[1::2], strict=True)]
    return name.startswith("Circular") and any(
        max(before, after) > size + min(before, 0) + min(after, 0)
        for (before, after), size in zip(sides, shape[::-1], strict=False)
    )


@functools.cache
def accepted(mode, size):
    """Return the (before, after) that torch accepts for an axis, up to a little beyond its size."""

    def is_accepted(before, after):
        kept = size + min(before, 0) + min(after, 0)
        if mode in ("constant", "circular"):
            return kept >= 0 and (mode == "constant" or max(before, after) <= kept)
        return size + before + after >= 1 and (mode == "replicate" or max(before, after) < size)

    amounts = range(-size - 2, size + 3)
    return [pair for pair in itertools.product(amounts, repeat=2) if is_accepted(*pair)]


@st.composite
def settings(draw):
    """Return name, arguments and an input that torch accepts."""
    name = draw(st.sampled_from(NAMES))
    axes, mode = int(name[-2]), MODES[name[:-2]]
    copies = mode in ("reflect", "replicate")  # then only the batch may be empty
    spatial = draw(st.lists(st.integers(copies, 5), min_size=axes, max_size=axes))
    channels = draw(st.lists(st.integers(copies, 3), min_size=mode != "constant", max_size=1))
    batch = draw(st.lists(st.integers(0, 3), max_size=1 if mode != "constant" else 2))
    pairs = [draw(st.sampled_from(accepted(mode, size))) for size in reversed(spatial)]
    shape = (*(batch if channels else ()), *channels, *spatial)
    return name, ([*itertools.chain(*pairs)], draw(st.floats(-9, 9))), tensor(shape)


@st.composite
def any_settings(draw):
    """Return name, arguments and an input of which torch refuses many."""
    name = draw(st.sampled_from(NAMES))
    axes = int(name[-2])
    shape = draw(st.lists(st.integers(0, 4), max_size=axes + 3).map(tuple))
    padding = draw(st.lists(st.integers(-5, 6), min_size=2 * axes, max_size=2 * axes))
    return name, (padding, draw(st.floats(-9, 9))), tensor(shape)


@given(settings(), st.booleans())
def test_padding_equals_torch(setting, as_tuple):
    name, (padding, value), x = setting
    padding = tuple(padding) if as_tuple else padding
    ours, theirs = oracle.build(name, padding, **options(name, value))
    oracle.compare(ours, theirs, x)
    oracle.assert_attributes(ours, theirs, "padding", *options(name))
    assert repr(ours) == repr(theirs)


@given(st.sampled_from(NAMES), st.integers(-1, 3), st.booleans())
def test_an_int_stands_for_every_side(name, padding, batched):
    axes = int(name[-2])
    x = tensor((2,) * batched + (3,) + (4, 5, 7)[:axes])
    ours, theirs = oracle.build(name, padding, **options(name))
    oracle.compare(ours, theirs, x)
    oracle.assert_attributes(ours, theirs, "padding", *options(name))
    assert repr(ours) == repr(theirs)


@given(any_settings())
def test_padding_refuses_what_torch_refuses(setting):
    name, (padding, value), x = setting
    keywords = options(name, value)

    def ours():
        return getattr(layerref, name)(padding, **keywords)(x)

    if is_uninitialised(name, padding, x.shape):
        return  # see test_circular_padding_beside_a_crop_never_reads_what_nobody_wrote
    if not oracle.assert_refused_alike(ours, lambda: getattr(nn, name)(padding, **keywords)(x)):
        oracle.compare(*oracle.build(name, padding, **keywords), x)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("padding", [1.5, "ab", None, True, (1.0,), (True,), ("a",)])
def test_padding_that_is_not_made_of_ints_is_refused_as_in_torch(name, padding):
    axes = int(name[-2])
    padding = padding * (2 * axes) if isinstance(padding, tuple) else padding
    x, keywords = tensor((3, *(4, 5, 7)[:axes])), options(name)
    assert oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(padding, **keywords)(x),
        lambda: getattr(nn, name)(padding, **keywords)(x),
    )


def test_circular_padding_beside_a_crop_never_reads_what_nobody_wrote():
    # 3 cells, all of them cropped, 2 to be wrapped: torch returns whatever the memory held
    assert is_uninitialised("CircularPad1d", (-3, 2), (1, 3))
    torch.use_deterministic_algorithms(True)  # fills new memory with NaN
    try:
        assert nn.CircularPad1d((-3, 2))(torch.ones(1, 3)).isnan().all()
    finally:
        torch.use_deterministic_algorithms(False)
    with pytest.raises(ValueError, match="circular padding of an axis of size 3 adds at most 0"):
        layerref.CircularPad1d((-3, 2))(torch.ones(1, 3))
    # where what is left suffices, the two agree: crop first, then wrap
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    for library in (nn, layerref):
        assert library.CircularPad1d((-1, 2))(x).tolist() == [[2, 3, 4, 2, 3]]


@pytest.mark.parametrize("kind", KINDS)
def test_another_number_of_sides_is_refused_in_the_open(kind):
    """Accepted by torch: ConstantPad2d((1, 2), 0) extends W only, as ConstantPad1d does."""
    x, keywords = tensor((2, 3, 5)), options(kind)
    theirs = getattr(nn, f"{kind}2d")((1, 2), **keywords)
    if kind != "CircularPad":
        assert theirs(x).shape == (2, 3, 8)
    with pytest.raises(ValueError, match=r"4 ints \(left, right, top, bottom\)"):
        getattr(layerref, f"{kind}2d")((1, 2), **keywords)


def constructor(method):
    """Return names, order and defaults; device and dtype are not ours."""
    parameters = inspect.signature(method).parameters.values()
    return [(p.name, p.default, p.kind) for p in parameters if p.name not in ("device", "dtype")]


@pytest.mark.parametrize("name", NAMES)
def test_constructor_has_torchs_parameters(name):
    assert constructor(getattr(layerref, name)) == constructor(getattr(nn, name))


def test_by_hand():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    rows = {
        kind: getattr(layerref, f"{kind}1d")((2, 1), **options(kind, 7.0))(x)[0].tolist()
        for kind in KINDS
    }
    assert rows == {
        "ConstantPad": [7, 7, 1, 2, 3, 7],
        "ZeroPad": [0, 0, 1, 2, 3, 0],
        "ReflectionPad": [3, 2, 1, 2, 3, 2],
        "ReplicationPad": [1, 1, 1, 2, 3, 3],
        "CircularPad": [2, 3, 1, 2, 3, 1],
    }
    # left, right, top, bottom: the last axis first
    y = layerref.ConstantPad2d((1, 0, 0, 2), 9)(torch.tensor([[1, 2]]))
    assert y.tolist() == [[9, 1, 2], [9, 9, 9], [9, 9, 9]]


@given(st.sampled_from(NAMES), st.data())
def test_identities(name, data):
    axes, kind = int(name[-2]), name[:-2]
    x = tensor((2, 3, 4, 5, 6)[: axes + 2])
    padding = data.draw(st.lists(st.integers(0, 3), min_size=2 * axes, max_size=2 * axes))
    y = getattr(layerref, name)(padding, **options(name))(x)
    undone = getattr(layerref, f"ZeroPad{axes}d")([-p for p in padding])(y)
    assert torch.equal(undone, x)
    if kind in ("ReflectionPad", "ReplicationPad", "CircularPad"):  # commute with any f(x)
        assert torch.equal(getattr(layerref, name)(padding)(x.sin()), y.sin())
        assert torch.isin(y, x).all()
    if kind == "ZeroPad":
        torch.testing.assert_close(y.sum(), x.sum())
        assert torch.equal(y, getattr(layerref, f"ConstantPad{axes}d")(padding, 0.0)(x))
        assert isinstance(getattr(layerref, name)(1), getattr(layerref, f"ConstantPad{axes}d"))


def test_near_misses_are_rejected():
    class FirstAxisFirst(layerref.ReplicationPad2d):
        def forward(self, input):
            pairs = list(zip(self.padding[::2], self.padding[1::2], strict=True))
            return layerref.windows.pad(input, pairs, self.mode)

    class EdgeRepeated(layerref.ReflectionPad1d):  # numpy calls it "symmetric"
        def forward(self, input):
            left, right = self.padding
            parts = [
                input[..., :left].flip(-1),
                input,
                input[..., input.shape[-1] - right :].flip(-1),
            ]
            return torch.cat(parts, -1)

    oracle.assert_rejected(
        FirstAxisFirst((0, 0, 1, 1)), nn.ReplicationPad2d((0, 0, 1, 1)), tensor((1, 3, 3))
    )
    oracle.assert_rejected(EdgeRepeated((2, 1)), nn.ReflectionPad1d((2, 1)), tensor((1, 5)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "dtype",
    [torch.float16, torch.bfloat16, torch.float32, torch.int64, torch.uint8, torch.complex64],
)
def test_other_dtypes_are_equal_exactly(name, dtype):
    x = tensor((2, 3, 4, 5, 6)[: int(name[-2]) + 2]).remainder(100).to(dtype)
    mine = getattr(layerref, name)(2, **options(name, 2.5))(x)
    assert mine.dtype == dtype
    assert torch.equal(mine, getattr(nn, name)(2, **options(name, 2.5))(x))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("padding", [0, -1])
def test_the_output_has_memory_of_its_own(name, padding):
    x = torch.ones((2, 3, 4, 5, 6)[: int(name[-2]) + 2])
    for library in (nn, layerref):
        getattr(library, name)(padding, **options(name))(x).zero_()
        assert x.all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: layerref.ZeroPad1d((1, 2, 3)), ["2 ints (left, right)", "(1, 2, 3)", "padding=1"]),
        (lambda: layerref.ConstantPad3d((1, 1), 0), ["6 ints", "front, back", "(1, 1)"]),
        (lambda: layerref.ZeroPad2d(1)(torch.ones(3)), ["last 2 axes", "(3,)", "unsqueeze"]),
        (lambda: layerref.ReflectionPad1d(1)(torch.ones(3)), ["(C, L) or (N, C, L)", "(3,)"]),
        (lambda: layerref.ReplicationPad3d(1)(torch.ones(3)), ["(C, D, H, W) or (N, C, D, H, W)"]),
        (
            lambda: layerref.ReplicationPad2d(1)(torch.ones(2, 0, 3, 3)),
            ["(2, 0, 3, 3)", "only the batch"],
        ),
        (
            lambda: layerref.ReflectionPad1d(3)(torch.ones(1, 3)),
            ["size 3", "at most 2", "(3, 3)", "change"],
        ),
        (
            lambda: layerref.CircularPad1d(4)(torch.ones(1, 3)),
            ["size 3", "at most 3", "(4, 4)", "change"],
        ),
        (lambda: layerref.ZeroPad1d(-2)(torch.ones(1, 3)), ["size 3", "cannot remove", "(-2, -2)"]),
    ],
)
def test_errors_say_the_rule_the_values_and_the_remedy(call, words):
    with pytest.raises(ValueError, match="got") as caught:
        call()
    assert not [word for word in words if word not in str(caught.value)], str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_meta_device_and_copies(name):
    axes = int(name[-2])
    x = tensor((1, 2, 3, 3, 2)[: axes + 2]).requires_grad_()
    layer = getattr(layerref, name)((1, 0) * axes, **options(name))
    assert torch.autograd.gradcheck(layer, (x,))
    assert layer(x.detach().to("meta")).shape == layer(x).shape
    with torch.device("meta"):
        assert getattr(layerref, name)(1, **options(name)).state_dict() == {}
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))

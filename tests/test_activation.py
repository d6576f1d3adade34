"""Threshold, ReLU, Hardtanh and GELU against their twins in torch.nn."""

import inspect
import math

import oracle
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import layerref
from layerref import GELU, Hardtanh, ReLU, Threshold

INF, NAN = math.inf, math.nan
# ends, halves and whole numbers, so that elements often equal a threshold
numbers = st.sampled_from([-INF, -2, -1.5, -1, -0.5, -0.0, 0.0, 0.5, 1, 1.5, 2, 7.25, INF, NAN])
finite = st.sampled_from([-2, -1.5, -1, -0.5, 0.0, 0.5, 1, 1.5, 2, 7.25])
shapes = st.lists(st.sampled_from([0, 1, 2, 3, 5]), max_size=4).map(tuple)


@st.composite
def inputs(draw, elements=numbers, dtype=torch.float64):
    shape = draw(shapes)
    count = math.prod(shape)
    values = draw(st.lists(elements, min_size=count, max_size=count))
    return torch.tensor(values, dtype=dtype).reshape(shape)


@st.composite
def layers(draw, limits=numbers, inplace=None):
    """Return name, arguments and the attributes to read back."""
    inplace = draw(st.booleans()) if inplace is None else inplace
    name = draw(st.sampled_from(["Threshold", "ReLU", "Hardtanh"]))
    if name == "Threshold":
        return name, (draw(limits), draw(limits), inplace), ("threshold", "value", "inplace")
    if name == "ReLU":
        return name, (inplace,), ("inplace",)
    limits = limits.filter(lambda limit: not math.isnan(limit))
    low, high = sorted(draw(st.lists(limits, min_size=2, max_size=2, unique=True)))
    return name, (low, high, inplace), ("min_val", "max_val", "inplace")


class AfterIdentity(nn.Module):
    """Feed the layer a tensor that is no leaf, so that it may be overwritten."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, input):
        return self.layer(input * 1)


@given(layers(), inputs())
def test_piecewise_layers_equal_torch(setting, x):
    name, args, attributes = setting
    ours, theirs = oracle.build(name, *args)
    if name == "Hardtanh":  # torch's gradient at NaN is 0 or 1, as the position in memory has it
        x = x.nan_to_num(nan=0.0, posinf=INF, neginf=-INF)
    oracle.compare(AfterIdentity(ours), AfterIdentity(theirs), x)
    for attribute in attributes:
        assert repr(getattr(ours, attribute)) == repr(getattr(theirs, attribute))
    assert repr(ours) == repr(theirs)
    mine = x.clone()
    assert (ours(mine) is mine) == ours.inplace
    oracle.assert_close(mine, x if not ours.inplace else theirs(x.clone()), "the input afterwards")


@given(st.sampled_from(["none", "tanh"]), inputs(finite | st.floats(-9, 9)))
def test_gelu_equals_torch(approximate, x):
    ours, theirs = oracle.build("GELU", approximate)
    oracle.compare(ours, theirs, x)
    oracle.assert_attributes(ours, theirs, "approximate")
    assert repr(ours) == repr(theirs)


@given(
    layers(st.sampled_from([-2, -1, 0, 1, 2])),
    st.sampled_from([torch.int64, torch.int8, torch.uint8, torch.bool, torch.complex64]),
)
def test_piecewise_layers_refuse_the_dtypes_that_torch_refuses(setting, dtype):
    name, args, _ = setting
    ours, theirs = getattr(layerref, name)(*args), getattr(nn, name)(*args)
    x = torch.arange(5).to(dtype)
    if not oracle.assert_refused_alike(lambda: ours(x.clone()), lambda: theirs(x.clone())):
        oracle.assert_close(ours(x.clone()), theirs(x.clone()))


@given(
    st.sampled_from(["none", "tanh", "sigmoid", "", None]),
    st.sampled_from([torch.float32, torch.float16, torch.int64, torch.bool, torch.complex64]),
)
def test_gelu_refuses_what_torch_refuses(approximate, dtype):
    x = torch.ones(3).to(dtype)
    oracle.assert_refused_alike(lambda: GELU(approximate)(x), lambda: nn.GELU(approximate)(x))


@given(finite, finite)
def test_hardtanh_refuses_what_torch_refuses(low, high):
    oracle.assert_refused_alike(lambda: Hardtanh(low, high), lambda: nn.Hardtanh(low, high))


def test_old_names_of_the_range_warn_as_in_torch():
    for library in (nn, layerref):
        with pytest.warns(FutureWarning, match="min_val") as caught:
            layer = library.Hardtanh(min_value=-3, max_value=4)
        assert len(caught) == 2
        assert (layer.min_val, layer.max_val) == (-3, 4)


def constructor(method):
    """Return names, order and defaults; device and dtype are not ours."""
    parameters = inspect.signature(method).parameters.values()
    return [(p.name, p.default, p.kind) for p in parameters if p.name not in ("device", "dtype")]


@pytest.mark.parametrize("name", layerref.activation.__all__)
def test_constructor_has_torchs_parameters(name):
    assert constructor(getattr(layerref, name)) == constructor(getattr(nn, name))


def test_by_hand():
    x = torch.tensor([-5.0, 1.0, 1.5, 1e6, NAN])
    assert str(Threshold(1.0, -9.0)(x).tolist()) == "[-9.0, -9.0, 1.5, 1000000.0, nan]"
    assert str(ReLU()(x).tolist()) == "[0.0, 1.0, 1.5, 1000000.0, nan]"
    assert str(Hardtanh()(x).tolist()) == "[-1.0, 1.0, 1.0, 1.0, nan]"
    torch.testing.assert_close(GELU()(torch.tensor([0.0, 1.0])), torch.tensor([0, 0.841344746]))


def test_gradient_is_zero_where_the_layer_is_flat_and_at_its_corners():
    for layer, expected in (
        (Threshold(1.0, -9.0), [0, 0, 0, 1]),
        (ReLU(), [0, 0, 1, 1]),
        (Hardtanh(0.0, 1.0), [0, 0, 0, 0]),
        (Hardtanh(-1.5, 1.5), [1, 1, 1, 0]),
    ):
        x = torch.tensor([-1.0, 0.0, 1.0, 2.0], requires_grad=True)
        layer(x).sum().backward()
        assert x.grad.tolist() == expected, layer


@given(st.sampled_from([-2, -0.5, 0, 1]), inputs(finite))
def test_identities(t, x):
    assert torch.equal(Threshold(0, 0)(x), ReLU()(x))
    assert torch.equal(Threshold(t, t)(x), x.clamp(min=t))
    assert torch.equal(Threshold(t, t)(Threshold(t, t)(x)), Threshold(t, t)(x))
    assert torch.equal(Hardtanh(t, t + 3)(x), x.clamp(t, t + 3))
    assert torch.equal(ReLU()(x) - ReLU()(-x), x)
    for approximate in ("none", "tanh"):
        gelu = GELU(approximate)
        torch.testing.assert_close(gelu(x) - gelu(-x), x)


def test_near_misses_are_rejected():
    class Clamp(nn.Module):  # right values, gradient 1 at the corner
        def forward(self, input):
            return input.clamp(min=0)

    class NotReplacingTheEqual(nn.Module):
        def forward(self, input):
            return torch.where(input >= 0.5, input, 7.0)

    class ReplacingNaN(nn.Module):
        def forward(self, input):
            return torch.where(input > 0.5, input, 7.0)

    x = torch.tensor([-1.0, 0.0, 0.5, 1.0], dtype=torch.float64)
    oracle.assert_rejected(Clamp(), nn.ReLU(), x)
    oracle.assert_rejected(NotReplacingTheEqual(), nn.Threshold(0.5, 7.0), x)
    oracle.compare(ReplacingNaN(), nn.Threshold(0.5, 7.0), x)
    oracle.assert_rejected(ReplacingNaN(), nn.Threshold(0.5, 7.0), x * NAN)
    oracle.assert_rejected(GELU("tanh"), nn.GELU(), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("Threshold", (0.1, -0.3)),
        ("Threshold", (0.1, -0.3, True)),
        ("ReLU", ()),
        ("Hardtanh", (-0.7, 0.3)),
        ("GELU", ("none",)),
        ("GELU", ("tanh",)),
    ],
)
def test_other_precisions(name, args, dtype):
    x = torch.linspace(-400, 400, 997).to(dtype)
    x = torch.cat(
        [x, torch.linspace(-9, 9, 997).to(dtype), torch.tensor([0.1, -0.7, 0.3]).to(dtype)]
    )
    results = []
    for library in (layerref, nn):
        leaf = x.clone().requires_grad_()
        y = getattr(library, name)(*args)(leaf * 1)
        y.sum().backward()
        assert y.dtype == dtype
        results.append((y, leaf.grad))
    eps = torch.finfo(dtype).eps
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, rtol=2 * eps, atol=4e-6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Hardtanh(1, 1), ValueError, ["min_val=1", "max_val=1", "widen"]),
        (
            lambda: Hardtanh()(torch.zeros(2).byte()),
            ValueError,
            ["-1.0", "uint8", "raise the range"],
        ),
        (
            lambda: Threshold(0, 0)(torch.zeros(2).bool()),
            TypeError,
            ["torch.bool", "input.float()"],
        ),
        (lambda: ReLU()(torch.zeros(2) * 1j), TypeError, ["ReLU", "complex64", "input.float()"]),
        (lambda: GELU("erf")(torch.zeros(2)), ValueError, ['"none" or "tanh"', "'erf'", "choose"]),
        (lambda: GELU()(torch.zeros(2).int()), TypeError, ["floating-point", "int32", ".float()"]),
    ],
)
def test_errors_say_the_rule_the_values_and_the_remedy(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert not [word for word in words if word not in str(caught.value)], str(caught.value)


def test_a_leaf_that_needs_a_gradient_cannot_be_overwritten():
    for library in (nn, layerref):
        with pytest.raises(RuntimeError, match="leaf"):
            library.Threshold(0, 0, inplace=True)(torch.zeros(2, requires_grad=True))


@pytest.mark.parametrize("layer", [Threshold(0.3, -1), ReLU(), Hardtanh(), GELU(), GELU("tanh")])
def test_derivatives_and_meta_device(layer):
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))
    assert torch.autograd.gradgradcheck(layer, (x,))
    assert layer(torch.zeros(3, 5, device="meta")).shape == (3, 5)
    with torch.device("meta"):
        assert (
            list(type(layer)(*([0, 0] if isinstance(layer, Threshold) else [])).parameters()) == []
        )

"""LayerNorm and RMSNorm against their twins, by hand, near misses, errors."""

import copy
import math

import hypothesis.strategies as st
import norms
import oracle
import pytest
import torch
from hypothesis import assume, given
from torch import nn

import layerref
from layerref import LayerNorm, RMSNorm

EPS = [1e-5, 1e-3, 0.5, 1]


@st.composite
def layer_norm_cases(draw, name):
    """Draw constructor arguments and an input of LayerNorm or RMSNorm."""
    shape = draw(norms.shapes(1, 3))
    lead = draw(norms.shapes(0, 2, [s for s in norms.SIZES if s not in shape]))
    kwargs = {"elementwise_affine": draw(st.booleans())}
    if name == "LayerNorm":
        kwargs["bias"] = draw(st.booleans())
    eps = draw(st.sampled_from(EPS if name == "LayerNorm" else [*EPS, None]))
    if eps != 1e-5:
        kwargs["eps"] = eps
    first = shape
    if len(shape) == 1 and draw(st.booleans()):
        first = shape[0]
    elif draw(st.booleans()):
        first = draw(st.sampled_from([list, torch.Size]))(shape)
    return first, kwargs, draw(norms.inputs(lead + shape)), draw(norms.seeds)


@given(layer_norm_cases("LayerNorm"))
def test_layer_norm_is_torchs(case):
    shape, kwargs, x, seed = case
    ours, theirs = norms.build("LayerNorm", shape, seed=seed, **kwargs)
    oracle.assert_attributes(ours, theirs, "normalized_shape", "eps", "elementwise_affine")
    assert repr(ours) == repr(theirs)
    oracle.compare(ours, theirs, x)


@given(layer_norm_cases("RMSNorm"))
def test_rms_norm_is_torchs(case):
    shape, kwargs, x, seed = case
    ours, theirs = norms.build("RMSNorm", shape, seed=seed, **kwargs)
    oracle.assert_attributes(ours, theirs, "normalized_shape", "eps", "elementwise_affine")
    assert repr(ours) == repr(theirs)
    oracle.compare(ours, theirs, x)


@given(
    name=st.sampled_from(["LayerNorm", "RMSNorm"]),
    shape=st.one_of(
        st.integers(-1, 3),
        st.lists(st.integers(-1, 3), max_size=3),
        st.sampled_from([2.0, "a", None, True, (2.0, 3), ("a",), (True,)]),
    ),
    kwargs=st.fixed_dictionaries(
        {},
        optional={
            "eps": st.sampled_from([1e-5, 0.0, -1.0, 1, "a"]),
            "elementwise_affine": st.booleans(),
        },
    ),
    input_shape=st.lists(st.integers(0, 3), max_size=4),
    dtype=st.sampled_from([torch.float32, torch.float32, torch.float64, torch.int64]),
)
@pytest.mark.filterwarnings("ignore:var_mean", "ignore:Mismatch dtype")
def test_refusals_are_torchs(name, shape, kwargs, input_shape, dtype):
    x = torch.ones(input_shape, dtype=dtype)
    oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(shape, **kwargs)(x),
        lambda: getattr(nn, name)(shape, **kwargs)(x),
    )


@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
def test_eps_none(name):
    """Only RMSNorm has a default of its own for a missing eps."""
    refused = oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(3, eps=None)(torch.ones(2, 3)),
        lambda: getattr(nn, name)(3, eps=None)(torch.ones(2, 3)),
    )
    assert refused == (name == "LayerNorm")


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (2, 0)])
@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
@pytest.mark.filterwarnings("ignore:var_mean")
def test_empty_inputs(name, shape):
    oracle.compare(*norms.build(name, shape[-1]), torch.ones(shape).double())


def test_by_hand():
    x = torch.tensor([[1.0, 3.0], [10.0, 4.0]])  # means 2 and 7, variances 1 and 9
    layer = LayerNorm(2, eps=0.0)
    assert layer(x).tolist() == [[-1, 1], [1, -1]]
    torch.nn.init.constant_(layer.weight, 3)
    torch.nn.init.constant_(layer.bias, 5)
    assert layer(x).tolist() == [[2, 8], [8, 2]]
    rms = RMSNorm(2, eps=0.0)
    # root mean squares 5 and 13
    y = rms(torch.tensor([[1.0, 7.0], [7.0, 17.0]]))
    torch.testing.assert_close(y, torch.tensor([[1 / 5, 7 / 5], [7 / 13, 17 / 13]]))


@given(layer_norm_cases("LayerNorm"), st.floats(0.1, 10), st.floats(-10, 10))
def test_invariant_to_affine_maps_of_a_position(case, a, b):
    shape, _, x, _ = case
    layer = LayerNorm(shape, eps=0.0, elementwise_affine=False)
    assume(math.prod(layer.normalized_shape) > 1)
    torch.testing.assert_close(layer(a * x + b), layer(x))
    torch.testing.assert_close(layer(layer(x)), layer(x))


def test_rms_norm_keeps_directions_and_is_not_shift_invariant():
    x = torch.randn(5, 7).double()
    y = RMSNorm(7, eps=0.0)(x)
    torch.testing.assert_close(torch.cosine_similarity(x, y), torch.ones(5).double())
    assert not torch.allclose(y, RMSNorm(7, eps=0.0)(x + 1))


class UnbiasedStd(LayerNorm):
    def forward(self, input):
        x = input - input.mean(-1, keepdim=True)
        std = torch.sqrt(input.var(-1, correction=1, keepdim=True) + self.eps)
        return self._scale_and_shift(x / std)


class EpsilonOutside(LayerNorm):
    def forward(self, input):
        x = input - input.mean(-1, keepdim=True)
        return self._scale_and_shift(x / (input.std(-1, correction=0, keepdim=True) + self.eps))


class AllAxes(LayerNorm):
    def forward(self, input):
        variance, mean = torch.var_mean(input, correction=0)
        return self._scale_and_shift((input - mean) * torch.rsqrt(variance + self.eps))


@pytest.mark.parametrize("near_miss", [UnbiasedStd, EpsilonOutside, AllAxes])
def test_near_misses_of_layer_norm(near_miss):
    x = torch.randn(3, 5, 7).double()
    theirs = nn.LayerNorm(7).double()
    oracle.assert_rejected(near_miss(7).double(), theirs, x)
    oracle.compare(LayerNorm(7).double(), theirs, x)


class EpsilonOutsideRms(RMSNorm):
    def forward(self, x):
        return x / (x.square().mean(-1, keepdim=True).sqrt() + torch.finfo(x.dtype).eps)


class MeanSubtracted(RMSNorm):
    def forward(self, x):
        return super().forward(x - x.mean(-1, keepdim=True))


class Float32Eps(RMSNorm):
    def forward(self, x):
        self.eps = torch.finfo(torch.float32).eps
        return super().forward(x)


@pytest.mark.parametrize("near_miss", [EpsilonOutsideRms, MeanSubtracted, Float32Eps])
def test_near_misses_of_rms_norm(near_miss):
    x = torch.randn(3, 5, 7).double() * 1e-6
    theirs = nn.RMSNorm(7).double()
    oracle.assert_rejected(near_miss(7).double(), theirs, x)
    oracle.compare(RMSNorm(7).double(), theirs, x)


@norms.half
@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
@pytest.mark.parametrize("wide_parameters", [False, True])
def test_half_precision(name, dtype, wide_parameters):
    norms.assert_same_half(name, 7, shape=(3, 5, 7), dtype=dtype, wide_parameters=wide_parameters)


@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
def test_float16_does_not_overflow(name):
    """Squares of 1000 are beyond float16; the statistics must be taken in float32."""
    x = torch.tensor([[1000.0, -1000.0, 500.0]]).half()
    y = getattr(layerref, name)(3).half()(x)
    torch.testing.assert_close(y, getattr(nn, name)(3).half()(x))
    assert y.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_rms_norm_default_eps(dtype):
    """The default is the machine epsilon of the dtype that is computed in."""
    x = torch.full((1, 5), 1e-4, dtype=dtype)
    torch.testing.assert_close(RMSNorm(5).to(dtype)(x), nn.RMSNorm(5).to(dtype)(x))


@pytest.mark.filterwarnings("ignore:Complex modules")
def test_rms_norm_of_complex_numbers():
    x = torch.randn(3, 7, dtype=torch.complex128)
    ours, theirs = RMSNorm(7).to(torch.complex128), nn.RMSNorm(7).to(torch.complex128)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("pair", [(torch.float64, torch.float32), (torch.float32, torch.float64)])
@pytest.mark.filterwarnings("ignore:Mismatch dtype")
def test_rms_norm_of_another_dtype_than_its_weight(pair):
    input_dtype, weight_dtype = pair
    x = torch.randn(3, 7).to(input_dtype)
    y = RMSNorm(7).to(weight_dtype)(x)
    assert y.dtype == input_dtype
    torch.testing.assert_close(y, nn.RMSNorm(7).to(weight_dtype)(x))


@pytest.mark.parametrize("layer", [LayerNorm((2, 3)), RMSNorm((2, 3))])
def test_gradcheck(layer):
    layer = layer.double()
    x = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    parameters = dict(layer.named_parameters())

    def forward(x, *values):
        return torch.func.functional_call(layer, dict(zip(parameters, values, strict=True)), x)

    torch.autograd.gradcheck(forward, (x, *parameters.values()))


@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
def test_meta_device_and_copies(name):
    norms.assert_meta(name, 5, shape=(2, 3, 5))
    layer = getattr(layerref, name)(5)
    x = torch.randn(2, 5)
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))


def test_reset_parameters():
    for layer in (LayerNorm(3), RMSNorm(3)):
        start = copy.deepcopy(layer.state_dict())
        norms.fill(layer, 0)
        layer.reset_parameters()
        assert all(torch.equal(layer.state_dict()[key], start[key]) for key in start)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: LayerNorm(()), ValueError, ["one or more last axes", "()", "give an int"]),
        (lambda: RMSNorm(-2), ValueError, ["RMSNorm", "-2", "give an int"]),
        (lambda: LayerNorm(3, eps="a"), TypeError, ["eps is a number", "'a'", "give a float"]),
        (
            lambda: LayerNorm((3, 5))(torch.ones(2, 3, 7)),
            ValueError,
            ["last axes (3, 5)", "(2, 3, 7)", "give normalized_shape"],
        ),
        (
            lambda: RMSNorm(5)(torch.ones(3)),
            ValueError,
            ["last axes (5,)", "(3,)", "give normalized_shape"],
        ),
        (
            lambda: LayerNorm(3)(torch.ones(2, 3).double()),
            TypeError,
            ["torch.float64", "torch.float32", "convert"],
        ),
        (
            lambda: RMSNorm(3)(torch.ones(2, 3).long()),
            TypeError,
            ["floating-point or complex", "torch.int64", "convert"],
        ),
    ],
)
def test_errors(call, error, words):
    norms.assert_says(call, error, *words)

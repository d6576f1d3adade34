"""GroupNorm against its twin, by hand, near misses, errors."""

import copy

import hypothesis.strategies as st
import norms
import oracle
import pytest
import torch
from hypothesis import assume, given
from torch import nn

from layerref import GroupNorm, InstanceNorm2d, LayerNorm

ATTRIBUTES = ("num_groups", "num_channels", "eps", "affine")


@st.composite
def group_norm_cases(draw):
    """Draw arguments and an input of any rank from 2."""
    groups = draw(st.sampled_from([1, 2, 3]))
    channels = groups * draw(st.sampled_from([1, 2, 3]))
    samples = draw(st.sampled_from([1, 2, 5]))
    space = draw(norms.shapes(0, 4, [1, 2, 3, 7]))
    shape = (samples, channels, *space)
    assume(torch.Size(shape).numel() > groups)  # else a lone value
    kwargs = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "eps": st.sampled_from([1e-5, 1e-3, 0.5, 1]),
                "affine": st.booleans(),
                "bias": st.booleans(),
            },
        )
    )
    return groups, channels, kwargs, draw(norms.inputs(shape)), draw(norms.seeds)


@given(group_norm_cases())
def test_is_torchs(case):
    groups, channels, kwargs, x, seed = case
    ours, theirs = norms.build("GroupNorm", groups, channels, seed=seed, **kwargs)
    oracle.assert_attributes(ours, theirs, *ATTRIBUTES)
    assert repr(ours) == repr(theirs)
    oracle.compare(ours, theirs, x)


@given(
    groups=st.sampled_from([1, 2, 4, 1, 2, 4, 0, -2, 3, 2.0, None]),
    channels=st.sampled_from([4, 4, 6, 0, 4.0, None]),
    affine=st.booleans(),
    shape=st.one_of(
        st.tuples(st.integers(0, 2), st.sampled_from([4, 6, 5, 0])),
        st.tuples(st.integers(0, 2), st.sampled_from([4, 6, 5, 0]), st.integers(0, 2)),
        st.lists(st.integers(0, 4), max_size=4),
    ),
    eps=st.sampled_from([1e-5, 1e-5, 0.0, -1.0, "a", None]),
    dtype=st.sampled_from([torch.float32, torch.float32, torch.float64, torch.int64]),
)
@pytest.mark.filterwarnings("ignore:var_mean")
def test_refusals_are_torchs(groups, channels, affine, shape, eps, dtype):
    x = torch.ones(shape, dtype=dtype)
    oracle.assert_refused_alike(
        lambda: GroupNorm(groups, channels, eps=eps, affine=affine)(x),
        lambda: nn.GroupNorm(groups, channels, eps=eps, affine=affine)(x),
    )


def test_num_channels_is_unused_without_affine():
    ours, theirs = norms.build("GroupNorm", 2, 4, affine=False)
    oracle.compare(ours, theirs, torch.randn(3, 6, 5).double())


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 4, 0), (0, 4)])
@pytest.mark.filterwarnings("ignore:var_mean")
def test_empty_inputs(shape):
    oracle.compare(*norms.build("GroupNorm", 2, 4), torch.ones(shape).double())


def test_lone_values_of_two_samples_become_the_bias():
    ours, theirs = norms.build("GroupNorm", 4, 4)
    x = torch.randn(2, 4).double()
    oracle.compare(ours, theirs, x)
    torch.testing.assert_close(ours(x), ours.bias.expand(2, 4))


def test_by_hand():
    x = torch.tensor([[1.0, 3.0, 10.0, 4.0]])  # groups with means 2 and 7, variances 1 and 9
    layer = GroupNorm(2, 4, eps=0.0)
    assert layer(x).tolist() == [[-1, 1, 1, -1]]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        layer.bias.copy_(torch.tensor([10.0, 20.0, 30.0, 40.0]))
    assert layer(x).tolist() == [[9, 22, 33, 36]]


def test_one_group_is_layer_norm_without_affine_and_c_groups_are_instance_norm():
    x = torch.randn(2, 3, 5, 7).double()
    one = GroupNorm(1, 3, affine=False)(x)
    torch.testing.assert_close(one, LayerNorm([3, 5, 7], elementwise_affine=False)(x))
    torch.testing.assert_close(GroupNorm(3, 3, affine=False)(x), InstanceNorm2d(3)(x))


@given(group_norm_cases(), st.floats(0.1, 10), st.floats(-10, 10))
def test_invariant_to_affine_maps_of_a_sample_and_blind_to_the_others(case, a, b):
    groups, channels, _, x, _ = case
    layer = GroupNorm(groups, channels, eps=1e-12).double()
    assume(x[0].numel() > groups)
    scale = torch.linspace(1, a, len(x)).reshape(-1, *[1] * (x.dim() - 1))
    torch.testing.assert_close(layer(scale * x + b), layer(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer(x[:1]), layer(x)[:1])


class Unbiased(GroupNorm):
    def forward(self, input):
        x = input.reshape(len(input), self.num_groups, -1)
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + self.eps).sqrt()
        return self._scale_and_shift(x.reshape(input.shape), input.dim() - 2)


class Interleaved(GroupNorm):
    """Put channels 0, G, 2G... into one group, instead of neighbours."""

    def forward(self, input):
        order = torch.arange(self.num_channels).reshape(-1, self.num_groups).T.flatten()
        return super().forward(input[:, order])[:, order.argsort()]


class WholeBatch(GroupNorm):
    def forward(self, input):
        x = input.reshape(len(input), self.num_groups, -1)
        variance, mean = torch.var_mean(x, (0, 2), correction=0, keepdim=True)
        x = (x - mean) / (variance + self.eps).sqrt()
        return self._scale_and_shift(x.reshape(input.shape), input.dim() - 2)


@pytest.mark.parametrize("near_miss", [Unbiased, Interleaved, WholeBatch])
def test_near_misses(near_miss):
    x = torch.randn(2, 6, 5).double()
    theirs = nn.GroupNorm(2, 6).double()
    oracle.assert_rejected(near_miss(2, 6).double(), theirs, x)
    oracle.compare(GroupNorm(2, 6).double(), theirs, x)


@norms.half
@pytest.mark.parametrize("wide_parameters", [False, True])
def test_half_precision(dtype, wide_parameters):
    norms.assert_same_half(
        "GroupNorm", 2, 6, shape=(3, 6, 5), dtype=dtype, wide_parameters=wide_parameters
    )


def test_gradcheck():
    layer = norms.build("GroupNorm", 2, 4)[0]
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)

    def forward(x, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, x)

    torch.autograd.gradcheck(forward, (x, layer.weight, layer.bias))


def test_meta_device_and_copies():
    norms.assert_meta("GroupNorm", 2, 6, shape=(2, 6, 5))
    layer, x = GroupNorm(2, 6), torch.randn(2, 6, 5)
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))


def test_bias_is_keyword_only():
    with pytest.raises(TypeError):
        GroupNorm(2, 4, 1e-5, True, False)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: GroupNorm(3, 4), ValueError, ["num_groups=3", "num_channels=4", "divides"]),
        (lambda: GroupNorm(0, 4), ValueError, ["num_groups=0", "from 1"]),
        (lambda: GroupNorm(2, 4, eps=None), TypeError, ["eps is a number", "None"]),
        (
            lambda: GroupNorm(2, 4)(torch.ones(2, 6, 5)),
            ValueError,
            ["num_channels=4", "6 channels", "(2, 6, 5)", "make axis 1"],
        ),
        (lambda: GroupNorm(2, 4)(torch.ones(4)), ValueError, ["(N, C, *)", "(4,)", "unsqueeze"]),
        (
            lambda: GroupNorm(4, 4)(torch.ones(1, 4, 1)),
            ValueError,
            ["more than one value per group", "(1, 4, 1)", "fewer groups"],
        ),
        (
            lambda: GroupNorm(2, 4)(torch.ones(2, 4).long()),
            TypeError,
            ["floating-point", "torch.int64", "convert"],
        ),
    ],
)
def test_errors(call, error, words):
    norms.assert_says(call, error, *words)

"""InstanceNorm1d, 2d and 3d against their twins, by hand, near misses, errors."""

import copy
import warnings

import hypothesis.strategies as st
import norms
import oracle
import pytest
import torch
from hypothesis import assume, given
from torch import nn

import layerref
from layerref import BatchNorm2d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d

ATTRIBUTES = ("num_features", "eps", "momentum", "affine", "track_running_stats")
MODES = ("train", "eval", "train", "train", "eval")


@st.composite
def instance_norm_cases(draw):
    """Draw the class, its arguments and an input with more than one position."""
    axes = draw(st.integers(1, 3))
    space = draw(norms.shapes(axes, axes, [7, 5, 2, 1] if axes > 1 else [7, 5, 2]))
    channels = draw(st.sampled_from([1, 3]))
    lead = draw(st.sampled_from([(), (1,), (2,), (5,)]))
    kwargs = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "eps": st.sampled_from([1e-5, 1e-3, 0.5, 1, 0.0]),
                "momentum": st.sampled_from([None, 0.0, 0.1, 0.3, 1]),
                "affine": st.booleans(),
                "track_running_stats": st.booleans(),
                "bias": st.booleans(),
            },
        )
    )
    x = draw(norms.inputs((*lead, channels, *space)))
    return f"InstanceNorm{axes}d", channels, kwargs, x, draw(norms.seeds)


@given(instance_norm_cases())
def test_is_torchs(case):
    name, channels, kwargs, x, seed = case
    ours, theirs = norms.build(name, channels, seed=seed, **kwargs)
    oracle.assert_attributes(ours, theirs, *ATTRIBUTES)
    assert repr(ours) == repr(theirs)
    oracle.compare(ours, theirs, x, modes=MODES)


@given(
    axes=st.integers(1, 3),
    num_features=st.sampled_from([2, 3, 2, 3, 0, -1, 2.0, None, True, "a"]),
    kwargs=st.fixed_dictionaries(
        {},
        optional={
            "eps": st.sampled_from([1e-5, 0.0, -1.0, 1, "a", None]),
            "momentum": st.sampled_from([0.1, None, 2.0, -1.0, "a"]),
            "affine": st.booleans(),
            "track_running_stats": st.booleans(),
        },
    ),
    shape=st.lists(st.sampled_from([3, 2, 3, 2, 1, 0]), min_size=1, max_size=6),
    dtype=st.sampled_from([torch.float32, torch.float32, torch.float64, torch.int64]),
    training=st.booleans(),
)
@pytest.mark.filterwarnings("ignore")
def test_refusals_are_torchs(axes, num_features, kwargs, shape, dtype, training):
    x = torch.ones(shape, dtype=dtype)
    assume(x.numel() or dtype == torch.float32)  # torch does not check the dtype of nothing
    name = f"InstanceNorm{axes}d"
    oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(num_features, **kwargs).train(training)(x),
        lambda: getattr(nn, name)(num_features, **kwargs).train(training)(x),
    )


@pytest.mark.parametrize("shape", [(2, 5, 7), (5, 7)])
@pytest.mark.parametrize("training", [True, False])
def test_unused_num_features_gives_a_warning_as_torchs(shape, training):
    x = torch.randn(shape).double()
    outputs = []
    for layer in (InstanceNorm1d(3).train(training), nn.InstanceNorm1d(3).train(training)):
        with pytest.warns(UserWarning, match="num_features"):
            outputs.append(layer(x))
    torch.testing.assert_close(*outputs)


def test_no_warning_where_channels_are_right():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        InstanceNorm1d(3)(torch.randn(2, 3, 5))


@pytest.mark.parametrize("shape", [(0, 3, 5), (2, 3, 0)])
@pytest.mark.parametrize("track_running_stats", [True, False])
@pytest.mark.filterwarnings("ignore:var_mean")
def test_empty_inputs(shape, track_running_stats):
    """With no sample the running statistics become NaN, in torch and here."""
    oracle.compare(
        *norms.build("InstanceNorm1d", 3, track_running_stats=track_running_stats),
        torch.ones(shape).double(),
    )


@pytest.mark.parametrize("affine", [True, False])
def test_constant_plane_with_eps_zero_gives_zero(affine):
    ours, theirs = norms.build("InstanceNorm1d", 3, eps=0.0, affine=affine)
    oracle.compare(ours, theirs, torch.full((2, 3, 4), 2.0).double())


def test_one_position_is_fine_with_running_statistics():
    ours, theirs = norms.build("InstanceNorm1d", 3, track_running_stats=True)
    oracle.compare(ours, theirs, torch.randn(2, 3, 1).double(), modes=("eval",))


def test_by_hand():
    x = torch.tensor([[[1.0, 3.0], [10.0, 4.0]], [[0.0, 4.0], [7.0, 9.0]]])
    layer = InstanceNorm1d(2, eps=0.0, momentum=0.5, track_running_stats=True)
    assert layer(x).tolist() == [[[-1, 1], [1, -1]], [[-1, 1], [-1, 1]]]
    # means 2, 7 and 2, 8; unbiased variances 2, 18 and 8, 2; averaged over the samples: 5, 10
    assert layer.running_mean.tolist() == [1, 3.75]
    assert layer.running_var.tolist() == [3, 5.5]


def test_momentum_none_never_moves_and_nothing_is_counted():
    for namespace in (layerref, nn):
        layer = namespace.InstanceNorm1d(3, momentum=None, track_running_stats=True)
        layer(torch.randn(2, 3, 5))
        assert layer.running_mean.tolist() == [0, 0, 0]
        assert layer.num_batches_tracked == 0


@given(instance_norm_cases(), st.floats(0.1, 10), st.floats(-10, 10))
def test_invariant_to_affine_maps_of_a_plane(case, a, b):
    name, channels, _, x, _ = case
    layer = getattr(layerref, name)(channels, eps=1e-12)
    torch.testing.assert_close(layer(a * x + b), layer(x), rtol=1e-5, atol=1e-5)


def test_is_batch_norm_with_the_samples_folded_into_channels():
    x = torch.randn(2, 3, 5, 7).double()
    folded = BatchNorm2d(6, affine=False, track_running_stats=False)(x.reshape(1, 6, 5, 7))
    torch.testing.assert_close(InstanceNorm2d(3)(x), folded.reshape(x.shape))


class Unbiased(InstanceNorm2d):
    def _statistics(self, x):
        return x.mean((-2, -1), keepdim=True), x.var((-2, -1), keepdim=True)


class OverChannels(InstanceNorm2d):
    def _statistics(self, x):
        return x.mean((-3, -2, -1), keepdim=True), x.var((-3, -2, -1), correction=0, keepdim=True)


class RunningStatisticsBiased(InstanceNorm2d):
    def _remember(self, mean, variance, count, factor):
        super()._remember(mean, variance * ((count - 1) / count), count, factor)


class Counting(InstanceNorm2d):
    def _remember(self, mean, variance, count, factor):
        super()._remember(mean, variance, count, factor)
        self.num_batches_tracked.add_(1)


@pytest.mark.parametrize("near_miss", [Unbiased, OverChannels, RunningStatisticsBiased, Counting])
def test_near_misses(near_miss):
    x = torch.randn(2, 3, 5, 7).double()
    theirs = nn.InstanceNorm2d(3, track_running_stats=True).double()
    ours = near_miss(3, track_running_stats=True).double()
    oracle.assert_rejected(ours, theirs, x, modes=("train",))
    ours = InstanceNorm2d(3, track_running_stats=True).double()
    theirs.reset_running_stats()
    oracle.compare(ours, theirs, x)


@norms.half
@pytest.mark.parametrize("wide_parameters", [False, True])
@pytest.mark.parametrize("track_running_stats", [False, True])
def test_half_precision(dtype, wide_parameters, track_running_stats):
    norms.assert_same_half(
        "InstanceNorm2d",
        3,
        affine=True,
        track_running_stats=track_running_stats,
        shape=(2, 3, 5, 7),
        dtype=dtype,
        wide_parameters=wide_parameters,
    )


def test_gradcheck():
    layer = norms.build("InstanceNorm1d", 3, affine=True)[0]
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)

    def forward(x, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, x)

    torch.autograd.gradcheck(forward, (x, layer.weight, layer.bias))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("track_running_stats", [False, True])
def test_meta_device_and_copies(axes, track_running_stats):
    name, shape = f"InstanceNorm{axes}d", (2, 3, 5, 7, 4)[: 2 + axes]
    kwargs = {"affine": True, "track_running_stats": track_running_stats}
    norms.assert_meta(name, 3, shape=shape, **kwargs)
    layer, x = getattr(layerref, name)(3, **kwargs).eval(), torch.randn(shape)
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: InstanceNorm2d(3)(torch.ones(2, 3)),
            ValueError,
            ["InstanceNorm2d", "(C, H, W) or (N, C, H, W)", "2 axes", "unsqueeze"],
        ),
        (
            lambda: InstanceNorm1d(3, affine=True)(torch.ones(2, 5, 3)),
            ValueError,
            ["num_features=3", "5 channels", "axis 1", "(2, 5, 3)", "make num_features 5"],
        ),
        (
            lambda: InstanceNorm3d(3)(torch.ones(2, 3, 1, 1, 1)),
            ValueError,
            ["more than one position", "(2, 3, 1, 1, 1)", "larger input"],
        ),
        (lambda: InstanceNorm1d(3, eps=None), TypeError, ["eps is a number", "None"]),
        (
            lambda: InstanceNorm1d(0, affine=True),
            ValueError,
            ["InstanceNorm1d", "num_features=0", "from 1"],
        ),
        (
            lambda: InstanceNorm1d(3, affine=True)(torch.ones(0, 3, 5)),
            ValueError,
            ["at least one sample", "(0, 3, 5)", "skip"],
        ),
        (
            lambda: InstanceNorm1d(3)(torch.ones(2, 3, 5).long()),
            TypeError,
            ["floating-point", "torch.int64", "convert"],
        ),
    ],
)
def test_errors(call, error, words):
    norms.assert_says(call, error, *words)

"""BatchNorm1d, 2d and 3d against their twins, by hand, near misses, errors."""

import copy

import hypothesis.strategies as st
import norms
import oracle
import pytest
import torch
from hypothesis import assume, given
from torch import nn

import layerref
from layerref import BatchNorm1d, BatchNorm2d, BatchNorm3d

ATTRIBUTES = ("num_features", "eps", "momentum", "affine", "track_running_stats")
MODES = ("train", "eval", "train", "train", "eval")


@st.composite
def batch_norm_cases(draw):
    """Draw the class, its arguments and an input with more than one value per channel."""
    axes = draw(st.integers(1, 3))
    positions = 0 if axes == 1 and draw(st.booleans()) else axes
    sizes = draw(norms.shapes(2 + positions, 2 + positions, norms.SIZES[: 3 + positions]))
    samples, channels, *space = sizes
    assume(sizes != (1, channels, *[1] * len(space)))
    kwargs = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "eps": st.sampled_from([1e-5, 1e-3, 0.5, 1]),
                "momentum": st.sampled_from([None, 0.0, 0.1, 0.3, 1]),
                "affine": st.booleans(),
                "track_running_stats": st.booleans(),
                "bias": st.booleans(),
            },
        )
    )
    x = draw(norms.inputs((samples, channels, *space)))
    return f"BatchNorm{axes}d", channels, kwargs, x, draw(norms.seeds)


@given(batch_norm_cases())
def test_is_torchs(case):
    name, channels, kwargs, x, seed = case
    ours, theirs = norms.build(name, channels, seed=seed, **kwargs)
    oracle.assert_attributes(ours, theirs, *ATTRIBUTES)
    assert repr(ours) == repr(theirs)
    oracle.compare(ours, theirs, x, modes=MODES)
    ours.reset_running_stats()
    theirs.reset_running_stats()
    oracle.compare(ours, theirs, x * 2 + 1)


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
    channels=st.sampled_from([2, 3, 2, 3, 1]),
    samples=st.integers(1, 3),
    space=st.lists(st.integers(1, 2), max_size=4),
    dtype=st.sampled_from([torch.float32, torch.float32, torch.float64, torch.int64]),
    training=st.booleans(),
)
@pytest.mark.filterwarnings("ignore:var_mean")
def test_refusals_are_torchs(axes, num_features, kwargs, channels, samples, space, dtype, training):
    x = torch.ones((samples, channels, *space), dtype=dtype)
    name = f"BatchNorm{axes}d"
    oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(num_features, **kwargs).train(training)(x),
        lambda: getattr(nn, name)(num_features, **kwargs).train(training)(x),
    )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kwargs", [{"affine": False}, {"track_running_stats": False}])
@pytest.mark.parametrize("x", [torch.ones(5, 2), torch.ones(5, 1), torch.ones(5, 3).double()])
def test_parameters_or_statistics_alone_fix_channels_and_dtype(x, kwargs, training):
    assert oracle.assert_refused_alike(
        lambda: BatchNorm1d(3, **kwargs).train(training)(x),
        lambda: nn.BatchNorm1d(3, **kwargs).train(training)(x),
    )


def test_without_both_any_channels_and_dtype_will_do():
    kwargs = {"affine": False, "track_running_stats": False}
    x = torch.randn(5, 2).double()
    torch.testing.assert_close(BatchNorm1d(3, **kwargs)(x), nn.BatchNorm1d(3, **kwargs)(x))


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 5), (2, 3, 0)])
@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.filterwarnings("ignore:var_mean")
def test_empty_batches_count_but_leave_the_running_statistics(shape, momentum):
    ours, theirs = norms.build("BatchNorm1d", 3, momentum=momentum)
    oracle.compare(ours, theirs, torch.ones(shape).double(), modes=MODES)
    assert ours.num_batches_tracked == 3
    assert ours.running_mean.isfinite().all()


@pytest.mark.parametrize("layer", [BatchNorm1d(2), BatchNorm1d(3).double()])
def test_empty_batches_of_other_channels_or_dtype_are_refused_unlike_torchs(layer):
    with pytest.raises((ValueError, TypeError)):
        layer(torch.ones(0, 3))


def test_eps_zero_in_eval():
    ours, theirs = norms.build("BatchNorm1d", 3, eps=0.0)
    oracle.compare(ours, theirs, torch.randn(2, 3).double(), modes=("eval",))


@pytest.mark.parametrize("flag", [True, False])
def test_track_running_stats_may_be_switched_later(flag):
    ours, theirs = norms.build("BatchNorm1d", 3, track_running_stats=not flag)
    ours.track_running_stats = theirs.track_running_stats = flag
    oracle.compare(ours, theirs, torch.randn(5, 3).double(), modes=MODES)


def test_by_hand():
    x = torch.tensor([[1.0, 0.0], [3.0, 8.0], [5.0, 4.0]])  # means 3 and 4
    layer = BatchNorm1d(2, momentum=0.5)
    y = layer(x)
    root = (8 / 3 + 1e-5) ** 0.5  # of the biased variance 8/3 of channel 0; of channel 1, 32/3
    torch.testing.assert_close(y[:, 0], torch.tensor([-2.0, 0.0, 2.0]) / root)
    assert layer.running_mean.tolist() == [1.5, 2.0]  # half of 0 and of the mean
    torch.testing.assert_close(layer.running_var, torch.tensor([2.5, 8.5]))  # of 1, of 4 and 16
    assert layer.num_batches_tracked == 1
    layer.eval()
    expected = (torch.tensor([1.0, 0.0]) - torch.tensor([1.5, 2.0])) / (
        torch.tensor([2.5, 8.5]) + 1e-5
    ).sqrt()
    torch.testing.assert_close(layer(x)[0], expected)


def test_momentum_none_is_the_plain_average_of_the_batches():
    layer = BatchNorm1d(3, momentum=None)
    batches = [torch.randn(5, 3) + k for k in range(4)]
    for batch in batches:
        layer(batch)
    torch.testing.assert_close(
        layer.running_mean, torch.stack([b.mean(0) for b in batches]).mean(0)
    )
    torch.testing.assert_close(layer.running_var, torch.stack([b.var(0) for b in batches]).mean(0))
    assert not torch.allclose(layer.running_var, torch.cat(batches).var(0))


@given(batch_norm_cases(), st.floats(0.1, 10), st.floats(-10, 10))
def test_training_does_not_see_affine_maps(case, a, b):
    name, channels, _, x, _ = case
    layer = getattr(layerref, name)(channels, eps=1e-12).double()
    torch.testing.assert_close(layer(a * x + b), layer(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer(-x), -layer(x), rtol=1e-5, atol=1e-5)


@given(batch_norm_cases())
def test_eval_is_affine_per_channel(case):
    name, channels, _, x, seed = case
    layer, _ = norms.build(name, channels, seed=seed)
    layer.eval()
    scale = layer.weight / torch.sqrt(layer.running_var + layer.eps)
    shift = layer.bias - layer.running_mean * scale
    expected = x.movedim(1, -1) * scale + shift
    torch.testing.assert_close(layer(x), expected.movedim(-1, 1))


def test_dimensions_are_a_flattening():
    x = torch.randn(2, 3, 5, 7, 4).double()
    y = BatchNorm3d(3).double()(x)
    torch.testing.assert_close(BatchNorm2d(3).double()(x.flatten(3)), y.flatten(3))
    torch.testing.assert_close(BatchNorm1d(3).double()(x.flatten(2)), y.flatten(2))
    rows = x.movedim(1, -1).reshape(-1, 3)
    torch.testing.assert_close(BatchNorm1d(3).double()(rows), y.movedim(1, -1).reshape(-1, 3))


def test_channels_are_independent():
    x = torch.randn(4, 3, 5)
    z = x.clone()
    z[:, 0] = torch.randn(4, 5)
    assert torch.equal(BatchNorm1d(3)(x)[:, 1:], BatchNorm1d(3)(z)[:, 1:])


class RunningBiased(BatchNorm1d):
    def _remember(self, mean, variance, count, factor):
        super()._remember(mean, variance * ((count - 1) / count), count, factor)


class UnbiasedForward(BatchNorm1d):
    def _statistics(self, x):
        mean, variance = super()._statistics(x)
        return mean, variance * (len(x) / (len(x) - 1) if self.training else 1)


class BatchStatisticsInEval(BatchNorm1d):
    def _statistics(self, x):
        return x.mean(0), x.var(0, correction=0)


class MomentumFlipped(BatchNorm1d):
    def _remember(self, mean, variance, count, factor):
        super()._remember(mean, variance, count, 1 - factor)


class EpsilonOutside(BatchNorm1d):
    def _statistics(self, x):
        mean, variance = super()._statistics(x)
        return mean, (variance.sqrt() + self.eps) ** 2 - self.eps


class NotFrozenInEval(BatchNorm1d):
    def forward(self, input):
        self._remember(input.mean(0), input.var(0, correction=0), len(input), 0.1)
        return super().forward(input)


@pytest.mark.parametrize(
    ("near_miss", "mode"),
    [
        (RunningBiased, "train"),
        (UnbiasedForward, "train"),
        (BatchStatisticsInEval, "eval"),
        (MomentumFlipped, "train"),
        (EpsilonOutside, "train"),
        (NotFrozenInEval, "eval"),
    ],
)
def test_near_misses(near_miss, mode):
    x = torch.randn(5, 3).double() + 2
    oracle.assert_rejected(near_miss(3).double(), nn.BatchNorm1d(3).double(), x, modes=(mode,))
    oracle.compare(BatchNorm1d(3).double(), nn.BatchNorm1d(3).double(), x, modes=(mode,))


@norms.half
@pytest.mark.parametrize("wide_parameters", [False, True])
@pytest.mark.parametrize(
    "case", [(1, (5, 3)), (1, (5, 3, 2)), (2, (5, 3, 2, 7)), (3, (2, 3, 2, 1, 5))]
)
def test_half_precision(case, dtype, wide_parameters):
    axes, shape = case
    norms.assert_same_half(
        f"BatchNorm{axes}d", 3, shape=shape, dtype=dtype, wide_parameters=wide_parameters
    )


@pytest.mark.parametrize("training", [True, False])
def test_gradcheck(training):
    layer = norms.build("BatchNorm2d", 3)[0].train(training)
    x = torch.randn(2, 3, 2, 1, dtype=torch.float64, requires_grad=True)

    def forward(x, weight, bias):
        state = {"weight": weight, "bias": bias}
        return torch.func.functional_call(copy.deepcopy(layer), state, x)

    torch.autograd.gradcheck(forward, (x, layer.weight, layer.bias))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_meta_device_and_copies(axes):
    norms.assert_meta(f"BatchNorm{axes}d", 3, shape=(2, 3, 5, 7, 4)[: 2 + axes])
    layer = getattr(layerref, f"BatchNorm{axes}d")(3).eval()
    x = torch.randn((2, 3, 5, 7, 4)[: 2 + axes])
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))


@pytest.mark.parametrize("version", [None, 1, 2])
def test_checkpoints_from_before_batches_were_counted(version):
    state = nn.BatchNorm1d(3).state_dict()
    state["running_mean"] += 1
    del state["num_batches_tracked"]
    state._metadata[""]["version"] = version
    refused = [
        oracle.refuses(lambda layer=layer: layer.load_state_dict(state))
        for layer in (BatchNorm1d(3), nn.BatchNorm1d(3))
    ]
    assert (refused[0] is None) == (refused[1] is None) == (version != 2)


def test_state_dict_carries_torchs_version():
    assert BatchNorm1d(3).state_dict()._metadata == nn.BatchNorm1d(3).state_dict()._metadata


def test_bias_is_keyword_only():
    with pytest.raises(TypeError):
        BatchNorm1d(3, 1e-5, 0.1, True, True, False)


def test_a_refused_batch_is_not_counted():
    layer = BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than one value"):
        layer(torch.ones(1, 3))
    assert layer.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: BatchNorm2d(3)(torch.ones(2, 3, 5)),
            ValueError,
            ["BatchNorm2d", "(N, C, H, W)", "3 axes", "unsqueeze"],
        ),
        (
            lambda: BatchNorm1d(3)(torch.ones(2, 5, 3)),
            ValueError,
            ["num_features=3", "5 channels", "axis 1", "(2, 5, 3)", "make num_features 5"],
        ),
        (
            lambda: BatchNorm2d(3)(torch.ones(1, 3, 1, 1)),
            ValueError,
            ["more than one value per channel", "(1, 3, 1, 1)", "eval()"],
        ),
        (lambda: BatchNorm1d(3, eps=-1), ValueError, ["eps=-1", "default"]),
        (lambda: BatchNorm1d(3, eps=0)(torch.ones(2, 3)), ValueError, ["eps > 0", "eps=0", "1e-5"]),
        (lambda: BatchNorm1d(3, momentum="a"), TypeError, ["momentum is a number", "'a'"]),
        (lambda: BatchNorm3d(0), ValueError, ["BatchNorm3d", "num_features=0", "from 1"]),
        (
            lambda: BatchNorm1d(3)(torch.ones(2, 3).double()),
            TypeError,
            ["torch.float64", "torch.float32", "convert"],
        ),
    ],
)
def test_errors(call, error, words):
    norms.assert_says(call, error, *words)

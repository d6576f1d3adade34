"""SwitchableNorm2d against its extremes, and against the paper's equations in plain loops.

torch.nn has no such layer, so the oracle is threefold: with all weight on one kind of statistics
it is the torch.nn layer of that kind; in general it is the paper's equations 3 to 5, written
below as loops over single numbers; and gradients pass gradcheck.
"""

import copy
import math

import hypothesis.strategies as st
import norms
import oracle
import pytest
import torch
from hypothesis import given
from torch import nn

from layerref import SwitchableNorm2d

EXTREMES = {
    "in": lambda channels, **kwargs: nn.InstanceNorm2d(channels, affine=True, eps=kwargs["eps"]),
    "ln": lambda channels, **kwargs: nn.GroupNorm(1, channels, eps=kwargs["eps"]),
    "bn": nn.BatchNorm2d,
}


@st.composite
def switchable_norm_cases(draw):
    samples, channels, height, width = draw(norms.shapes(4, 4, [1, 2, 3, 5]))
    kwargs = {
        "eps": draw(st.sampled_from([1e-5, 1e-3, 0.5])),
        "momentum": draw(st.sampled_from([None, 0.0, 0.1, 0.3, 1])),
    }
    x = draw(norms.inputs((samples, channels, height, width)))
    return channels, kwargs, x, draw(norms.seeds)


def build(channels, seed, **kwargs):
    layer = SwitchableNorm2d(channels, **kwargs).double()
    norms.fill(layer, seed)
    return layer


def softmax(logits):
    exponentials = [math.exp(logit) for logit in logits]
    return [e / sum(exponentials) for e in exponentials]


def mean_and_variance(values):
    mean = sum(values) / len(values)
    return mean, sum((value - mean) ** 2 for value in values) / len(values)


def plain_loops(layer, x):
    """Return the paper's output, and the statistics per channel that training remembers."""
    samples, channels, height, width = x.shape
    plane = [(i, j) for i in range(height) for j in range(width)]
    x, y, remembered = x.tolist(), copy.deepcopy(x.tolist()), []
    w, v = softmax(layer.mean_logits.tolist()), softmax(layer.var_logits.tolist())
    for c in range(channels):
        values = [x[n][c][i][j] for n in range(samples) for i, j in plane]
        of_batch = mean_and_variance(values)
        remembered.append((of_batch[0], of_batch[1] * len(values) / (len(values) - 1)))
        if not layer.training:
            of_batch = layer.running_mean[c].item(), layer.running_var[c].item()
        for n in range(samples):
            of_plane = mean_and_variance([x[n][c][i][j] for i, j in plane])
            of_sample = mean_and_variance(
                [x[n][k][i][j] for k in range(channels) for i, j in plane]
            )
            kinds = of_plane, of_sample, of_batch
            mean = sum(weight * kind[0] for weight, kind in zip(w, kinds, strict=True))
            variance = sum(weight * kind[1] for weight, kind in zip(v, kinds, strict=True))
            for i, j in plane:
                normalized = (x[n][c][i][j] - mean) / math.sqrt(variance + layer.eps)
                y[n][c][i][j] = layer.weight[c].item() * normalized + layer.bias[c].item()
    return torch.tensor(y, dtype=torch.float64), torch.tensor(remembered, dtype=torch.float64).T


@given(switchable_norm_cases())
def test_is_the_papers_equations(case):
    channels, kwargs, x, seed = case
    layer = build(channels, seed, **kwargs)
    oracle.assert_close(layer.eval()(x).detach(), plain_loops(layer, x)[0], "eval")
    layer.train()
    before = layer.running_mean.clone(), layer.running_var.clone()
    expected, new = plain_loops(layer, x)
    oracle.assert_close(layer(x).detach(), expected, "train")
    factor = 1.0 if kwargs["momentum"] is None else kwargs["momentum"]
    after = layer.running_mean, layer.running_var
    for old, fresh, running in zip(before, new, after, strict=True):
        oracle.assert_close(running, (1 - factor) * old + factor * fresh, "running statistics")


def extreme(kind, channels, seed, **kwargs):
    """Return our layer with all the weight on one kind, and torch's layer of that kind."""
    layer, theirs = build(channels, seed, **kwargs), EXTREMES[kind](channels, **kwargs).double()
    one_hot = 1e4 * nn.functional.one_hot(torch.tensor(list(EXTREMES).index(kind)), 3)
    with torch.no_grad():
        layer.mean_logits.copy_(one_hot)
        layer.var_logits.copy_(one_hot)
    theirs.load_state_dict({key: layer.state_dict()[key] for key in theirs.state_dict()})
    return layer, theirs


@given(switchable_norm_cases(), st.sampled_from(list(EXTREMES)))
def test_extremes_are_torchs_layers(case, kind):
    channels, kwargs, x, seed = case
    if kind == "in" and x.shape[2:].numel() == 1:
        return  # torch refuses a plane of one value
    layer, theirs = extreme(kind, channels, seed, **kwargs)
    for mode in ("train", "eval", "train"):
        actual = oracle.run(layer.train(mode == "train"), (x,), {}, 0)
        expected = oracle.run(theirs.train(mode == "train"), (x,), {}, 0)
        for what in ("output", "input gradients"):
            oracle.assert_close(actual[what], expected[what], f"{kind} in {mode}: {what}")
        for what in ("parameter gradients", "buffers"):
            shared = {key: actual[what][key] for key in expected[what]}
            oracle.assert_close(shared, dict(expected[what]), f"{kind} in {mode}: {what}")


def test_uniform_weights_are_not_the_average_of_three_layers():
    x = torch.randn(2, 3, 5, 7).double() + 2
    layers = [make(3, eps=1e-5).double() for make in EXTREMES.values()]
    average = sum(layer(x) for layer in layers) / 3
    assert not torch.allclose(SwitchableNorm2d(3).double()(x), average, atol=1e-3)


def test_by_hand():
    """One sample of two one-row channels: planes (1, 3) and (5, 11), weights 1/3 each."""
    x = torch.tensor([[[[1.0, 3.0]], [[5.0, 11.0]]]])
    layer = SwitchableNorm2d(2, eps=0.5)
    # in: means 2, 8, variances 1, 9; ln: 5, 14; bn, of one sample, as in
    means, variances = [3.0, 7.0], [16 / 3, 32 / 3]
    expected = [
        [(value - mean) / (variance + 0.5) ** 0.5 for value in plane]
        for plane, mean, variance in zip([[1, 3], [5, 11]], means, variances, strict=True)
    ]
    torch.testing.assert_close(layer(x)[0, :, 0].tolist(), expected)


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_parameters_and_names(channels):
    layer = SwitchableNorm2d(channels)
    assert sum(p.numel() for p in layer.parameters()) == 2 * channels + 6
    assert [n for n, _ in layer.named_parameters()] == [
        "weight",
        "bias",
        "mean_logits",
        "var_logits",
    ]
    assert list(layer.state_dict()) == [
        *("weight", "bias", "mean_logits", "var_logits"),
        *("running_mean", "running_var", "num_batches_tracked"),
    ]
    assert layer.mean_logits.tolist() == layer.var_logits.tolist() == [0, 0, 0]


@pytest.mark.parametrize("training", [True, False])
def test_gradcheck(training):
    layer = build(3, 0).train(training)
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    parameters = dict(layer.named_parameters())

    def forward(x, *values):
        state = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(copy.deepcopy(layer), state, x)

    torch.autograd.gradcheck(forward, (x, *parameters.values()))


class OneSoftmax(SwitchableNorm2d):
    def forward(self, input):
        self.var_logits = self.mean_logits
        return super().forward(input)


def test_near_miss_of_one_softmax():
    x = torch.randn(2, 3, 5, 7).double()
    layer, wrong = build(3, 0), OneSoftmax(3).double()
    wrong.load_state_dict(layer.state_dict())
    expected, _ = plain_loops(layer, x)
    torch.testing.assert_close(layer(x), expected)
    assert not torch.allclose(wrong(x), expected, atol=1e-3)


def test_near_miss_of_averaged_variances(monkeypatch):
    """The planes' variances alone forget that their means differ."""
    x = torch.randn(2, 3, 5, 7).double() + torch.arange(3.0).reshape(3, 1, 1)
    layer = build(3, 0)
    expected, _ = plain_loops(layer, x)
    torch.testing.assert_close(layer(x), expected)
    monkeypatch.setattr(
        "layerref.normalization.switchable.merge",
        lambda mean, variance, axis: (mean.mean(axis, True), variance.mean(axis, True)),
    )
    assert not torch.allclose(layer(x), expected, atol=1e-3)


@norms.half
def test_half_precision(dtype):
    layer = build(3, 0).float()
    x = torch.randn(2, 3, 5, 7) * 300 + 400  # whose squares are beyond float16
    y = layer.to(dtype)(x.to(dtype))
    assert y.dtype == dtype
    assert layer.running_mean.dtype == dtype
    step = torch.finfo(dtype).eps
    exact = copy.deepcopy(layer).double()
    torch.testing.assert_close(
        y.double(), exact(x.to(dtype).double()), rtol=16 * step, atol=16 * step
    )


def test_large_means_do_not_cancel():
    """A variance as E[x²] − E[x]² would lose all its digits here."""
    x = torch.randn(2, 3, 5, 7) + 1e4
    layer = SwitchableNorm2d(3)
    torch.testing.assert_close(layer(x), layer.double()(x.double()).float(), atol=1e-2, rtol=1e-2)


def test_planes_of_one_value_give_no_nan():
    y = SwitchableNorm2d(3)(torch.randn(5, 3, 1, 1))
    assert y.isfinite().all()


def test_meta_device_copies_and_reset():
    norms.assert_meta("SwitchableNorm2d", 3, shape=(2, 3, 5, 7))
    layer = SwitchableNorm2d(3)
    start = copy.deepcopy(layer.state_dict())
    norms.fill(layer, 0)
    layer.reset_parameters()
    assert all(torch.equal(layer.state_dict()[key], start[key]) for key in start)
    assert repr(layer) == "SwitchableNorm2d(3, eps=1e-05, momentum=0.1)"
    assert (layer.num_features, layer.eps, layer.momentum) == (3, 1e-5, 0.1)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: SwitchableNorm2d(3)(torch.ones(3, 5, 7)),
            ValueError,
            ["SwitchableNorm2d", "(N, C, H, W)", "3 axes", "unsqueeze"],
        ),
        (
            lambda: SwitchableNorm2d(3)(torch.ones(2, 5, 7, 3)),
            ValueError,
            ["num_features=3", "5 channels", "axis 1", "make num_features 5"],
        ),
        (
            lambda: SwitchableNorm2d(3)(torch.ones(1, 3, 1, 1)),
            ValueError,
            ["more than one value per channel", "(1, 3, 1, 1)", "eval()"],
        ),
        (lambda: SwitchableNorm2d(0), ValueError, ["num_features=0", "from 1"]),
        (
            lambda: SwitchableNorm2d(3)(torch.ones(2, 3, 5, 7).double()),
            TypeError,
            ["torch.float64", "torch.float32", "convert"],
        ),
    ],
)
def test_errors(call, error, words):
    norms.assert_says(call, error, *words)

"""Dropout and its channel-wise kin against their twins: the same draws and rules."""

import copy
import inspect
import math
import warnings

import oracle
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import layerref
from layerref import Dropout, Dropout1d, Dropout2d, Dropout3d

pytestmark = pytest.mark.filterwarnings("ignore:.*ropout[23]d.*:UserWarning")

LAYERS = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]
names = st.sampled_from(LAYERS)
probabilities = st.sampled_from([0, 0.0, 0.1, 1 / 3, 0.5, 0.9, 1, 1.0])
seeds = st.integers(0, 2**31)
shapes = st.lists(st.sampled_from([0, 1, 2, 3, 5]), max_size=6).map(tuple)


def tensor(shape, dtype=torch.float64):
    return torch.arange(1, math.prod(shape) + 1).reshape(shape).to(dtype)


def ranks(name):
    """Return the numbers of axes that a layer accepts in train mode, warning or not."""
    return {"Dropout": (0, 6), "Dropout1d": (2, 3), "Dropout2d": (2, 6), "Dropout3d": (1, 6)}[name]


@st.composite
def settings(draw):
    """Return name, keywords and an input, contiguous or not, that torch accepts."""
    name = draw(names)
    least, most = ranks(name)
    shape = draw(st.lists(st.sampled_from([0, 1, 2, 3, 5]), min_size=least, max_size=most))
    x = tensor(shape).permute(draw(st.permutations(range(len(shape)))))
    return name, {"p": draw(probabilities), "inplace": draw(st.booleans())}, x


class AfterIdentity(nn.Module):
    """Feed the layer a tensor that is no leaf, so that it may be overwritten."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, input):
        return self.layer(input * 1)


@given(settings(), seeds)
def test_same_seed_drops_the_same_as_torch(setting, seed):
    name, options, x = setting
    ours, theirs = oracle.build(name, **options)
    oracle.compare(AfterIdentity(ours), AfterIdentity(theirs), x, seed=seed)
    oracle.assert_attributes(ours, theirs, "p", "inplace")
    assert repr(ours) == repr(theirs)
    after = []
    for layer in (ours, theirs):  # what is left of the input, and of the generator
        torch.manual_seed(seed)
        mine = x.clone()
        output = layer.train()(mine)
        assert not options["inplace"] or output is mine
        after.append((mine, torch.rand(3)))
    oracle.assert_close(*after)


@given(
    names,
    probabilities | st.sampled_from([-0.1, 1.1, 2, -1, math.inf, "0.5", None]),
    shapes,
    st.booleans(),
)
def test_refuses_what_torch_refuses(name, p, shape, train):
    x = tensor(shape)
    oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(p).train(train)(x),
        lambda: getattr(nn, name)(p).train(train)(x),
    )


@given(
    names,
    probabilities,
    st.booleans(),
    st.sampled_from([torch.int64, torch.bool, torch.uint8, torch.complex64, torch.float16]),
)
def test_refuses_the_dtypes_that_torch_refuses(name, p, train, dtype):
    x = torch.ones(2, 3, 5, dtype=dtype)
    oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(p).train(train)(x),
        lambda: getattr(nn, name)(p).train(train)(x),
    )


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("rank", range(2, 7))
@pytest.mark.parametrize("name", ["Dropout2d", "Dropout3d"])
def test_warns_exactly_where_torch_warns(name, rank, train):
    counts = []
    for library in (nn, layerref):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(library, name)().train(train)(torch.ones((2,) * rank))
        counts.append([warning.category for warning in caught])
    assert counts[0] == counts[1]
    expected = {"Dropout2d": (4,), "Dropout3d": (4, 5)}[name]
    assert counts[1] == ([] if rank in expected else [UserWarning])


def test_the_warning_about_three_axes_says_what_to_do():
    with pytest.warns(UserWarning, match=r"\(2, 3, 5\) as \(N, C, L\).*Dropout1d.*unsqueeze\(0\)"):
        Dropout2d()(torch.ones(2, 3, 5))


def constructor(method):
    """Return names, order and defaults; device and dtype are not ours."""
    parameters = inspect.signature(method).parameters.values()
    return [(p.name, p.default, p.kind) for p in parameters if p.name not in ("device", "dtype")]


@pytest.mark.parametrize("name", LAYERS)
def test_constructor_has_torchs_parameters(name):
    assert constructor(getattr(layerref, name)) == constructor(getattr(nn, name))


def test_by_hand():
    x = torch.tensor([1.0, 2.0, 3.0])
    assert Dropout(1.0)(x).tolist() == [0, 0, 0]
    assert Dropout(0.0)(x) is x
    assert Dropout(0.9).eval()(x) is x
    torch.manual_seed(0)
    kept = torch.empty(3).bernoulli_(0.75)
    torch.manual_seed(0)
    assert torch.equal(Dropout(0.25)(x), x * kept / 0.75)


@given(st.sampled_from([0.1, 0.25, 0.5, 0.8]))
def test_frequency_scale_and_expectation(p):
    x = torch.ones(20_000)
    y = Dropout(p)(x)
    assert sorted(set(y.tolist())) == [0.0, (torch.ones(()) / (1 - p)).item()]
    sigma = math.sqrt(p * (1 - p) / len(x))
    assert abs((y == 0).double().mean() - p) < 5 * sigma
    assert abs(y.double().mean() - 1) < 5 * sigma / (1 - p)


@given(st.sampled_from(["Dropout1d", "Dropout2d", "Dropout3d"]), st.booleans(), seeds)
def test_channels_share_one_draw_and_samples_do_not(name, batched, seed):
    axes = int(name[-2])
    batched = batched or name == "Dropout2d"
    shape = (20,) * batched + (30,) + (2, 3, 2)[:axes]
    torch.manual_seed(seed)
    y = getattr(layerref, name)(0.5)(torch.ones(shape)).flatten(1 + batched)
    assert bool(((y == 0).all(-1) | (y == 2).all(-1)).all())
    dropped = y[..., 0] == 0
    assert 0 < dropped.double().mean() < 1
    if batched:
        assert not torch.equal(dropped[0], dropped[1])


def test_dropout3d_with_six_axes_drops_samples_as_torch_does():
    y = Dropout3d(0.5)(torch.ones(50, 2, 1, 3, 1, 2)).flatten(1)
    assert bool(((y == 0).all(-1) | (y == 2).all(-1)).all())


@given(seeds)
def test_gradient_uses_the_mask_of_the_forward_pass(seed):
    torch.manual_seed(seed)
    x = torch.ones(3, 5, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_all_dropped_keeps_what_is_not_finite_as_torch_does():
    x = torch.tensor([math.inf, math.nan, 1.0])
    for library in (nn, layerref):
        assert str(library.Dropout(1.0)(x).tolist()) == "[nan, nan, 0.0]"


def test_p_may_be_changed_afterwards():
    layer = Dropout(0.1)
    layer.p = 1.0
    assert not layer(torch.ones(7)).any()


def test_near_misses_are_rejected():
    class NotScaled(Dropout):
        def forward(self, input):
            return input * torch.empty_like(input).bernoulli_(1 - self.p)

    class DrawnAsUniform(Dropout):
        def forward(self, input):
            return input * (torch.rand_like(input) >= self.p) / (1 - self.p)

    class SharedBySamples(Dropout2d):
        def forward(self, input):
            noise = input.new_empty(1, input.shape[1], 1, 1).bernoulli_(1 - self.p)
            return input * noise / (1 - self.p)

    x = tensor((3, 7, 2, 2))
    oracle.assert_rejected(NotScaled(0.3), nn.Dropout(0.3), x, modes=["train"])
    oracle.assert_rejected(DrawnAsUniform(0.3), nn.Dropout(0.3), x, modes=["train"])
    oracle.assert_rejected(SharedBySamples(0.3), nn.Dropout2d(0.3), x, modes=["train"])
    oracle.assert_rejected(Dropout1d(0.3), nn.Dropout(0.3), x[0], modes=["train"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", LAYERS)
def test_other_precisions_are_equal_bit_for_bit(name, dtype):
    x = torch.randn((2, 7, 5) if name == "Dropout1d" else (2, 7, 5, 3)).to(dtype)
    results = []
    for library in (layerref, nn):
        torch.manual_seed(1)
        results.append(getattr(library, name)(0.3)(x))
    assert results[0].dtype == dtype
    assert torch.equal(*results)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Dropout(1.5), ValueError, ["Dropout", "between 0 and 1", "1.5"]),
        (lambda: Dropout3d(-0.1), ValueError, ["Dropout3d", "between 0 and 1", "-0.1"]),
        (
            lambda: Dropout1d()(torch.ones(3)),
            ValueError,
            ["(C, L) or (N, C, L)", "(3,)", "unsqueeze"],
        ),
        (lambda: Dropout2d()(torch.ones(3)), ValueError, ["channel axis", "(3,)", "use Dropout"]),
        (lambda: Dropout()(torch.ones(3).long()), TypeError, ["(1 - p) = 2", "int64", ".float()"]),
    ],
)
def test_errors_say_the_rule_the_values_and_the_remedy(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert not [word for word in words if word not in str(caught.value)], str(caught.value)


@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_meta_device_and_copies(name):
    shape = {"Dropout1d": (2, 3, 5), "Dropout3d": (2, 3, 1, 2, 2)}.get(name, (2, 3, 2, 2))
    layer = getattr(layerref, name)(0.4)

    def seeded(input):
        torch.manual_seed(5)
        return layer(input)

    x = tensor(shape).requires_grad_()
    assert torch.autograd.gradcheck(seeded, (x,))
    assert layer(torch.ones(shape, device="meta")).shape == shape
    with torch.device("meta"):
        assert getattr(layerref, name)().state_dict() == {}
    assert torch.equal(copy.deepcopy(layer).eval()(x), x)

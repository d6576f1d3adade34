"""Linear, Embedding, Flatten and Unflatten against their twins in torch.nn."""

import copy
import inspect
import math
import pickle

import oracle
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import layerref
from layerref import Embedding, Flatten, Linear, Unflatten

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")

sizes = st.sampled_from([0, 1, 2, 3, 5, 7])
shapes = st.lists(st.sampled_from([0, 1, 2, 3, 5]), max_size=4).map(tuple)
seeds = st.integers(0, 2**31)


def tensor(shape, dtype=torch.float64, seed=0):
    """Return normal draws; integer dtypes get whole numbers from -9 to 9."""
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    return torch.randint(-9, 10, shape, generator=generator).to(dtype)


# --- Linear ------------------------------------------------------------------------------------


@given(sizes, sizes, st.booleans(), shapes, seeds)
def test_linear_equals_torch(in_features, out_features, bias, leading, seed):
    ours, theirs = oracle.build("Linear", in_features, out_features, bias, seed=seed)
    oracle.compare(ours, theirs, tensor((*leading, in_features), seed=seed))
    oracle.assert_attributes(ours, theirs, "in_features", "out_features")
    assert repr(ours) == repr(theirs)


@given(
    st.integers(-2, 5),
    st.integers(-2, 5),
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
    st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int64, torch.bool]),
)
def test_linear_refuses_what_torch_refuses(in_features, out_features, shape, dtype):
    x = tensor(shape, dtype)
    oracle.assert_refused_alike(
        lambda: Linear(in_features, out_features)(x),
        lambda: nn.Linear(in_features, out_features)(x),
    )


def test_linear_by_hand():
    layer = Linear(2, 3)
    layer.load_state_dict(
        {
            "weight": torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
            "bias": torch.tensor([10.0, 20.0, 30.0]),
        }
    )
    assert layer(torch.tensor([1.0, -1.0])).tolist() == [9.0, 19.0, 29.0]
    assert layer(torch.zeros(2, 2)).tolist() == [[10.0, 20.0, 30.0]] * 2


@given(st.sampled_from([1, 2, 3, 5, 7, 11, 13, 64]), seeds)
def test_linear_starts_inside_the_bound(in_features, seed):
    torch.manual_seed(seed)
    layer = Linear(in_features, 17)
    bound = 1 / math.sqrt(in_features)
    assert layer.weight.abs().max() <= bound * (1 + 1e-6)
    assert layer.bias.abs().max() <= bound * (1 + 1e-6)


def test_linear_draws_the_same_in_another_default_dtype_and_again():
    torch.set_default_dtype(torch.float64)
    try:
        ours, theirs = oracle.build("Linear", 7, 5)
        torch.manual_seed(3)
        theirs.reset_parameters()
        torch.manual_seed(3)
        ours.reset_parameters()
        oracle.assert_same_start(ours, theirs)
        assert ours.weight.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_linear_near_misses_are_rejected():
    class ScaledInit(Linear):
        def reset_parameters(self):
            nn.init.kaiming_uniform_(self.weight)
            nn.init.zeros_(self.bias)

    class BiasFirst(Linear):
        def forward(self, input):
            return (input + self.bias) @ self.weight.T

    torch.manual_seed(0)
    miss = ScaledInit(3, 3)
    torch.manual_seed(0)
    with pytest.raises(AssertionError, match="initial value"):
        oracle.assert_same_start(miss, nn.Linear(3, 3))
    theirs = nn.Linear(3, 3).double()
    miss = BiasFirst(3, 3).double()
    miss.load_state_dict(theirs.state_dict())
    oracle.assert_rejected(miss, theirs, tensor((2, 3)))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.booleans(), seeds)
def test_two_linears_compose_to_one(a, b, c, bias, seed):
    torch.manual_seed(seed)
    first, second = Linear(a, b, bias).double(), Linear(b, c, bias).double()
    one = Linear(a, c, bias).double()
    state = {"weight": second.weight @ first.weight}
    if bias:
        state["bias"] = second.weight @ first.bias + second.bias
    one.load_state_dict(state)
    x = tensor((2, 3, a), seed=seed)
    torch.testing.assert_close(one(x), second(first(x)))
    torch.testing.assert_close(one(x), one(x.reshape(-1, a)).reshape(2, 3, c))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float16, 4e-3), (torch.bfloat16, 3e-2), (torch.float32, 1e-5)]
)
def test_linear_in_other_precisions(dtype, tolerance):
    ours, theirs = oracle.build("Linear", 13, 7)
    x = tensor((5, 13), dtype)
    y = ours.to(dtype)(x)
    assert y.dtype == dtype
    torch.testing.assert_close(y, theirs.to(dtype)(x), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("x_dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_linear_under_autocast(x_dtype):
    ours, theirs = (layer.float() for layer in oracle.build("Linear", 13, 7))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, expected = ours(tensor((5, 13), x_dtype)), theirs(tensor((5, 13), x_dtype))
    assert y.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(y, expected, rtol=3e-2, atol=3e-2)


# --- Embedding ---------------------------------------------------------------------------------


@st.composite
def embeddings(draw):
    """Return arguments, keywords and an input that torch accepts."""
    n, e = draw(st.sampled_from([1, 2, 3, 5, 7])), draw(st.sampled_from([1, 2, 3, 5]))
    options = {
        "padding_idx": draw(st.none() | st.integers(-n, n - 1)),
        "max_norm": draw(st.none() | st.sampled_from([-1.0, 0.0, 0.3, 1, 1.5, 10.0])),
        "norm_type": draw(st.sampled_from([2.0, 1.0, 2, 3.0, 0.5, float("inf"), 0.0, -1.0])),
        "scale_grad_by_freq": draw(st.booleans()),
    }
    shape = draw(shapes)
    dtype = draw(st.sampled_from([torch.int64, torch.int32]))
    words = draw(
        st.lists(st.integers(0, n - 1), min_size=math.prod(shape), max_size=math.prod(shape))
    )
    return (n, e), options, torch.tensor(words, dtype=dtype).reshape(shape)


@given(embeddings(), st.booleans(), seeds)
def test_embedding_equals_torch(setting, freeze, seed):
    args, options, words = setting
    ours, theirs = oracle.build("Embedding", *args, **options, _freeze=freeze, seed=seed)
    oracle.compare(ours, theirs, words)
    oracle.assert_close(ours.state_dict(), theirs.state_dict(), "the table after the lookups")
    names = ("num_embeddings", "embedding_dim", "padding_idx", "max_norm", "norm_type")
    oracle.assert_attributes(ours, theirs, *names, "scale_grad_by_freq", "sparse")
    assert repr(ours) == repr(theirs)


@given(embeddings(), st.booleans(), seeds)
def test_embedding_from_pretrained_equals_torch(setting, freeze, seed):
    args, options, words = setting
    table = tensor(args, seed=seed)
    ours = Embedding.from_pretrained(table.clone(), freeze, **options)
    theirs = nn.Embedding.from_pretrained(table.clone(), freeze, **options)
    oracle.compare(ours, theirs, words)
    oracle.assert_close(ours.state_dict(), theirs.state_dict(), "the table after the lookups")
    assert ours.weight.requires_grad == theirs.weight.requires_grad == (not freeze)


@given(embeddings(), seeds)
def test_sparse_gradient_equals_torch(setting, seed):
    args, options, words = setting
    options["scale_grad_by_freq"] = False
    words = words if words.dim() else words.unsqueeze(0)  # see the next test
    gradients = []
    for layer in oracle.build("Embedding", *args, **options, sparse=True, seed=seed):
        output = layer(words)
        output.backward(tensor(output.shape, seed=seed))
        gradients.append(layer.weight.grad)
    ours, theirs = gradients
    assert ours.layout == theirs.layout == torch.sparse_coo
    assert torch.equal(ours._indices(), theirs._indices())
    oracle.assert_close(ours._values(), theirs._values())
    oracle.assert_close(ours.to_dense(), theirs.to_dense())


def test_sparse_gradient_of_a_single_index():
    for library in (nn, layerref):
        layer = library.Embedding(4, 2, padding_idx=1, sparse=True)
        output = layer(torch.tensor(3)).sum()
        if library is nn:  # torch stumbles here: an index without axes, where padding is dropped
            with pytest.raises(IndexError, match="too many indices"):
                output.backward()
        else:
            output.backward()
            assert layer.weight.grad.to_dense().tolist() == [[0, 0], [0, 0], [0, 0], [1, 1]]


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.SparseAdam])
def test_sparse_gradient_drives_an_optimizer(optimizer):
    ours, theirs = oracle.build("Embedding", 5, 3, padding_idx=1, sparse=True)
    for layer in (ours, theirs):
        step = optimizer(layer.parameters(), lr=0.1)
        for words in ([1, 2, 2], [4, 0, 1]):
            step.zero_grad()
            layer(torch.tensor(words)).square().sum().backward()
            step.step()
    oracle.assert_close(ours.state_dict(), theirs.state_dict())


@given(
    st.integers(-2, 4),
    st.integers(-2, 3),
    st.none() | st.integers(-6, 6),
    st.lists(st.integers(-2, 5), max_size=3),
    st.sampled_from(
        [torch.int64, torch.int32, torch.int16, torch.uint8, torch.bool, torch.float32]
    ),
    st.none() | st.just(1.0),
)
def test_embedding_refuses_what_torch_refuses(n, e, padding_idx, words, dtype, max_norm):
    if (n == 0 and words) or e == 0:  # without cells, torch's errors depend on its version
        n, e = n or 1, e or 1
    x = torch.tensor(words).to(dtype)
    oracle.assert_refused_alike(
        lambda: Embedding(n, e, padding_idx, max_norm)(x),
        lambda: nn.Embedding(n, e, padding_idx, max_norm)(x),
    )


@given(st.lists(st.integers(0, 4), max_size=3).map(tuple))
def test_tables_of_another_shape_are_refused_alike(shape):
    table = torch.zeros(shape)
    oracle.assert_refused_alike(
        lambda: Embedding(3, 2, _weight=table), lambda: nn.Embedding(3, 2, _weight=table)
    )
    oracle.assert_refused_alike(
        lambda: Embedding.from_pretrained(table), lambda: nn.Embedding.from_pretrained(table)
    )


def test_embedding_by_hand():
    layer = Embedding.from_pretrained(torch.tensor([[3.0, 4.0], [0.0, 0.5]]), max_norm=1.0)
    torch.testing.assert_close(layer(torch.tensor([0, 0])), torch.tensor([[0.6, 0.8]] * 2))
    assert layer.weight[1].tolist() == [0.0, 0.5]  # not read, and short anyway
    torch.testing.assert_close(
        layer.weight[0], torch.tensor([0.6, 0.8])
    )  # the table itself changed


def test_embedding_gradients_by_hand():
    words = torch.tensor([[2, 2, 0], [2, 1, 1]])
    rows = {}
    for name, options in {
        "plain": {},
        "padding": {"padding_idx": 2},
        "frequency": {"scale_grad_by_freq": True},
    }.items():
        layer = Embedding(4, 1, **options)
        layer(words).sum().backward()
        rows[name] = layer.weight.grad.flatten().tolist()
    assert rows == {
        "plain": [1.0, 2.0, 3.0, 0.0],
        "padding": [1.0, 2.0, 0.0, 0.0],
        "frequency": [1.0, 1.0, 1.0, 0.0],
    }


@given(seeds)
def test_embedding_is_a_one_hot_product(seed):
    torch.manual_seed(seed)
    layer, words = Embedding(7, 3), torch.randint(0, 7, (2, 5))
    one_hot = (words[..., None] == torch.arange(7)).float()
    assert torch.equal(layer(words), one_hot @ layer.weight)
    order = torch.randperm(7)
    renamed = Embedding.from_pretrained(layer.weight[order])
    assert torch.equal(renamed(torch.argsort(order)[words]), layer(words))


def test_embedding_near_misses_are_rejected():
    class NoGuard(Embedding):  # the norm without the 1e-7 that torch adds to it
        @torch.no_grad()
        def _renormalise(self, words, max_norm):
            rows = self.weight[words]
            norm = rows.norm(dim=-1, keepdim=True)
            self.weight[words] = torch.where(norm > max_norm, rows * max_norm / norm, rows)

    class PaddingLearns(Embedding):
        def forward(self, input):
            return self.weight[input]

    for miss, options in (
        (NoGuard, {"max_norm": 0.1}),
        (PaddingLearns, {"padding_idx": 1}),
        (PaddingLearns, {"scale_grad_by_freq": True}),
    ):
        table = tensor((5, 3))
        near = miss.from_pretrained(table.clone(), freeze=False, **options)
        real = nn.Embedding.from_pretrained(table.clone(), freeze=False, **options)
        oracle.assert_rejected(near, real, torch.tensor([1, 1, 4]))
    assert oracle.refuses(lambda: PaddingLearns(5, 3)(torch.tensor([-1]))) is None  # wraps around
    assert oracle.refuses(lambda: nn.Embedding(5, 3)(torch.tensor([-1])))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_embedding_in_other_precisions(dtype):
    ours, theirs = oracle.build("Embedding", 11, 7, max_norm=1.0, padding_idx=2)
    words = torch.tensor([[1, 2, 3], [10, 2, 2]])
    y, expected = ours.to(dtype)(words), theirs.to(dtype)(words)
    assert y.dtype == dtype
    torch.testing.assert_close(y, expected, rtol=2 * torch.finfo(dtype).eps, atol=0)
    y.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=1e-6, atol=0)


def test_lookup_has_all_derivatives():
    words = torch.tensor([3, 0, 3, 1])
    lookup = layerref.linear.embedding._Lookup

    def rows(table):
        return lookup.apply(table, words, -1, False, False)

    table = tensor((5, 2)).requires_grad_()
    assert torch.autograd.gradcheck(rows, (table,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(rows, (table,))


def test_embedding_works_under_function_transforms():
    ours, theirs = oracle.build("Embedding", 5, 3, padding_idx=1)
    words = torch.tensor([[1, 2], [4, 4], [0, 1]])
    results = []
    for layer in (ours, theirs):

        def loss(table, sentence, layer=layer):
            return torch.func.functional_call(layer, {"weight": table}, (sentence,)).square().sum()

        per_sample = torch.func.vmap(torch.func.grad(loss), (None, 0))
        results.append(per_sample(layer.weight.detach(), words))
    oracle.assert_close(*results)


# --- Flatten and Unflatten ---------------------------------------------------------------------


@given(st.integers(-5, 5), st.integers(-5, 5), shapes)
def test_flatten_equals_torch_and_refuses_alike(start_dim, end_dim, shape):
    ours, theirs = oracle.build("Flatten", start_dim, end_dim)
    x = tensor(shape)
    if not oracle.assert_refused_alike(lambda: ours(x), lambda: theirs(x)):
        oracle.compare(ours, theirs, x)
    oracle.assert_attributes(ours, theirs, "start_dim", "end_dim")
    assert repr(ours) == repr(theirs)


@given(
    st.integers(-4, 4),
    st.lists(st.sampled_from([-2, -1, 0, 1, 2, 3]), max_size=3),
    st.booleans(),
    st.lists(st.sampled_from([0, 1, 2, 3, 6, 12]), max_size=3).map(tuple),
)
def test_unflatten_equals_torch_and_refuses_alike(dim, sizes, as_tuple, shape):
    sizes = tuple(sizes) if as_tuple else sizes
    ours, theirs = oracle.build("Unflatten", dim, sizes)
    x = tensor(shape)
    if not oracle.assert_refused_alike(lambda: ours(x), lambda: theirs(x)):
        oracle.compare(ours, theirs, x)
    oracle.assert_attributes(ours, theirs, "dim", "unflattened_size")
    assert repr(ours) == repr(theirs)


@given(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=3).map(tuple), st.integers(0, 2))
def test_unflatten_equals_torch_where_the_sizes_fit(sizes, before):
    shape = (*(2, 3, 5)[:before], math.prod(sizes))
    oracle.compare(*oracle.build("Unflatten", -1, sizes), tensor(shape))
    oracle.compare(*oracle.build("Unflatten", before, (*sizes[:-1], -1)), tensor(shape))


@pytest.mark.parametrize("sizes", [6, "23", (2.0, 3), (2, "3"), None, {2, 3}])
def test_unflatten_takes_tuples_of_ints(sizes):
    assert oracle.assert_refused_alike(lambda: Unflatten(1, sizes), lambda: nn.Unflatten(1, sizes))


def test_flatten_is_a_view_where_memory_allows():
    x = tensor((2, 3, 5))
    assert Flatten()(x).data_ptr() == x.data_ptr()
    turned = x.transpose(1, 2)
    assert Flatten()(turned).data_ptr() != x.data_ptr()
    assert torch.equal(Flatten()(turned), nn.Flatten()(turned))
    assert torch.equal(Unflatten(1, (3, 5))(Flatten()(x)), x)


# --- all of them -------------------------------------------------------------------------------


def constructor(method):
    """Return names, order and defaults; device and dtype are not ours."""
    parameters = inspect.signature(method).parameters.values()
    return [(p.name, p.default, p.kind) for p in parameters if p.name not in ("device", "dtype")]


@pytest.mark.parametrize("name", layerref.linear.__all__)
def test_constructor_has_torchs_parameters(name):
    assert constructor(getattr(layerref, name)) == constructor(getattr(nn, name))


def test_from_pretrained_has_torchs_parameters():
    assert constructor(Embedding.from_pretrained) == constructor(nn.Embedding.from_pretrained)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Linear(3, 2)(torch.zeros(3, 4)), ValueError, ["size 4", "in_features is 3"]),
        (lambda: Linear(3, 2)(torch.zeros(())), ValueError, ["0 axes", "()", "unsqueeze"]),
        (lambda: Linear(3, 2)(torch.zeros(3).double()), TypeError, ["float64", "float32", ".to("]),
        (lambda: Linear(2.0, 3), TypeError, []),
        (lambda: Embedding(4, -2), ValueError, ["embedding_dim", "-2"]),
        (lambda: Embedding(4, 2, 4), ValueError, ["from -4 to 3", "got 4", "raise num_embeddings"]),
        (
            lambda: Embedding(4, 2, _weight=torch.zeros(2, 4)),
            ValueError,
            ["(4, 2)", "(2, 4)", "from_pre"],
        ),
        (lambda: Embedding(4, 2)(torch.tensor([0, 4])), ValueError, ["0 to 3", "0 to 4", "raise"]),
        (lambda: Embedding(4, 2)(torch.tensor([-1])), ValueError, ["0 to 3", "-1", "do not count"]),
        (lambda: Embedding(4, 2)(torch.zeros(2)), TypeError, ["int64", "float32", ".long()"]),
        (lambda: Embedding.from_pretrained(torch.zeros(3)), ValueError, ["(3,)", "two axes"]),
        (lambda: Flatten()(torch.zeros(3)), ValueError, ["start_dim", "1 axes", "unsqueeze"]),
        (
            lambda: Flatten(2, 1)(torch.zeros(3, 2, 2)),
            ValueError,
            ["start_dim=2", "end_dim=1", "swap"],
        ),
        (lambda: Unflatten(1, 6), TypeError, ["tuple", "6"]),
        (lambda: Unflatten(1, (2, 2))(torch.zeros(3, 6)), ValueError, ["(2, 2)", "6", "-1"]),
    ],
)
def test_errors_say_the_rule_the_values_and_the_remedy(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert not [word for word in words if word not in str(caught.value)], str(caught.value)


def test_scaling_by_frequency_needs_a_dense_gradient_as_in_torch():
    for library in (nn, layerref):
        layer = library.Embedding(4, 2, scale_grad_by_freq=True, sparse=True)
        output = layer(torch.tensor([1, 1])).sum()
        with pytest.raises(
            RuntimeError if library is nn else ValueError, match="scale_grad_by_freq"
        ):
            output.backward()


@pytest.mark.parametrize(
    ("name", "args", "options", "x"),
    [
        ("Linear", (3, 5), {}, torch.zeros(2, 3)),
        (
            "Embedding",
            (7, 5),
            {"padding_idx": -1, "max_norm": 1.0},
            torch.zeros(2, 3, dtype=torch.int64),
        ),
        ("Flatten", (), {}, torch.zeros(2, 3, 5)),
        ("Unflatten", (1, (3, -1)), {}, torch.zeros(2, 15)),
    ],
)
def test_meta_device_copies_and_pickles(name, args, options, x):
    with torch.device("meta"):
        layer = getattr(layerref, name)(*args, **options)
    assert all(p.device.type == "meta" for p in layer.parameters())
    y = layer(x.to("meta"))
    if y.requires_grad:
        y.sum().backward()
        assert layer.weight.grad.shape == layer.weight.shape
    layer = getattr(layerref, name)(*args, **options)
    assert y.shape == layer(x).shape
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x), layer(x))

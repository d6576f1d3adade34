"""Attention against nn.MultiheadAttention and scaled_dot_product_attention, and under stress."""

import copy
import io
import itertools
import shutil
import warnings

import oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from layerref import MultiHeadAttention, ScaledDotProductAttention, causal_mask

HALF = (torch.float16, torch.bfloat16)
DTYPES = (torch.float64, torch.float32, *HALF)


# --- the oracle: torch's module, called with our arguments ---------------------------------------


class Theirs(nn.MultiheadAttention):
    """nn.MultiheadAttention with our call: every mask becomes an (N * h, L, S) attn_mask."""

    def forward(self, query, key, value, mask=None, *, is_causal=False, need_weights=False):
        L, S, h = query.shape[-2], key.shape[-2], self.num_heads
        N = query.shape[0] if query.dim() == 3 else 1
        if is_causal:
            ahead = torch.ones(L, S).triu(1).bool()
            if mask is None or mask.dtype == torch.bool:
                mask = ~ahead if mask is None else mask & ~ahead
            else:
                mask = mask.masked_fill(ahead, -torch.inf)
        if mask is not None:
            mask = ~mask if mask.dtype == torch.bool else mask
            mask = mask if mask.dim() == 4 else mask.reshape(-1, 1, *mask.shape[-2:])
            mask = mask.expand(N, h, L, S).reshape(N * h, L, S)
        output, weights = super().forward(
            query, key, value, attn_mask=mask, need_weights=need_weights, average_attn_weights=False
        )
        return (output, weights) if need_weights else output


class Self(nn.Module):
    """One tensor as query, key and value."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, mask=None, **kwargs):
        return self.layer(x, x, x, mask, **kwargs)


class Cross(Self):
    """One tensor as key and value."""

    def forward(self, x, memory, mask=None, **kwargs):
        return self.layer(x, memory, memory, mask, **kwargs)


class Keyed(Self):
    """One tensor as query and key."""

    def forward(self, x, value, mask=None, **kwargs):
        return self.layer(x, x, value, mask, **kwargs)


class Ends(Self):
    """One tensor as query and value."""

    def forward(self, x, key, mask=None, **kwargs):
        return self.layer(x, key, x, mask, **kwargs)


class Three(Self):
    def forward(self, x, key, value, mask=None, **kwargs):
        return self.layer(x, key, value, mask, **kwargs)


def build(h, d_model, dropout=0.0, bias=True, seed=0):
    torch.manual_seed(seed)
    theirs = Theirs(d_model, h, dropout, bias, batch_first=True)
    torch.manual_seed(seed)
    ours = MultiHeadAttention(h, d_model, dropout, bias)
    oracle.assert_same_start(ours, theirs)
    with torch.no_grad():  # biases start at zero, which would hide their place
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            p.copy_(torch.randn_like(p))
            q.copy_(p)
    return ours.double(), theirs.double()


@st.composite
def masks(draw, N, h, L, S, empty=False):
    """Draw a mask of any form we take; unless ``empty``, each query may attend to key 0."""
    rank = draw(st.sampled_from([2, 3, 4]))
    sizes = [n if draw(st.booleans()) else 1 for n in (N, h, L)]
    shape = {2: [sizes[2], S], 3: [sizes[0], sizes[2], S], 4: [*sizes, S]}[rank]
    mask = torch.rand(shape) < draw(st.sampled_from([0.1, 0.5, 0.9]))
    if not empty:
        mask[..., :1] = True
    if draw(st.booleans()):
        bias = torch.randn(shape, dtype=torch.float64)
        return bias.masked_fill(~mask, -torch.inf) if draw(st.booleans()) else bias
    return mask


@st.composite
def settings(draw, empty=False):
    """Draw (constructor, wrapper, inputs, call) of one attention."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    h, d_k = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([1, 2, 5]))
    L = draw(st.sampled_from([1, 2, 5]))
    wrapper = draw(st.sampled_from([Self, Cross, Three, Keyed, Ends]))
    S = L if wrapper in (Self, Keyed, Ends) else draw(st.sampled_from([1, 3, 7]))
    batched = draw(st.booleans())
    N = draw(st.sampled_from([1, 2, 3])) if batched else 1
    lead = (N,) if batched else ()
    lengths = {Self: [L], Three: [L, S, S]}.get(wrapper, [L, S])
    inputs = [torch.randn(*lead, n, h * d_k, dtype=torch.float64) for n in lengths]
    mask = draw(st.none() | masks(N, h, L, S, empty=empty))
    call = {"is_causal": draw(st.booleans()), "need_weights": draw(st.booleans())}
    made = {"h": h, "d_model": h * d_k, "dropout": draw(st.sampled_from([0.0, 0.0, 0.4]))}
    return {**made, "bias": draw(st.booleans())}, wrapper, [*inputs, mask], call


@given(settings())
def test_equals_nn_multihead_attention(setting):
    made, wrapper, inputs, call = setting
    ours, theirs = build(**made)
    oracle.compare(wrapper(ours), wrapper(theirs), *inputs, **call)


@given(settings())
def test_equals_nn_multihead_attention_in_inference(setting):
    """Their eval mode without gradients runs other code, a kernel of its own."""
    made, wrapper, inputs, call = setting
    ours, theirs = (wrapper(m).eval() for m in build(**made))
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            oracle.assert_close(ours(*inputs, **call), theirs(*inputs, **call))


@given(settings(empty=True))
def test_fused_and_readable_form_agree_with_empty_rows(setting):
    """Nothing is NaN, whatever the mask hides, and both forms have the same gradients."""
    made, wrapper, inputs, call = setting
    ours, _ = build(**made)
    for mode in (True, False):
        layer = wrapper(ours).train(mode)
        runs = [
            oracle.run(layer, inputs, {**call, "need_weights": need}, seed=7)
            for need in (False, True)
        ]
        fused, readable = runs
        weights = readable["output"][1]
        # the cotangent of the weights adds to the gradients: run again through the output alone
        only = oracle.run(_First(layer), inputs, {**call, "need_weights": True}, seed=7)
        only["parameter gradients"] = {
            name.removeprefix("layer."): g for name, g in only["parameter gradients"].items()
        }
        assert all(t.isfinite().all() for t in tree_leaves([only, fused, weights]) if t is not None)
        oracle.assert_close(only["output"], fused["output"])
        oracle.assert_close(only["input gradients"], fused["input gradients"])
        oracle.assert_close(only["parameter gradients"], fused["parameter gradients"])


class _First(Self):
    def forward(self, *args, **kwargs):
        return self.layer(*args, **kwargs)[0]


@st.composite
def bare(draw):
    torch.manual_seed(draw(st.integers(0, 2**31)))
    lead = draw(st.sampled_from([(), (2,), (3, 2), (1, 2, 3)]))
    L, S, d_k, d_v = (draw(st.sampled_from(n)) for n in ([1, 2, 5], [1, 3, 7], [1, 2, 5], [1, 3]))
    tensors = [
        torch.randn(*lead, *shape, dtype=torch.float64) for shape in ((L, d_k), (S, d_k), (S, d_v))
    ]
    mask = draw(st.none() | masks(*(1, 1, L, S), empty=True))
    if mask is not None and mask.dim() > len(lead) + 2:
        mask = mask.reshape(mask.shape[-2:])
    return [*tensors, mask], draw(st.sampled_from([0.0, 0.0, 0.3]))


@given(bare())
def test_readable_form_equals_the_fused_kernel(setting):
    inputs, dropout = setting

    class Fused(nn.Module):
        def forward(self, query, key, value, mask):
            p = dropout if self.training else 0.0
            return F.scaled_dot_product_attention(query, key, value, mask, p)

    oracle.compare(_First(ScaledDotProductAttention(dropout)), Fused(), *inputs)


@given(bare())
def test_readable_weights(setting):
    inputs, _ = setting
    *tensors, mask = inputs
    output, weights = ScaledDotProductAttention().double()(*tensors, mask)
    assert weights.shape == (*output.shape[:-1], tensors[1].shape[-2])
    total = weights.sum(-1)
    hidden = torch.zeros(1, dtype=torch.bool)
    if mask is not None:
        hidden = ~mask if mask.dtype == torch.bool else mask == -torch.inf
        assert (weights.masked_select(hidden) == 0).all()
        hidden = hidden.all(-1)
    expected = torch.ones_like(total).masked_fill(hidden, 0)
    torch.testing.assert_close(total, expected)
    oracle.assert_close(output, weights @ tensors[2])


# --- by hand --------------------------------------------------------------------------------------


def test_by_hand():
    """d_k = 4: scores 0 and ln 3 after the division by 2 give weights 1/4 and 3/4."""
    query = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    key = torch.tensor([[0.0, 1.0, 0.0, 0.0], [torch.tensor(3.0).log(), 0.0, 0.0, 0.0]])
    value = torch.tensor([[4.0], [8.0]])
    output, weights = ScaledDotProductAttention()(query, key, value)
    torch.testing.assert_close(weights, torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(output, torch.tensor([[7.0]]))


def test_one_head_of_identity_projections_is_the_readable_form():
    mha = MultiHeadAttention(1, 3, dropout=0.0)
    with torch.no_grad():
        mha.in_proj_weight.copy_(torch.eye(3).repeat(3, 1))
        mha.out_proj.weight.copy_(torch.eye(3))
    x, y = torch.randn(2, 5, 3), torch.randn(2, 7, 3)
    expected = ScaledDotProductAttention()(x, y, y)
    torch.testing.assert_close(mha(x, y, y), expected[0])
    _output, weights = mha(x, y, y, need_weights=True)
    torch.testing.assert_close(weights[:, 0], expected[1])


def test_parameter_count_does_not_depend_on_heads():
    for h in (1, 8, 16):
        assert sum(p.numel() for p in MultiHeadAttention(h, 64).parameters()) == 16_640


def test_settings_can_be_read_back():
    mha = MultiHeadAttention(2, 6, 0.25, bias=False)
    assert (mha.h, mha.d_model, mha.dropout) == (2, 6, 0.25)
    assert mha.in_proj_bias is None
    assert mha.out_proj.bias is None
    assert repr(mha).startswith("MultiHeadAttention(\n  h=2, d_model=6, bias=False\n")
    assert repr(ScaledDotProductAttention(0.5)) == "ScaledDotProductAttention(dropout=0.5)"


# --- near-misses ----------------------------------------------------------------------------------


def near_miss(ours, change):
    """Return a copy of the layer whose forward arguments or projections are changed."""
    wrong = copy.deepcopy(ours)
    if change in ("flipped mask", "causal off by one", "causal excludes itself"):
        right = wrong.forward

        def forward(q, k, v, mask=None, *, is_causal=False, need_weights=False):
            if change == "flipped mask":
                mask = None if mask is None else ~mask
            elif is_causal:
                offset = 1 if change == "causal off by one" else -1
                mask, is_causal = causal_mask(q.shape[-2], k.shape[-2], offset=offset), False
            return right(q, k, v, mask, is_causal=is_causal, need_weights=need_weights)

        wrong.forward = forward
    else:
        d_k = ours.d_model // ours.h
        factor = {"no scale": d_k**0.5, "scaled by d_model": (d_k / ours.d_model) ** 0.5}[change]
        project = wrong._project
        wrong._project = lambda *args: [
            t * f for t, f in zip(project(*args), (factor, 1, 1), strict=True)
        ]
    return wrong


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize(
    ("change", "call"),
    [
        ("flipped mask", {"mask": torch.ones(5, 5).tril().bool()}),
        ("causal off by one", {"is_causal": True}),
        ("causal excludes itself", {"is_causal": True}),
        ("no scale", {}),
        ("scaled by d_model", {}),
    ],
)
def test_near_misses_are_told_apart(change, call, need_weights):
    ours, theirs = build(2, 6)
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    call = {**call, "need_weights": need_weights}
    oracle.compare(ours, theirs, x, x, x, **call)
    oracle.assert_rejected(near_miss(ours, change), theirs, x, x, x, **call)


# --- a query that may attend to nothing -----------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["bool", "float", "learned"])
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_empty_rows(dtype, kind, need_weights, dropout):
    mha = MultiHeadAttention(2, 6, dropout)
    nn.init.normal_(mha.out_proj.bias)
    mha.to(dtype)
    keep = torch.rand(3, 2, 5, 5) < 0.7
    keep[0] = False
    keep[1, 1, 2] = False
    keep[2, :, 4] = False
    mask = keep if kind == "bool" else torch.zeros(keep.shape).masked_fill(~keep, -torch.inf)
    mask = mask if kind == "bool" else mask.to(dtype)
    for mode, shape in itertools.product(("train", "eval", "no_grad"), ("full", "padding")):
        mha.train(mode == "train")
        x = torch.randn(3, 5, 6).to(dtype).requires_grad_()
        used = mask if shape == "full" else mask[:, :, :1]
        used = used.clone().requires_grad_(kind == "learned")
        with torch.set_grad_enabled(mode != "no_grad"):
            result = mha(x, x, x, used, need_weights=need_weights)
        output = result[0] if need_weights else result
        assert torch.equal(output[0], mha.out_proj.bias.expand(5, 6))
        if shape == "full":
            assert torch.equal(output[2, 4], mha.out_proj.bias)
        if need_weights:
            hidden = ~keep if shape == "full" else ~keep[:, :, :1].expand_as(result[1])
            assert (result[1][hidden] == 0).all()
        assert output.isfinite().all()
        if mode != "no_grad":
            mha.zero_grad()
            output.float().square().sum().backward()
            learned = [x, *mha.parameters()] + ([used] if kind == "learned" else [])
            assert all(t.grad.isfinite().all() for t in learned)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("N", "L", "S"), [(0, 3, 5), (2, 0, 5), (2, 3, 0), (0, 0, 0)])
def test_nothing_to_attend_to_or_from(N, L, S, causal, need_weights):
    mha = MultiHeadAttention(2, 6)
    nn.init.normal_(mha.out_proj.bias)
    x, y = torch.randn(N, L, 6, requires_grad=True), torch.randn(N, S, 6, requires_grad=True)
    for mask in (None, torch.ones(1, S).bool(), torch.zeros(N, 1, S)):
        result = mha(x, y, y, mask, is_causal=causal, need_weights=need_weights)
        output = result[0] if need_weights else result
        assert output.shape == (N, L, 6)
        if need_weights:
            assert result[1].shape == (N, 2, L, S)
        if S == 0:
            torch.testing.assert_close(output, mha.out_proj.bias.expand(N, L, 6))
        output.sum().backward()
        assert x.grad.isfinite().all()


# --- precision ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, *HALF])
@pytest.mark.parametrize("need_weights", [False, True])
def test_narrow_types_are_close_to_float64(dtype, need_weights):
    exact, _ = build(2, 6)
    x, y = torch.randn(3, 5, 6, dtype=torch.float64), torch.randn(3, 7, 6, dtype=torch.float64)
    x, y = x.to(dtype).double(), y.to(dtype).double()
    with torch.no_grad():
        for p in exact.parameters():
            p.copy_(p.to(dtype).mul_(0.5))
    narrow = copy.deepcopy(exact).to(dtype)
    tolerance = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}[dtype]
    keep = torch.rand(5, 7) < 0.8
    for mask in (None, keep, torch.randn(5, 7).to(dtype).double()):
        used = mask if mask is None or mask.dtype == torch.bool else mask.to(dtype)
        a = exact(x, y, y, mask, need_weights=need_weights)
        b = narrow(x.to(dtype), y.to(dtype), y.to(dtype), used, need_weights=need_weights)
        for exactly, narrowly in zip(tree_leaves(a), tree_leaves(b), strict=True):
            assert narrowly.dtype == dtype
            torch.testing.assert_close(narrowly.double(), exactly, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_huge_scores_do_not_overflow(dtype, need_weights):
    """Products of a few hundred thousand, where float16 ends at 65504."""
    mha = MultiHeadAttention(1, 8, dropout=0.0).to(dtype)
    with torch.no_grad():
        mha.in_proj_weight.copy_(torch.eye(8).repeat(3, 1))
        mha.out_proj.weight.copy_(torch.eye(8))
    x = torch.randn(2, 5, 8).sign() * 300
    x[:, 0] = 300
    x = x.to(dtype).requires_grad_()
    lowest = torch.full((5, 5), torch.finfo(dtype).min, dtype=dtype)
    for mask in (None, torch.ones(1, 5).bool(), lowest):
        result = mha(x, x, x, mask, need_weights=need_weights)
        for t in tree_leaves(result):
            assert t.isfinite().all()
        tree_leaves(result)[0].float().mean().backward()
        assert x.grad.isfinite().all()
        assert tree_leaves(result)[0].abs().max() <= 300


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_huge_values_of_a_hidden_key_do_not_leak(dtype, kind, need_weights):
    mha = MultiHeadAttention(2, 6, dropout=0.0).to(dtype)
    x, y = torch.randn(2, 5, 6).to(dtype), torch.randn(2, 7, 6).to(dtype)
    mask = torch.ones(2, 1, 7).bool()
    mask[:, :, 3] = False
    if kind == "float":
        mask = torch.zeros(2, 1, 7, dtype=dtype).masked_fill(~mask, -torch.inf)
    huge = y.clone()
    huge[:, 3] = torch.finfo(dtype).max / (1e4 if dtype == torch.float16 else 1e8)
    calm = mha(x, y, y, mask, need_weights=need_weights)
    wild = mha(x, huge, huge, mask, need_weights=need_weights)
    for a, b in zip(tree_leaves(calm), tree_leaves(wild), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_nan_of_a_hidden_key_reaches_its_sample_and_no_other(kind, need_weights):
    """0 * NaN is NaN: a weight of zero cannot stop it, in the kernel as in the readable form."""
    mha = MultiHeadAttention(2, 6, dropout=0.0)
    x = torch.randn(2, 5, 6)
    y = torch.randn(2, 7, 6)
    y[1, 3] = torch.nan
    mask = torch.ones(2, 1, 7).bool()
    mask[:, :, 3] = False
    if kind == "float":
        mask = torch.zeros(2, 1, 7).masked_fill(~mask, -torch.inf)
    output = tree_leaves(mha(x, y, y, mask, need_weights=need_weights))[0]
    assert output[0].isfinite().all()
    assert output[1].isnan().all()
    cleaned = mha(x, y.nan_to_num(0.0), y.nan_to_num(0.0), mask)
    assert cleaned.isfinite().all()


# --- dropout --------------------------------------------------------------------------------------


@pytest.mark.parametrize("need_weights", [False, True])
def test_dropout_is_reproducible_and_unbiased(need_weights):
    mha = MultiHeadAttention(2, 6, dropout=0.3)
    x = torch.randn(2, 5, 6)

    def call(seed):
        torch.manual_seed(seed)
        return tree_leaves(mha(x, x, x, need_weights=need_weights))[0].detach()

    assert torch.equal(call(1), call(1))
    assert not torch.equal(call(1), call(2))
    mean = torch.stack([call(seed) for seed in range(500)]).mean(0)
    mha.eval()
    assert torch.equal(call(1), call(2))
    assert (mean - call(1)).abs().max() < 0.06


def test_returned_weights_are_those_that_were_used():
    mha = MultiHeadAttention(1, 3, dropout=0.5)
    x = torch.randn(1, 200, 3)
    _, weights = mha(x, x, x, need_weights=True)
    assert 0.45 < (weights == 0).float().mean() < 0.55
    assert abs(weights.sum(-1).mean() - 1) < 0.05
    assert torch.equal(mha.attn, weights)


# --- memory ---------------------------------------------------------------------------------------


class Largest(TorchDispatchMode):
    """Record the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for t in tree_leaves(result):
            if isinstance(t, torch.Tensor):
                self.elements = max(self.elements, t.untyped_storage().size() // t.itemsize)
        return result


@pytest.mark.parametrize("call", ["none", "causal", "padding"])
@pytest.mark.parametrize("train", [False, True])
def test_no_square_tensor_without_weights(call, train):
    L, mha = 128, MultiHeadAttention(2, 8, dropout=0.0).train(train)
    x = torch.randn(1, L, 8, requires_grad=train)
    padding = torch.ones(1, 1, L).bool()
    kwargs = {"none": {}, "causal": {"is_causal": True}, "padding": {"mask": padding}}[call]
    with Largest() as fused:
        output = mha(x, x, x, **kwargs)
        if train:
            output.sum().backward()
    assert fused.elements == 3 * 8 * L < L * L
    with Largest() as readable:
        mha(x, x, x, need_weights=True, **kwargs)
    assert readable.elements >= 2 * L * L


class Products(TorchDispatchMode):
    """Count products by a weight."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func in (torch.ops.aten.addmm.default, torch.ops.aten.linear.default)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("wrapper", "products"), [(Self, 1), (Cross, 2), (Keyed, 3), (Three, 3)])
def test_one_product_for_what_is_one_tensor(wrapper, products):
    layer, x = wrapper(MultiHeadAttention(2, 6)), torch.randn(3, 3, 5, 6)
    inputs = x.unbind(0)[: {Self: 1, Three: 3}.get(wrapper, 2)]
    with Products() as counted:
        layer(*inputs)
    assert counted.count == products + 1  # and out_proj


# --- copies, files, compilers, transforms ---------------------------------------------------------


def calls():
    """Every kind of call, for a layer of width 6 and inputs (3, 5, 6)."""
    keep = torch.rand(3, 2, 5, 5) < 0.7
    return [
        {},
        {"is_causal": True},
        {"mask": keep[0, 0]},
        {"mask": keep[:, 0, :1]},
        {"mask": keep, "is_causal": True},
        {"mask": torch.randn(5, 5)},
        {"need_weights": True},
        {"need_weights": True, "mask": keep, "is_causal": True},
    ]


def test_copy_and_pickle_at_any_time():
    mha, x = MultiHeadAttention(2, 6, 0.0), torch.randn(3, 5, 6)
    for call in calls():
        expected = mha(x, x, x, **call)
        file = io.BytesIO()
        torch.save(mha, file)
        file.seek(0)
        for copied in (copy.deepcopy(mha), torch.load(file, weights_only=False)):
            assert copied.attn is None
            oracle.assert_close(copied(x, x, x, **call), expected)
        assert (mha.attn is not None) == call.get("need_weights", False)
    assert not mha.attn.requires_grad
    mha(x, x, x)
    assert mha.attn is None
    assert list(mha.state_dict()) == [
        "in_proj_weight",
        "in_proj_bias",
        "out_proj.weight",
        "out_proj.bias",
    ]


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiles_whole(backend):
    mha, x, y = MultiHeadAttention(2, 6, 0.0), torch.randn(3, 5, 6), torch.randn(3, 5, 6)
    compiled = torch.compile(mha, fullgraph=True, backend=backend)
    for call in calls():
        torch._dynamo.reset()  # there is a limit to how often one function is recompiled
        torch.testing.assert_close(compiled(x, x, x, **call), mha(x, x, x, **call))
        mha.zero_grad()
        tree_leaves(compiled(x, x, x, **call))[0].sum().backward()
        assert all(p.grad.isfinite().all() for p in mha.parameters())
    # which of the inputs are one tensor is part of what was compiled
    torch.testing.assert_close(compiled(x, y, y), mha(x, y, y))
    torch.testing.assert_close(compiled(x, y, x), mha(x, y, x))


def test_compiles_to_machine_code():
    """By inductor, where there is a C++ compiler for it."""
    torch._dynamo.reset()
    mha, x = MultiHeadAttention(2, 6, 0.0).eval(), torch.randn(3, 5, 6)
    backend = "inductor" if shutil.which("g++") else "aot_eager"
    compiled = torch.compile(mha, fullgraph=True, backend=backend)
    torch.testing.assert_close(compiled(x, x, x, is_causal=True), mha(x, x, x, is_causal=True))


@pytest.mark.filterwarnings("ignore")
def test_exports():
    mha = MultiHeadAttention(2, 6, 0.0).eval()
    q, k, v = torch.randn(3, 3, 5, 6)
    for call in calls():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            program = torch.export.export(mha, (q, k, v), call)
        assert not [w for w in caught if "self.attn" in str(w.message)]
        again = [t.flip(0) for t in (q, k, v)]
        torch.testing.assert_close(program.module()(*again, **call), mha(*again, **call))
    N, L = torch.export.Dim("N", min=2), torch.export.Dim("L", min=2)
    S = torch.export.Dim("S", min=2)
    memory = torch.randn(3, 7, 6)
    program = torch.export.export(
        mha, (q, memory, memory.clone()), dynamic_shapes=({0: N, 1: L}, {0: N, 1: S}, {0: N, 1: S})
    )
    other = torch.randn(2, 4, 6), torch.randn(2, 9, 6), torch.randn(2, 9, 6)
    torch.testing.assert_close(program.module()(*other), mha(*other))


def test_an_export_with_one_tensor_thrice_is_of_self_attention():
    """torch.export merges equal inputs into the last, torch's layer alike; the page warns of it."""
    for layer in (MultiHeadAttention(2, 6, 0.0), nn.MultiheadAttention(6, 2, batch_first=True)):
        x, y, z = torch.randn(3, 3, 5, 6)
        exported = torch.export.export(layer.eval(), (x, x, x)).module()
        a, b = tree_leaves(exported(x, y, z))[0], tree_leaves(layer(z, z, z))[0]
        torch.testing.assert_close(a, b)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("need_weights", [False, True])
def test_vmap(need_weights):
    mha, x = MultiHeadAttention(2, 6, 0.0), torch.randn(4, 3, 5, 6)
    keep = torch.rand(4, 5, 5) < 0.7

    def call(x, mask):
        return mha(x, x, x, mask, need_weights=need_weights)

    got = torch.vmap(call)(x, keep)
    expected = [call(a, b) for a, b in zip(x, keep, strict=True)]
    for i, t in enumerate(tree_leaves(got)):
        torch.testing.assert_close(t, torch.stack([tree_leaves(e)[i] for e in expected]))
    over_masks = torch.vmap(call, in_dims=(None, 0))(x[0], keep)
    for i, t in enumerate(tree_leaves(over_masks)):
        torch.testing.assert_close(t, torch.stack([tree_leaves(call(x[0], m))[i] for m in keep]))
    copy.deepcopy(mha)


def test_jacobian_and_gradcheck():
    mha, _ = build(2, 4)
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    keep = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0]]).bool()
    for call in (
        lambda x, b: mha(x, x, x, b),
        lambda x, b: mha(x, x, x, keep),
        lambda x, b: mha(x, x, x, b, is_causal=True, need_weights=True),
        lambda x, b: mha(x, x, x, keep, need_weights=True),
    ):
        assert torch.autograd.gradcheck(call, (x, bias))


@pytest.mark.parametrize("need_weights", [False, True])
def test_meta_device(need_weights):
    with torch.device("meta"):
        mha = MultiHeadAttention(2, 6)
        x, y = torch.randn(3, 5, 6), torch.randn(3, 7, 6)
        keep = torch.ones(3, 1, 7).bool()
    for causal in (False, True):
        for mask in (None, keep, torch.zeros(3, 2, 5, 7, device="meta")):
            result = mha(x, y, y, mask, is_causal=causal, need_weights=need_weights)
            shapes = [tuple(t.shape) for t in tree_leaves(result)]
            assert shapes == [(3, 5, 6), (3, 2, 5, 7)][: 1 + need_weights]
            assert tree_leaves(result)[0].is_meta


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("need_weights", [False, True])
def test_autocast(dtype, need_weights):
    mha, x = MultiHeadAttention(2, 6, 0.0), torch.randn(3, 5, 6)
    keep = torch.rand(3, 1, 5) < 0.7
    keep[1] = False
    bias = torch.randn(5, 5)
    for mask in (None, keep, bias):
        expected = mha(x, x, x, mask, need_weights=need_weights)
        with torch.autocast("cpu", dtype):
            got = mha(x, x.to(dtype), x, mask, need_weights=need_weights)
        for a, b in zip(tree_leaves(got), tree_leaves(expected), strict=True):
            torch.testing.assert_close(a.float(), b, rtol=0, atol=3e-2)


@given(settings(empty=True))
def test_strides_do_not_matter(setting):
    made, wrapper, inputs, call = setting
    ours, _ = build(**{**made, "dropout": 0.0})
    layer = wrapper(ours)

    def scattered(t):
        if not isinstance(t, torch.Tensor):
            return t
        wide = torch.stack([t, t + (t.dtype != torch.bool)], -1).transpose(0, -2).contiguous()
        return wide.transpose(0, -2)[..., 0]

    oracle.assert_close(layer(*map(scattered, inputs), **call), layer(*inputs, **call))


def test_expanded_inputs():
    mha, x = MultiHeadAttention(2, 6, 0.0), torch.randn(1, 5, 6)
    expanded, keep = x.expand(3, 5, 6), torch.ones(1, 1, 5).bool().expand(3, 5, 5)
    for need_weights in (False, True):
        got = mha(expanded, expanded, expanded, keep, need_weights=need_weights)
        copied = expanded.contiguous()
        oracle.assert_close(got, mha(copied, copied, copied, need_weights=need_weights))


# --- identities -----------------------------------------------------------------------------------


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_symmetries(seed, other):
    torch.manual_seed(seed)
    mha, _ = build(2, 6, seed=seed)
    x, y = torch.randn(2, 5, 6).double(), torch.randn(2, 7, 6).double()
    keep = torch.rand(5, 7) < 0.6
    torch.manual_seed(other)
    rows, columns = torch.randperm(5), torch.randperm(7)
    a = mha(x, y, y, keep)
    oracle.assert_close(mha(x[:, rows], y, y, keep[rows]), a[:, rows])
    oracle.assert_close(mha(x, y[:, columns], y[:, columns], keep[:, columns]), a)
    # keys and values that are hidden from all may as well be absent
    some = torch.rand(7) < 0.6
    oracle.assert_close(mha(x, y, y, some[None]), mha(x, y[:, some], y[:, some]))
    # a shift of a query's scores, which is all that a bias of the keys makes, changes nothing
    with torch.no_grad():
        mha.in_proj_bias[6:12] += 3.0
    oracle.assert_close(mha(x, y, y, keep), a)


def test_causal_alignment_is_top_left_as_in_the_kernel():
    mha, x, y = MultiHeadAttention(2, 6, 0.0), torch.randn(1, 3, 6), torch.randn(1, 5, 6)
    for q, k in ((x, y), (y, x)):
        L, S = q.shape[1], k.shape[1]
        expected = mha(q, k, k, causal_mask(L, S))
        torch.testing.assert_close(mha(q, k, k, is_causal=True), expected)
        torch.testing.assert_close(mha(q, k, k, torch.ones(1, S).bool(), is_causal=True), expected)
        _, weights = mha(q, k, k, is_causal=True, need_weights=True)
        assert ((weights > 0) == causal_mask(L, S)).all()


# --- refusals -------------------------------------------------------------------------------------

X, Y = torch.zeros(2, 5, 6), torch.zeros(2, 7, 6)


def call(*args, **kwargs):
    return lambda: MultiHeadAttention(2, 6)(*args, **kwargs)


REFUSED = {
    "h does not divide": (
        lambda: MultiHeadAttention(4, 6),
        ValueError,
        ["h=4, d_model=6", "[1, 2, 3, 6]"],
    ),
    "h swapped": (lambda: MultiHeadAttention(64, 8), ValueError, ["h=64, d_model=8", "first"]),
    "h zero": (lambda: MultiHeadAttention(0, 6), ValueError, ["h=0"]),
    "h negative": (lambda: MultiHeadAttention(-2, 6), ValueError, ["h=-2"]),
    "d_model zero": (lambda: MultiHeadAttention(1, 0), ValueError, ["d_model=0"]),
    "dropout 1": (lambda: MultiHeadAttention(2, 6, 1.0), ValueError, ["dropout", "1.0"]),
    "dropout below": (lambda: MultiHeadAttention(2, 6, -0.1), ValueError, ["dropout", "-0.1"]),
    "dropout NaN": (lambda: ScaledDotProductAttention(float("nan")), ValueError, ["nan"]),
    "query's width": (call(X[..., :4], Y, Y), ValueError, ["query", "(2, 5, 4)", "Linear(4, 6)"]),
    "key's width": (call(X, Y[..., :4], Y), ValueError, ["key", "(2, 7, 4)", "d_model = 6"]),
    "value's width": (call(X, Y, Y[..., :4]), ValueError, ["value", "(2, 7, 4)"]),
    "one axis": (call(X[0, 0], Y, Y), ValueError, ["query", "(6,)", "(N, L, E) or (L, E)"]),
    "four axes": (call(X[None], Y, Y), ValueError, ["query", "(1, 2, 5, 6)"]),
    "no axis": (call(X.sum(), Y, Y), ValueError, ["query", "()"]),
    "batched and not": (call(X, Y[0], Y[0]), ValueError, ["key (7, 6)", "(2, 5, 6)"]),
    "batch": (call(X, Y[:1], Y[:1]), ValueError, ["key (1, 7, 6)", "key.expand(N, -1, -1)"]),
    "batch of value": (call(X, Y, Y[:1]), ValueError, ["value (1, 7, 6)"]),
    "lengths": (call(X, Y, Y[:, :6]), ValueError, ["key (2, 7, 6)", "value (2, 6, 6)", "S"]),
    "dtype of key": (
        call(X, Y.double(), Y),
        TypeError,
        ["key in torch.float64", "parameters in torch.float32", "key.to(torch.float32)"],
    ),
    "dtype of all": (call(X.half(), Y.half(), Y.half()), TypeError, ["query in torch.float16"]),
    "integers": (call(X.long(), Y, Y), TypeError, ["query in torch.int64"]),
    "mask of integers": (
        call(X, Y, Y, torch.ones(5, 7).int()),
        TypeError,
        ["int32", "mask.bool()"],
    ),
    "mask of doubles": (
        call(X, Y, Y, torch.ones(5, 7).double()),
        TypeError,
        ["mask in torch.float64", "query in torch.float32", "mask.to(torch.float32)"],
    ),
    "mask of one axis": (call(X, Y, Y, torch.ones(7).bool()), ValueError, ["(7,)", "(L, S)"]),
    "mask of five axes": (call(X, Y, Y, torch.ones(1, 1, 1, 5, 7).bool()), ValueError, ["5, 7)"]),
    "mask of padding": (
        call(X, Y, Y, torch.ones(2, 7).bool()),
        ValueError,
        ["(2, 7)", "mask[:, None, :]", "N=2, h=2, L=5, S=7"],
    ),
    "mask of torch": (
        call(X, Y, Y, torch.ones(4, 5, 7).bool()),
        ValueError,
        ["(4, 5, 7)", "mask_from_torch"],
    ),
    "mask of other S": (call(X, Y, Y, torch.ones(5, 5).bool()), ValueError, ["(5, 5)", "S=7"]),
    "mask of S = 1": (call(X, Y, Y, torch.ones(5, 1).bool()), ValueError, ["(5, 1)"]),
    "mask of other h": (call(X, Y, Y, torch.ones(2, 3, 5, 7).bool()), ValueError, ["h=2"]),
    "mask of other N": (call(X, Y, Y, torch.ones(3, 1, 5, 7).bool()), ValueError, ["N=2"]),
    "batched mask, no batch": (
        call(X[0], Y[0], Y[0], torch.ones(2, 5, 7).bool()),
        ValueError,
        ["N=1", "(2, 5, 7)"],
    ),
    "readable mask of integers": (
        lambda: ScaledDotProductAttention()(X, Y, Y, torch.ones(5, 7).int()),
        TypeError,
        ["int32", "mask.bool()"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_argument_values_and_remedy(case):
    refused, error, words = REFUSED[case]
    with pytest.raises(error) as caught:
        refused()
    for word in words:
        assert word in str(caught.value)


@st.composite
def shapes(draw):
    """Draw three input shapes that fit more or less."""
    size = st.sampled_from
    made = []
    for _ in range(3):
        shape = [draw(size([2, 2, 2, 1])), draw(size([5, 5, 5, 3])), draw(size([6, 6, 6, 6, 4]))]
        made.append(shape[draw(size([0, 0, 0, 1, 1, 2])) :])
    return made


@given(shapes())
def test_refuses_the_inputs_that_torch_refuses(made):
    ours, theirs = build(2, 6)
    inputs = [torch.zeros(shape, dtype=torch.float64) for shape in made]
    oracle.assert_refused_alike(lambda: ours(*inputs), lambda: theirs(*inputs))


def test_no_warning_in_ordinary_use():
    mha, x = MultiHeadAttention(2, 6), torch.randn(3, 5, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kwargs in calls():
            mha(x, x, x, **kwargs)

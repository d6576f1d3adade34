"""Attention copied, saved, compiled, exported, vectorised, differentiated, without data."""

import copy
import io
import itertools
import shutil
import warnings

import oracle
import pytest
import torch
from attention_cases import build, calls, every_mask
from torch import nn
from torch.utils._pytree import tree_leaves

from layerref import MultiHeadAttention


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
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_vmap(kind, causal, need_weights):
    mha, x = MultiHeadAttention(2, 6, 0.0), torch.randn(4, 3, 5, 6)
    keep = torch.rand(4, 5, 5) < 0.7 if kind == "bool" else torch.randn(4, 5, 5)

    def call(x, mask=None):
        return mha(x, x, x, mask, is_causal=causal, need_weights=need_weights)

    alone = torch.vmap(call)(x)
    for i, t in enumerate(tree_leaves(alone)):
        torch.testing.assert_close(t, torch.stack([tree_leaves(call(a))[i] for a in x]))

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
    for N, causal in itertools.product((1, 3), (False, True)):
        inputs = (x, y, y) if N == 3 else (x[0], y[0], y[0])
        lead = (3,) if N == 3 else ()
        for mask in every_mask(N, 2, 5, 7, device="meta"):
            result = mha(*inputs, mask, is_causal=causal, need_weights=need_weights)
            shapes = [tuple(t.shape) for t in tree_leaves(result)]
            assert shapes == [(*lead, 5, 6), (*lead, 2, 5, 7)][: 1 + need_weights]
            assert all(t.is_meta for t in tree_leaves(result))

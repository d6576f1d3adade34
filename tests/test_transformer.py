"""Transformer layers and stacks against torch.nn: every mask, layout, order of norms, dropout."""

import copy

import oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import layerref
from layerref import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:Support for mism")
N, L, S = 3, 5, 7
CAUSAL = nn.Transformer.generate_square_subsequent_mask(L)

layer_options = st.fixed_dictionaries(
    {
        "dropout": st.sampled_from([0.0, 0.3]),
        "activation": st.sampled_from(
            ["relu", "gelu", F.relu, F.gelu, torch.tanh, nn.GELU("tanh")]
        ),
        "layer_norm_eps": st.sampled_from([1e-5, 0.1]),
        "batch_first": st.booleans(),
        "norm_first": st.booleans(),
        "bias": st.booleans(),
    }
)
widths = st.sampled_from([(6, 1), (6, 2), (6, 3), (4, 4)])
batches = st.sampled_from([None, 1, 2, N])


# torch's stacks replace an activation that is a module by relu, see below
stack_options = layer_options.filter(lambda o: not isinstance(o["activation"], nn.Module))


def tokens(batch, length, width, batch_first, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = {True: (batch, length), False: (length, batch)}[batch_first]
    shape = (length,) if batch is None else shape
    return torch.randn(*shape, width, generator=generator, dtype=torch.float64)


@st.composite
def attention_mask(draw, batch, heads, queries, keys):
    """Draw torch's attn_mask in any of its forms; no row hides every key."""
    kind = draw(st.sampled_from(["none", "bool", "float"]))
    if kind == "none":
        return None
    shape = draw(st.sampled_from([(queries, keys), (heads * (batch or 1), queries, keys)]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    hidden = torch.rand(shape, generator=generator) < 0.4
    hidden[..., 0] = False
    if kind == "bool":
        return hidden
    bias = torch.randn(shape, generator=generator, dtype=torch.float64)
    return bias.masked_fill(hidden, -torch.inf)


@st.composite
def padding(draw, batch, keys):
    """Draw torch's key_padding_mask; the first key is always real."""
    kind = draw(st.sampled_from(["none", "bool", "float"]))
    if kind == "none":
        return None
    shape = (keys,) if batch is None else (batch, keys)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    hidden = torch.rand(shape, generator=generator) < 0.4
    hidden[..., 0] = False
    return (
        hidden
        if kind == "bool"
        else torch.zeros(shape, dtype=torch.float64).masked_fill(hidden, -torch.inf)
    )


@given(data=st.data(), widths=widths, options=layer_options, batch=batches)
def test_encoder_layer_equals_torch(data, widths, options, batch):
    d_model, nhead = widths
    pair = oracle.build("TransformerEncoderLayer", d_model, nhead, 11, **options)
    src = tokens(batch, L, d_model, options["batch_first"], 1)
    masks = {
        "src_mask": data.draw(attention_mask(batch, nhead, L, L)),
        "src_key_padding_mask": data.draw(padding(batch, L)),
    }
    oracle.compare(*pair, src, constants=masks)


@given(data=st.data(), widths=widths, options=layer_options, batch=batches)
def test_decoder_layer_equals_torch(data, widths, options, batch):
    d_model, nhead = widths
    pair = oracle.build("TransformerDecoderLayer", d_model, nhead, 11, **options)
    tgt = tokens(batch, L, d_model, options["batch_first"], 1)
    memory = tokens(batch, S, d_model, options["batch_first"], 2)
    masks = {
        "tgt_mask": data.draw(attention_mask(batch, nhead, L, L)),
        "memory_mask": data.draw(attention_mask(batch, nhead, L, S)),
        "tgt_key_padding_mask": data.draw(padding(batch, L)),
        "memory_key_padding_mask": data.draw(padding(batch, S)),
    }
    oracle.compare(*pair, tgt, memory, constants=masks)


@given(data=st.data(), options=stack_options, batch=batches, norm=st.booleans())
def test_stacks_equal_torch(data, options, batch, norm):
    def stack(module, layer, stack, seed=0):
        torch.manual_seed(seed)
        one = getattr(module, layer)(6, 2, 11, **options)
        last = module.LayerNorm(6, bias=options["bias"]) if norm else None
        return getattr(module, stack)(one, 2, last).double()

    src = tokens(batch, S, 6, options["batch_first"], 1)
    tgt = tokens(batch, L, 6, options["batch_first"], 2)
    encoders = [stack(m, "TransformerEncoderLayer", "TransformerEncoder") for m in (layerref, nn)]
    oracle.assert_same_start(*encoders)
    masks = {
        "mask": data.draw(attention_mask(batch, 2, S, S)),
        "src_key_padding_mask": data.draw(padding(batch, S)),
    }
    oracle.compare(*encoders, src, constants=masks)
    decoders = [stack(m, "TransformerDecoderLayer", "TransformerDecoder") for m in (layerref, nn)]
    oracle.assert_same_start(*decoders)
    masks = {"tgt_mask": data.draw(attention_mask(batch, 2, L, L))}
    oracle.compare(*decoders, tgt, src, constants=masks)


@given(
    data=st.data(), options=stack_options, batch=batches,
    depth=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)  # fmt: skip
def test_transformer_equals_torch(data, options, batch, depth):
    pair = oracle.build("Transformer", 6, 2, *depth, 11, **options)
    src = tokens(batch, S, 6, options["batch_first"], 1)
    tgt = tokens(batch, L, 6, options["batch_first"], 2)
    masks = {
        "src_mask": data.draw(attention_mask(batch, 2, S, S)),
        "tgt_mask": data.draw(attention_mask(batch, 2, L, L)),
        "memory_mask": data.draw(attention_mask(batch, 2, L, S)),
        "src_key_padding_mask": data.draw(padding(batch, S)),
        "tgt_key_padding_mask": data.draw(padding(batch, L)),
        "memory_key_padding_mask": data.draw(padding(batch, S)),
    }
    oracle.compare(*pair, src, tgt, constants=masks)


@given(
    batch_first=st.booleans(), hint=st.booleans(),
    kind=st.sampled_from(["encoder", "decoder", "transformer"]),
)  # fmt: skip
def test_causal_masks_and_their_hint_equal_torch(batch_first, hint, kind):
    options = {"batch_first": batch_first}
    x, mask = tokens(N, L, 6, batch_first, 1), CAUSAL.double()
    if kind == "encoder":
        pair = oracle.build("TransformerEncoderLayer", 6, 2, 11, **options)
        oracle.compare(*pair, x, constants={"src_mask": mask, "is_causal": hint})
    elif kind == "decoder":
        pair = oracle.build("TransformerDecoderLayer", 6, 2, 11, **options)
        oracle.compare(*pair, x, x, constants={"tgt_mask": mask, "tgt_is_causal": hint})
    else:
        pair = oracle.build("Transformer", 6, 2, 1, 1, 11, **options)
        masks = {"src_mask": mask, "tgt_mask": mask, "tgt_is_causal": hint or None}
        oracle.compare(*pair, x, x, constants=masks)


@given(
    attn=st.lists(st.sampled_from([1, 2, L, 2 * N, 2 * N * L]), min_size=1, max_size=4),
    pad=st.lists(st.sampled_from([1, N, L]), min_size=1, max_size=3),
    batch=st.sampled_from([None, N]),
    causal=st.booleans(),
    which=st.sampled_from(["attn", "pad", "none"]),
)
def test_masks_that_torch_refuses_are_refused(attn, pad, batch, causal, which):
    ours = TransformerEncoderLayer(6, 2, 11, batch_first=True).double()
    theirs = nn.TransformerEncoderLayer(6, 2, 11, batch_first=True).double()
    x = tokens(batch, L, 6, True, 1)
    masks = {
        "attn": {"src_mask": torch.zeros(attn, dtype=torch.float64)},
        "pad": {"src_key_padding_mask": torch.zeros(pad, dtype=torch.bool)},
        "none": {"is_causal": causal},
    }[which]
    oracle.assert_refused_alike(lambda: ours(x, **masks), lambda: theirs(x, **masks))


@given(
    d_model=st.integers(-1, 7), nhead=st.integers(-1, 7), hidden=st.integers(1, 3),
    activation=st.sampled_from(["relu", "gelu", "tanh", "swish"]),
)  # fmt: skip
def test_settings_that_torch_refuses_are_refused(d_model, nhead, hidden, activation):
    for name in ("TransformerEncoderLayer", "TransformerDecoderLayer"):
        oracle.assert_refused_alike(
            lambda name=name: getattr(layerref, name)(
                d_model, nhead, hidden, activation=activation
            ),
            lambda name=name: getattr(nn, name)(d_model, nhead, hidden, activation=activation),
        )


def test_a_wrong_causal_hint_never_shows_the_future():
    """Torch drops the given mask for the hint; ours applies both: a refusal in the open."""
    ours, theirs = oracle.build("TransformerEncoderLayer", 6, 2, 11, 0.0)
    x, window = tokens(N, L, 6, False, 1), torch.full((L, L), -torch.inf).triu(1).double()
    window[3:, 0] = -torch.inf  # causal, and two queries may not see the first key
    both = theirs(x, src_mask=window)
    torch.testing.assert_close(ours(x, src_mask=window, is_causal=True), both)
    assert not torch.allclose(theirs(x, src_mask=window, is_causal=True), both)


def test_padded_tokens_are_computed_in_every_mode():
    """Torch returns zeros for them in eval under no_grad only; the real tokens are equal."""
    layer = nn.TransformerEncoderLayer(6, 2, 11, batch_first=True)
    theirs = nn.TransformerEncoder(layer, 2).eval()
    ours = TransformerEncoder(TransformerEncoderLayer(6, 2, 11, batch_first=True), 2).eval()
    ours.load_state_dict(theirs.state_dict())
    x, padded = torch.randn(N, L, 6), torch.arange(L).expand(N, L) >= 3
    with torch.no_grad():
        a = ours(x, src_key_padding_mask=padded)
        b = theirs(x, src_key_padding_mask=padded)
    torch.testing.assert_close(a[:, :3], b[:, :3])
    assert (b[:, 3:] == 0).all()
    torch.testing.assert_close(a, theirs(x, src_key_padding_mask=padded))


def test_a_token_that_may_attend_to_nothing_gives_the_bias():
    """Torch gives NaN for it in eval under no_grad."""
    ours, theirs = oracle.build("TransformerEncoderLayer", 6, 2, 11, 0.0, batch_first=True)
    x, all_hidden = tokens(N, L, 6, True, 1), torch.ones(L, L, dtype=torch.bool)
    oracle.compare(ours, theirs, x, constants={"src_mask": all_hidden}, modes=["train"])
    ours.eval()
    theirs.eval()
    with torch.no_grad():
        assert theirs(x, src_mask=all_hidden).isnan().all()
        attended = ours.norm1(x + ours.self_attn.out_proj.bias)
        expected = ours.norm2(attended + ours._feed_forward(attended))
        torch.testing.assert_close(ours(x, src_mask=all_hidden), expected)


def test_a_stack_keeps_an_activation_that_is_a_module():
    """Torch's decoder forgets it in the copy: its layers compute relu, whatever was asked for."""
    ours, theirs = oracle.build("TransformerDecoderLayer", 6, 2, 11, 0.0, nn.Tanh())
    x = tokens(N, L, 6, False, 1)
    oracle.compare(ours, theirs, x, x)
    copied = nn.TransformerDecoder(theirs, 1)
    assert copied.layers[0].activation is F.relu
    assert not torch.allclose(copied(x, x), theirs(x, x))
    torch.testing.assert_close(TransformerDecoder(ours, 1)(x, x), theirs(x, x))


def test_copies_start_alike_in_a_stack_and_apart_in_a_transformer():
    encoder = TransformerEncoder(TransformerEncoderLayer(6, 2, 11), 3)
    weights = [layer.linear1.weight for layer in encoder.layers]
    assert torch.equal(weights[0], weights[2])
    assert weights[0] is not weights[2]
    model = Transformer(6, 2, 2, 2, 11)
    first, second = model.encoder.layers
    assert not torch.equal(first.linear1.weight, second.linear1.weight)


def test_final_norm_normalises_twice_as_in_torch():
    model = Transformer(6, 2, 1, 1, 11, dropout=0.0)
    x = torch.randn(L, N, 6)
    once = model.encoder.layers[0](x)
    torch.testing.assert_close(model.encoder(x), model.encoder.norm(once))
    torch.testing.assert_close(once.std(-1, correction=0), torch.ones(L, N), atol=1e-3, rtol=0)


def test_decoder_in_parallel_equals_step_by_step():
    decoder = TransformerDecoder(TransformerDecoderLayer(6, 2, 11, batch_first=True), 2).double()
    decoder.eval()
    tgt, memory = tokens(N, L, 6, True, 1), tokens(N, S, 6, True, 2)
    whole = decoder(tgt, memory, tgt_mask=CAUSAL.double())
    for n in range(1, L + 1):
        step = decoder(tgt[:, :n], memory, tgt_mask=CAUSAL[:n, :n].double())
        torch.testing.assert_close(step[:, -1], whole[:, n - 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_half_precision_follows_torch(dtype):
    ours, theirs = oracle.build("Transformer", 8, 2, 1, 1, 11, 0.0)
    src, tgt = torch.randn(S, N, 8, dtype=dtype), torch.randn(L, N, 8, dtype=dtype)
    a, b = ours.to(dtype)(src, tgt, tgt_mask=CAUSAL), theirs.to(dtype)(src, tgt)
    b = theirs(src, tgt, tgt_mask=CAUSAL.to(dtype))
    assert a.dtype == dtype
    torch.testing.assert_close(a, b, atol=30 * torch.finfo(dtype).eps, rtol=0)


def test_attributes_and_parameters():
    ours, theirs = oracle.build("Transformer", 6, 2, 1, 1, 11, batch_first=True)
    oracle.assert_attributes(ours, theirs, "d_model", "nhead", "batch_first")
    for name in ("encoder", "decoder"):
        oracle.assert_attributes(getattr(ours, name), getattr(theirs, name), "num_layers")
        pair = (getattr(m, name).layers[0] for m in (ours, theirs))
        oracle.assert_attributes(*pair, "norm_first", "activation")
    with torch.device("meta"):
        model = Transformer()
    assert sum(p.numel() for p in model.parameters()) == 44_140_544  # audit T1


def test_near_misses_are_rejected():
    class ForgetsResidual(TransformerEncoderLayer):
        def _sublayer(self, i, x, block):
            return getattr(self, f"norm{i}")(block(x))

    class NormInside(TransformerEncoderLayer):
        def _sublayer(self, i, x, block):
            return x + getattr(self, f"norm{i}")(block(x))

    _, theirs = oracle.build("TransformerEncoderLayer", 6, 2, 11, 0.0)
    for wrong in (ForgetsResidual, NormInside):
        near = wrong(6, 2, 11, 0.0).double()
        near.load_state_dict(theirs.state_dict())
        oracle.assert_rejected(near, theirs, tokens(N, L, 6, False, 1))


def test_it_copies_and_compiles():
    model = Transformer(6, 2, 1, 1, 11, dropout=0.0)
    src, tgt = torch.randn(S, N, 6), torch.randn(L, N, 6)
    expected = model(src, tgt, tgt_mask=CAUSAL)
    torch.testing.assert_close(copy.deepcopy(model)(src, tgt, tgt_mask=CAUSAL), expected)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(src, tgt, tgt_mask=CAUSAL), expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TransformerEncoderLayer(6, 2, activation="swish"), "activation takes 'relu'"),
        (lambda: TransformerEncoderLayer(6, 4), "h must divide|must divide d_model"),
        (
            lambda: TransformerEncoder(TransformerEncoderLayer(6, 2), 0),
            r"num_layers >= 1, got 0",
        ),
        (
            lambda: TransformerEncoderLayer(6, 2)(torch.ones(L, N, 6), is_causal=True),
            "got no mask",
        ),
        (
            lambda: TransformerEncoderLayer(6, 2)(torch.ones(L, N, 6), torch.ones(L, 2)),
            r"\(L, S\) = \(5, 5\) or \(N \* h, L, S\) = \(6, 5, 5\), got \(5, 2\)",
        ),
        (
            lambda: TransformerEncoderLayer(6, 2)(
                torch.ones(L, N, 6), src_key_padding_mask=torch.ones(L, N).bool()
            ),
            r"takes the shape \(3, 5\).*got \(5, 3\): it is batch-first always",
        ),
        (
            lambda: Transformer(6, 2, 1, 1)(torch.ones(L, N, 5), torch.ones(L, N, 6)),
            "src ends in the axis E = d_model = 6",
        ),
        (
            lambda: Transformer(6, 2, 1, 1)(torch.ones(L, N, 6), torch.ones(L, 2, 6)),
            "share the batch axis 1",
        ),
    ],
)
def test_errors_say_rule_values_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()

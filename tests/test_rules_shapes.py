"""Rules against torch: what comes out, what is refused, how many parameters, how many FLOPs.

The oracle is torch's layer itself, run on a small tensor of zeros; for the layers that torch.nn
does not have it is layerref's own.
"""

import os
import random
import warnings
from itertools import product

import pytest
import torch
from rules_draws import DRAWS, WINDOWED
from torch import nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import layerref
from layerref import flops, output_shape, parameter_count
from layerref.rules import LAYERS, state_keys

pytestmark = pytest.mark.filterwarnings("ignore")

# What torch accepts by oversight and layerref refuses; output_shape's docstring lists it.
OVERSIGHTS = (
    ("FractionalMaxPool2d", "kernel_size is at least 1"),
    ("AdaptiveAvgPool", "the input is (N"),
    ("CircularPad", "elements are left to copy"),
    ("ReplicationPad", "leaves 0 of"),
    ("ReflectionPad", "leaves 0 of"),
    ("Upsample", "the size after is at least 1, got 0"),
    ("ConvTranspose", "the output would have size 0"),
    ("ConvTranspose", "dilation is at least 1, got 0"),
    ("Conv", "padding takes an int or"),
    ("FractionalMaxPool", "output_ratio takes a number or"),
)
# The same for inputs without elements, where torch skips checks.
OVERSIGHTS_ON_NOTHING = (
    ("Conv", "dilation is at least 1"),
    ("ConvTranspose", "output_padding is at least 0 and smaller"),
    *((name, "only the batch axis may") for name in ("Conv", "Depthwise", "Separable", "Upsample")),
    ("AdaptiveAvgPool", "only the batch axis may"),
    ("ReflectionPad", "crop less"),
    ("ReplicationPad", "crop less"),
    *((name, "channel axis has size") for name in ("BatchNorm", "InstanceNorm")),
)
SEVERAL_INPUTS = (
    *("MultiHeadAttention", "ScaledDotProductAttention"),
    *("TransformerDecoderLayer", "TransformerDecoder", "Transformer"),
)
RECURRENT = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")


def build(name, kwargs):
    """Build torch's layer, or ours where torch has none."""
    kwargs = dict(kwargs)
    if name == "MultiHeadAttention":
        heads, width = kwargs.pop("h"), kwargs.pop("d_model")
        return nn.MultiheadAttention(width, heads, batch_first=True, **kwargs)
    for inner in ("encoder_layer", "decoder_layer"):
        if inner in kwargs:
            layer = "Transformer" + inner.title().replace("_", "")
            kwargs[inner] = build(layer, kwargs[inner])
    if isinstance(kwargs.get("norm"), dict):
        kwargs["norm"] = nn.LayerNorm(**kwargs["norm"])
    return getattr(nn if hasattr(nn, name) else layerref, name)(**kwargs)


def tensors(shape, dtype, device):
    if isinstance(shape, tuple) and any(isinstance(one, tuple) for one in shape):
        return tuple(tensors(one, dtype, device) for one in shape)
    return torch.zeros(shape, dtype=dtype, device=device)


def shapes(result):
    if isinstance(result, torch.Tensor):
        return tuple(result.shape)
    return tuple(shapes(one) for one in result)


def run(name, layer, shape, forward, device="cpu"):
    """Run a layer on zeros; return the shapes of its results."""
    forward = dict(forward)
    if "training" in forward:
        layer.train(forward.pop("training"))
    if name == "MultiHeadAttention":
        forward = {"need_weights": False, "average_attn_weights": False, **forward}
    dtype = torch.long if name == "Embedding" else torch.float32
    x = tensors(shape, dtype, device)
    spread = name in SEVERAL_INPUTS or (name in RECURRENT and isinstance(x, tuple))
    with torch.no_grad():
        result = layer(*x, **forward) if spread else layer(x, **forward)
    if name == "MultiHeadAttention" and not forward["need_weights"]:
        result = result[0]
    return shapes(result)


def asked(call):
    """Return the answer and the refusal, one of them None."""
    try:
        return call(), None
    except (ValueError, TypeError) as error:
        return None, error


def oracle(name, shape, kwargs, forward):
    try:
        layer = build(name, kwargs)
        return layer, run(name, layer, shape, forward)
    except Exception:  # torch refuses with any exception
        return None, None


def overlooked(name, shape, error):
    """Tell whether torch accepts this by oversight."""
    pairs = OVERSIGHTS + (OVERSIGHTS_ON_NOTHING if 0 in tree_leaves(shape) else ())
    return any(name.startswith(prefix) and text in str(error) for prefix, text in pairs)


def draws(name, count):
    """Draw settings: the same in every run, or ten times as many fresh ones in ``test-deep``."""
    deep = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
    r = random.Random(None if deep else f"{name} {count}")
    for _ in range(10 * count if deep else count):
        yield DRAWS[name](r)


def accepted(name, count):
    """Draw until ``count`` settings are accepted; yield torch's layer, too."""
    found = 0
    for shape, kwargs, forward in draws(name, 100 * count):
        if asked(lambda: output_shape(name, shape, **kwargs, **forward))[0] is not None:  # noqa: B023
            yield build(name, kwargs), shape, kwargs, forward
            found += 1
            if found == count:
                return


# ---------------------------------------------------------------- equality
@pytest.mark.property
@pytest.mark.parametrize("name", DRAWS)
def test_output_shape(name):
    """The same shape as torch, and refused exactly when torch refuses."""
    outcomes = {"accepted": 0, "refused": 0}
    for shape, kwargs, forward in draws(name, 1000 if name in WINDOWED else 200):
        _, expected = oracle(name, shape, kwargs, forward)
        actual, error = asked(lambda: output_shape(name, shape, **kwargs, **forward))  # noqa: B023
        outcomes["refused" if expected is None else "accepted"] += 1
        if expected is not None and actual is None and overlooked(name, shape, error):
            continue
        assert actual == expected, f"{name}{kwargs} on {shape}, {forward}: {error}"
    assert outcomes["accepted"] >= 20
    assert outcomes["refused"] >= 5 or name in ("Threshold", "ReLU")


@pytest.mark.parametrize("name", DRAWS)
def test_parameters_and_state_dict(name):
    """As many parameters as torch's layer, under the same keys."""
    for layer, _, kwargs, _ in accepted(name, 100 if name in WINDOWED else 40):
        expected = sum(p.numel() for p in layer.parameters())
        assert parameter_count(name, **kwargs) == expected, f"{name}{kwargs}"
        keys = tuple(layer.state_dict())
        if all(kwargs.get(stack, 1) == 1 for stack in LAYERS[name].stacks):
            assert state_keys(name, **kwargs) == keys, f"{name}{kwargs}"


@pytest.mark.parametrize("name", [n for n in DRAWS if n != "ScaledDotProductAttention"])
def test_flops(name):
    """As torch's counter sees them where no fused kernel hides any: on the meta device."""
    device = "meta" if LAYERS[name].products is not LAYERS["ReLU"].products else "cpu"
    for layer, shape, kwargs, forward in accepted(name, 40 if name in WINDOWED else 20):
        with FlopCounterMode(display=False) as counter:
            run(name, layer.to(device), shape, forward, device)
        assert flops(name, shape, **kwargs, **forward) == counter.get_total_flops(), (
            f"{name}{kwargs} on {shape}"
        )


def test_flops_of_attention():
    """Our layer returns weights, so its flops are those of torch's function on its unfused path."""
    for _, (query, key, value), _, _ in accepted("ScaledDotProductAttention", 40):
        if query[:-2] == key[:-2] == value[:-2]:
            q, k, v = (torch.zeros(s, device="meta") for s in (query, key, value))
            with FlopCounterMode(display=False) as counter:
                nn.functional.scaled_dot_product_attention(q, k, v)
            expected = counter.get_total_flops()
            assert flops("ScaledDotProductAttention", (query, key, value)) == expected


def test_what_the_counter_does_not_see():
    """The statements of flops' docstring about fused kernels."""
    x = torch.zeros(7, 2, 3)
    with FlopCounterMode(display=False) as counter:
        nn.LSTM(3, 5)(x)
    assert counter.get_total_flops() == 0
    assert flops("LSTM", (7, 2, 3), input_size=3, hidden_size=5) == 2 * 7 * 2 * 4 * (3 * 5 + 5 * 5)
    q = torch.zeros(2, 4, 7, 8)
    with FlopCounterMode(display=False) as counter:
        nn.functional.scaled_dot_product_attention(q, q, q)
    assert counter.get_total_flops() == 0
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(torch.zeros(2, 7, 8))
    assert counter.get_total_flops() == 0


# ---------------------------------------------------------------- whole grids
def test_every_small_pooling():
    """All settings on sizes up to 9, with and without ceil_mode; plain ceil is wrong for some."""
    wrong_ceil = checked = 0
    for i, k, s, d in product(range(1, 10), range(1, 5), range(1, 5), (1, 2)):
        for p, ceil_mode in product(range(k // 2 + 1), (False, True)):
            kwargs = {
                "kernel_size": k,
                "stride": s,
                "padding": p,
                "dilation": d,
                "ceil_mode": ceil_mode,
            }
            _, expected = oracle("MaxPool1d", (1, i), kwargs, {})
            actual, _ = asked(lambda: output_shape("MaxPool1d", (1, i), **kwargs))  # noqa: B023
            assert actual == expected, f"{kwargs} on {i}"
            if expected and ceil_mode:
                checked += 1
                wrong_ceil += -(-(i + 2 * p - d * (k - 1) - 1) // s) + 1 != expected[1]
    assert checked > 500
    assert wrong_ceil > 50


def test_a_transposed_convolution_undoes_the_size():
    """Output padding restores what the stride of the convolution rounded away."""
    for i, k, s, p, d in product(range(1, 12), (1, 2, 3), (1, 2, 3), (0, 1), (1, 2)):
        kwargs = {"in_channels": 1, "out_channels": 1, "kernel_size": k, "stride": s}
        kwargs |= {"padding": p, "dilation": d}
        small, _ = asked(lambda: output_shape("Conv1d", (1, i), **kwargs))  # noqa: B023
        if small is not None:
            lost = (i + 2 * p - d * (k - 1) - 1) % s
            back = output_shape("ConvTranspose1d", small, **kwargs, output_padding=lost)
            assert (
                back == output_shape("ConvTranspose1d", small, **kwargs, output_size=(i,)) == (1, i)
            )


RGB = {"in_channels": 3, "out_channels": 64}


@pytest.mark.parametrize(
    ("name", "shape", "kwargs"),
    [
        ("Conv2d", (256, 3, 224, 224), {**RGB, "kernel_size": 7, "stride": 2, "padding": 3}),
        ("MaxPool2d", (256, 64, 112, 112), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("Conv3d", (64, 3, 160, 560, 560), {**RGB, "kernel_size": 3}),
        ("Linear", (1 << 20, 4096), {"in_features": 4096, "out_features": 11008}),
        ("Embedding", (1024, 4096), {"num_embeddings": 128_256, "embedding_dim": 4096}),
        ("Upsample", (8, 64, 540, 960), {"scale_factor": 2}),
        ("GRU", (9, 5120, 1024), {"input_size": 1024, "hidden_size": 1024, "num_layers": 4}),
        ("Transformer", ((512, 64, 512), (256, 64, 512)), {}),
    ],
)
def test_sizes_of_real_models(name, shape, kwargs):
    """Sizes that no test machine could hold, on meta tensors."""
    with torch.device("meta"), warnings.catch_warnings():
        layer = build(name, kwargs)
    assert output_shape(name, shape, **kwargs) == run(name, layer, shape, {}, "meta")
    assert parameter_count(name, **kwargs) == sum(p.numel() for p in layer.parameters())
    with FlopCounterMode(display=False) as counter:
        run(name, layer, shape, {}, "meta")
    assert flops(name, shape, **kwargs) == counter.get_total_flops()


# ---------------------------------------------------------------- on paper
def test_known_values():
    conv = {"in_channels": 64, "out_channels": 32, "kernel_size": 3}
    assert output_shape("Conv2d", (8, 64, 128, 128), **conv) == (8, 32, 126, 126)
    assert parameter_count("Conv2d", **conv) == 64 * 32 * 9 + 32
    assert flops("Conv2d", (8, 64, 128, 128), **conv) == 2 * 8 * 126 * 126 * 64 * 32 * 9
    assert parameter_count("GRU", input_size=64, hidden_size=32) == 9408
    assert parameter_count("LSTM", input_size=64, hidden_size=32) == 12544
    assert parameter_count("MultiHeadAttention", h=8, d_model=64) == 16640
    assert parameter_count("SwitchableNorm2d", num_features=5) == 2 * 5 + 6
    assert output_shape("Upsample", (1, 1, 7), scale_factor=1.5) == (1, 1, 10)
    assert output_shape("Upsample", (1, 1, 100), scale_factor=0.29) == (1, 1, 28)  # not 29
    assert output_shape("Unfold", (2, 3, 5, 7), kernel_size=(2, 3)) == (2, 18, 20)
    assert output_shape("Fold", (2, 18, 20), output_size=(5, 7), kernel_size=(2, 3)) == (2, 3, 5, 7)


def test_layers_may_be_given_as_classes_and_objects():
    shape, kwargs = (7, 2, 8), {"d_model": 8, "nhead": 2, "dim_feedforward": 16, "bias": False}
    assert parameter_count(nn.ReLU) == parameter_count(layerref.ReLU) == 0
    for module in (nn, layerref):
        inner = module.TransformerEncoderLayer(**kwargs)
        stack = {"encoder_layer": inner, "num_layers": 3, "norm": module.LayerNorm(8)}
        layer = module.TransformerEncoder(**stack)
        assert parameter_count("TransformerEncoder", **stack) == sum(
            p.numel() for p in layer.parameters()
        )
        assert output_shape(module.TransformerEncoder, shape, **stack) == shape
        same = {"encoder_layer": kwargs, "num_layers": 3, "norm": {"normalized_shape": 8}}
        assert flops("TransformerEncoder", shape, **stack) == flops(
            "TransformerEncoder", shape, **same
        )

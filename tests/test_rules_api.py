"""The rules as people meet them: errors, the inverse, the table, what the package may import."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_rules_shapes import build, run
from torch import nn

import layerref
from layerref import flops, output_shape, parameter_count, settings_for
from layerref.rules import LAYERS, example, state_keys
from layerref.rules.record import REQUIRED

pytestmark = pytest.mark.filterwarnings("ignore")
RULES = Path(layerref.rules.__file__).parent
CONV = {"in_channels": 4, "out_channels": 6, "kernel_size": 3}
CLASSES = {
    name: getattr(layerref, name)
    for name in layerref.__all__
    if inspect.isclass(getattr(layerref, name)) and issubclass(getattr(layerref, name), nn.Module)
}


# ---------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("question", "error", "text"),
    [
        (("Conv2", (1, 4, 5, 5)), ValueError, "no layer is called 'Conv2': did you mean Conv"),
        (("conv2d", (1, 4, 5, 5)), ValueError, "did you mean Conv2d"),
        (("Quux", ()), ValueError, "see layerref.rules.LAYERS"),
        ((7, ()), TypeError, "a layer is given by its name or class, got 7"),
        (
            ("Conv2d", (1, 4, 5, 5), CONV | {"pading": 1}),
            TypeError,
            "'pading': did you mean padding",
        ),
        (
            ("ReLU", (1,), {"zzzzzz": 1}),
            TypeError,
            "ReLU has no parameter 'zzzzzz': it has inplace",
        ),
        (("Conv2d", (1, 4, 5, 5)), TypeError, "needs in_channels and out_channels and kernel_size"),
        (("Conv2d", 7, CONV), TypeError, r"a shape is a tuple of ints, such as \(8, 3, 32, 32\)"),
        (
            ("Conv2d", (1, 4, -5, 5), CONV),
            ValueError,
            r"a size is at least 0, got the shape \(1, 4",
        ),
        (("Conv2d", (4, 5), CONV), ValueError, r"\(N, C_in, H, W\) or \(C_in, H, W\), got 2 axes"),
        (("Conv2d", (1, 5, 5, 5), CONV), ValueError, "channel axis has size 5, in_channels is 4"),
        (
            ("Conv2d", (1, 4, 2, 5), CONV),
            ValueError,
            "spans 3 elements .* padded axis has 2: take a",
        ),
        (("Conv2d", (1, 4, 5, 5), CONV | {"groups": 3}), ValueError, "groups divides in_channels"),
        (("Conv2d", (1, 4, 5, 5), CONV | {"stride": 0}), ValueError, "stride is at least 1, got 0"),
        (("Conv2d", (1, 4, 5, 5), CONV | {"stride": 1.5}), TypeError, "an int or 2 for each axis"),
        (("Conv2d", (1, 4, 5, 5), CONV | {"stride": (1, 2, 3)}), ValueError, "got 3 values"),
        (("Conv2d", (1, 4, 5, 5), CONV | {"bias": "yes"}), TypeError, "bias is True or False"),
        (("Conv2d", (1, 4, 5, 5), CONV | {"padding": "sane"}), ValueError, "mean same"),
        (
            ("Conv2d", (1, 4, 5, 5), CONV | {"padding": "same", "stride": 2}),
            ValueError,
            "padding='same' keeps the size, which takes stride 1, got 2: give numbers",
        ),
        (
            ("Conv1d", (1, 4, 2), CONV | {"padding": 2, "padding_mode": "reflect"}),
            ValueError,
            "reflection is shorter than the axis, which has size 2, got padding 2 before",
        ),
        (
            ("ConvTranspose1d", (1, 4, 5), CONV | {"output_padding": 1}),
            ValueError,
            "output_padding is at least 0 and smaller than stride or dilation, got 1 with stride 1",
        ),
        (
            ("ConvTranspose1d", (1, 4, 5), CONV | {"stride": 2, "output_size": (13,)}),
            ValueError,
            "output_size is from 11 to 12, got 13",
        ),
        (
            ("MaxPool2d", (1, 4, 5, 5), {"kernel_size": 3, "padding": 2}),
            ValueError,
            "padding is at most half of the kernel, got 2 for a kernel of 3",
        ),
        (("Upsample", (1, 1, 4, 4), {}), ValueError, "give either size or scale_factor, got 0"),
        (
            ("Upsample", (1, 1, 4), {"size": 8, "mode": "bilinear"}),
            ValueError,
            r"mode 'bilinear' takes an input of 4 axes \(N, C, ...\), got 3",
        ),
        (
            ("Fold", (1, 8, 5), {"output_size": 3, "kernel_size": 2}),
            ValueError,
            "4 windows fit into output_size, the input has 5 columns",
        ),
        (("BatchNorm1d", (1, 4), {"num_features": 4}), ValueError, "single value .* larger batch"),
        (("LayerNorm", (2, 3), {"normalized_shape": 4}), ValueError, r"\(4,\), got \(2, 3\)"),
        (
            ("LSTM", (5, 3), {"input_size": 3, "hidden_size": 4, "proj_size": 4}),
            ValueError,
            "proj_size is smaller than hidden_size, got 4 and 4",
        ),
        (
            ("GRU", ((5, 2, 3), (1, 3, 4)), {"input_size": 3, "hidden_size": 4}),
            ValueError,
            r"initial state has shape \(1, 2, 4\), got \(1, 3, 4\)",
        ),
        (
            ("MultiHeadAttention", (2, 3, 4), {"h": 2, "d_model": 4}),
            ValueError,
            "a tuple of 3 shapes",
        ),
        (
            ("ScaledDotProductAttention", ((2, 3), (5, 4), (5, 7))),
            ValueError,
            "query and key have the same number of features, got 3 and 4",
        ),
        (
            ("ScaledDotProductAttention", ((2, 3), (5, 3), (6, 7))),
            ValueError,
            "there is one value for each key, got 5 keys and 6 values",
        ),
        (
            ("MultiHeadAttention", ((2, 3, 4),) * 3, {"h": 3, "d_model": 4}),
            ValueError,
            "h divides d_model, got 3 heads and a width of 4",
        ),
        (
            ("Transformer", ((2, 3, 512),) * 2, {"custom_encoder": nn.Identity()}),
            ValueError,
            "custom_encoder is None here",
        ),
    ],
)
def test_errors(question, error, text):
    name, shape, *kwargs = question
    for call in (output_shape, flops):
        with pytest.raises(error, match=text):
            call(name, shape, **(kwargs[0] if kwargs else {}))


def test_a_layer_that_fits_no_input_has_no_parameter_count():
    with pytest.raises(ValueError, match="stride is at least 1"):
        parameter_count("Conv2d", **CONV, stride=0)


# ---------------------------------------------------------------- the inverse
WINDOWED = ["Conv1d", "Conv2d", "Conv3d", "DepthwiseConv2d", "SeparableConv2d", "ConvTranspose2d"]
WINDOWED += ["MaxPool1d", "MaxPool2d", "AvgPool2d", "AvgPool3d", "FractionalMaxPool2d"]
RESIZING = [
    *WINDOWED,
    "AdaptiveMaxPool2d",
    "Upsample",
    "ZeroPad2d",
    "ReflectionPad1d",
    "CircularPad2d",
]


@pytest.mark.parametrize("name", RESIZING)
def test_every_answer_holds(name):
    """Torch's layer, built with the settings, does turn one size into the other."""
    axes = LAYERS[name].axes or 2
    answered = 0
    for i, o in ((1, 1), (7, 7), (8, 4), (9, 4), (9, 1), (5, 2), (4, 8), (4, 7), (5, 9), (6, 7)):
        try:
            found = settings_for(name, i, o)
        except ValueError as error:
            assert "cannot turn" in str(error)  # noqa: PT017
            continue
        answered += 1
        assert 1 <= len(found) <= 10
        for settings in found:
            extra = {p.name: 1 for p in LAYERS[name].parameters if "channels" in p.name}
            layer = build(name, extra | settings)
            assert run(name, layer, (1, 1, *(i,) * axes), {})[2:] == (o,) * axes
    assert answered >= 5


@pytest.mark.parametrize(
    ("question", "first"),
    [
        (("Conv2d", 56, 28), {"kernel_size": 2, "stride": 2, "padding": 0, "dilation": 1}),
        (("Conv2d", 224, 224), {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}),
        (("Conv2d", 128, 126), {"kernel_size": 3, "stride": 1, "padding": 0, "dilation": 1}),
        (("MaxPool2d", 112, 56), {"kernel_size": 2, "stride": 2, "padding": 0, "dilation": 1}),
        (("AvgPool2d", 7, 1), {"kernel_size": 7, "stride": 1, "padding": 0}),
        (("Upsample", 7, 14), {"scale_factor": 2}),
        (("Upsample", 7, 10), {"size": 10}),
        (("AdaptiveAvgPool2d", 7, 1), {"output_size": 1}),
        (("ZeroPad2d", (4, 5), (7, 9)), {"padding": (2, 2, 1, 2)}),
        (("Linear", 64, 10), {"in_features": 64, "out_features": 10}),
        (("GRU", 64, 32), {"input_size": 64, "hidden_size": 32}),
        (("BatchNorm2d", 5, 5), {}),
    ],
)
def test_the_plainest_comes_first(question, first):
    assert settings_for(*question)[0] == first


def test_pinned_settings():
    three = {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1}
    assert settings_for("Conv2d", 56, 28, kernel_size=3)[0] == three
    assert settings_for("Conv2d", 56, 28)[1] == three
    assert settings_for("Conv2d", 56, 56, padding="same", kernel_size=5)[0]["padding"] == "same"
    assert all(s["dilation"] == 2 for s in settings_for("Conv2d", 56, 28, dilation=2))
    mixed = settings_for("Conv2d", (56, 28), (28, 13), stride=2)[0]
    assert output_shape("Conv2d", (4, 56, 28), **{**CONV, **mixed}) == (6, 28, 13)
    oblong = settings_for("Conv2d", 56, 28, kernel_size=(3, 5))[0]
    assert output_shape("Conv2d", (4, 56, 56), **{**CONV, **oblong}) == (6, 28, 28)


@pytest.mark.parametrize(
    ("question", "pinned", "text"),
    [
        (
            ("MaxPool2d", 28, 56),
            {},
            "MaxPool2d cannot turn 28 into 56: it lets no axis grow by more",
        ),
        (("ReflectionPad2d", 4, 20), {}, "an axis grow by less than its size on either side"),
        (("FractionalMaxPool2d", 4, 5), {}, "it lets no axis grow"),
        (("Conv2d", 5, 4), {"kernel_size": 3, "stride": 1}, "with kernel_size=3, stride=1 cannot"),
        (("ReLU", 4, 5), {}, "no settings that turn 4 into 5: it keeps all sizes"),
        (("Flatten", 4, 5), {}, "no rule of it is about one axis"),
        (("Conv2d", 4, 0), {}, "a size is an int from 1, got 0"),
        (("Conv2d", 4, 2), {"kernel_size": (3,)}, r"with kernel_size=\(3,\) cannot turn 4 into 2"),
        (("Conv2d", (4, 4, 4), (2, 2, 2)), {}, "one for each of its 2 axes"),
    ],
)
def test_no_settings_but_a_reason(question, pinned, text):
    with pytest.raises(ValueError, match=text):
        settings_for(*question, **pinned)


def test_large_sizes_are_answered_at_once():
    for i, o in ((100_000, 50_000), (4096, 1), (4096, 2), (999, 700), (7, 2000)):
        assert settings_for("Conv1d", i, o)


# ---------------------------------------------------------------- the table
def test_every_layer_has_a_rule():
    assert set(CLASSES) == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_are_those_of_the_constructor(name):
    signature = inspect.signature(CLASSES[name].__init__).parameters
    expected = {
        k: REQUIRED if p.default is p.empty else p.default
        for k, p in signature.items()
        if k not in ("self", "device", "dtype")  # which change no shape and no count
    }
    actual = {p.name: p.default for p in LAYERS[name].parameters}
    if "activation" in expected:
        assert actual["activation"] == "relu"
        assert expected["activation"] in ("relu", nn.functional.relu)
        actual["activation"] = expected["activation"]
    assert list(actual.items()) == list(expected.items())


def small_example(name):
    shape, kwargs = example(name)
    if name == "Transformer":
        kwargs = {"d_model": 8, "nhead": 2, "num_encoder_layers": 1, "num_decoder_layers": 1}
        shape = ((5, 2, 8), (3, 2, 8))
    return shape, kwargs


@pytest.mark.parametrize("name", LAYERS)
def test_train_and_eval_are_as_the_table_says(name):
    """Train against eval by default: same, differs, or random in both."""
    shape, kwargs = small_example(name)
    kwargs = dict(kwargs)
    for inner in ("encoder_layer", "decoder_layer"):
        if inner in kwargs:
            kwargs[inner] = CLASSES["Transformer" + inner.title().replace("_", "")](**kwargs[inner])
    layer = CLASSES[name](**kwargs)
    nested = isinstance(shape[0], tuple)
    shapes = shape if nested else (shape,)
    make = torch.rand if name != "Embedding" else lambda s: torch.randint(0, 5, s)
    x = [make(one) for one in shapes]

    def first(y):
        return y if isinstance(y, torch.Tensor) else first(y[0])

    outputs = {}
    for mode in (False, True):
        layer.train(mode)
        outputs[mode] = [first(layer(*x)) for _ in range(2)]
    random_in = {mode: not torch.equal(*pair) for mode, pair in outputs.items()}
    differ = not torch.allclose(outputs[True][0], outputs[False][0], equal_nan=True)
    if LAYERS[name].mode == "random":
        assert random_in[True]
        assert random_in[False]
    else:
        assert not random_in[False]
        assert differ == (LAYERS[name].mode == "differs")


@pytest.mark.parametrize("name", LAYERS)
def test_state_dict_keys_are_as_the_table_says(name):
    _, kwargs = small_example(name)
    kwargs = {**kwargs, **dict.fromkeys(LAYERS[name].stacks, 1)}
    theirs = {**kwargs}
    for inner in ("encoder_layer", "decoder_layer"):
        if inner in theirs:
            theirs[inner] = CLASSES["Transformer" + inner.title().replace("_", "")](**theirs[inner])
    assert state_keys(name, **kwargs) == tuple(CLASSES[name](**theirs).state_dict())


@pytest.mark.parametrize("name", LAYERS)
def test_only_the_named_axes_change(name):
    shape, kwargs = example(name)
    answer = output_shape(name, shape, **kwargs)
    if not LAYERS[name].changes and not isinstance(shape[0], tuple):
        assert answer == shape
    letters = LAYERS[name].layouts[0].split(" ")
    if isinstance(answer[0], int) and len(answer) == len(shape) == len(letters):
        changed = {
            a.removesuffix("_in") if a == "C_in" else a
            for a, before, after in zip(letters, shape, answer, strict=True)
            if before != after
        }
        assert changed <= set(LAYERS[name].changes)


# ---------------------------------------------------------------- what may be imported
def test_rules_import_neither_layers_nor_torch():
    """Only the standard library and rules; SymPy at the first symbol."""
    for path in RULES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module]
            else:
                continue
            for name in names:
                own = name == "layerref.rules" or name.startswith("layerref.rules.")
                assert own or name.split(".")[0] in sys.stdlib_module_names, f"{path.name}: {name}"


def test_questions_about_numbers_do_not_load_sympy():
    """SymPy takes a good part of a second; torch's import leaves it out, and so do we."""
    program = """
import sys, types
package = types.ModuleType("layerref")
package.__path__ = [sys.argv[1]]
sys.modules["layerref"] = package
from layerref import rules
for name in rules.LAYERS:
    shape, settings = rules.example(name)
    rules.flops(name, shape, **settings), rules.parameter_count(name, **settings)
rules.settings_for("Conv2d", 56, 28)
print({"torch", "sympy"} & set(sys.modules))
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(RULES.parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "set()"


def test_files_stay_short():
    for path in RULES.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path.name

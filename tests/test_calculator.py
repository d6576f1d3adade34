"""The calculators and the finder in a browser: they answer what Python answers."""

import re
from pathlib import Path

import pytest
import torch
from browser import HTML
from rule_questions import built_example, questions
from torch import nn

from layerref import flops, output_shape, settings_for
from layerref.rules import LAYERS

ROOT = Path(__file__).parent.parent
DIRECTIVE = re.compile(r"^```\{layer\} (.+)$", re.MULTILINE)
SOURCES = sorted((ROOT / "docs" / "reference").glob("*.md"))
PAGES = {p.stem: names[0].split() for p in SOURCES if (names := DIRECTIVE.findall(p.read_text()))}
QUESTIONS_OF_A_PAGE = 30

pytestmark = pytest.mark.browser

TOOLS = """
window.settled = async (name) => {
  const root = document.querySelector(".layer-calculator");
  for (let n = 0; n < 500 && root.dataset.layer !== name; n++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  return root;
};
window.tell = (element) => element.dispatchEvent(new Event("input", { bubbles: true }));
window.fill = (values) => {
  let last;
  for (const [name, value] of Object.entries(values)) {
    last = document.getElementById("try-" + name);
    if (last.type === "checkbox") last.checked = value;
    else last.value = value;
    if (last.type !== "checkbox" && last.value !== value) throw new Error(name);
  }
  if (last) tell(last);
};
window.chosen = async (name) => {
  const choose = document.getElementById("try-layer");
  if (choose.value !== name) { choose.value = name; tell(choose); }
  return settled(name);
};
window.answers = () => {
  const [shape, parameters, flops] = [...document.querySelectorAll(".calculator dd")]
    .map((dd) => dd.textContent);
  const error = document.querySelector(".calculator .error");
  return {
    shape, parameters: parameters.replaceAll(",", ""), flops: flops.replaceAll(",", ""),
    error: error.hidden ? null : error.textContent,
  };
};
null;  // evaluate() would call a function that comes last
"""
ASK = """
async (questions) => {
  const all = [];
  for (const { layer, typed } of questions) {
    await chosen(layer);
    fill(typed);
    all.push(answers());
  }
  return all;
}
"""
UNNAMED = """
[...document.querySelectorAll(".calculator input, .calculator select")]
  .filter((field) => !field.labels.length).map((field) => field.id)
"""


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.errors = []
    page.on("pageerror", lambda e: page.errors.append(str(e)))
    page.on("console", lambda m: m.type == "error" and page.errors.append(m.text))
    yield page
    page.close()


def visit(page, name, question=""):
    """Open a page, with a question in its address, and wait for the calculator."""
    page.errors.clear()
    page.goto("about:blank")
    page.goto((HTML / "reference" / f"{name}.html").as_uri() + question)
    page.evaluate(TOOLS)
    page.evaluate("document.querySelector('.layer-calculator').scrollIntoView()")
    page.wait_for_selector(".layer-calculator[data-layer]", state="attached")


def expected(question):
    """Return what the calculator has to show."""
    refused = ": " in question["shape"] or " needs " in question["shape"]
    counted = question["parameters"] if question["parameters"].isdigit() else "—"
    if refused:
        error = question["shape"]
        return {"shape": "—", "parameters": counted, "flops": "—", "error": error}
    return {**{k: question[k] for k in ("shape", "parameters", "flops")}, "error": None}


def as_shapes(y):
    """Turn tensors into their shapes."""
    return tuple(map(as_shapes, y)) if isinstance(y, tuple) else tuple(y.shape)


@pytest.mark.parametrize("name", PAGES)
def test_calculator_starts_from_what_the_layer_does(page, name):
    """Before anything is typed, it shows what the layer itself makes of such an input."""
    asked = [{"layer": layer, "typed": {}} for layer in PAGES[name]]
    visit(page, name)
    for question, mine in zip(asked, page.evaluate(ASK, asked), strict=True):
        layer, inputs = built_example(question["layer"])
        with torch.no_grad():
            assert mine["shape"] == str(as_shapes(layer(*inputs))), question
        assert int(mine["parameters"]) == sum(p.numel() for p in layer.parameters())


@pytest.mark.parametrize("name", PAGES)
def test_calculator_agrees_with_python(page, name):
    """Shapes, parameters, FLOPs and the words of refusals, for random settings right and wrong."""
    each = -(-QUESTIONS_OF_A_PAGE // len(PAGES[name]))
    asked = [q for layer in PAGES[name] for q in questions(layer, max(each, 6))]
    visit(page, name)
    for question, mine in zip(asked, page.evaluate(ASK, asked), strict=True):
        assert mine == expected(question), question
    assert not page.errors
    assert page.evaluate(UNNAMED) == [], "a field without a label"
    assert page.locator(".calculator [aria-live=polite] dd").count() == 3
    assert page.locator(".calculator fieldset legend").count() == 1


def test_refusals_and_answers_are_both_asked():
    asked = [expected(q) for layers in PAGES.values() for q in questions(layers[0], 30)]
    refused = sum(q["error"] is not None for q in asked)
    assert 0.15 < refused / len(asked) < 0.6
    assert len({q["error"].split(":")[1][:25] for q in asked if q["error"]}) > 40


def test_numbers_of_any_size_are_exact(page):
    """Beyond 2⁵³, where JavaScript's own numbers end."""
    visit(page, "convolution")
    big = {"in_channels": 10**9 + 7, "out_channels": 10**9 + 9, "kernel_size": 3}
    x = (8, 10**9 + 7, 10**6 + 3, 10**6 + 1)
    typed = {name: str(value) for name, value in big.items()} | {"input": str(x)}
    (mine,) = page.evaluate(ASK, [{"layer": "Conv2d", "typed": typed}])
    assert mine["shape"] == str(output_shape("Conv2d", x, **big))
    assert int(mine["flops"]) == flops("Conv2d", x, **big) > 2**90


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ({"kernel_size": "3.5"}, "kernel_size takes an int or 2 for each axis, got 3.5"),
        ({"kernel_size": ""}, "needs kernel_size: pass them as keywords"),
        ({"kernel_size": "", "in_channels": ""}, "needs in_channels and kernel_size: "),
        ({"padding": "full"}, "padding is one of 'same', 'valid', got 'full'"),
        ({"stride": "(1, 2, 3)"}, "got 3 values, (1, 2, 3): write one number, or exactly 2"),
        ({"input": "8, 6, -1, 3"}, "a size is at least 0, got the shape (8, 6, -1, 3)"),
        ({"input": "image"}, "such as (8, 3, 32, 32), got 'image'"),
        ({"input": "1,1,1,1,1,1,1"}, "does not know inputs of so many axes"),
        ({"in_channels": "None"}, "in_channels takes an int, got None"),
    ],
)
def test_what_no_draw_types(page, typed, error):
    """A field left empty, words for numbers; the field is marked and linked to the words."""
    visit(page, "convolution")
    (mine,) = page.evaluate(ASK, [{"layer": "Conv2d", "typed": typed}])
    assert error in mine["error"]
    assert mine["shape"] == "—"
    for field in typed:
        box = page.locator(f"#try-{field}")
        assert box.get_attribute("aria-invalid") == "true"
        assert "try-error" in box.get_attribute("aria-describedby").split()


# ---------------------------------------------------------------- the picture
TRANSPOSED = "transposed-convolution"


def seen_by_each_output(layer, sizes):
    """Ask torch's gradient which inputs each output sees, and which outputs an input reaches."""
    x = torch.rand(1, 1, sizes, dtype=torch.float64, requires_grad=True)
    if isinstance(layer, nn.MaxPool1d):  # the gradient sees one of each window: enlarge it
        o = layer(x).shape[-1]
        return [
            [i for i in range(sizes) if layer(x + 9 * torch.eye(sizes)[i])[0, 0, n] > 8]
            for n in range(o)
        ]
    for p in layer.parameters():
        p.data = torch.ones_like(p, dtype=torch.float64)
    y = layer(x)
    rows = [
        torch.autograd.grad(y[0, 0, n], x, retain_graph=True)[0][0, 0] for n in range(y.shape[-1])
    ]
    return [row.nonzero().flatten().tolist() for row in rows]


@pytest.mark.parametrize(
    ("name", "layer", "size", "settings"),
    [
        ("convolution", "Conv1d", 9, {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("convolution", "Conv1d", 8, {"kernel_size": 3, "dilation": 2, "padding": 3}),
        ("convolution", "Conv1d", 7, {"kernel_size": 4, "padding": "same"}),
        ("convolution", "Conv1d", 8, {"kernel_size": 2, "stride": 3}),
        ("max-pooling", "MaxPool1d", 8, {"kernel_size": 3, "ceil_mode": True}),
        ("max-pooling", "MaxPool1d", 8, {"kernel_size": 2, "dilation": 3, "stride": 1}),
        ("average-pooling", "AvgPool1d", 7, {"kernel_size": 3, "padding": 1, "ceil_mode": True}),
        (TRANSPOSED, "ConvTranspose1d", 4, {"kernel_size": 3, "stride": 2, "padding": 1}),
        (TRANSPOSED, "ConvTranspose1d", 4, {"kernel_size": 2, "stride": 3, "output_padding": 2}),
        (TRANSPOSED, "ConvTranspose1d", 3, {"kernel_size": 2, "dilation": 3, "stride": 2}),
        ("adaptive-pooling", "AdaptiveAvgPool1d", 10, {"output_size": 7}),
        ("adaptive-pooling", "AdaptiveAvgPool1d", 3, {"output_size": 5}),
    ],
)  # fmt: skip
def test_picture_shows_what_torch_sees(page, name, layer, size, settings):
    """Each row of the picture holds the inputs that torch's gradient finds."""
    visit(page, name)
    channels = {"in_channels": "1", "out_channels": "1"} if "Conv" in layer else {}
    typed = {k: v if isinstance(v, bool) else str(v) for k, v in settings.items()}
    page.evaluate(ASK, [{"layer": layer, "typed": {"input": f"1, 1, {size}", **channels, **typed}}])
    drawn = page.evaluate(
        "[...document.querySelectorAll('.calculator svg g')]"
        ".map(({ dataset }) => [dataset.row, dataset.sees].map((s) => s.split(',').filter(Boolean)"
        ".map(Number)))"
    )
    own = {"in_channels": 1, "out_channels": 1} if "Conv" in layer else {}
    seen = seen_by_each_output(getattr(nn, layer)(**own, **settings), size)
    if layer == "ConvTranspose1d":  # drawn by inputs
        seen = [[o for o, row in enumerate(seen) if i in row] for i in range(size)]
    assert len(drawn) >= min(len(seen), 8) > 0
    assert drawn == [[[row], seen[row]] for [row], _ in drawn]
    caption = page.text_content(".calculator figcaption")
    missed = sorted(set(range(size)) - {i for row in seen for i in row})
    if layer != "ConvTranspose1d":
        assert ("No output sees" in caption) == bool(missed)


# ---------------------------------------------------------------- keyboard, address, no script
def test_keyboard_alone(page):
    """Tab, typing and arrow keys are enough."""
    visit(page, "convolution")
    page.evaluate("document.querySelector('section#try-it h2').scrollIntoView()")
    page.focus("#try-layer")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "try-input"
    page.keyboard.press("Control+a")
    page.keyboard.type("8, 6, 20, 30")
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "try-kernel_size"
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.input_value("#try-kernel_size") == "5"
    assert page.evaluate("answers()")["shape"] == "(8, 12, 16, 26)"
    page.keyboard.type(", 3")
    page.keyboard.press("ArrowDown")  # changes the number at the cursor alone
    assert page.input_value("#try-kernel_size") == "5, 2"
    page.keyboard.press("Tab")
    page.keyboard.press("Delete")
    page.keyboard.press("ArrowUp")  # an empty field starts from its default
    assert page.input_value("#try-stride") == "2"
    assert page.evaluate("answers()")["shape"] == "(8, 12, 8, 15)"
    page.focus("#try-layer")
    page.keyboard.press("ArrowUp")
    page.evaluate("settled('Conv1d')")
    assert page.evaluate("answers()")["shape"] == "(8, 12, 8)"
    assert not page.errors


def test_address_holds_the_question(page, browser):
    """What was typed is in the address; the address gives it back, in another window, too."""
    visit(page, "convolution")
    typed = {"input": "2, 6, 9, 9", "kernel_size": "3, 5", "padding": "same", "bias": False}
    (first,) = page.evaluate(ASK, [{"layer": "Conv2d", "typed": typed}])
    address = page.url
    assert "#try?layer=Conv2d&" in address
    assert page.get_attribute(".permalink", "href") == "#" + address.partition("#")[2]
    other = browser.new_page()
    other.goto(address)
    other.wait_for_selector(".layer-calculator[data-layer=Conv2d]", state="attached")
    other.evaluate(TOOLS)
    assert other.evaluate("answers()") == first
    assert other.input_value("#try-kernel_size") == "3, 5"
    assert not other.is_checked("#try-bias")
    other.evaluate("location.hash = '#try?layer=Conv1d&stride=4'")
    other.evaluate("settled('Conv1d')")
    assert other.input_value("#try-stride") == "4"
    other.close()


def test_address_of_another_layer_and_nonsense(page):
    visit(page, "convolution", "#try?layer=Nonsense&kernel_size=7&sauce=hot")
    assert page.input_value("#try-kernel_size") == "7"
    assert page.evaluate("answers()")["error"] is None


def test_without_javascript_the_table_remains(browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((HTML / "reference" / "convolution.html").as_uri())
    assert page.locator("table.at-a-glance tr").count() >= 7
    assert "needs JavaScript" in page.text_content("#try-it")
    page.goto((HTML / "finder.html").as_uri())
    assert page.locator("table.all-layers tbody tr").count() == len(LAYERS)
    context.close()


def test_only_pages_with_a_calculator_load_it():
    for path in HTML.glob("**/*.html"):
        text = path.read_text()
        assert ("calculator.js" in text) == ('class="layer-calculator' in text), path


def test_settings_are_listed_in_the_table_of_contents():
    text = (HTML / "reference" / "convolution.html").read_text()
    assert text.count('href="#at-a-glance"') >= 2
    assert text.count('href="#try-it"') >= 2


# ---------------------------------------------------------------- the finder
FOUND = """
async ([have, want, filters]) => {
  const root = document.querySelector(".layer-finder");
  const set = (name, value) => (document.getElementById("find-" + name).value = value);
  for (const name of ["changes", "parameters", "mode", "order"]) set(name, filters[name] ?? "any");
  set("have", have);
  set("want", want);
  root.dataset.busy = "yes";
  document.getElementById("find-want").dispatchEvent(new Event("input", { bubbles: true }));
  for (let n = 0; n < 3000 && root.dataset.busy !== "no"; n++)
    await new Promise((resolve) => setTimeout(resolve, 5));
  const items = [...root.querySelectorAll(".found > li")].map((li) => [
    li.querySelector("code").textContent,
    [...li.querySelectorAll("a")].map((a) => [a.textContent, a.getAttribute("href")]),
  ]);
  const rows = [...document.querySelectorAll("table.all-layers tbody tr")]
    .filter((row) => !row.hidden).map((row) => row.cells[0].textContent.trim());
  const status = root.querySelector(".count").textContent;
  return { items: Object.fromEntries(items), rows, status };
}
"""


@pytest.fixture(scope="module")
def finder(page):
    page.goto((HTML / "finder.html").as_uri())
    page.wait_for_selector(".layer-finder[data-busy=no]", state="attached")
    return lambda have, want, **filters: page.evaluate(FOUND, [have, want, filters])


@pytest.mark.parametrize(
    ("have", "want", "layer", "settings"),
    [
        ("N, C, H, W", "N, C, 2H, 2W", "Upsample", "scale_factor=2"),
        ("N, C, H, W", "N, C, 2H, 2W", "ConvTranspose2d", "kernel_size=2, stride=2"),
        ("N, C, H, W", "N, C, H/2, W/2", "MaxPool2d", "kernel_size=2, stride=2"),
        ("N, C, H, W", "N, C, H/2, W/2", "Conv2d", "kernel_size=3, stride=2, padding=1"),
        ("N, C, H, W", "N, C, H+2, W+2", "ZeroPad2d", "padding=1"),
        ("N, C, H, W", "N, C, H, W", "BatchNorm2d", "as it is"),
        ("N, C, H, W", "N, C*H*W", "Flatten", "as it is"),
        ("N, C, H, W", "N, C, 7, 7", "AdaptiveAvgPool2d", "output_size=7"),
        ("C, H, W", "C, H/2, W/2", "MaxPool2d", "kernel_size=2, stride=2"),
        ("N, L", "N, L, E", "Embedding", "as it is"),
        ("N, L, E", "N, L, 2E", "Linear", "as it is"),
        ("N, L, E", "N, L, E", "LayerNorm", "as it is"),
        ("N, L, E", "N, L, E", "MultiHeadAttention", "as it is"),
        ("35, 8, 10", "35, 8, 20", "LSTM", "as it is"),
        ("8, 64, 56, 56", "8, 128, 28, 28", "Conv2d", "kernel_size=2, stride=2"),
        ("8, 64, 224, 224", "8, 64, 7, 7", "AvgPool2d", "kernel_size=32, stride=32"),
        ("8, 16, 10, 21", "8, 16, 5, 7", "AvgPool2d", "kernel_size=(2, 3), stride=(2, 3)"),
        ("8, 16, 10, 21", "8, 16, 10, 22", "ZeroPad2d", "padding=(0, 1, 0, 0)"),
    ],
)
def test_finder_finds(finder, have, want, layer, settings):
    found = finder(have, want)
    assert settings in [text for text, _ in found["items"].get(layer, [])], found
    assert set(found["rows"]) == set(found["items"])


@pytest.mark.parametrize(
    ("have", "want", "layer"),
    [
        ("N, C, H, W", "N, C, 2H, 2W", "MaxPool2d"),
        ("N, C, H, W", "N, C, 2H, 2W", "ConvTranspose3d"),  # N is no channel
        ("N, C, H, W", "N, 2C, H, W", "ReLU"),
        ("8, 64, 56, 56", "8, 64, 57, 58", "MaxPool2d"),
        ("N, L, E", "N, 2L, E", "LayerNorm"),
    ],
)
def test_finder_does_not_find(finder, have, want, layer):
    assert layer not in finder(have, want)["items"]


def test_finder_leads_to_the_calculator(finder, page):
    """A link of the finder opens the layer's page, where the same answer stands."""
    finder("8, 64, 56, 56", "8, 128, 28, 28")
    page.click(".found a[href*='layer=Conv2d']")
    page.wait_for_selector(".layer-calculator[data-layer=Conv2d]", state="attached")
    page.evaluate(TOOLS)
    assert page.evaluate("answers()")["shape"] == "(8, 128, 28, 28)"
    page.go_back()
    page.wait_for_selector(".layer-finder[data-busy=no]", state="attached")
    assert page.input_value("#find-have") == "8, 64, 56, 56"  # the question is in the address


@pytest.mark.parametrize(
    ("filters", "layers"),
    [
        ({"parameters": "no", "mode": "differs"}, {"Dropout", "Dropout2d", "PositionalEncoding"}),
        ({"parameters": "yes", "changes": "nothing", "mode": "same"}, {"LayerNorm", "GroupNorm"}),
        ({"order": "yes", "changes": "features"}, {"Linear", "ScaledDotProductAttention"}),
        ({"mode": "random"}, {"FractionalMaxPool2d", "FractionalMaxPool3d"}),
        ({"order": "no", "changes": "nothing"}, {"PositionalEncoding"}),
    ],
)
def test_filters(finder, filters, layers):
    shown = set(finder("", "", **filters)["rows"])
    assert layers <= shown
    assert len(shown) < len(LAYERS) / 2
    if filters.get("mode") == "random":
        assert shown == layers


def test_finder_explains_what_it_cannot_read(finder):
    assert "is no size" in finder("N, C, H, W", "N, C, alert(1)")["status"]
    assert "no whole number" in finder("N, 8", "N, 8/3")["status"]
    assert "combine two" in finder("N, C, H, W", "N")["status"]


def test_finder_is_as_plain_as_settings_for(finder):
    """Its answers are the first three of ``settings_for``, if there are any."""
    sizes = [
        (56, 28),
        (28, 56),
        (7, 7),
        (32, 30),
        (30, 32),
        (13, 5),
        (224, 7),
        (9, 20),
        (5, 6),
        (17, 1),
    ]
    asked = 0
    for i, o in sizes:
        found = finder(f"8, 6, {i}, {i}", f"8, 6, {o}, {o}")["items"]
        for name, rule in LAYERS.items():
            if rule.axes != 2 or rule.candidates is None:
                continue
            try:
                plainest = settings_for(name, i, o)[:3]
            except ValueError:
                assert name not in found, (name, i, o)
                continue
            defaults = {p.name: p.default for p in rule.parameters}
            texts = [
                ", ".join(f"{k}={v}" for k, v in settings.items() if v != defaults[k]) or "as it is"
                for settings in plainest
            ]
            assert [text for text, _ in found[name]] == texts, (name, i, o)
            asked += 1
    assert asked > 80

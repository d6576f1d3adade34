"""Every public name has a page, a shape, an invariant, tested errors, a source; none is skipped."""

import doctest
import inspect
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import layerref

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs" / "_ext"))
import proofs  # noqa: E402

PAGES = {path: path.read_text() for path in sorted((ROOT / "docs" / "reference").glob("*.md"))}
DOCUMENTED = re.compile(r"auto(?:class|function)::\s+layerref\.(\w+)\s*$", re.M)
REFUSALS = re.compile(r"^```\{refusals\}\n(.*?)^```$", re.M | re.S)
DOCTESTS = re.compile(r"^```\{doctest\}\n(.*?)^```$", re.M | re.S)

# What these return has no shape; a statement asserts what they return instead.
WITHOUT_A_SHAPE = {
    "output_shape": "a tuple, which is the shape itself",
    "parameter_count": "an int",
    "flops": "an int",
    "settings_for": "a list of keyword arguments",
}


@cache
def section(name, title):
    """Return the text below a title of numpy's docstring style, or ''."""
    text = inspect.getdoc(getattr(layerref, name))
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, re.M | re.S)
    return found.group(1) if found else ""


@cache
def in_docstring(name):
    """Return the statements of a docstring."""
    return doctest.DocTestParser().get_examples(inspect.getdoc(getattr(layerref, name)))


@cache
def on_its_page(name):
    """Return the statements of the page that call the name; nn.Linear is not ours."""
    [text] = [text for text in PAGES.values() if name in DOCUMENTED.findall(text)]
    blocks = map(doctest.DocTestParser().get_examples, DOCTESTS.findall(text))
    return [e for block in blocks for e in block if re.search(rf"(?<!\bnn\.)\b{name}\(", e.source)]


def asserted(name, pattern):
    """Tell whether a statement of the docstring that can fail holds the pattern."""
    checks = [e.source for e in in_docstring(name) if e.want or "assert" in e.source]
    return any(re.search(pattern, source) for source in checks)


def named_errors(name):
    """Return the exception types that stand under Raises."""
    lines = re.findall(r"^\w+(?:, \w+)*$", section(name, "Raises"), re.M)
    return [error for line in lines for error in line.split(", ")]


@cache
def refused_on_its_page(name):
    """Return the error of each refusal in the tables of the page that calls the name."""
    [text] = [text for text in PAGES.values() if name in DOCUMENTED.findall(text)]
    refusals = [refusal for table in REFUSALS.findall(text) for refusal in proofs.parse(table)]
    return {error for call, error, _ in refusals if re.search(rf"(?<!\bnn\.)\b{name}\(", call)}


def untested_errors(name):
    """Return the exception types under Raises that no statement of the name shows."""
    examples = [*in_docstring(name), *on_its_page(name)]
    shown = {e.exc_msg.partition(": ")[0] for e in examples if e.exc_msg}
    shown |= refused_on_its_page(name)
    return [error for error in named_errors(name) if error not in shown]


def test_all_is_sorted_into_unique_existing_names():
    assert len(set(layerref.__all__)) == len(layerref.__all__)
    for name in layerref.__all__:
        assert getattr(layerref, name).__module__.startswith("layerref."), name


def test_pages_document_exactly_the_public_names():
    documented = [name for text in PAGES.values() for name in DOCUMENTED.findall(text)]
    assert sorted(documented) == sorted(layerref.__all__)


@pytest.mark.parametrize("name", layerref.__all__)
def test_docstring_asserts_a_shape(name):
    if name in WITHOUT_A_SHAPE:
        assert asserted(name, rf"\b{name}\("), f"no doctest of {name}: {WITHOUT_A_SHAPE[name]}"
        return
    assert asserted(name, r"\.shape\b"), f"no doctest of {name} asserts a shape"
    if inspect.isclass(getattr(layerref, name)):
        assert section(name, "Shape"), f"{name} has no section Shape"


@pytest.mark.parametrize("name", layerref.__all__)
def test_docstring_asserts_an_invariant(name):
    equality = r"assert_close|torch\.equal|(?<!\.shape )=="  # of two shapes, it says little
    assert asserted(name, equality), f"no doctest of {name} asserts an invariant"


@pytest.mark.parametrize("name", layerref.__all__)
def test_every_error_under_raises_is_shown_by_a_doctest(name):
    assert named_errors(name), f"{name} names no exception type under Raises"
    assert not untested_errors(name), (
        f"{name}: no refusal on its page, no Traceback of: {', '.join(untested_errors(name))}"
    )


@pytest.mark.parametrize("name", layerref.__all__)
def test_names_its_source(name):
    assert section(name, "References").strip(), f"{name} has no section References"


def test_every_layer_is_in_an_example():
    scripts = "".join(path.read_text() for path in (ROOT / "gallery").rglob("plot_*.py"))
    layers = [n for n in layerref.__all__ if inspect.isclass(getattr(layerref, n))]
    assert not [name for name in layers if not re.search(rf"\b{name}\b", scripts)]


# Each way to leave a statement, a cell or a test out, or to compare it loosely. The brackets keep
# the pattern from finding itself.
LEFT_OUT = re.compile(
    r"# [d]octest:|[+]SKIP|[E]LLIPSIS|[I]GNORE_EXCEPTION_DETAIL|[:](?:hide|options):"
    r"|[s]kip-execution|[r]aises-exception|execution_[e]xcludepatterns"
    r"|(?:pytest|unittest|mark)\.[s]kip|[s]kipif|import[o]rskip|[x]fail\(|mark\.[x]fail"
    r"|[c]ollect_ignore|--[d]eselect|--[i]gnore"
)


def test_nothing_is_skipped_or_compared_loosely():
    files = [ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / ".ci" / "run"]
    for folder in ("src", "docs", "gallery", "tests"):
        files += [p for p in (ROOT / folder).rglob("*") if p.suffix in {".py", ".md", ".rst"}]
    for path in files:
        if "auto_gallery" not in path.parts:
            assert not LEFT_OUT.findall(path.read_text()), path


def test_every_statement_of_a_page_stands_where_it_is_run():
    for path in (ROOT / "docs").rglob("*.md"):
        if "auto_gallery" not in path.parts:
            rest = DOCTESTS.sub("", path.read_text())
            assert not re.findall(r"^\s*>>> .*", rest, re.M), path


def test_import_needs_torch_alone():
    code = (
        "import sys, torch; before = set(sys.modules); import layerref;"
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before"
        " if m.split('.')[0] not in sys.stdlib_module_names} - {'layerref', 'torch'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

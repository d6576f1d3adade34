"""Every public name has a page, a shape, an invariant, a source; nothing is skipped anywhere."""

import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

import layerref

ROOT = Path(__file__).parent.parent
PAGES = {path: path.read_text() for path in sorted((ROOT / "docs" / "reference").glob("*.md"))}
DOCUMENTED = re.compile(r"auto(?:class|function)::\s+layerref\.(\w+)\s*$", re.M)


def test_all_is_sorted_into_unique_existing_names():
    assert len(set(layerref.__all__)) == len(layerref.__all__)
    for name in layerref.__all__:
        assert getattr(layerref, name).__module__.startswith("layerref."), name


def test_pages_document_exactly_the_public_names():
    documented = [name for text in PAGES.values() for name in DOCUMENTED.findall(text)]
    assert sorted(documented) == sorted(layerref.__all__)


@pytest.mark.parametrize("name", layerref.__all__)
def test_docstring_holds_what_a_reader_needs(name):
    obj = getattr(layerref, name)
    text = inspect.getdoc(obj)
    examples = doctest.DocTestParser().get_examples(text)
    code = "".join(example.source for example in examples)
    assert any(example.want for example in examples)
    if not obj.__module__.startswith("layerref.rules"):
        assert "shape" in code, "no doctest of a shape"
        assert re.search(r"assert_close|torch\.equal|==", code), "no doctest of an invariant"
    if inspect.isclass(obj) and issubclass(obj, nn.Module):
        assert "References\n" in text, "no source"
        assert "Shape\n" in text, "no shapes"


def test_every_layer_is_in_an_example():
    scripts = "".join(path.read_text() for path in (ROOT / "gallery").rglob("plot_*.py"))
    layers = [n for n in layerref.__all__ if inspect.isclass(getattr(layerref, n))]
    assert not [name for name in layers if not re.search(rf"\b{name}\b", scripts)]


def test_nothing_is_skipped():
    words = ["+" + "SKIP", "skip" + "if", "pytest." + "skip", "mark." + "skip", "x" + "fail("]
    for folder in ("src", "docs", "gallery", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".rst"} and "auto_gallery" not in path.parts:
                text = path.read_text()
                assert not [word for word in words if word in text], path


def test_import_needs_torch_alone():
    code = (
        "import sys, torch; before = set(sys.modules); import layerref;"
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before"
        " if m.split('.')[0] not in sys.stdlib_module_names} - {'layerref', 'torch'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

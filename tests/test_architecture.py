"""Who may import whom: the layout shows the architecture, and this holds it."""

import ast
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "layerref"

BASE = {"checks", "twin", "windows", "masks"}
FAMILIES = {
    "linear", "activation", "dropout", "padding", "normalization",
    "convolution", "pooling", "resampling", "recurrent",
}  # fmt: skip
MAY_IMPORT = {
    "checks": set(),
    "twin": {"checks", "rules"},
    "windows": {"checks"},
    "masks": {"checks"},
    **{family: {"checks", "twin", "windows"} for family in FAMILIES},
    "attention": BASE | FAMILIES,
    "transformer": BASE | FAMILIES | {"attention"},
    "rules": set(),
    "figures": set(),
}
LIBRARIES = {"torch", "sympy"}


def imports(path):
    """Yield the dotted names that a Python file imports, wherever the statement stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations(src):
    """Return every import below ``src`` that the architecture forbids."""
    modules = set(MAY_IMPORT)
    found = []
    for path in sorted(src.rglob("*.py")):
        if path == src / "__init__.py":
            continue
        own = path.relative_to(src).parts[0].removesuffix(".py")
        for name in imports(path):
            top, *rest = name.split(".")
            allowed = LIBRARIES - ({"torch"} if own == "rules" else set())
            if own == "figures":
                allowed = allowed | {"matplotlib", "numpy"}
            if top == "layerref":
                inside = rest[0] if rest and rest[0] in modules else own
                good = inside == own or inside in MAY_IMPORT[own]
            else:
                good = top in allowed or top in sys.stdlib_module_names
            if not good:
                found.append(f"{path.relative_to(src)} imports {name}")
    return found


def test_modules_are_the_ones_the_architecture_names():
    present = {path.name.removesuffix(".py") for path in SRC.iterdir() if path.suffix != ".typed"}
    assert present - {"__init__", "__pycache__"} == set(MAY_IMPORT)


def test_imports_keep_to_the_architecture():
    assert violations(SRC) == []


def test_a_planted_violation_is_found(tmp_path):
    shutil.copytree(SRC, tmp_path / "layerref")
    for module, line in (
        ("pooling", "from layerref.convolution import Conv2d"),
        ("linear", "import numpy"),
        ("masks", "from layerref import figures"),
    ):
        planted = tmp_path / "layerref" / f"{module}.py"
        if not planted.exists():
            planted = tmp_path / "layerref" / module / "planted.py"
            planted.touch()
        planted.write_text(f"{planted.read_text()}\n\ndef planted():\n    {line}\n")
    (tmp_path / "layerref" / "rules" / "planted.py").write_text("import torch\n")
    found = violations(tmp_path / "layerref")
    assert {line.split(" imports ")[1].split(".")[0] for line in found} >= {"numpy", "torch"}
    assert any("layerref.convolution" in line for line in found)
    assert any("layerref.figures" in line for line in found)


def test_gallery_and_chapters_use_public_names_only():
    private = [
        f"{path.name} imports {name}"
        for path in sorted((ROOT / "gallery").rglob("*.py"))
        for name in imports(path)
        if (name.startswith("layerref.") and name.count(".") > 1)
        or (name.split(".")[-1].startswith("_") and name.startswith("layerref"))
    ]
    assert private == []


def test_source_files_are_short_and_assert_nothing():
    for path in SRC.rglob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 400, f"{path.name} has outgrown one file"
        asserts = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert)]
        assert not asserts, f"{path.name} asserts: raise ValueError or TypeError"

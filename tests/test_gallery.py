"""Every gallery script, and its notebook, runs alone in an empty folder and draws the same."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GALLERY = Path(__file__).parents[1] / "gallery"
SCRIPTS = sorted(GALLERY.glob("**/plot_*.py"))
NOTEBOOKS = GALLERY.parent / "docs" / "auto_gallery"  # written by make html
NAMES = [str(path.relative_to(GALLERY)) for path in SCRIPTS]

# runs a script as `python script` does, or the cells of a notebook, then says what it drew
RUNNER = """
import hashlib, json, runpy, sys, time
if sys.argv[1].endswith(".ipynb"):
    names = {"__name__": "__main__"}
    with open(sys.argv[1]) as file:
        cells = [c["source"] for c in json.load(file)["cells"] if c["cell_type"] == "code"]
    for cell in map("".join, cells):
        exec(cell, names)
else:
    names = runpy.run_path(sys.argv[1], run_name="__main__")
seconds = time.process_time()
import matplotlib.pyplot as plt
from layerref import figures
drawn = []
for number in plt.get_fignums():
    fig = plt.figure(number)
    svg = figures.svg(fig)
    drawn.append({"alt": getattr(fig, "_layerref_alt", ""), "width": fig.get_figwidth(),
                  "size": len(svg), "hash": hashlib.sha256(svg.encode()).hexdigest()})
steps = [value._repr_html_() for value in names.values() if isinstance(value, figures.Steps)]
print("DRAWN" + json.dumps({"seconds": seconds, "figures": drawn, "steps": [
    {"size": len(html), "hash": hashlib.sha256(html.encode()).hexdigest()} for html in steps]}))
"""


def run(script, folder, hash_seed):
    environment = os.environ | {
        "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": hash_seed,
    }  # fmt: skip
    command = [sys.executable, "-c", RUNNER, str(script)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == [], "a script leaves no files"
    return json.loads(done.stdout.rpartition("DRAWN")[2])


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_script_and_notebook_run_alone_and_draw_the_same(script, tmp_path):
    notebook = NOTEBOOKS / script.relative_to(GALLERY).with_suffix(".ipynb")
    first, second = run(script, tmp_path, "1"), run(notebook, tmp_path, "2")
    assert first["figures"], "no figure"
    assert first["figures"] == second["figures"]
    assert first["steps"] == second["steps"]
    assert min(first["seconds"], second["seconds"]) < 15
    for drawn in first["figures"]:
        assert len(drawn["alt"]) > 40, "describe(fig, ...) what is seen, with the numbers"
        assert any(character.isdigit() for character in drawn["alt"])
        assert drawn["width"] <= 7.2, "too wide to read on a phone"
    assert all(drawn["size"] < 300_000 for drawn in first["figures"] + first["steps"])


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_script_is_written_as_a_question_with_a_checked_answer(script):
    text = script.read_text()
    tree = ast.parse(text)
    title, underline, blank, *why = ast.get_docstring(tree).splitlines()
    assert title.endswith("?")
    assert (underline, blank) == ("=" * len(title), "")
    assert why
    assert len(text.splitlines()) <= 140
    checks = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        or (isinstance(node, ast.Attribute) and node.attr == "assert_close")
    ]  # fmt: skip
    assert checks, "assert what the figure claims"
    imported = {
        alias.name
        for node in ast.walk(tree)
        if getattr(node, "module", "layerref") == "layerref" and hasattr(node, "names")
        for alias in node.names
    }  # fmt: skip
    assert "figures" in imported
    assert len(imported) > 1, "the layer explained is layerref's"
    assert "figures.style()" in text
    assert "**Takeaways**" in text


def test_every_family_says_what_it_is_about():
    assert SCRIPTS
    for folder in {GALLERY, *(path.parent for path in SCRIPTS)}:
        assert (folder / "GALLERY_HEADER.rst").is_file()

"""Two builds from nothing are the same, byte for byte: a miniature site under our own conf.py.

`make reproducible` asks the same of the whole site.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / ".ci"))

from reproducible import differing  # noqa: E402

INDEX = """# Site

```{toctree}
tiny
reference/index
auto_gallery/index
```
"""
REFERENCE = """# Reference

```{toctree}
positional-encoding
```
"""
NOTEBOOK = """---
file_format: mystnb
kernelspec: {name: python3}
---
# A notebook

```{code-cell}
import matplotlib.pyplot as plt
import torch

torch.manual_seed(0)
plt.plot(torch.randn(7))
sorted({"a", "b"}), torch.rand(2)
```
"""
# all that a build has: our settings and extensions, a checked page, a script with its figure
TAKEN = [
    ".ci/torch.txt",
    "docs/conf.py",
    "docs/_ext",
    "docs/_static",
    "docs/reference/positional-encoding.md",
    "gallery/GALLERY_HEADER.rst",
    "gallery/attention/GALLERY_HEADER.rst",
    "gallery/attention/plot_permutation.py",
]


def build(folder):
    """Build the miniature site below ``folder``; return its html."""
    for name in TAKEN:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, target)
    (folder / "docs" / "index.md").write_text(INDEX)
    (folder / "docs" / "reference" / "index.md").write_text(REFERENCE)
    (folder / "docs" / "tiny.md").write_text(NOTEBOOK)
    html = folder / "_build" / "html"
    options = ["-q", "-j1", "-b", "html", "-d", folder / "_build" / "doctrees"]
    command = [sys.executable, "-m", "sphinx", *options, folder / "docs", html]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1767225600"}
    log = folder / "log"  # no pipe: a process that a failed build left behind would keep it open
    with log.open("w") as output:
        done = subprocess.run(
            [*map(str, command)], env=environment, stdout=output, stderr=output, check=False
        )
    assert done.returncode == 0, log.read_text()
    return html


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The miniature site, built from nothing."""
    return build(tmp_path_factory.mktemp("site"))


def test_two_builds_from_nothing_are_the_same(site, tmp_path):
    paths, same = differing(site, build(tmp_path / "in" / "another" / "folder"))
    assert not paths
    # what was compared is what the site is made of
    served = {str(p.relative_to(site)) for p in site.rglob("*") if p.is_file()}
    assert len(served) == same
    for page in (
        "tiny",
        "reference/positional-encoding",
        "auto_gallery/attention/plot_permutation",
    ):
        assert f"{page}.html" in served
    assert {"searchindex.js", "objects.inv", "layers.json"} <= served
    for end in (".svg", ".ipynb", ".py", ".zip"):
        assert any(p.startswith(("_images/", "_downloads/")) and p.endswith(end) for p in served)


@pytest.mark.parametrize("change", ["a byte", "a name", "one more"])
def test_a_difference_is_listed(tmp_path, change):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        (folder / "in").mkdir(parents=True)
        (folder / "in" / "page.html").write_text("2026-01-01")
        (folder / "same.html").write_text("same")
    assert differing(one, other) == ([], 2)
    page, listed = other / "in" / "page.html", ["in/page.html"]
    if change == "a byte":
        page.write_text("2026-01-02")
    elif change == "a name":
        page.rename(other / "in" / "renamed.html")
        listed.append("in/renamed.html")
    else:
        (other / "more.html").write_text("")
        listed = ["more.html"]
    assert [str(path) for path in differing(one, other)[0]] == listed


def test_zips_lose_their_dates_and_keep_their_files(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    from same_bytes import fix_dates

    def packed(name, hour, *order):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for one in order:
                archive.writestr(zipfile.ZipInfo(one, (2026, 1, 1, hour, 0, 0)), f"of {one}")
        fix_dates(tmp_path / name)
        return (tmp_path / name).read_bytes()

    first = packed("one.zip", 7, "b.py", "a.py")
    assert packed("two.zip", 8, "a.py", "b.py") == first
    fix_dates(tmp_path / "one.zip")
    assert (tmp_path / "one.zip").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["a.py", "b.py"]
        assert archive.read("a.py") == b"of a.py"


def test_a_first_build_links_the_notebook_style_as_a_second_does(site):
    # with its checksum, which Sphinx leaves out of the link while the file is not there
    assert re.search(r'href="_static/mystnb\.\w+\.css\?v=\w+"', (site / "tiny.html").read_text())


@pytest.mark.parametrize(("line", "differ"), [("echo same", 0), ("pwd", 1)])
def test_make_reproducible_builds_twice_from_what_git_tracks_and_says_so(tmp_path, line, differ):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "reproducible.py", tmp_path / ".ci")
    recipe = f"mkdir -p _build/html; {line} > _build/html/page; ls > _build/html/files"
    (tmp_path / "Makefile").write_text(f"READY = never\nhtml: $(READY)\n\t{recipe}\n")
    (tmp_path / "untracked").touch()
    for command in ("init -q", "add Makefile .ci"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    # under `make test` an inner make would say which folders it enters
    environment = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL"}}
    done = subprocess.run(
        [sys.executable, ".ci/reproducible.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == differ, done.stderr
    *listed, last = [line for line in done.stdout.splitlines() if not line.startswith("mkdir")]
    assert listed == ["page"] * differ
    assert last == f"{2 - differ} files are the same in two builds from nothing, {differ} differ"

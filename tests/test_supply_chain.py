"""What the package needs, what the set-up takes, and that the wheel alone keeps every promise."""

import importlib.metadata
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = {path.name: path.read_text() for path in sorted((ROOT / ".ci").glob("*.txt"))}
PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)


# ---------------------------------------------------------------- what is asked for
def asked_for():
    """Return every requirement of pyproject.toml, the build's own included."""
    lists = [
        PROJECT["build-system"]["requires"],
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
    ]
    found = [Requirement(line) for lines in lists for line in lines]
    return [r for r in found if r.name != "layerref"]


def test_every_dependency_has_its_reason():
    lists = re.findall(r"^\w+ = \[\n(.*?)^\]$", PYPROJECT.partition("[tool.")[0], re.M | re.S)
    lines = [line for text in lists for line in text.splitlines() if re.search(r"[<>=]=", line)]
    given = {Requirement(line.split('"')[1]).name for line in lines}
    assert given == {r.name for r in asked_for()}, "one dependency a line"
    assert not [line for line in lines if not re.search(r'", +# \w.{8,}', line)]


# ---------------------------------------------------------------- what is installed
def pins():
    """Return the blocks of the lock files by package and version."""
    found = {}
    for text in LOCKS.values():
        for block in re.split(r"^(?=[\w#-])", text, flags=re.M):
            if match := re.match(r"([\w.-]+)==(\S+)", block):
                found.setdefault(canonicalize_name(match[1]), {})[match[2]] = block
    return found


def test_every_pin_has_its_hashes_and_there_is_no_other_line():
    for package, versions in pins().items():
        for version, block in versions.items():
            hashes = re.findall(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", block, re.M)
            assert hashes, f"{package}=={version}"
            assert all(hashes[:-1]), package
            assert not hashes[-1], package
    rest = re.compile(r"(#.*|    # .*|    --hash=sha256:\S+( \\)?|[\w.-]+==\S+( ; .*)? \\)")
    for name, text in LOCKS.items():
        lines = [line for line in text.splitlines() if not rest.fullmatch(line)]
        assert lines == ["--only-binary :all:"], name
        assert "://" not in text, f"{name} names a host"


def test_what_is_asked_for_is_pinned_to_a_version_that_fits():
    known = pins()
    for requirement in asked_for():
        versions = known[canonicalize_name(requirement.name)]
        assert all(v in requirement.specifier for v in versions), requirement


def test_torch_is_pinned_apart_with_its_cuda():
    def names(lock):
        return set(re.findall(r"^([\w.-]+)==", LOCKS[lock], re.M))

    def is_cuda(name):
        return name.startswith(("cuda-", "nvidia-", "triton"))

    assert names("torch-cpu.txt") == {"torch"}
    assert names("torch.txt") == {"torch", *filter(is_cuda, names("torch.txt"))}
    assert not names("requirements.txt") & names("torch.txt")
    assert not list(filter(is_cuda, names("requirements.txt")))
    (version,) = re.findall(r"^torch==(\S+)", LOCKS["torch.txt"], re.M)
    assert f"torch=={version}+cpu " in LOCKS["torch-cpu.txt"]


def test_set_up_installs_by_hash_alone():
    makefile = (ROOT / "Makefile").read_text()
    installs = re.findall(r"^\t\$\(INSTALL\) (.*)$", makefile, re.M)
    *hashed, own = installs
    assert own == "--no-build-isolation --editable ."
    locks = [f"--require-hashes --requirement .ci/{name}" for name in LOCKS]
    assert sorted(re.sub(r" 2>.*", "", line) for line in hashed) == sorted(locks)
    assert re.search(r"^INSTALL := .* --no-deps$", makefile, re.M)
    assert len(installs) == len(re.findall(r"pip install|\$\(INSTALL\)", makefile)) - 2, (
        "besides INSTALL itself, make pins alone calls pip, in a folder of its own"
    )


def test_actions_are_pinned_by_commit():
    workflow = (ROOT / ".github" / "workflows" / "site.yml").read_text()
    used = re.findall(r"uses: *(.*)$", workflow, re.M)
    assert used
    assert not [one for one in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", one)]


# ---------------------------------------------------------------- the import
def test_import_costs_at_most_a_tenth_of_torchs():
    # both in one fresh process, in CPU time: whatever slows one slows the other
    code = (
        "from time import process_time as now; a = now(); import torch; b = now();"
        "import layerref; print((now() - b) / (b - a))"
    )

    def cost():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        return float(done.stdout)

    assert statistics.median(cost() for _ in range(5)) <= 0.10


# ---------------------------------------------------------------- the wheel
@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, ROOT]
    subprocess.run(command, check=True)
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    inside = {n for n in names if ".dist-info/" not in n}
    source = {str(p.relative_to(ROOT / "src")) for p in (ROOT / "src").rglob("*.py")}
    assert inside == source | {"layerref/py.typed"}
    assert any(n.endswith("LICENSE") for n in names)


def test_wheel_asks_for_torch_and_sympy_alone(wheel):
    (path,) = [n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("/METADATA")]
    metadata = zipfile.ZipFile(wheel).read(path).decode()
    required = map(Requirement, re.findall(r"^Requires-Dist: (.*)$", metadata, re.M))
    assert {r.name for r in required if not r.marker} == {"torch", "sympy"}


def closure(names):
    """Return the installed distributions that pip would install for these names."""
    found, waiting = {}, list(names)
    while waiting:
        one = importlib.metadata.distribution(waiting.pop())
        if one.name not in found:
            found[one.name] = one
            required = map(Requirement, one.requires or [])
            waiting += [r.name for r in required if not r.marker or r.marker.evaluate()]
    return found.values()


@pytest.fixture(scope="module")
def clean(wheel, tmp_path_factory):
    """An environment with the wheel and what it requires; the source is not there."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("**/site-packages")
    for distribution in closure(["torch", "sympy"]):
        parts = {f.parts[0] for f in distribution.files if f.parts[0] not in ("..", "__pycache__")}
        for part in parts:
            (site / part).symlink_to(distribution.locate_file(part))
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
        "--target", site, wheel,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return folder


def python(clean, *arguments, cwd, others=""):
    """Run the clean environment's Python, away from the source, with other libraries or none."""
    command = [clean / "bin" / "python", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(others)}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_wheel_works_where_only_torch_and_sympy_are(clean, tmp_path):
    code = (
        "import layerref, torch\n"
        "print(layerref.__file__)\n"
        "print(tuple(layerref.LayerNorm(5)(torch.ones(2, 5)).shape))\n"
        "print(layerref.output_shape('Flatten', (2, 3, 5)))\n"
        "try:\n    import matplotlib\n"
        "except ImportError:\n    print('no matplotlib')\n"
    )
    done = python(clean, "-I", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where, *rest = done.stdout.splitlines()
    assert Path(where).is_relative_to(clean)
    assert rest == ["(2, 5)", "(2, 15)", "no matplotlib"]


def test_wheel_passes_every_doctest(clean, tmp_path):
    # the pages and our extensions, without src beside them, as `make doctest` runs them
    docs = tmp_path / "docs"
    for pattern in ("conf.py", "_ext/*.py", "reference/*.md"):
        for path in (ROOT / "docs").glob(pattern):
            target = docs / path.relative_to(ROOT / "docs")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text())
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "torch.txt", tmp_path / ".ci")  # says which torch the pages are for
    # Sphinx comes from the tests' own libraries. No .pth file is read in a PYTHONPATH, so that the
    # editable install stays out
    others = importlib.metadata.distribution("sphinx").locate_file("")
    code = (
        "import layerref, sys; from sphinx.cmd.build import main; print(layerref.__file__);"
        "sys.exit(main(sys.argv[1:]))"
    )
    out = tmp_path / "out"
    options = ["-q", "-t", "doctest", "-W", "--keep-going", "-b", "doctest"]
    done = python(clean, "-c", code, *options, docs, out, cwd=tmp_path, others=others)
    assert done.returncode == 0, done.stdout + done.stderr
    assert Path(done.stdout.splitlines()[0]).is_relative_to(clean)
    record = json.loads((out / "record.json").read_text())
    pages = {f"reference/{p.stem}" for p in (docs / "reference").glob("*.md")}
    assert pages - set(record["pages"]) == {"reference/index"}
    assert not [page for page in record["pages"].values() if page["failures"]]
    assert not record["unchecked"]

"""Build the site twice from nothing, in two folders, and list the files that differ.

`make reproducible` calls it. Each build has a copy of the files that git tracks and shares nothing
with the other but the libraries: no output, no cache, no path.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def differing(one, other):
    """Return the files that only one of two folders has, or that differ by a byte."""
    trees = [{p.relative_to(top) for p in top.rglob("*") if p.is_file()} for top in (one, other)]
    same = {
        path for path in trees[0] & trees[1] if filecmp.cmp(one / path, other / path, shallow=False)
    }
    return sorted((trees[0] | trees[1]) - same), len(same)


def build(folder):
    """Build the site in a copy of the tracked files, with this Python; return its html."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in tracked.rstrip("\0").split("\0"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    # READY= leaves .venv alone; PYTHONPATH has the package come from the copy
    command = ["make", "html", f"RUN={sys.executable}", "READY="]
    subprocess.run(
        command, cwd=folder, check=True, env=os.environ | {"PYTHONPATH": str(folder / "src")}
    )
    return folder / "_build" / "html"


def main():
    """Compare two builds whose folders differ in place and in the length of their names."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        folders = Path(one, "a"), Path(other, "in", "another", "folder")
        paths, same = differing(*map(build, folders))
    for path in paths:
        print(path)
    print(f"{same} files are the same in two builds from nothing, {len(paths)} differ")
    return bool(paths)


if __name__ == "__main__":
    sys.exit(main())

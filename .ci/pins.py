"""Pin the set-up, with the hash of every file that pip may choose for it: `make pins`.

What pyproject.toml asks for is resolved for every platform and Python at once. Pins that still fit
stay as they are; arguments go to uv, so `--upgrade` renews them all.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
ALL_ELSE, CPU, PYPI = (
    ROOT / ".ci" / f"{name}.txt" for name in ("requirements", "torch-cpu", "torch")
)

HEADS = {
    ALL_ELSE: "What `make` installs beside torch, for every platform and Python.",
    CPU: "Torch's CPU build, from PyTorch's own index: Linux on x86-64, Python 3.11, as in CI.",
    PYPI: "Torch from PyPI, where pip finds no CPU build. On Linux it brings CUDA with it.",
}
HEAD = """\
# {}
# Written by `make pins`. Wheels only: a build from source fetches tools that no hash covers.
--only-binary :all:
"""
OF_TORCH = re.compile(r"(torch|triton)==|(cuda|nvidia)-")


def resolve(arguments):
    """Return uv's pins, one block of lines for each package."""
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder, "known.txt")
        known.write_text("".join(p.read_text() for p in (ALL_ELSE, PYPI) if p.exists()))
        command = [
            str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "--no-config",
            "--universal", "--python-version", "3.11", "--all-extras",
            "--generate-hashes", "--no-header",
            "--output-file", str(known), *arguments, "pyproject.toml",
        ]  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=True)
        return re.split(r"^(?=\S)", known.read_text(), flags=re.MULTILINE)[1:]


def cpu_hash(version):
    """Return the hash of torch's CPU build, from where this machine's pip finds it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
            "--only-binary=:all:", "--platform=manylinux_2_28_x86_64", "--python-version=3.11",
            f"--dest={folder}", f"torch=={version}+cpu",
        ]  # fmt: skip
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).iterdir()
        return hashlib.sha256(wheel.read_bytes()).hexdigest()


def main(arguments):
    """Write the three files."""
    blocks = resolve(arguments)
    torch = [block for block in blocks if OF_TORCH.match(block)]
    (version,) = (m[1] for block in torch if (m := re.match(r"torch==(\S+)", block)))
    cpu = f"torch=={version}+cpu \\\n    --hash=sha256:{cpu_hash(version)}\n"
    rest = [block for block in blocks if block not in torch]
    for path, pins in ((ALL_ELSE, rest), (CPU, [cpu]), (PYPI, torch)):
        path.write_text(HEAD.format(HEADS[path]) + "".join(pins))


if __name__ == "__main__":
    main(sys.argv[1:])

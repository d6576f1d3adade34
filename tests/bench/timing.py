"""Paired timing: both sides in one run, turn by turn, so that a busy machine slows them alike."""

import datetime
import json
import platform
import statistics
import time
from pathlib import Path

import torch

DATA = Path(__file__).parents[2] / "docs" / "_data"


def seconds(call, number):
    """Return the mean time of one call over a run of ``number``."""
    start = time.perf_counter()
    for _ in range(number):
        call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / number


def paired(calls, repeats=7, at_least=0.02):
    """Return the median time of each call; a repeat runs every call for ``at_least`` seconds."""
    numbers = []
    for call in calls:
        call()  # the first call allocates and chooses kernels
        numbers.append(max(1, int(at_least / max(seconds(call, 1), 1e-9))))
    runs = [
        [seconds(call, number) for call, number in zip(calls, numbers, strict=True)]
        for _ in range(repeats)
    ]
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def machine():
    """Return what the numbers were measured on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else cpu,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }


def write(name, rows, **more):
    """Leave a data file for the benchmark page."""
    DATA.mkdir(exist_ok=True)
    path = DATA / f"{name}.json"
    path.write_text(json.dumps({**machine(), **more, "rows": rows}, indent=1) + "\n")
    return path

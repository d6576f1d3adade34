"""Paired timing: all sides in one run, turn by turn, so that a busy machine slows them alike."""

import datetime
import json
import platform
import statistics
import time
from pathlib import Path

import torch

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "docs" / "_data"


def seconds(call, number):
    """Return the mean time of one call over a run of ``number``."""
    start = time.perf_counter()
    for _ in range(number):
        call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / number


def paired(calls, at_least=0.01):
    """Return the times of all calls, repeat by repeat: 7 repeats, or 21 of short calls."""
    longest = max([seconds(call, 1) for call in calls])  # the first call allocates
    if longest < 0.1:
        longest = max([seconds(call, 3) for call in calls])
    number = max(1, round(at_least / longest))
    repeats = 7 if longest > 0.03 else 21
    return [[seconds(call, number) for call in calls] for _ in range(repeats)]


def median(runs, one):
    """Return the median time of a call."""
    return statistics.median(run[one] for run in runs)


def ratio(runs, one, other):
    """Return the median of the ratios of two calls within a repeat."""
    return statistics.median(run[one] / run[other] for run in runs)


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
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }


def read(name):
    """Return what an earlier run on this machine left."""
    data = json.loads((DATA / f"{name}.json").read_text())
    changed = {key for key, value in machine().items() if key != "date" and data[key] != value}
    if changed:
        raise ValueError(f"rows of one file have one {', '.join(changed)}: run without --resume")
    return data


def write(name, rows, **more):
    """Leave a data file for the benchmark page: one line a row, so that a change can be read."""
    DATA.mkdir(exist_ok=True)
    head = json.dumps({**machine(), **more}, indent=1)[:-2]
    body = ",\n".join("  " + json.dumps(row) for row in rows)
    (DATA / f"{name}.json").write_text(f'{head},\n "rows": [\n{body}\n ]\n}}\n')

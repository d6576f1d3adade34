"""What a run comes to: counts, the survivors and why each is harmless, and what is wrong."""

import datetime
import json
import platform
import tomllib
from collections import Counter

import torch

LEAST = 0.9
FIELDS = ("module", "function", "line", "change")


def read_reasons(folder):
    """Read why survivors are harmless: one file for each family, by hand."""
    reasons = {}
    for path in sorted(folder.glob("*.toml")):
        for entry in tomllib.loads(path.read_text()).get("mutant", []):
            if set(entry) != {*FIELDS, "reason"} or not entry["reason"].strip():
                raise SystemExit(f"{path.name}: an entry has {FIELDS} and a reason, got {entry}")
            reasons[tuple(entry[field] for field in FIELDS)] = entry["reason"]
    return reasons


def summary(results, reasons):
    """Return the data of a run: ``results`` holds pairs of a mutant and its fate."""
    modules, survivors = {}, []
    for mutant, (fate, *_) in results:
        counts = modules.setdefault(mutant.module, Counter(killed=0, timeout=0, survived=0))
        counts[fate] += 1
        if fate == "survived":
            entry = dict(zip(FIELDS, mutant.key, strict=True))
            survivors.append(entry | {"reason": reasons.get(mutant.key, "")})
    return {
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__.partition("+")[0],
        "python": platform.python_version(),
        "total": dict(sum(modules.values(), Counter())),
        "modules": {name: dict(modules[name]) for name in sorted(modules)},
        "survivors": sorted(survivors, key=lambda s: [s[field] for field in FIELDS]),
    }


def rate(counts):
    """Return the share of mutants that the doctests noticed; one that never ends is noticed."""
    return 1 - counts.get("survived", 0) / sum(counts.values())


def faults(results, reasons):
    """Return what is wrong with a run, a sentence each."""
    fates = {mutant.key: fate[0] for mutant, fate in results}
    found = []
    for mutant, (fate, *why) in results:
        if fate == "survived" and mutant.key not in reasons:
            note = f"    [{why[0]}]" if why else ""
            found.append(f"not explained: {entry(mutant.key)}{note}")
    for key in reasons:
        if key not in fates:
            found.append(f"explained, but there is no such change: {entry(key)}")
        elif fates[key] != "survived":
            found.append(f"explained, but the doctests notice it: {entry(key)}")
    share = rate(Counter(fates.values()))
    if share < LEAST:
        found.append(f"{share:.1%} of the changes are noticed, the least is {LEAST:.0%}")
    return found


def entry(key):
    """Write a mutant on one line."""
    module, function, line, change = key
    return f"{module} {function}: {change}    in: {line}"


def toml(key):
    """Write a mutant as an entry of a file of reasons, the reason left open."""
    texts = (json.dumps(text, ensure_ascii=False) for text in key)  # JSON's strings are TOML's
    fields = "\n".join(f"{field} = {text}" for field, text in zip(FIELDS, texts, strict=True))
    return f'[[mutant]]\n{fields}\nreason = ""\n'


def table(data):
    """Return the counts, module by module."""
    head = ("module", "mutants", "killed", "timeout", "survived", "rate")
    rows = [*data["modules"].items(), ("all", data["total"])]
    width = max(len(name) for name, _ in rows)
    lines = [f"{head[0]:{width}}" + "".join(f"{word:>10}" for word in head[1:])]
    for name, counts in rows:
        numbers = [sum(counts.values()), *(counts.get(key, 0) for key in head[2:5])]
        cells = [f"{name:{width}}", *(f"{n:10}" for n in numbers), f"{rate(counts):10.1%}"]
        lines.append("".join(cells))
    return "\n".join(lines)

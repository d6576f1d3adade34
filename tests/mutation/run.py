"""Change the code of the layers and rules, a little at a time, and see whether a doctest fails.

The judge is what `make doctest` runs, nothing else: each statement of the reference, the docstrings
among them. A change that no statement notices (a survivor) shows either a statement that is
missing, or a change that is none; the files in harmless/ say why it is none.

    tests/mutation/run.py                                  all; writes docs/_data/mutants.json
    tests/mutation/run.py --only src/layerref/dropout.py   one module or folder, or several
    tests/mutation/run.py --only ... --survivors           as entries for harmless/*.toml
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import report
from change import mutants_of
from judge import Fates, Judge, read_pages

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "docs" / "_data" / "mutants.json"
# Neither a layer nor a rule: pictures for the gallery, and what stands around each layer. A page
# explains the layer and not its surroundings; tests/test_protocols.py judges those.
NOT_JUDGED = ("figures", "twin.py")


def all_mutants(package, only=()):
    """Return the mutants of every source, or of those below some paths."""
    only = [Path(path).resolve() for path in only]
    found = []
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package)
        wanted = not only or any(path.is_relative_to(one) for one in only)
        if wanted and module.parts[0] not in NOT_JUDGED:
            found += mutants_of(module.as_posix(), path.read_text())
    return found


def measure(package, statements, cache, only=(), jobs=1):
    """Judge the mutants of a package, and return them with their fates, in their order."""
    mutants = all_mutants(package, only)
    judge = Judge(package, read_pages(statements))
    fates = Fates(cache, judge.files)
    results, started = {}, time.monotonic()
    try:
        for mutant, fate in judge.judge(mutants, jobs, fates):
            results[mutant] = fate
            if len(results) % 100 == 0:
                seconds = time.monotonic() - started
                print(f"{len(results)} of {len(mutants)}, {seconds:.0f} s", file=sys.stderr)
                fates.save()
    finally:
        fates.save()
    return [(mutant, results[mutant]) for mutant in mutants]


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=(), metavar="PATH")
    parser.add_argument("--survivors", action="store_true", help="as entries for harmless/*.toml")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()

    out = ROOT / "_build" / "doctest"
    command = ["-q", "-t", "doctest", "-b", "doctest", "-d", out / "doctrees", ROOT / "docs", out]
    command = [sys.executable, "-m", "sphinx", *map(str, command)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{run.stdout}{run.stderr}the doctests fail before anything is changed")
    cache = ROOT / "_build" / "mutants.json"
    package = ROOT / "src" / "layerref"
    results = measure(package, out / "statements.json", cache, options.only, options.jobs)

    modules = {mutant.module for mutant, _ in results}
    reasons = report.read_reasons(Path(__file__).parent / "harmless")
    if options.only:
        reasons = {key: reason for key, reason in reasons.items() if key[0] in modules}
    data = report.summary(results, reasons)
    print(f"\n{report.table(data)}\n")
    if options.survivors:
        for mutant, fate in results:
            if fate[0] == "survived" and mutant.key not in reasons:
                print(report.toml(mutant.key))
    if not options.only:
        DATA.parent.mkdir(exist_ok=True)
        DATA.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    wrong = report.faults(results, reasons)
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

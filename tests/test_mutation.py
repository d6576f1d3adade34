"""The mutation tests: on a miniature package they find what its page overlooks."""

import json
import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "mutation"))

import report  # noqa: E402
from judge import Judge  # noqa: E402
from run import DATA, ROOT, all_mutants, measure  # noqa: E402

SOURCE = '''
"""Count."""

STEP = 1


def windows(i, k, ceil_mode=False):
    """Count the windows of size k."""
    if ceil_mode or k < 1:
        raise ValueError("k + 1 is not changed here")
    while i > 7:
        i -= STEP
    return i // k


def never(i: int | None):
    return i + 1
'''
SEEN = ["k < 1 -> k >= 1", "i // k -> (i * k)", "False -> True", "i > 7 -> i <= 7"]
OVERLOOKED = ["k < 1 -> k <= 1", "i + 1 -> i - 1", "1 -> 2"]  # the page has no k of 1


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Judge the miniature package by its page, twice: the second time from the cache."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    package = tmp_path / "mini"
    package.mkdir()
    (package / "__init__.py").write_text("from mini.count import windows\n")
    (package / "count.py").write_text(SOURCE)
    statements = tmp_path / "statements.json"
    test = ">>> windows(9, 2)\n3\n\n>>> windows(4, 2)\n2\n>>> windows(9, 3)\n2\n"
    page = {"page": "p", "setup": "from mini import *\nfrom mini.count import windows\n"}
    statements.write_text(json.dumps([page | {"tests": [test], "flags": 0}]))

    def judge(source=SOURCE):
        (package / "count.py").write_text(source)
        return measure(package, statements, tmp_path / "cache.json", jobs=2)

    return judge


def changes(results, fate):
    return {mutant.change for mutant, (result, *_) in results if result == fate}


def test_what_the_page_notices_is_killed_and_what_it_overlooks_survives(judged):
    results = judged()
    assert set(SEEN) <= changes(results, "killed")
    assert set(OVERLOOKED) <= changes(results, "survived")
    assert changes(results, "timeout") == {"i -= STEP -> i += STEP", "the statement -> pass"}
    assert not [mutant for mutant, _ in results if "changed here" in mutant.line]


def test_nothing_is_tried_again_while_code_and_page_stay(judged, monkeypatch):
    fates = [fate for _, fate in judged()]
    monkeypatch.delattr(Judge, "trial")
    assert [fate for _, fate in judged("\n" + SOURCE.replace("Count.", "Say how many."))] == fates
    with pytest.raises(AttributeError, match="trial"):
        judged(SOURCE.replace("STEP = 1", "STEP = 2"))


def test_an_unexplained_survivor_fails_the_run_and_so_does_an_idle_reason(judged, monkeypatch):
    results = judged()
    reasons = {m.key: "no test is meant to see it" for m, fate in results if fate[0] == "survived"}
    few = report.faults(results, reasons)
    assert len(few) == 1
    assert "the least is 90%" in few[0]
    monkeypatch.setattr(report, "LEAST", 0.1)
    assert report.faults(results, reasons) == []

    key = next(iter(reasons))
    assert (
        "not explained" in report.faults(results, {k: r for k, r in reasons.items() if k != key})[0]
    )
    killed = next(mutant.key for mutant, fate in results if fate[0] == "killed")
    assert "notice it" in report.faults(results, reasons | {killed: "?"})[0]
    assert "no such change" in report.faults(results, reasons | {("a", "b", "c", "d"): "?"})[0]


def test_the_published_result_is_whole():
    data = json.loads(DATA.read_text())
    modules = {mutant.module for mutant in all_mutants(ROOT / "src" / "layerref")}
    assert set(data["modules"]) == modules
    counts = data["modules"].values()
    killed = sum(c["killed"] + c["timeout"] for c in counts)
    survived = sum(c["survived"] for c in counts)
    assert killed / (killed + survived) >= 0.9
    assert len(data["survivors"]) == survived
    for survivor in data["survivors"]:
        assert survivor["reason"], survivor


def test_the_example_on_the_page_is_in_the_code_and_in_the_doctests():
    shown = re.findall(r"^```py\w+\n(.*?)^```", (ROOT / "docs/checks.md").read_text(), re.M | re.S)
    code, statement = (" ".join(block.split()) for block in shown)
    source = (ROOT / "src/layerref/pooling/shared.py").read_text()
    assert code in " ".join(source.split())
    page = (ROOT / "docs/reference/max-pooling.md").read_text()
    assert statement in " ".join(page.split())

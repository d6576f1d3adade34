"""The stamp and the report, on miniature sites: each page says what its own checks did."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXT = Path(__file__).parent.parent / "docs" / "_ext"
CONF = f"""
import sys
sys.path.insert(0, {str(EXT)!r})
extensions = ["myst_parser", "verified"]
doctest_default_flags = 0
html_theme = "basic"
"""
GOOD = """# Good

```{doctest}
>>> x = 2
>>> x + 1
3
>>> assert x == 2
```
"""


def make_site(folder):
    docs = folder / "docs"
    (docs / "reference").mkdir(parents=True)
    (docs / "conf.py").write_text(CONF)
    (docs / "index.md").write_text("# Site\n\n```{toctree}\n:glob:\nreference/*\n```\n")
    (docs / "reference" / "good.md").write_text(GOOD)
    return docs


@pytest.fixture
def site(tmp_path):
    return make_site(tmp_path)


def build(docs, builder):
    out = docs.parent / "_build"
    command = ["-b", builder, "-d", out / f"{builder}-trees", docs, out / builder]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", *map(str, command)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def record(docs):
    return json.loads((docs.parent / "_build" / "doctest" / "record.json").read_text())


def html(docs, page):
    return (docs.parent / "_build" / "html" / "reference" / f"{page}.html").read_text()


def test_stamp_counts_the_checks_that_this_build_ran(site):
    assert build(site, "html").returncode == 0
    assert "2 checks passed, torch" in html(site, "good")  # `x = 2` prepares, it checks nothing
    first = record(site)
    (site / "reference" / "good.md").write_text(GOOD.replace("assert x == 2", "assert x; x * x\n4"))
    assert build(site, "html").returncode == 0
    assert record(site)["fingerprint"] != first["fingerprint"]


def test_html_takes_the_record_of_an_earlier_doctest_run(site):
    build(site, "doctest")
    path = site.parent / "_build" / "doctest" / "record.json"
    marked = record(site) | {"pages": {"reference/good": {"checks": 77, "failures": []}}}
    path.write_text(json.dumps(marked))
    assert build(site, "html").returncode == 0
    assert "77 checks passed" in html(site, "good"), "the statements were executed a second time"


def test_a_failing_statement_fails_doctest_and_html(site):
    (site / "reference" / "good.md").write_text(GOOD.replace("3\n", "4\n"))
    result = build(site, "doctest")
    assert result.returncode != 0
    assert "expected  4" in result.stdout
    assert "got       3" in result.stdout
    assert "1 failed" in result.stdout
    result = build(site, "html")
    assert result.returncode != 0
    assert "reference/good has 1 failed checks" in result.stderr


def test_a_page_without_checks_fails_html(site):
    (site / "reference" / "empty.md").write_text("# Empty\n\n```{doctest}\n>>> x = 1\n```\n")
    result = build(site, "html")
    assert result.returncode != 0
    assert "reference/empty ran no check" in result.stderr


def test_public_names_without_a_doctest_fail_the_run(site):
    result = build(site, "doctest")
    assert result.returncode != 0
    assert "public names without a doctest" in result.stdout
    assert "LayerNorm" in record(site)["unchecked"]


# --- another torch --------------------------------------------------------------------------------

TOY = '''def twice(x):
    """Double.

    >>> 1 + 1
    2
    """
    return 2 * x


def thrice(x):
    """Triple.

    >>> 1 + 1
    3
    """
    return 3 * x
'''

CHANGED = """# Changed

```{doctest}
>>> missing = {}["gone"]
>>> [missing for _ in range(1)]
[]
>>> def later():
...     return missing
>>> later()
1
>>> missing = 5
>>> missing
6
```

## Kinds

```{doctest}
>>> assert missing == 6
>>> int("a")
Traceback (most recent call last):
ValueError: not a number
>>> int("5")
Traceback (most recent call last):
ValueError: not a number
>>> int([])
Traceback (most recent call last):
ValueError: not a number
>>> [].append(1, 2)
```

## Pitfalls

### Sums are off

```{doctest}
>>> import warnings
>>> warnings.warn("sums go away", FutureWarning)
>>> 0.1 + 0.2
0.3
>>> int("b")
Traceback (most recent call last):
ValueError: not a number
>>> [].gone
0
```
"""
STALE = """# Stale

```{doctest}
>>> box = [1]
>>> box.insert({}["gone"], 2)
>>> print(box)
[2, 1]
>>> box = [3]
>>> box
[4]
>>> other = {}["gone"]
```

## API

```{eval-rst}
.. autofunction:: toy.twice
.. autofunction:: toy.thrice
```
"""


def line_in(docs, path, statement):
    lines = (docs.parent / path).read_text().splitlines()
    return f"{path}:{lines.index(statement) + 1}"


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Return a site for another torch, what its doctest run printed, and what failed, by place."""
    docs = make_site(tmp_path_factory.mktemp("other"))
    conf = CONF.replace('"verified"', '"verified", "sphinx.ext.autodoc"')
    conf += f'sys.path.insert(0, {str(docs.parent)!r})\nverified_torch = "1.2.3"\n'
    (docs / "conf.py").write_text(conf)
    (docs.parent / "toy.py").write_text(TOY)
    (docs / "reference" / "changed.md").write_text(CHANGED)
    (docs / "reference" / "stale.md").write_text(STALE)
    result = build(docs, "doctest")
    assert result.returncode != 0
    pages = record(docs)["pages"].values()
    return docs, result.stdout, {f["where"]: f for page in pages for f in page["failures"]}


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (">>> missing", "value changed"),
        (">>> assert missing == 6", "no longer holds"),
        ('>>> int("a")', "message changed"),
        ('>>> int("5")', "raises no longer"),
        (">>> int([])", "raises another error"),
        (">>> [].append(1, 2)", "raises now"),
    ],
)
def test_report_says_how_a_statement_changed(other, statement, kind):
    docs, _, failures = other
    failure = failures[line_in(docs, "docs/reference/changed.md", statement)]
    assert failure["kind"] == kind
    assert failure["because_of"] is None
    report = (docs.parent / "_build" / "doctest" / "report.md").read_text()
    assert f"`{failure['where']}`: **{kind}**" in report


def test_report_names_the_first_cause(other):
    docs, screen, failures = other
    page = "docs/reference/changed.md"
    cause = line_in(docs, page, '>>> missing = {}["gone"]')
    for statement in (">>> [missing for _ in range(1)]", ">>> later()"):
        assert failures[line_in(docs, page, statement)]["because_of"] == cause
    assert "2 later statements fail because of it: line 5, 9" in screen
    # what was bound again is as good as new
    assert failures[line_in(docs, page, ">>> missing")]["because_of"] is None
    # the object on which a method raised is as it was before
    page = "docs/reference/stale.md"
    cause = line_in(docs, page, '>>> box.insert({}["gone"], 2)')
    assert failures[line_in(docs, page, ">>> print(box)")]["because_of"] == cause
    assert failures[line_in(docs, page, ">>> box")]["because_of"] is None


def test_report_shows_one_error_once(other):
    docs, screen, _ = other
    first = line_in(docs, "docs/reference/changed.md", '>>> missing = {}["gone"]')
    assert screen.count("KeyError: 'gone'") == 1
    assert f"raises now, as in {first}" in screen


def test_report_says_what_became_of_a_pitfall(other):
    docs, _, failures = other
    report = (docs.parent / "_build" / "doctest" / "report.md").read_text()
    page, heading = "docs/reference/changed.md", "Pitfalls > Sums are off"
    for statement, word in (
        (">>> 0.1 + 0.2", "value changed: this pitfall no longer reproduces"),
        ('>>> int("b")', "message changed: this pitfall reproduces with another message"),
        (">>> [].gone", "raises now: this pitfall cannot be tried"),
    ):
        where = line_in(docs, page, statement)
        assert failures[where]["section"] == heading
        assert f"`{where}`: **{word}**" in report
    assert report.count("no longer reproduces") == 1
    assert f"### {heading}" in report


def test_report_finds_the_line_of_a_docstring(other):
    _, _, failures = other
    failure = failures["toy.py:13"]  # not line 4, where the same statement holds
    assert failure["section"] == "API > thrice"
    assert failure["want"] == "3\n"


def test_report_ends_with_a_verdict_on_this_torch(other):
    _, screen, _ = other
    assert "FutureWarning: sums go away" in screen
    *_, changed, verdict, _files = screen.rstrip().splitlines()
    assert "3 pages, 3 checks passed, 17 failed" in changed
    assert "Written for torch 1.2.3." in verdict
    assert "1 of 3 pages hold as they stand" in verdict
    assert "14 statements changed, and 3 more fail because of them" in verdict


def test_report_of_another_torch_with_which_all_holds(site):
    (site / "conf.py").write_text(CONF + 'verified_torch = "1.2.3"\n')
    screen = build(site, "doctest").stdout
    assert "every page holds as it stands" in screen
    (site / "conf.py").write_text(CONF)
    assert "Written for" not in build(site, "doctest").stdout


def test_a_set_up_that_fails_is_said_once(site):
    (site / "reference" / "second.md").write_text(GOOD)
    conf = 'verified_torch = "1.2.3"\ndoctest_global_setup = "from torch import gone"\n'
    (site / "conf.py").write_text(CONF + conf)
    result = build(site, "doctest")
    assert result.returncode != 0
    assert "set-up that every page starts with fails" in result.stdout
    assert result.stdout.count("ImportError: cannot import name 'gone'") == 1
    assert "holds as it stands" not in result.stdout
    assert build(site, "html").returncode != 0

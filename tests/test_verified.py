"""The stamp and the summary, on a miniature site: each page says what its own checks did."""

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


@pytest.fixture
def site(tmp_path):
    docs = tmp_path / "docs"
    (docs / "reference").mkdir(parents=True)
    (docs / "conf.py").write_text(CONF)
    (docs / "index.md").write_text("# Site\n\n```{toctree}\n:glob:\nreference/*\n```\n")
    (docs / "reference" / "good.md").write_text(GOOD)
    return docs


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
    assert "public names without a passing doctest" in result.stdout
    assert "LayerNorm" in record(site)["unchecked"]

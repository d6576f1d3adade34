"""Say what a doctest run found: on one screen, and in Markdown for an issue.

Both are made from the record that the builder writes, see verified.py.
"""

import platform
import re
from itertools import groupby

SCREEN = 8  # so many changed statements are shown in full; of more, the first of each page
MISSING = re.compile(r"^(AttributeError|ImportError|ModuleNotFoundError|NameError): ", re.M)
ANNOUNCED = ("FutureWarning: ", "DeprecationWarning: ")


def causes(result):
    """Return the statements of a page that changed, without those that fail because of others."""
    return [f for f in result["failures"] if f["because_of"] is None]


def counts(result):
    """Return how many statements of a page changed, and how many more fail because of them."""
    changed = len(causes(result))
    return changed, len(result["failures"]) - changed


def plural(count, noun):
    """Count a noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def versions(record):
    """Name the torch that ran, and the one that the site was written for if that is another."""
    if record["torch"] == record["written_for"]:
        return f"torch {record['torch']}"
    return f"torch {record['torch']}, written for torch {record['written_for']}"


def what_changed(failure):
    """Say in words how a statement failed, and what that means for a pitfall."""
    kind = failure["kind"]
    if not failure["section"].startswith("Pitfalls"):
        return kind
    if kind == "message changed":
        return f"{kind}: this pitfall reproduces with another message"
    if kind == "raises now" and MISSING.search(failure["got"]):
        return f"{kind}: this pitfall cannot be tried"
    return f"{kind}: this pitfall no longer reproduces"


def consequences(result, cause):
    """Say which other statements of a page fail because of one."""
    lines = [line_of(f) for f in result["failures"] if f["because_of"] == cause["where"]]
    if not lines:
        return ""
    statements = "statement fails" if len(lines) == 1 else "statements fail"
    more = f" and {len(lines) - 6} more" if len(lines) > 6 else ""
    return f"{len(lines)} later {statements} because of it: line {', '.join(lines[:6])}{more}"


def line_of(failure):
    """Return the line out of ``path:line``."""
    return failure["where"].rpartition(":")[2]


def last_line(text, limit=160):
    """Return the last line that says something, cut to a screen's width."""
    line = (text.strip().splitlines() or ["nothing"])[-1]
    return line if len(line) <= limit else line[: limit - 1] + "…"


def verdict(record, seconds):
    """Return the last line of the report."""
    pages = record["pages"].values()
    checks = sum(result["checks"] for result in pages)
    failed = sum(len(result["failures"]) for result in pages)
    line = (
        f"{plural(len(pages), 'page')}, {checks} checks passed, {failed} failed"
        f" · torch {record['torch']} · Python {platform.python_version()} · {seconds:.1f} s"
    )
    if record["torch"] == record["written_for"]:
        return line
    if record["setup_error"]:
        return f"{line}\nNothing can be said of torch {record['torch']}: the set-up fails."
    hold = sum(not result["failures"] for result in pages)
    changed = sum(len(causes(result)) for result in pages)
    others = f", and {failed - changed} more fail because of them" if failed > changed else ""
    say = f"Written for torch {record['written_for']}. With torch {record['torch']} "
    if not failed:
        return f"{line}\n{say}every page holds as it stands."
    return (
        f"{line}\n{say}{hold} of {len(pages)} pages hold as they stand. On the others "
        f"{plural(changed, 'statement')} changed{others}."
    )


def table(pages, header):
    """Return lines with what held and what did not, page by page."""
    width = max((len(page) for page in pages), default=4)
    lines = [f"{'page':{width}}  checks  {header}"]
    for page, result in pages.items():
        changed, following = counts(result)
        marks = f"{changed or '':6}" + (f"  {following or '':11}" if header != "failed" else "")
        lines.append(f"{page:{width}}  {result['checks']:6}  {marks}".rstrip())
    return lines


def apart(pages):
    """Return the pages that do not hold, and a line on those that do."""
    differing = {page: result for page, result in pages.items() if result["failures"]}
    checks = [result["checks"] for result in pages.values() if not result["failures"]]
    return differing, f"{len(checks)} of {len(pages)} pages hold, with all {sum(checks)} checks."


def on_screen(record, seconds, folder):
    """Return the text that `make doctest` ends with."""
    differing, rest = apart(record["pages"])
    lines = []
    if record["setup_error"]:
        lines += [
            "The set-up that every page starts with fails, so no statement ran:",
            *indented(record["setup_error"]["statement"]),
            f"  {last_line(record['setup_error']['got'])}",
            "",
        ]
    elif differing:
        lines += changes_on_screen(differing)
        lines += table(differing, "changed  because of it")
        lines.append(rest)
    else:
        lines += table(record["pages"], "failed")
    if record["unchecked"] and not record["setup_error"]:
        lines.append(f"\npublic names without a doctest: {', '.join(record['unchecked'])}")
    if announced := [text for text in remarks(record) if text.startswith(ANNOUNCED)]:
        lines += ["\nannounced:", *(f"  {last_line(text)}" for text in announced)]
    lines.append(f"\n{verdict(record, seconds)}")
    if differing or record["setup_error"]:
        lines.append(
            f"To read or to paste into an issue: {folder}/report.md; every difference in full: "
            f"{folder}/output.txt"
        )
    return "\n".join(lines)


def changes_on_screen(pages):
    """Return lines with the changed statements of each page, each error once."""
    shown = 3 if sum(len(causes(result)) for result in pages.values()) <= SCREEN else 1
    lines, known = [], {}
    for page, result in pages.items():
        lines.append(page)
        listed = causes(result)
        for failure in listed[:shown]:
            lines += one_change(failure, result, known)
        if len(listed) > shown:
            lines.append(f"  ... and {len(listed) - shown} more on this page")
        lines.append("")
    return lines


def one_change(failure, result, known):
    """Return lines with one changed statement; an error that was shown already, by its place."""
    lines = [f"  {failure['where']}  {failure['section']}", *indented(failure["statement"])]
    error = (failure["kind"], last_line(failure["got"]))
    if failure["kind"] == "raises now" and error in known:
        lines.append(f"    {what_changed(failure)}, as in {known[error]}")
    else:
        known[error] = failure["where"]
        lines.append(f"    {what_changed(failure)}")
        lines += [f"    expected  {last_line(failure['want'])}"] * bool(failure["want"])
        lines.append(f"    got       {last_line(failure['got'])}")
    following = consequences(result, failure)
    return [*lines, f"    {following}"] if following else lines


def indented(statement):
    """Return the first lines of a statement, set off."""
    lines = statement.rstrip().splitlines()
    return [f"      {line}" for line in lines[:4]] + ["      ..."] * (len(lines) > 4)


def remarks(record):
    """Return the warnings of all statements, each once."""
    return sorted({text for result in record["pages"].values() for text in result["warnings"]})


def in_markdown(record):
    """Return the report for people who mend the pages: every change, whole."""
    lines = [f"# Doctests of layerref: {versions(record)}, Python {platform.python_version()}"]
    if record["setup_error"]:
        lines += ["", "The set-up of the pages fails.", *blocks(record["setup_error"])]
    differing, rest = apart(record["pages"])
    if differing:
        lines += ["", "| page | checks | changed | because of those |", "|---|---|---|---|"]
    for page, result in differing.items():
        changed, following = counts(result)
        lines.append(f"| {page} | {result['checks']} | {changed} | {following} |")
    lines += ["", rest]
    for page, result in differing.items():
        lines += ["", f"## {page}"]
        listed = sorted(causes(result), key=lambda failure: failure["section"])
        for section, failures in groupby(listed, key=lambda failure: failure["section"]):
            lines += ["", f"### {section}"]
            for failure in failures:
                lines += ["", f"`{failure['where']}`: **{what_changed(failure)}**"]
                following = consequences(result, failure)
                lines += [*blocks(failure), *(["", following] if following else [])]
    if remarks(record):
        lines += ["", "## Warnings of the statements", ""]
        lines += [f"- {text}" for text in remarks(record)]
    return "\n".join(lines) + "\n"


def blocks(failure):
    """Return a statement, what was expected and what came, in fences."""
    lines = ["", "```python", *failure["statement"].rstrip().splitlines(), "```"]
    for title in ("want", "got"):
        if text := failure[title].rstrip():
            lines += ["", {"want": "expected:", "got": "got:"}[title], ""]
            lines += ["```text", *text.splitlines(), "```"]
    return lines

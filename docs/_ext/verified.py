"""Run the doctests of the site, say what held, and stamp every reference page with it.

The doctest builder writes a record: which page ran how many checks, with which torch, from which
sources. The HTML builder reads the record and refuses to write a page that did not pass. When the
record is missing or older than the sources, the HTML builder has the doctests run first.
"""

import hashlib
import json
import platform
import subprocess
import sys
import time
import warnings
from pathlib import Path

import fresh_outputs
import torch
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.ext.doctest import DocTestBuilder

import layerref

VERSION = torch.__version__.partition("+")[0]


def fingerprint(srcdir):
    """Return a digest of all that decides whether a doctest passes: sources, pages, versions."""
    digest = hashlib.sha256(f"{fresh_outputs.digest()} {platform.python_version()}".encode())
    pages = [Path(srcdir, "conf.py"), Path(__file__), *Path(srcdir, "reference").glob("*.md")]
    for path in sorted(pages):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def is_check(example):
    """Tell a statement that can fail on a wrong value from one that only prepares."""
    return bool(example.want) or "assert" in example.source


class VerifyingDocTestBuilder(DocTestBuilder):
    """Sphinx's doctest builder, with a record for the stamps and a summary for people."""

    epilog = ""

    def init(self):
        super().init()
        # torch's remarks on its own kernels, once a process; no statement here depends on them
        for remark in ("LSTM with projections", "The PyTorch API of nested tensors"):
            warnings.filterwarnings("ignore", message=remark)
        self.started = time.perf_counter()
        self.fingerprint = fingerprint(self.srcdir)
        self.pages = {}
        self.names = {}
        self.statements = []

    def get_filename_for_node(self, node, docname):
        """Name a docstring by what it documents, a page by its path."""
        _, is_docstring, name = (node.source or "").partition(":docstring of ")
        return name if is_docstring else str(self.env.doc2path(docname, base=False))

    def test_doc(self, docname, doctree):
        self.docname = docname
        self.page = self.pages[docname] = {"checks": 0, "failures": []}
        success = super().test_doc(docname, doctree)
        if not (self.page["checks"] or self.page["failures"]):
            del self.pages[docname]
        return success

    def test_group(self, group):
        runner = self.test_runner

        def passed(out, test, example, got):
            if is_check(example):
                self.page["checks"] += 1
                self.names[test.filename] = self.names.get(test.filename, 0) + 1

        def note(test, example, got):
            line = "" if test.lineno is None else f":{test.lineno + example.lineno + 2}"
            self.page["failures"].append(
                {
                    "where": f"{test.filename}{line}",
                    "statement": example.source,
                    "want": example.want,
                    "got": got,
                }
            )

        def failed(out, test, example, got):
            note(test, example, got)
            type(runner).report_failure(runner, out, test, example, got)

        def raised(out, test, example, exc_info):
            note(test, example, f"{exc_info[0].__name__}: {exc_info[1]}")
            type(runner).report_unexpected_exception(runner, out, test, example, exc_info)

        self.statements.append(
            {
                "page": self.docname,
                "setup": "".join(code.code for code in group.setup),
                "tests": [code.code for (code,) in group.tests],
                "flags": self.opt,
            }
        )
        runner.report_success = passed
        runner.report_failure = failed
        runner.report_unexpected_exception = raised
        return super().test_group(group)

    def _warn_out(self, text):
        self.outfile.write(text)  # the whole of every difference; the summary goes to the screen

    _out = _warn_out

    def finish(self):
        super().finish()
        unchecked = [
            name
            for name in layerref.__all__
            if not any(n.startswith("layerref.") and n.endswith(f".{name}") for n in self.names)
        ]
        record = {
            "fingerprint": self.fingerprint,
            "torch": VERSION,
            "pages": self.pages,
            "unchecked": unchecked,
            "setup_failures": self.setup_failures,
        }
        Path(self.outdir, "record.json").write_text(json.dumps(record, indent=1))
        # for the mutation tests, which run these very statements again and again
        Path(self.outdir, "statements.json").write_text(json.dumps(self.statements))
        seconds = time.perf_counter() - self.started
        print(summary(record, seconds, Path(self.outdir, "output.txt")))
        if unchecked or self.setup_failures or not self.pages:
            self._app.statuscode = 1


def summary(record, seconds, log):
    """Return the report that `make doctest` ends with: one screen, page by page."""
    pages = record["pages"]
    width = max((len(page) for page in pages), default=4)
    lines = [f"{'page':{width}}  checks  failed"]
    for page, result in pages.items():
        failed = len(result["failures"]) or ""
        lines.append(f"{page:{width}}  {result['checks']:6}  {failed:6}".rstrip())
    for page, result in pages.items():
        for failure in result["failures"][:3]:
            lines += [
                f"\n{page}: {failure['where']}",
                *(f"    {line}" for line in failure["statement"].rstrip().splitlines()),
                f"  expected  {shorten(failure['want'])}",
                f"  got       {shorten(failure['got'])}",
            ]
        if len(result["failures"]) > 3:
            lines.append(f"  ... and {len(result['failures']) - 3} more on this page")
    if record["unchecked"]:
        lines.append(f"\npublic names without a passing doctest: {', '.join(record['unchecked'])}")
    checks = sum(result["checks"] for result in pages.values())
    failures = sum(len(result["failures"]) for result in pages.values())
    lines.append(
        f"\n{len(pages)} pages, {checks} checks passed, {failures} failed"
        f" · torch {record['torch']} · Python {platform.python_version()} · {seconds:.1f} s"
    )
    if failures:
        lines.append(f"Every difference in full: {log}")
    return "\n".join(lines)


def shorten(text, limit=160):
    """Return the last line that says something, cut to a screen's width."""
    line = (text.strip().splitlines() or ["nothing"])[-1]
    return line if len(line) <= limit else line[: limit - 1] + "…"


def load_record(app):
    """Give the HTML builder a record of this very package and these very pages."""
    if app.builder.format != "html":
        return
    out = Path(app.outdir).parent / "doctest"
    path = out / "record.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    if record.get("fingerprint") != fingerprint(app.srcdir):
        command = ["-q", "-t", "doctest", "-b", "doctest", "-d", out / "doctrees", app.srcdir, out]
        subprocess.run([sys.executable, "-m", "sphinx", *map(str, command)], check=False)
        record = json.loads(path.read_text()) if path.exists() else {}
    app.layerref_record = record


def stamp_of(app, docname):
    """Return how many checks of a page passed, or fail the build."""
    result = app.layerref_record.get("pages", {}).get(docname)
    if result is None or not result["checks"] or result["failures"]:
        what = "ran no check" if not result else f"has {len(result['failures'])} failed checks"
        raise ExtensionError(f"{docname} {what}: make doctest says more")
    return {"checks": result["checks"], "torch": app.layerref_record["torch"]}


def is_stamped(docname):
    """Tell the pages that make statements, all of the reference but its table of contents."""
    return docname.startswith("reference/") and docname != "reference/index"


def outdated_stamps(app, env, added, changed, removed):
    """Have a page written again when only its stamp changed."""
    if app.builder.format != "html":
        return []
    known = getattr(env, "layerref_stamps", {})
    env.layerref_stamps = {d: stamp_of(app, d) for d in env.found_docs if is_stamped(d)}
    return [
        d for d, stamp in env.layerref_stamps.items() if d in env.all_docs and known.get(d) != stamp
    ]


def insert_stamp(app, doctree, docname):
    """Put the stamp under the title."""
    if app.builder.format != "html" or not is_stamped(docname):
        return
    stamp = stamp_of(app, docname)
    title = next(doctree.findall(nodes.title))
    text = f"{stamp['checks']} checks passed, torch {stamp['torch']}"
    title.parent.insert(
        title.parent.index(title) + 1, nodes.paragraph("", text, classes=["verified-stamp"])
    )


def setup(app):
    """Register the builder and the stamp."""
    app.setup_extension("sphinx.ext.doctest")
    app.add_builder(VerifyingDocTestBuilder, override=True)
    app.connect("builder-inited", load_record)
    app.connect("env-get-outdated", outdated_stamps)
    app.connect("doctree-resolved", insert_stamp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

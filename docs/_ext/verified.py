"""Run the doctests of the site, say what held, and stamp every reference page with it.

The doctest builder writes a record: which page ran how many checks, with which torch, from which
sources, and what failed. The HTML builder reads the record and refuses to write a page that did not
pass. When the record is missing or older than the sources, the HTML builder has the doctests run
first. `verified_torch` in conf.py is the version that the pages were written for.
"""

import doctest
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

import doctest_report
import fresh_outputs
import torch
from doctest_causes import Causes
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.ext.doctest import DocTestBuilder

import layerref

VERSION = torch.__version__.partition("+")[0]
ERROR = doctest.DocTestParser._EXCEPTION_RE


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


def kind_of(example, got, raised):
    """Say in which way a statement failed."""
    expected, found = example.exc_msg, ERROR.match(got)
    if raised:
        broken = found["msg"].startswith("AssertionError") and "assert" in example.source
        return "no longer holds" if broken else "raises now"
    if expected is None:
        return "value changed"
    if found is None:
        return "raises no longer"
    types = [message.partition(":")[0].strip() for message in (expected, found["msg"])]
    return "message changed" if types[0] == types[1] else "raises another error"


class VerifyingDocTestBuilder(DocTestBuilder):
    """Sphinx's doctest builder, with a record for the stamps and a report for people."""

    epilog = ""

    def init(self):
        super().init()
        # torch's remarks on its own kernels, once a process; no statement here depends on them
        for remark in ("LSTM with projections", "The PyTorch API of nested tensors"):
            warnings.filterwarnings("ignore", message=remark)
        self.started = time.perf_counter()
        self.fingerprint = fingerprint(self.srcdir)
        self.pages = {}
        self.documented = set()
        self.setup_error = None
        self.statements = []

    def get_filename_for_node(self, node, docname):
        """Name a docstring by what it documents, a page by its path; note where the node stands."""
        path, is_docstring, name = (node.source or "").partition(":docstring of ")
        name = name if is_docstring else str(self.env.doc2path(docname, base=False))
        path = path if is_docstring else self.env.doc2path(docname)
        titles = [
            parent.next_node(nodes.title).astext()
            for parent in ancestors(node)
            if isinstance(parent, nodes.section)
        ][::-1]
        titles = titles[1:] or titles  # the page's own says nothing new
        if is_docstring:
            titles.append(name.rpartition(".")[2])
        self.places[name, self.get_line_number(node)] = path, " > ".join(titles)
        return name

    def test_doc(self, docname, doctree):
        self.docname = docname
        self.page = self.pages[docname] = {"checks": 0, "failures": [], "warnings": []}
        self.places = {}
        self.causes = Causes()
        with warnings.catch_warnings():
            warnings.showwarning = self.note_warning
            success = super().test_doc(docname, doctree)
        if not (self.page["checks"] or self.page["failures"]):
            del self.pages[docname]
        return success

    def note_warning(self, message, category, *_):
        """Keep the first line of a warning for the report."""
        text = f"{category.__name__}: {str(message).strip().splitlines()[0]}"
        if text not in self.page["warnings"]:
            self.page["warnings"].append(text)

    def test_group(self, group):
        self.statements.append(
            {
                "page": self.docname,
                "setup": "".join(code.code for code in group.setup),
                "tests": [code.code for (code,) in group.tests],
                "flags": self.opt,
            }
        )

        def passed(out, test, example, got):
            self.causes.passed(example.source)
            self.documented.add(test.filename)
            if is_check(example):
                self.page["checks"] += 1

        def note(test, example, got, raised=False):
            where, section = self.place(test, example)
            failure = {
                "where": where,
                "section": section,
                "kind": kind_of(example, got, raised),
                "statement": example.source,
                "want": example.want,
                "got": got,
            }
            cause = self.causes.failed(example.source, failure, raised, test.globs)
            failure["because_of"] = cause and cause["where"]
            self.page["failures"].append(failure)
            self.documented.add(test.filename)

        def failed(out, test, example, got):
            note(test, example, got)
            type(runner).report_failure(runner, out, test, example, got)

        def raised(out, test, example, exc_info):
            note(test, example, traceback_of(exc_info[1]), raised=True)
            type(runner).report_unexpected_exception(runner, out, test, example, exc_info)

        def not_set_up(out, test, example, exc_info):
            got = traceback_of(exc_info[1])
            self.setup_error = {"statement": example.source, "want": "", "got": got}
            type(setup).report_unexpected_exception(setup, out, test, example, exc_info)

        runner, setup = self.test_runner, self.setup_runner
        runner.report_success = passed
        runner.report_failure = failed
        runner.report_unexpected_exception = raised
        setup.report_unexpected_exception = not_set_up
        return super().test_group(group)

    def place(self, test, example):
        """Return ``path:line`` and the headings of a statement."""
        path, section = self.places[test.filename, test.lineno]
        if test.lineno is not None:
            line = test.lineno + example.lineno + 2
        else:
            text, name = Path(path).read_text(), test.filename.rpartition(".")[2]
            found = re.search(rf"^ *(?:class|def) {name}\b", text, re.M)
            start = found.start() if found else 0
            first = text.find(f">>> {example.source.splitlines()[0]}", start)
            line = text.count("\n", 0, max(first, start)) + 1
        return f"{os.path.relpath(path, Path(self.srcdir).parent)}:{line}", section

    def _warn_out(self, text):
        self.outfile.write(text)  # the whole of every difference; the report goes to the screen

    _out = _warn_out

    def finish(self):
        super().finish()
        unchecked = [
            name
            for name in layerref.__all__
            if not any(
                n.startswith("layerref.") and n.endswith(f".{name}") for n in self.documented
            )
        ]
        record = {
            "fingerprint": self.fingerprint,
            "torch": VERSION,
            "written_for": self.config.verified_torch,
            "pages": self.pages,
            "unchecked": unchecked,
            "setup_error": self.setup_error,
        }
        out = Path(self.outdir)
        Path(out, "record.json").write_text(json.dumps(record, indent=1))
        Path(out, "report.md").write_text(doctest_report.in_markdown(record))
        # for the mutation tests, which run these very statements again and again
        Path(out, "statements.json").write_text(json.dumps(self.statements))
        seconds = time.perf_counter() - self.started
        print(doctest_report.on_screen(record, seconds, os.path.relpath(out)))
        if unchecked or self.setup_error or not self.pages:
            self._app.statuscode = 1


def ancestors(node):
    """Yield what a node stands in, from the inside to the outside."""
    while node.parent is not None:
        node = node.parent
        yield node


def traceback_of(error):
    """Write an exception as doctest does, without the frames."""
    last = "".join(traceback.format_exception_only(error))
    return f"Traceback (most recent call last):\n{last}"


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
    app.add_config_value("verified_torch", VERSION, "", types=frozenset({str}))
    app.connect("builder-inited", load_record)
    app.connect("env-get-outdated", outdated_stamps)
    app.connect("doctree-resolved", insert_stamp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

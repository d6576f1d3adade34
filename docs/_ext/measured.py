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
    """Make a table: texts, numbers (to the right) or nodes; the first column names the row."""
    width = len(head)
    group = nodes.tgroup(cols=width)
    group += [nodes.colspec(colwidth=1, stub=int(n == 0)) for n in range(width)]

    def line(cells):
        row = nodes.row()
        for cell in cells:
            number = isinstance(cell, int | float) or str(cell).endswith("%")
            text = f"{cell:,}" if isinstance(cell, int) else cell
            side = "text-right" if number else "text-left"
            row += nodes.entry("", paragraph(text), classes=[side])
        return row

    group += [nodes.thead("", line(head)), nodes.tbody("", *map(line, rows))]
    return nodes.table("", group, classes=["measured"])


def percent(share):
    """Write a share; it is never rounded up to all."""
    return f"{int(share * 1000) / 10:.1f} %"


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
        """Show each file."""
        return [self.counts("Module", data["modules"])]

    def counts(self, what, counts):
        """Tabulate counts of mutants."""
        rows = []
        for name, numbers in counts.items():
            total, survived = sum(numbers.values()), numbers.get("survived", 0)
            killed = total - survived
            rows.append((name, total, killed, survived, percent(killed / total)))
        return table((what, "Mutants", "Killed", "Survived", "Rate"), rows)

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


def setup(app):
    """Register the directives."""
    app.add_directive("mutants", Mutants)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

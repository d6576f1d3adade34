"""Checks that step aside: a table of refusals, and a fold for what proves a page.

``{refusals}`` holds calls, each followed by the error that it raises, indented:

    Linear(5, 3)(torch.zeros(2, 7))
        ValueError: Linear: the input's last axis has size 7, in_features is 5: they must be equal

The page shows them as a table; the doctests run every call and compare the whole sentence.

``:::{proof} title`` folds what it holds, under the title and the number of its checks.
"""

import doctest
import re
import textwrap

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from verified import is_check

REFUSAL = re.compile(r"(?P<error>\w+): (?P<sentence>.+)", re.S)


def parse(text):
    """Return (call, error, sentence) for each refusal: what stands at the margin, and below it."""
    found = []
    for part in re.split(r"\n(?=\S)", textwrap.dedent(text).strip()):
        call = "\n".join(line for line in part.splitlines() if not line.startswith("    "))
        raised = REFUSAL.fullmatch(" ".join(part[len(call) :].split()))
        if raised is None:
            raise ValueError(f"a call, then its error indented, got {part!r}")
        found.append((call, raised["error"], raised["sentence"]))
    return found


def as_doctest(call, error, sentence):
    """Write a refusal as a statement."""
    return f">>> {call}\nTraceback (most recent call last):\n    ...\n{error}: {sentence}\n"


class Refusals(SphinxDirective):
    """A table of calls and what they raise, executed."""

    has_content = True

    def run(self):
        """Return the table, and its statements where the doctest builder finds them."""
        try:
            refusals = parse("\n".join(self.content))
        except ValueError as error:
            raise self.error(str(error)) from None
        rows = ["| call | says |", "| --- | --- |"]
        rows += [
            f"| `{call}` | {error}: {escaped(sentence)} |" for call, error, sentence in refusals
        ]
        [table] = self.parse_text_to_nodes("\n".join(rows))
        table["classes"].append("refusals")
        code = "\n".join(as_doctest(*refusal) for refusal in refusals)
        statements = nodes.comment(
            code, code, testnodetype="doctest", groups=["default"], options={}
        )
        self.set_source_info(statements)
        return [table, statements]


def escaped(sentence):
    """Keep what a sentence says from being read as Markdown."""
    return re.sub(r"([\\`*_$|<>\[\]])", r"\\\1", sentence)


class proof(nodes.General, nodes.Element):  # noqa: N801  docutils names nodes so
    """A fold; ``title`` is its first line."""


class Proof(SphinxDirective):
    """``{proof} title``: fold what proves a page."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self):
        """Return the fold with its number of checks."""
        fold = proof(title=self.arguments[0], classes=["proof"])
        self.set_source_info(fold)
        fold += self.parse_content_to_nodes(allow_section_headings=True)
        fold["checks"] = sum(map(count_checks, fold.findall(is_statement)))
        if not fold["checks"]:
            raise self.error("a proof holds at least one check")
        return [fold]


def is_statement(node):
    """Tell a node whose text the doctest builder runs."""
    return isinstance(node, (nodes.literal_block, nodes.comment)) and "testnodetype" in node


def count_checks(node):
    """Count the statements of a block that can fail."""
    return sum(map(is_check, doctest.DocTestParser().get_examples(node.astext())))


def open_fold(self, node):
    """Begin ``<details>``."""
    self.body.append(self.starttag(node, "details"))
    checks = f"{node['checks']} check{'s' if node['checks'] > 1 else ''}"
    self.body.append(
        f'<summary><span class="proof-checks">✓ {checks}</span> {self.encode(node["title"])}'
        "</summary>\n"
    )


def close_fold(self, node):
    """End it."""
    self.body.append("</details>\n")


def setup(app):
    """Register directives and the node."""
    app.add_directive("refusals", Refusals)
    app.add_directive("proof", Proof)
    app.add_node(proof, html=(open_fold, close_fold))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

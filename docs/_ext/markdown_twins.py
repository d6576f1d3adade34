"""Write every page a second time, as Markdown beside its HTML: reference/linear.md.

A twin holds what a page says: text, TeX, code, outputs, tables, signatures, the alt texts of the
figures. It leaves out what only a browser can show. A node that this file does not know is an
error, so that nothing drops out of the twins in silence.
"""

import hashlib
import html
import json
import posixpath
import re
from itertools import groupby
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError

HEAD = "---\ntitle: {title}\nurl: {url}\n---\n\n"
#: links to int and to ValueError say nothing to whom a twin is for
OBVIOUS = "https://docs.python.org/"
#: what Markdown would take for markup; a lone bracket or underscore is safe
MARKUP = re.compile(r"[\\`*$]|(?<!\w)_|_(?!\w)|\](?=\()|<(?=[A-Za-z/!])")
LINE_START = re.compile(r"^(#{1,6} |[-+>] |\d+[.)] )")
LANGUAGES = {
    "default": "",
    "none": "text",
    "myst-ansi": "text",
    "ipython3": "python",
    "doctest": "pycon",
}
UNSEEN = {"sd-summary-icon", "sd-summary-state-marker", "sphx-glr-download-link-note"}
BLOCKS_OF_INLINE = (nodes.Text, nodes.Inline)


def is_inline(node):
    """Tell what belongs into a paragraph; a raw node stands for a figure."""
    return isinstance(node, BLOCKS_OF_INLINE) and not isinstance(node, nodes.raw)


def indented(text, by):
    """Indent all lines but the first."""
    return text.replace("\n", "\n" + by).replace(f"\n{by}\n", "\n\n")


def fenced(code, language):
    """Put code between fences that are longer than any inside."""
    language = LANGUAGES.get(language, language).lower()
    runs = re.findall(r"^`{3,}", code, re.MULTILINE)
    fence = "`" * max([3, *(len(run) + 1 for run in runs)])
    return f"{fence}{language}\n{code.strip(chr(10))}\n{fence}"


class Twin:
    """One page as Markdown; a method is named after the class of nodes that it writes."""

    def __init__(self, builder, docname):
        self.builder, self.docname = builder, docname
        self.level = 0
        self.teaser = ""

    def write(self, node):
        """Write a node by the method of its class, or of the next class that it derives from."""
        if UNSEEN & set(node.get("classes", ()) if isinstance(node, nodes.Element) else ()):
            return ""
        for kind in type(node).__mro__:
            if method := getattr(self, f"write_{kind.__name__}", None):
                return method(node)
        raise ExtensionError(f"{self.docname}: no Markdown for the node {type(node).__name__}")

    def inline(self, node):
        """Write what stands within a line."""
        return "".join(map(self.write, node.children))

    def blocks(self, node):
        """Write what stands in a node as blocks."""
        return self.joined(node.children)

    def joined(self, children):
        """Write blocks with a blank line between them; neighbours within a line are one block."""
        parts = []
        for within, group in groupby(children, is_inline):
            written = map(self.write, group)
            parts += ["".join(written).strip()] if within else written
        return "\n\n".join(filter(None, parts))

    def nothing(self, node):
        """Leave out what is for a browser, an index or an author."""
        return ""

    write_comment = write_index = write_target = write_meta = write_toctree = nothing
    write_substitution_definition = nothing
    write_document = write_compound = write_compact_paragraph = write_desc_content = blocks
    write_definition = write_field_body = write_only = write_entry = write_figure = blocks
    write_PassthroughTextElement = write_dropdown_main = write_HideCodeCellNode = blocks  # noqa: N815
    write_inline = write_desc_name = write_abbreviation = inline

    # ------------------------------------------------------------ within a line
    def write_Text(self, node):  # noqa: N802
        return MARKUP.sub(r"\\\g<0>", re.sub(r"\s*\n\s*", " ", node.astext()))

    def write_emphasis(self, node):
        return f"*{self.inline(node).strip()}*"

    def write_strong(self, node):
        return f"**{self.inline(node).strip()}**"

    write_title_reference = write_emphasis
    write_literal_strong = write_strong
    write_literal_emphasis = inline  # the types of parameters

    def write_literal(self, node):
        code = re.sub(r"\s*\n\s*", " ", node.astext())
        ticks = "`" * (1 + max([0, *map(len, re.findall("`+", code))]))
        return f"{ticks} {code} {ticks}" if "`" in code else f"`{code}`"

    def write_math(self, node):
        return f"${node.astext().strip()}$"

    def write_reference(self, node):
        text = self.inline(node).strip()
        address = self.address(node.get("refuri", ""))
        return f"[{text}]({address})" if address and text else text

    def address(self, uri):
        """Lead a link to the twin of its page; a place within a page has no name in Markdown."""
        path, _, _ = uri.partition("#")
        if uri.startswith(OBVIOUS):
            return ""
        if "://" in uri or not path.endswith(".html"):
            return uri if path else ""
        here = posixpath.dirname(self.docname)
        page = posixpath.normpath(posixpath.join(here, path.removesuffix(".html")))
        if page not in self.builder.env.found_docs:
            return uri
        return "" if page == self.docname else path.removesuffix(".html") + ".md"

    def write_download_reference(self, node):
        text = self.inline(node).strip()
        if "filename" not in node:
            return f"[{text}]({node['refuri']})"
        return f"[{text}]({posixpath.join(self.builder.dlpath, node['filename'])})"

    def write_image(self, node):
        alt = " ".join(node.get("alt", "").split())
        if not alt:  # a thumbnail, which stands beside its title
            return ""
        name = posixpath.basename(node["uri"])
        name = self.builder.images.get(node["uri"], name)
        return f"![{alt}]({posixpath.join(self.builder.imgpath, name)})"

    write_imgsgnode = write_image

    # ------------------------------------------------------------ blocks
    def write_section(self, node):
        """Write a section, unless nothing but its title is left."""
        self.level += 1
        title, *rest = node.children
        head = f"{'#' * min(self.level, 6)} {self.inline(title).strip()}"
        body = self.joined(rest)
        self.level -= 1
        return f"{head}\n\n{body}" if body or self.level == 0 else ""

    def write_title(self, node):
        """Write a title that is not a section's: of a list of pages, of a table."""
        return f"**{self.inline(node).strip()}**"

    def write_proof(self, node):
        return f"**{node['title']}** ({node['checks']} checks)\n\n{self.blocks(node)}"

    write_rubric = write_dropdown_title = write_caption = write_title

    def write_paragraph(self, node):
        text = LINE_START.sub(r"\\\g<0>", self.inline(node).strip())
        if text and self.teaser:
            text, self.teaser = f"- {text}: {self.teaser}", ""
        return text

    def write_container(self, node):
        text = self.blocks(node)
        return f"**{text}**" if "sd-card-title" in node["classes"] else text

    def write_block_quote(self, node):
        return "> " + indented(self.blocks(node), "> ").replace("\n\n", "\n>\n")

    def write_Admonition(self, node):  # noqa: N802
        kind = "" if node.children and isinstance(node[0], nodes.title) else type(node).__name__
        body = f"**{kind.capitalize()}**\n\n" * bool(kind) + self.blocks(node)
        return "\n".join(f"> {line}".rstrip() for line in body.splitlines())

    def write_literal_block(self, node):
        return fenced(node.astext(), node.get("language", ""))

    def write_doctest_block(self, node):
        return fenced(node.astext(), "pycon")

    def write_code_links_block(self, node):
        return fenced(node.astext(), node["lang"])

    def write_math_block(self, node):
        return f"$$\n{node.astext().strip()}\n$$"

    def write_transition(self, node):
        return "---"

    def write_raw(self, node):
        """Tell a figure in steps by its captions, an example by its teaser; the rest is layout."""
        text = node.astext()
        if re.fullmatch(r"<a href=[^>]*>|</a>", text):  # a link to a file that is no page
            return text
        if 'class="lr-steps"' in text:
            label = re.search(r'class="lr-steps"[^>]* aria-label="(.*?)"', text)[1]
            captions = re.findall(r"</svg><p>(.*?)</p>", text)
            lines = [f"{n}. {caption}" for n, caption in enumerate(captions, 1)]
            return html.unescape("\n".join([f"**{label}**, in {len(lines)} steps:\n", *lines]))
        if teaser := re.search(r'class="sphx-glr-thumbcontainer" tooltip="(.*?)"', text):
            self.teaser = html.unescape(teaser[1])  # its link comes next
        return ""

    # ------------------------------------------------------------ lists
    def listed(self, marks, items):
        """Write the items of a list behind their marks, closely if each is one paragraph."""
        written = [
            mark + indented(item, " " * len(mark)) for mark, item in zip(marks, items, strict=True)
        ]
        return ("\n\n" if any("\n\n" in one for one in written) else "\n").join(written)

    def write_list_item(self, node):
        """Write an item; a list within it follows its paragraph closely."""
        text = self.blocks(node)
        simple = all(isinstance(c, (nodes.paragraph, nodes.bullet_list)) for c in node.children)
        return text.replace("\n\n", "\n") if simple and len(node) == 2 else text

    def write_bullet_list(self, node):
        return self.listed(["- "] * len(node), map(self.write, node.children))

    def write_enumerated_list(self, node):
        start = node.get("start", 1)
        marks = [f"{n}. " for n in range(start, start + len(node))]
        return self.listed(marks, map(self.write, node.children))

    def write_definition_list(self, node):
        return self.write_bullet_list(node)

    def write_definition_list_item(self, node):
        *terms, definition = node.children
        return f"**{' '.join(map(self.inline, terms)).strip()}**: {self.write(definition)}"

    # ------------------------------------------------------------ API
    def write_desc(self, node):
        """Write signatures as headings of one level below the section's, methods one deeper."""
        self.level += 1
        mark = "#" * min(self.level, 6)
        *signatures, content = node.children
        heads = [f"{mark} `{' '.join(s.astext().split())}`" for s in signatures if self.seen(s)]
        body = self.blocks(content)
        self.level -= 1
        return "\n\n".join(filter(None, [*heads, body]))

    @staticmethod
    def seen(node):
        return not isinstance(node, nodes.Invisible)

    def write_field_list(self, node):
        return self.blocks(node)

    def write_field(self, node):
        name, body = node.children
        return f"**{self.inline(name)}**\n\n{self.write(body)}"

    # ------------------------------------------------------------ tables
    def write_table(self, node):
        """Write a table; Markdown wants a head, so a table without one gets an empty one."""
        before = [self.write(child) for child in node.children if isinstance(child, nodes.title)]
        rows = {
            part: [
                [self.cell(entry) for entry in row.children]
                for section in node.findall(part)
                for row in section.children
            ]
            for part in (nodes.thead, nodes.tbody)
        }
        body = rows[nodes.tbody]
        head = rows[nodes.thead] or [[""] * len(body[0])]
        lines = [*head, ["---"] * len(head[0]), *body]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return "\n\n".join([*before, table])

    def cell(self, entry):
        """Write a cell: one line, whose bars are no borders, in TeX either."""
        entry = entry.deepcopy()
        for math in entry.findall(nodes.math):
            tex = math.astext().replace(r"\|", r"\Vert ").replace("|", r"\vert ")
            math.children = [nodes.Text(tex)]
        return self.blocks(entry).replace("|", r"\|").replace("\n\n", "<br>").replace("\n", " ")


def write_twin(app, pagename, templatename, context, doctree):
    """Write the twin of a page, and have the page name it."""
    if doctree is None or app.builder.name != "html":
        return
    text = Twin(app.builder, pagename).write(doctree)
    title = app.env.titles[pagename].astext()
    head = HEAD.format(title=json.dumps(title, ensure_ascii=False), url=context["pageurl"])
    path = Path(app.outdir, f"{pagename}.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}{text}\n", encoding="utf-8")
    name = posixpath.basename(pagename)
    context["metatags"] += f'\n<link rel="alternate" type="text/markdown" href="{name}.md">'


def setup(app):
    """Write twins with the pages, and all of them again when this file changed."""
    app.add_config_value(
        "twins_by", hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), "html"
    )
    app.connect("html-page-context", write_twin)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

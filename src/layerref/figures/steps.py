"""Motion you control: a figure in steps, with a button for the next and one for the previous."""

import hashlib
import re
import textwrap
from collections import Counter
from collections.abc import Callable
from difflib import SequenceMatcher
from html import escape
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib.pyplot as plt
from matplotlib.figure import Figure, FigureBase

from layerref.figures.boards import CELL
from layerref.figures.themes import describe, svg

# The style lives in the hidden <svg>, where HTML allows it; ids are prefixed by the widget's name.
# A figure that is not yet .on (no script, or paper) shows every frame: the contact sheet.
_WIDGET = """\
<figure class="lr-steps" id="{name}" role="group" aria-label="{label}">\
<svg width="0" height="0" style="position:absolute" aria-hidden="true" fill="currentColor">\
<style>\
.lr-steps{{margin:1em 0}}\
.lr-frames{{display:grid;grid-template-columns:repeat(3,1fr);gap:1em}}\
.lr-frames svg{{display:block;width:100%;height:auto;overflow:visible}}\
.lr-frames p{{margin:.3em 0;font-size:.75em;line-height:1.3}}\
.lr-bar,.lr-steps output{{display:none}}\
.lr-bar button{{font:inherit;color:inherit;background:none;border:1px solid;border-radius:.3em;\
min-height:44px;padding:0 .9em;cursor:pointer}}\
.lr-bar button[aria-disabled=true]{{opacity:.5;cursor:default}}\
@media screen{{.lr-steps.on .lr-frames,.lr-steps.on output{{display:block}}\
.lr-steps.on .lr-frames{{max-width:var(--lr-width)}}\
.lr-steps.on .lr-bar{{display:flex;gap:.5em;align-items:center;flex-wrap:wrap}}\
.lr-steps output{{min-height:3.2em;line-height:1.6}}\
.lr-steps.on .lr-frames p,.lr-steps.on .lr-frame:not(.on){{display:none}}}}\
@media print{{.lr-frame{{break-inside:avoid}}}}\
</style><defs>{defs}</defs></svg>\
<div class="lr-frames" style="--lr-width:{width}px">{frames}</div>\
<div class="lr-bar"><button type="button">← Previous</button>\
<button type="button">Next →</button><span></span></div><output aria-live="polite"></output>\
<script>(f=>{{const frames=[...f.querySelectorAll(".lr-frame")],bar=f.querySelector(".lr-bar"),\
[back,on]=bar.querySelectorAll("button"),last=frames.length-1;let i=0;\
function go(n){{i=Math.max(0,Math.min(last,n));\
frames.forEach((e,k)=>e.classList.toggle("on",k===i));\
back.setAttribute("aria-disabled",i===0);on.setAttribute("aria-disabled",i===last);\
bar.querySelector("span").textContent=`${{i+1}} of ${{last+1}}`;\
f.querySelector("output").textContent=frames[i].querySelector("p").textContent}}\
back.onclick=()=>go(i-1);on.onclick=()=>go(i+1);\
f.onkeydown=e=>{{const n={{ArrowLeft:i-1,ArrowRight:i+1,Home:0,End:last}}[e.key];\
if(n!==undefined){{e.preventDefault();e.stopPropagation();go(n)}}}};\
f.classList.add("on");go(0)}})(document.getElementById("{name}"))</script></figure>
"""


class Steps:
    """A figure in steps: previous and next by button or arrow key; printed, all steps at once.

    As the last expression of a gallery or notebook cell it shows itself. What frames have in
    common is stored once, so that thirty frames weigh little more than three. Where scripts do
    not run, every step is shown.

    Parameters
    ----------
    draw
        ``draw(fig, i)`` draws step ``i`` on the empty ``fig`` and returns its caption, a sentence
        with the numbers (it is read aloud, and is the frame's alt text).
    count
        Number of steps.
    size
        Columns and rows of a frame in cells of a board, at most 15 wide.
    label
        What the steps show, for a screen reader.

    Examples
    --------
    >>> from layerref import figures
    >>> def draw(fig, i):
    ...     figures.grid(figures.board(3, 1, fig), [["here" if i == j else "" for j in range(3)]])
    ...     return f"Cell {i}."
    >>> steps = Steps(draw, 3, (3, 1), "one cell after another")
    >>> steps.captions
    ['Cell 0.', 'Cell 1.', 'Cell 2.']
    """

    def __init__(
        self,
        draw: Callable[[FigureBase, int], str],
        count: int,
        size: tuple[float, float],
        label: str,
    ) -> None:
        self.draw, self.count, self.label = draw, count, label
        self.inches = (size[0] * CELL, size[1] * CELL)
        figures = [Figure(self.inches) for _ in range(count)]  # not pyplot's: none stays open
        self.captions = [draw(fig, i) for i, fig in enumerate(figures)]
        self._html = self._widget([svg(fig) for fig in figures])

    def _repr_html_(self) -> str:
        return self._html

    def contact_sheet(self, columns: int = 2) -> Figure:
        """Draw every step in one figure with its caption, in reading order."""
        (width, height), rows, below = self.inches, -(-self.count // columns), 0.5
        sheet = plt.figure(figsize=(columns * width, rows * (height + below)), layout="none")
        for i, cell in zip(range(self.count), sheet.subfigures(rows, columns, squeeze=False).flat):
            frame, caption = cell.subfigures(2, 1, height_ratios=(height, below))
            self.draw(frame, i)
            lines = textwrap.fill(self.captions[i], int(13 * width))  # 9 points: 13 an inch
            caption.text(0.05, 0.95, lines, va="top", fontsize=9)
        return describe(sheet, f"{self.label}, all {self.count} steps. {' '.join(self.captions)}")

    def _widget(self, frames: list[str]) -> str:
        name = "s" + hashlib.sha256("".join(frames).encode()).hexdigest()[:6]
        defs: dict[str, str] = {}
        drawn = [_pieces(frame, f"{name}-", defs) for frame in frames]
        common = drawn[0]
        for pieces in drawn[1:]:
            blocks = SequenceMatcher(None, common, pieces, autojunk=False).get_matching_blocks()
            common = [piece for a, _, size in blocks for piece in common[a : a + size]]
        times = Counter(piece for pieces in drawn for piece in pieces)

        def once(piece: str) -> str:
            if times[piece] == 1:
                return piece
            key = f"{name}-p{list(times).index(piece)}"
            defs[key] = f'<g id="{key}">{piece}</g>'
            return f'<use href="#{key}"/>'

        # own[at]: what a frame draws between common[:at] and common[at:]
        owns = []
        for pieces in drawn:
            own: dict[int, str] = {}
            at = 0
            for piece in pieces:
                if at < len(common) and piece == common[at]:
                    at += 1
                else:
                    own[at] = own.get(at, "") + once(piece)
            owns.append(own)
        cuts = sorted({0, len(common)}.union(*owns))
        for start, end in pairwise(cuts):
            defs[f"{name}-{start}"] = f'<g id="{name}-{start}">{"".join(common[start:end])}</g>'
        width, height = (72 * inches for inches in self.inches)
        views = "".join(
            f'<div class="lr-frame"><svg viewBox="0 0 {width:g} {height:g}" role="img" '
            f'aria-label="{escape(caption)}" fill="currentColor" stroke-linejoin="round">'
            + "".join(
                own.get(cut, "") + (f'<use href="#{name}-{cut}"/>' if cut < len(common) else "")
                for cut in cuts
            )
            + f"</svg><p>{escape(caption)}</p></div>"
            for own, caption in zip(owns, self.captions)
        )
        return _WIDGET.format(
            name=name, label=escape(self.label), width=f"{width * 4 / 3:.0f}",
            defs="".join(defs.values()), frames=views,
        )  # fmt: skip


def _pieces(svg: str, prefix: str, defs: dict[str, str]) -> list[str]:
    """Split an SVG of Matplotlib into what it draws, in order; gather its definitions in defs."""
    # plain names and short numbers; ids with the prefix, as a page may hold several widgets
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = svg.replace('href="#', f'href="#{prefix}').replace("url(#", f"url(#{prefix}")
    drawn: list[str] = []

    def text(node: ElementTree.Element) -> str:
        for inner in node.iter():
            inner.tail = None
            for key in {"d", "x", "y", "transform"} & set(inner.attrib):
                value = re.sub(r"(\.\d\d)\d+", r"\1", inner.attrib[key])
                inner.set(key, re.sub(r"\s+", " ", value).strip())
        return ElementTree.tostring(node, "unicode")

    def walk(node: ElementTree.Element) -> None:
        for child in node:
            if child.tag == "defs":
                for definition in child:
                    if "id" in definition.attrib:  # leaves out the style, which has none
                        name = prefix + definition.attrib["id"]
                        definition.set("id", name)
                        defs[name] = text(definition)
            elif child.tag == "g" and set(child.attrib) <= {"id"}:
                walk(child)  # a group of Matplotlib's that only names its artist
            elif child.tag not in {"title", "style"}:
                drawn.append(text(child))

    walk(ElementTree.fromstring(svg.partition("?>")[2].partition('dtd">')[2]))
    return drawn

"""The drawing that gallery scripts share: themes, grids, windows found from operations, steps."""

import io
import re
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import pytest
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from layerref import figures


@pytest.fixture(autouse=True)
def gallery_style():
    with matplotlib.rc_context():
        figures.style()
        yield
    plt.close("all")


def contrast(a, b):
    def luminance(color):
        parts = matplotlib.colors.to_rgb(color)
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_the_package_does_not_import_matplotlib():
    code = "import layerref, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("page", ["#ffffff", "#131416"])
@pytest.mark.parametrize("color", figures.COLORS[:4])
def test_line_colors_stand_out_on_both_pages(color, page):
    assert contrast(color, page) > 2.9  # WCAG asks 3 of graphics; PURPLE on white has 2.97


@pytest.mark.parametrize("color", [*figures.COLORS, "#00224e", "#7c7b78", "#fee838"])
def test_ink_is_readable_and_the_better_of_two(color):
    ink = figures.ink(color)
    other = {"#111111": "#f5f5f5", "#f5f5f5": "#111111"}[ink]
    assert contrast(ink, color) >= max(4.2, 0.9 * contrast(other, color))


def test_svg_follows_the_theme_and_carries_the_alt_text():
    ax = figures.board(3, 2)
    figures.grid(ax, [[1, 2, 3]], colors=[[figures.YELLOW, None, figures.BLUE]], title="x")
    figures.describe(ax.figure, "Three cells\n    & more.")
    assert ax.figure._layerref_alt == "Three cells & more."
    text = figures.svg(ax.figure)
    assert "<title>Three cells &amp; more.</title>" in text
    assert not re.search("#000000|#ffffff|<metadata>|<dc:date>", text)
    styles = re.findall(r'<text style="([^"]*)"[^>]*>(\w)</text>', text)
    fills = {cell: re.findall("fill: ([^;]+)", style) for style, cell in styles}
    assert fills == {"1": ["#111111"], "2": [], "3": ["#f5f5f5"], "x": []}  # [] is inherited
    assert ElementTree.fromstring(text).get("fill") == "currentColor"


def test_the_same_figure_gives_the_same_file():
    def draw():
        fig, ax = plt.subplots()
        ax.plot([0, 1], [0, 1], "o-", label="a")
        ax.legend()
        return figures.svg(fig)

    assert draw() == draw()


def test_layout_is_settled_in_the_file():
    # one round of the layout leaves room for the ticks as they were before it, "0.5", not "0.25"
    fig, axes = plt.subplots(3, 1, figsize=(5.2, 6.6), sharex=True)
    for ax in axes:
        ax.set(ylim=(-0.05, 1.05), title="abc")
        ax.legend(ax.plot([0, 1]), ["a"], loc="upper center", bbox_to_anchor=(0.5, -0.3))
    first, again = (
        [float(x) for x in re.findall(r'anchor: end" x="([\d.]+)"', figures.svg(fig))] for _ in "12"
    )
    assert len(first) >= 9
    assert first == pytest.approx(again, abs=0.1)


def test_depends_finds_windows():
    windows = figures.depends(lambda x: x.unfold(0, 3, 2).sum(-1), torch.zeros(7))
    assert windows.int().tolist() == [
        [1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1]
    ]  # fmt: skip
    x = torch.zeros(2, 3)
    assert figures.depends(lambda x: x - x.mean(1, keepdim=True), x).shape == (2, 3, 2, 3)
    assert figures.depends(lambda x: 0 * x, x).any()  # a weight of zero is still a tap
    assert x.eq(0).all()


def test_board_and_grid_place_cells():
    ax = figures.board(5, 4)
    hatch = torch.tensor([[True, False]])
    figures.grid(ax, torch.tensor([[1.5, 2.0]]), at=(1, 2), hatch=hatch, fmt="{:.1f}")
    assert [p.get_xy() for p in ax.patches] == [(1, 2), (2, 2)]
    assert [p.get_hatch() for p in ax.patches] == ["///", None]
    assert [t.get_text() for t in ax.texts] == ["1.5", "2.0"]
    figures.grid(ax, [["a", None]])
    assert [t.get_text() for t in ax.texts[2:]] == ["a"]


def test_outline_surrounds_cells_that_touch():
    ax = figures.board(5, 5)
    mask = torch.zeros(5, 5, dtype=torch.bool)
    mask[1:3, 1:4] = True
    figures.outline(ax, mask)
    assert len(ax.collections[0].get_segments()) == 2 * (2 + 3)
    mask = torch.zeros(5, 5, dtype=torch.bool)
    mask[::2, ::2] = True  # a dilated window: nine cells apart
    figures.outline(ax, mask, at=(1, 1))
    segments = ax.collections[1].get_segments()
    assert len(segments) == 9 * 4
    assert min(point.min() for point in segments) == 1


def sweep(count):
    def draw(fig, i):
        ax = figures.board(6, 5, fig)
        cell = torch.zeros(4, 4, dtype=torch.bool)
        cell[i // 4, i % 4] = True
        figures.grid(ax, torch.arange(16).view(4, 4), (1, 1), title="<input>")
        figures.outline(ax, cell, (1, 1))
        return f'Cell {i} is "{i}" & <marked>.'

    return figures.Steps(draw, count, (6, 5), "a sweep")


def test_a_frame_put_together_again_is_the_figure_drawn_alone():
    def drawing(node, shared):
        """What is drawn, in order: each path and text with its style."""
        tag = node.tag.rpartition("}")[2]
        if tag == "use" and node.get("href", "")[1:] in shared:
            node, tag = shared[node.get("href")[1:]], "g"
        if tag in {"path", "text"}:
            return [(tag, node.text, node.get("style"))]
        return [] if tag == "defs" else [part for inner in node for part in drawing(inner, shared)]

    steps = sweep(16)
    html = steps._repr_html_()
    page = ElementTree.fromstring(html.partition("<script>")[0] + "</figure>")
    shared = {node.get("id"): node for node in page.iter("g") if node.get("id")}
    frames = [node for node in page.iter("svg") if node.get("role") == "img"]
    assert [frame.get("aria-label") for frame in frames] == steps.captions
    for i, frame in enumerate(frames):
        fig = matplotlib.figure.Figure(figsize=steps.inches)
        steps.draw(fig, i)
        alone = drawing(ElementTree.fromstring(figures.svg(fig)), {})
        assert len(alone) > 30
        assert drawing(frame, shared) == alone


def test_thirty_frames_weigh_little_more_than_three():
    few, many = (len(sweep(count)._repr_html_()) for count in (3, 16))
    assert many < 3 * few
    assert many < 100_000


def test_steps_leave_no_figure_open_and_have_a_contact_sheet():
    steps = sweep(5)
    assert plt.get_fignums() == []
    sheet = steps.contact_sheet(columns=3)
    assert len(sheet.axes) == 5
    assert sheet.get_size_inches()[0] == pytest.approx(3 * 6 * figures.CELL)
    texts = [text.get_text() for cell in sheet.subfigs[:5] for text in cell.subfigs[1].texts]
    assert [" ".join(text.split()) for text in texts] == steps.captions
    assert 'Cell 4 is "4"' in sheet._layerref_alt
    assert "<title>a sweep, all 5 steps. Cell 0" in figures.svg(sheet)


def test_two_widgets_share_no_id():
    ids = [set(re.findall(' id="([^"]*)"', sweep(n)._repr_html_())) for n in (3, 4)]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])
    html = sweep(3)._repr_html_()
    used = set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', html))
    assert {a or b for a, b in used} <= ids[0]
    assert len(re.findall(' id="', html)) == len(ids[0])  # none twice


def seen(page):
    return [frame.is_visible() for frame in page.locator(".lr-frame").all()]


@pytest.mark.browser
def test_steps_go_by_button_and_by_key(browser):
    page = browser.new_page()
    page.set_content(f"<!doctype html><html lang='en'>{sweep(4)._repr_html_()}")
    said = page.locator("output")
    assert seen(page) == [True, False, False, False]  # a still first frame
    page.get_by_role("button", name="Next").click()
    assert seen(page) == [False, True, False, False]
    assert said.text_content() == 'Cell 1 is "1" & <marked>.'
    for key, step in [("End", 3), ("ArrowRight", 3), ("ArrowLeft", 2), ("Home", 0)]:
        page.keyboard.press(key)  # the focus is on the button
        assert seen(page).index(True) == step
        assert "1234"[step] + " of 4" in page.locator(".lr-bar").text_content()
    page.get_by_role("button", name="Previous").click(force=True)  # it is aria-disabled
    assert seen(page) == [True, False, False, False]
    page.emulate_media(media="print")
    assert seen(page) == [True] * 4
    assert not page.locator(".lr-bar").is_visible()
    page.close()


@pytest.mark.browser
def test_steps_are_all_shown_without_a_script(browser):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.set_content(f"<!doctype html><html lang='en'>{sweep(4)._repr_html_()}")
    assert seen(page) == [True] * 4
    assert not page.locator(".lr-bar").is_visible()
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_file_takes_the_ink_of_the_theme(browser, scheme, tmp_path):
    ax = figures.board(4, 4)
    figures.grid(ax, [[""]], (1, 1))
    ax.plot([3], [3], "o", color="black", markersize=20)  # a black fill is not written out
    (tmp_path / "a.svg").write_text(figures.svg(ax.figure))
    page = browser.new_page(viewport={"width": 200, "height": 200}, color_scheme=scheme)
    page.goto((tmp_path / "a.svg").as_uri())
    image = plt.imread(io.BytesIO(page.screenshot(omit_background=True)), format="png")
    at = [round(3 * figures.CELL * 96)] * 2
    bright = image[at[0], at[1], :3].mean()
    assert bright > 0.7 if scheme == "dark" else bright < 0.3
    page.close()

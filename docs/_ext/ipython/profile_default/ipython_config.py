# Figures of the chapters are SVG that themed_figures can rewrite.
c = get_config()  # noqa: F821
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.rc = {
    "svg.hashsalt": "layerref",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
}
c.InlineBackend.print_figure_kwargs = {"metadata": {"Date": None}, "bbox_inches": "tight"}

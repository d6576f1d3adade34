"""The benchmark page: figures and tables from the data files that ``make bench`` leaves."""

import statistics
from pathlib import Path

import matplotlib.pyplot as plt
from docutils.parsers.rst import directives
from measured import Measured, paragraph, table

from layerref import figures

MASKS = ("none", "causal", "padding", "bias")
MARKERS = dict(zip(MASKS, "os^D", strict=True))


def fused(data):
    """Return the rows of the grid without weights."""
    return [row for row in data["rows"] if row["weights"] == "fused"]


def share_of_ok(rows):
    """Return how many rows of all kept both bounds."""
    return f"{sum(row['verdict'] == 'ok' for row in rows)} of {len(rows)}"


def dots(data, key, peer, bound):
    """Draw one dot for each cell of the grid: our time over the peer's."""
    rows = fused(data)
    lines = sorted({(row["mode"], row["length"]) for row in rows})
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 0.62 * len(lines) + 1.2))
    said = []
    for y, (mode, length) in enumerate(lines):
        here = [row for row in rows if (row["mode"], row["length"]) == (mode, length)]
        for row in here:
            n = MASKS.index(row["mask"])
            filled = row["dtype"] == "float32"
            color = figures.COLORS[n]
            ax.plot(
                row[key], y + 0.17 * (n - 1.5), MARKERS[row["mask"]], color=color, markersize=5,
                markerfacecolor=color if filled else "none",
            )  # fmt: skip
        values = [row[key] for row in here]
        said.append(
            f"{mode}, {length}: {min(values)} to {max(values)}, "
            f"median {statistics.median(values):.2f}"
        )
    ax.axvline(bound, color="black", linewidth=1, linestyle="--")
    ax.set(
        yticks=range(len(lines)), yticklabels=[f"{m}\nL {n}" for m, n in lines], xscale="log",
        xlabel=f"our time / {peer}; dashed: {bound:g}",
    )  # fmt: skip
    low, high = (pick([row[key] for row in rows]) for pick in (min, max))
    ticks = [t for t in (0.1, 0.2, 0.5, 0.9, 1.0, 1.1, 1.2, 1.5) if low / 1.1 < t < high * 1.1]
    if high / low > 2:
        ticks = [t for t in ticks if t not in (0.9, 1.1)]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.invert_yaxis()
    marks = [
        plt.Line2D([], [], color=figures.COLORS[n], marker=MARKERS[mask], linestyle="", label=mask)
        for n, mask in enumerate(MASKS)
    ]
    fig.legend(handles=marks, loc="outside upper left", ncols=4, handletextpad=0)
    kind = "filled: float32, hollow: bfloat16"
    ax.set_title(kind, fontsize=9)
    return figures.describe(
        fig,
        f"""One dot for each of {len(rows)} settings, our time divided by {peer}, by mode and length
        ({kind}; four marks for four masks). {"; ".join(said)}.""",
    )


def memory(data):
    """Draw the growth of peak memory over the length."""
    rows = data["memory"]
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 3))
    lengths = [row["length"] for row in rows]
    lines = {"square_mib": "all weights", "torch_mib": "nn.MultiheadAttention", "ours_mib": "ours"}
    said = []
    for key, label in lines.items():
        values = [row[key] for row in rows]
        ax.plot(lengths, values, marker="o", label=label)
        said.append(f"{label}: {', '.join(f'{v:g}' for v in values)}")
    ax.set(xscale="log", yscale="log", xlabel="L = S", ylabel="MiB", xticks=lengths)
    ax.set_xticks(lengths, lengths)
    ax.minorticks_off()
    ax.legend()
    return figures.describe(
        fig,
        f"""Memory that one inference call takes on top, in MiB, for L = S =
        {", ".join(map(str, lengths))}: {"; ".join(said)}. Ours grows like L, the weights like
        L × S.""",
    )


FIGURES = {
    "torch": lambda data: dots(data, "to_torch", "that of nn.MultiheadAttention", 1),
    "floor": lambda data: dots(data, "to_floor", "that of the bare products", 1.05),
    "memory": memory,
}


class Attention(Measured):
    """``{attention-bench} VIEW THREADS``: a figure or a table of ``bench_attention_<threads>``."""

    required_arguments = 2

    def run(self):
        view, threads = self.arguments[0], self.arguments[1]
        self.file = f"bench_attention_{threads}"
        data = self.data()
        if view in FIGURES:
            with plt.rc_context():
                figures.style()
                return [self.figure(f"{view}_{threads}", FIGURES[view](data))]
        choice = directives.choice(view, ("machine", "grid", "weights"))
        return getattr(self, choice)(data)

    def figure(self, name, fig):
        """Save a figure where Sphinx finds it, and show it."""
        path = Path(self.env.srcdir, "auto_gallery", "benchmarks", f"{name}.svg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(figures.svg(fig))
        plt.close(fig)
        uri = "/" + str(path.relative_to(self.env.srcdir))
        return self.parse_text_to_nodes(f"```{{image}} {uri}\n:alt: {fig._layerref_alt}\n```")[0]

    def machine(self, data):
        """Say what ran where, and what came out."""
        grid = fused(data)
        returned = [row for row in data["rows"] if row["weights"] == "returned"]
        threads = f"{data['threads']} thread{'s' * (data['threads'] > 1)}"
        said = (
            f"{data['device']}, {threads}, torch {data['torch']}, Python {data['python']}, "
            f"{data['date']}, L up to {max(row['length'] for row in grid)}. Without weights "
            f"{share_of_ok(grid)} settings take at most 1.00 of the time of torch's layer and 1.05 "
            f"of the floor's"
        )
        if returned:
            said += f"; with weights {share_of_ok(returned)} take at most 1.00 of torch's"
        return [paragraph(said + ".")]

    def grid(self, data):
        """Tabulate both ratios of every cell."""
        return [
            self.by_mask(fused(data), lambda row: f"{row['to_torch']:.2f} {row['to_floor']:.2f}")
        ]

    def weights(self, data):
        """Tabulate the ratio to torch of every cell with weights."""
        rows = [row for row in data["rows"] if row["weights"] == "returned"]
        return [self.by_mask(rows, lambda row: f"{row['to_torch']:.2f}")]

    def by_mask(self, rows, write):
        """Make one line of the table for each setting, with a column for each mask."""
        lines = {}
        for row in rows:
            key = tuple(row[k] for k in ("mode", "kind", "dtype", "d_model", "batch", "length"))
            lines.setdefault(key, {})[row["mask"]] = (write(row), row["ours_ms"])
        body = []
        for key, cells in lines.items():
            setting = "{} {} {} E={} N={} L={}".format(*key)
            body.append([setting, f"{cells['none'][1]:.3g}", *(cells[m][0] for m in MASKS)])
        return table(["Setting", "ours, ms", *MASKS], body)


class Layers(Measured):
    """``{layers-bench}``: every twin against torch's layer."""

    file = "bench_layers"

    def run(self):
        data = self.data()
        said = (
            f"{data['device']}, one thread, torch {data['torch']}, {data['date']}; geometric mean "
            f"of the ratios {data['geometric_mean']:.2f}."
        )
        rows = [
            [r["layer"], "×".join(map(str, r["input"])), r["ours_ms"], r["torch_ms"], r["ratio"]]
            for r in data["rows"]
        ]
        head = ["Layer", "Input", "ours, ms", "torch, ms", "ratio"]
        return [paragraph(said), table(head, rows)]


def setup(app):
    """Register the directives."""
    app.add_directive("attention-bench", Attention)
    app.add_directive("layers-bench", Layers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

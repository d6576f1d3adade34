"""
Where do the rows of h_n stand in the output of a bidirectional net?
====================================================================

A recurrent layer returns its states twice: all steps of the last layer, and the last step of all
layers. With two directions the last step is not always the last row, and who takes ``output[-1]``
for a summary of the sequence takes half of it from a reader that has just begun.
"""

import matplotlib.pyplot as plt
import torch

from layerref import GRU, figures

torch.manual_seed(1)
figures.style()
L, H_in, H = 5, 3, 2
net = GRU(H_in, H, num_layers=2, bidirectional=True).requires_grad_(False)
x = 2 * torch.randn(L, H_in)
output, h_n = net(x)
assert output.shape == (L, 2 * H) and h_n.shape == (4, H)

# %%
# The states of the first layer are not returned. To see them, the net is built a second time with
# that layer alone.

below = GRU(H_in, H, bidirectional=True)
below.load_state_dict({name: p for name, p in net.state_dict().items() if "_l0" in name})
inside = below(x)[0].detach()

# %%
# Which is which, the numbers say themselves: each row of ``h_n`` is searched in both tables, by
# equality. It is found once, and the letters mark the places.

tables = {"layer 0 (not returned)": inside, "output: layer 1": output}
assert len(torch.cat([inside, output]).unique()) == 2 * L * 2 * H  # so no match is by chance
found = {}
for row, letter in zip(h_n, "ABCD", strict=True):
    for name, table in tables.items():
        for step in range(L):
            for half in (0, 1):
                if torch.equal(table[step, half * H : half * H + H], row):
                    assert letter not in found
                    found[letter] = (name, step, half)

# what the picture claims: forward halves end at the last step, backward halves at the first
first, last = tables
assert found == {
    "A": (first, L - 1, 0),
    "B": (first, 0, 1),
    "C": (last, L - 1, 0),
    "D": (last, 0, 1),
}
# what each half has read, asked from the layer: a lone layer's halves see their side only, but the
# upper layer's see all of x through the lower one's two directions
reads = figures.depends(lambda x: below(x)[0], x).any(-1)
upto = torch.ones(L, L, dtype=torch.bool).tril()
assert torch.equal(reads[:, 0], upto) and torch.equal(reads[:, H], upto.T)
assert figures.depends(lambda x: net(x)[0], x).all()

# %%


def text(matrix):
    return [[f"{v:.2f}".replace("0.", ".").replace("-", "−") for v in row] for row in matrix]


def mark(rows, row):
    return torch.arange(rows)[:, None].expand(rows, H) == row


ax = figures.board(15, 17)
tints = [figures.GREEN, figures.PURPLE, figures.BLUE, figures.VERMILLION]
places = {first: (3, 2.2), last: (3, 10.2)}
for name, (left, top) in places.items():
    ax.text(left, top - 1.3, name, weight="bold")
    for half, label in enumerate(("forward →", "← backward")):
        at = (left + half * (H + 0.6), top)
        figures.grid(ax, text(tables[name][:, half * H : half * H + H]), at, fontsize=9)
        ax.text(at[0], top - 0.3, label, fontsize=9)
    for step in range(L):
        ax.text(left - 0.9, top + step + 0.65, f"step {step}", ha="right", fontsize=9)
ends = (12.2, 2.2)
ax.text(ends[0], ends[1] - 1.3, "h_n", weight="bold")
figures.grid(ax, text(h_n), ends, fontsize=9)
for i, (letter, color) in enumerate(zip(found, tints, strict=True)):
    name, step, half = found[letter]
    left, top = places[name]
    figures.outline(ax, mark(L, step), (left + half * (H + 0.6), top), color=color)
    ax.text(left + (2 * H + 0.8 if half else -0.6), top + step + 0.68, letter, weight="bold")
    figures.outline(ax, mark(4, i), ends, color=color)
    ax.text(ends[0] - 0.6, ends[1] + i + 0.68, letter, weight="bold")
    ax.text(
        ends[0] - 0.9, ends[1] + i + 0.65, f"layer {i // 2} {'→←'[i % 2]}", ha="right", fontsize=9
    )
ax.text(
    3,
    16,
    "output[-1], the last row, has C and what the\nbackward reader knows after one step.",
    va="center",
)
figures.describe(
    ax.figure,
    f"""Three tables of a GRU of two layers and two directions with H = {H} over {L} steps: the
    states of layer 0, the output (the states of layer 1), and the four rows of h_n. Outlined in one
    colour and marked with one letter are equal numbers. A and B, rows 0 and 1 of h_n, are in layer
    0, forward at step {found["A"][1]}, backward at step {found["B"][1]}. C and D, rows 2 and 3,
    are in output, forward at step {found["C"][1]} and backward at step {found["D"][1]}.""",
)
plt.show()

# %%
# Same letter, same numbers, found by comparing. A and B end the first layer and occur nowhere in
# ``output``. C stands in the last row of ``output``, D in the first: that is where the backward
# reader ends.
#
# **Takeaways**
#
# * Rows of ``h_n``: layer by layer, in each forward, then backward. ``h_n.view(2, 2, H)`` has the
#   axes layer, direction.
# * The summary of a sequence is ``torch.cat([h_n[-2], h_n[-1]], -1)``, that is C and D, and not
#   ``output[-1]``.
# * In a lone layer the backward half of ``output[-1]`` has read the last input and no other. In the
#   upper of two layers it has just begun as well, but what it reads has seen the whole sequence.

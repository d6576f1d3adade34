"""
What does an Embedding multiply, and which rows learn?
======================================================

An embedding is a matrix with a row for each word. Looking up a row is the same as multiplying by a
one-hot vector, and from that follows which rows learn anything in a step: those that were read.
"""

import matplotlib.pyplot as plt
import torch

from layerref import Embedding, figures

figures.style()

# %%
# A vocabulary of V = 6 words, vectors of E = 3 numbers, a sentence of L = 5 words. Word 4 comes
# twice. Word 0 is only there to fill up short sentences, so it is the ``padding_idx``.

V, L, E = 6, 5, 3
embedding = Embedding(V, E, padding_idx=0)
with torch.no_grad():
    embedding.weight[1:] = torch.arange(1.0, 6).unsqueeze(1) * 10 + torch.arange(E)
words = torch.tensor([4, 2, 5, 4, 0])
y = embedding(words)

# %%
# The same by a product, and the gradient by hand: of each vector we ask for a weighted sum, with
# weights g, so that g is the gradient at the output.

one_hot = torch.nn.functional.one_hot(words, V).float()
g = torch.arange(1.0, L + 1).unsqueeze(1) * torch.tensor([1.0, -1, 10])
(g * y).sum().backward()
gradient = embedding.weight.grad

# what the picture claims
torch.testing.assert_close(one_hot @ embedding.weight, y, rtol=0, atol=0)
by_hand = one_hot.T @ g
by_hand[embedding.padding_idx] = 0
torch.testing.assert_close(gradient, by_hand, rtol=0, atol=0)
learning = gradient.any(dim=1)
assert learning.nonzero().flatten().tolist() == [2, 4, 5]
assert torch.equal(gradient[4], g[0] + g[3])

# %%

ax = figures.board(15, 18.6)
read = torch.zeros(V, dtype=torch.bool).index_fill(0, words, True)
weight = embedding.weight.detach()


def rows(values):
    """Colours by row, so that one sees where a row went."""
    palette = [
        None,
        *(row[0] for row in figures.shade(torch.arange(1.0, V).unsqueeze(1), 1, V - 1)),
    ]
    return [[palette[row]] * E for row in values]


top = 2
ax.text(0.3, top - 1.2, "Forward: one-hot times matrix", weight="bold")
figures.grid(ax, one_hot, (1, top + 0.5), title="one-hot (L, V)")
figures.outline(ax, one_hot.bool(), (1, top + 0.5))
for i, word in enumerate(words.tolist()):
    ax.text(0.8, top + 1.15 + i, f"{word}", ha="right")
ax.text(7.35, top + 3, "·", ha="center", va="center", fontsize=16)
figures.grid(ax, weight, (7.7, top), colors=rows(range(V)), title="weight (V, E)")
ax.text(11.1, top + 3, "=", ha="center", va="center", fontsize=14)
figures.grid(ax, y, (11.6, top + 0.5), colors=rows(words.tolist()), title="output (L, E)")

top = 11.3
ax.text(
    0.3, top - 1.7, "Backward: each position adds its gradient to the row it read", weight="bold"
)
figures.grid(ax, g, (0.7, top + 0.5), title="at the output", colors=rows(words.tolist()))
for i, word in enumerate(words.tolist()):
    ax.text(3.9, top + 1.15 + i, f"→ row {word}")
unmoved = ~learning.unsqueeze(1).expand(V, E)
faces = [[None if not learning[k] else color for color in rows([k])[0]] for k in range(V)]
figures.grid(ax, gradient, (7.7, top), colors=faces, hatch=unmoved, title="at the weight")
for k in range(V):
    count = int((words == k).sum())
    note = (
        "padding: none" if k == embedding.padding_idx else f"read {count}×" if count else "not read"
    )
    ax.text(7.5, top + k + 0.65, f"{k}", ha="right")
    ax.text(10.9, top + k + 0.65, note, fontsize=9)
ax.text(0.3, top + 6.9, f"{int(learning.sum())} of {V} rows get a gradient.")
figures.describe(
    ax.figure,
    f"""Above, a one-hot matrix of {L} rows and {V} columns, for the words
    {", ".join(map(str, words.tolist()))}, times a weight of {V} rows and {E} columns gives {L}
    rows, copies of the rows of the weight. Below, the gradient at the {L} outputs and at the
    weight. Row 4 was read twice and gets the sum {gradient[4].int().tolist()}; rows 2 and 5 were
    read once; rows 1 and 3 were not read and row 0 is padding: their gradient is 0.""",
)
plt.show()

# %%
# A row of the one-hot matrix picks the row of the same colour. Going back, the gradient of a
# position is added to the row it came from: word 4 stands at two positions and gets both. Hatched
# rows get none.
#
# **Takeaways**
#
# * The product spends L·V·E multiplications, nearly all by zero. The lookup copies L·E numbers.
# * A word that is not in the batch gets a gradient of 0. Under plain SGD it stays; under Adam it
#   may still move, carried on by earlier gradients, and weight decay shrinks it.
# * ``padding_idx`` keeps its row from learning. It reads as zeros because it starts so.
# * An embedding is a ``Linear`` without bias, on one-hot vectors, with the weight transposed.

"""
Is Fold the inverse of Unfold?
==============================

Only where every pixel lies in exactly one window. ``Fold`` adds what it puts in the same place, so
a pixel comes back as many times as it was read, and not at all if no window covers it.
"""

import matplotlib.pyplot as plt
import torch

from layerref import Fold, Unfold, figures, output_shape

torch.manual_seed(0)
figures.style()

# %%
# One image of 4 × 4 pixels, unfolded and folded again in three ways. An image of ones, sent the
# same way, counts the windows on each pixel.

size = (4, 4)
x = torch.randperm(16).view(1, 1, *size).float() + 1
settings = {
    "overlap: kernel 2, stride 1": {"kernel_size": 2, "stride": 1},
    "tiles: kernel 2, stride 2": {"kernel_size": 2, "stride": 2},
    "a remainder: kernel 3, stride 2": {"kernel_size": 3, "stride": 2},
}
results = {}
for name, setting in settings.items():
    unfold, fold = Unfold(**setting), Fold(size, **setting)
    columns = unfold(x)
    assert columns.shape == output_shape(Unfold, x.shape, **setting)
    counts, again = fold(unfold(torch.ones_like(x))), fold(columns)
    assert torch.equal(again, counts * x)  # what the picture claims
    # the counts once more: in how many windows is each pixel?
    windows = figures.depends(unfold, x)[0].any(0)[:, 0, 0]  # (L, H, W)
    assert torch.equal(counts[0, 0], windows.sum(0).float())
    # after a division by the counts, every pixel that was read is back
    read = counts > 0
    torch.testing.assert_close((again / counts)[read], x[read])
    results[name] = (windows, counts[0, 0], again[0, 0])
spread = [counts.unique().int().tolist() for _, counts, _ in results.values()]
assert spread == [[1, 2, 4], [1], [0, 1]]
assert [len(windows) for windows, _, _ in results.values()] == [9, 4, 1]

# %%

ax = figures.board(15, 20.4)
for i, (name, (windows, counts, again)) in enumerate(results.items()):
    top = 2.5 + 6.7 * i
    ax.text(0.4, top - 1.3, name, weight="bold")
    some = f"{len(windows)} window{'s' * (len(windows) > 1)}"
    ax.text(14.6, top - 1.3, some, ha="right")
    figures.grid(ax, x[0, 0], (0.4, top), title="x")
    figures.outline(ax, windows[0], (0.4, top))
    colors = figures.shade(counts, 0, 4)
    colors = [[colors[a][b] if counts[a, b] else None for b in range(4)] for a in range(4)]
    figures.grid(ax, counts, (5.5, top), title="counts", colors=colors, hatch=counts == 0)
    figures.grid(ax, again, (10.6, top), title="Fold(Unfold(x))", hatch=counts == 0)
    for sign, at in (("×", 4.95), ("=", 10.05)):
        ax.text(at, top + 2, sign, ha="center", va="center", fontsize=13)
told = [
    f"{name}: {len(windows)} windows, counts from {counts.min():g} to {counts.max():g}, the sum of "
    f"the image goes from {x.sum():g} to {again.sum():g}"
    for name, (windows, counts, again) in results.items()
]
figures.describe(
    ax.figure,
    f"""Three times an image of 4 by 4 pixels, multiplied pixel by pixel with the number of windows
    on each pixel, which gives the image after Unfold and Fold. {"; ".join(told)}.""",
)
plt.show()

# %%
# The first window is outlined. In the first row the pixels inside lie in four windows, come back
# four times and are added. In the second each lies in one, and the image is back. In the third only
# one window fits, and what it does not cover, hatched, is lost.
#
# **Takeaways**
#
# * ``Fold(Unfold(x))`` is ``counts * x``, and ``Fold(Unfold(ones))`` gives the counts.
# * To work on patches that overlap and put them together again, divide by the counts. That gives
#   the mean of all patches that have a say in a pixel.
# * Nothing warns of pixels that no window covers. A zero among the counts shows them: pad until
#   there is none.

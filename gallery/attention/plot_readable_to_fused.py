"""
What does each step from the formula to the fused kernel buy?
=============================================================

Multi-head attention can be written as it is read, head by head, or as one product, one kernel and
one product. Four steps lead from the first to the second. Each leaves the result as it is and buys
something else: calls, or memory. None buys operations.
"""

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from layerref import MultiHeadAttention, ScaledDotProductAttention, causal_mask, figures, flops

torch.manual_seed(0)
figures.style()
N, L, E, h = 1, 512, 64, 8
mha = MultiHeadAttention(h, E, dropout=0.0)
weight, bias, out, d_k = mha.in_proj_weight, mha.in_proj_bias, mha.out_proj, E // h
x, keep = torch.randn(N, L, E), causal_mask(L)

# %%
# **1. As it is read.** Each head has its rows of three matrices, and its own attention.


def readable(q, k, v):
    return ScaledDotProductAttention()(q, k, v, keep)[0]


def loop(x):
    w, b = weight.view(3, h, d_k, E), bias.view(3, h, d_k)
    heads = [readable(*(F.linear(x, w[n, i], b[n, i]) for n in range(3))) for i in range(h)]
    return out(torch.cat(heads, -1))


# %%
# **2. All heads at once.** Their rows lie below each other, so three products serve all of them.


def heads_of(x):
    return x.unflatten(-1, (h, d_k)).transpose(1, 2)  # (N, L, E) to (N, h, L, d_k)


def batched(x):
    pairs = zip(weight.split(E), bias.split(E), strict=True)
    heads = readable(*(heads_of(F.linear(x, *pair)) for pair in pairs))
    return out(heads.transpose(1, 2).flatten(2))


# %%
# **3. One projection.** The three matrices lie below each other, too. **4. The fused kernel** makes
# scores, softmax and mixture block by block and never holds all weights. **5. No mask tensor**: the
# kernel knows what causal means. This is what the layer does.


def packed(x, attend=readable):
    heads = attend(*map(heads_of, F.linear(x, weight, bias).chunk(3, -1)))
    return out(heads.transpose(1, 2).flatten(2))


kernel = F.scaled_dot_product_attention
steps = {
    "1 loop": loop,
    "2 batched": batched,
    "3 packed": packed,
    "4 fused": lambda x: packed(x, lambda q, k, v: kernel(q, k, v, keep)),
    "5 is_causal": lambda x: packed(x, lambda q, k, v: kernel(q, k, v, is_causal=True)),
}

# %%
# What is counted: calls that make a tensor and no view, those of them that multiply matrices, and
# their floating-point operations; and the bytes of the largest tensor.


class Count(TorchDispatchMode):
    calls = products = operations = largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made, name = function(*args, **(kwargs or {})), str(function)
        one = made[0] if isinstance(made, (tuple, list)) else made
        if not function.is_view and "view" not in name:
            self.calls += 1
            self.largest = max(self.largest, one.untyped_storage().nbytes())
        if "mm" in name or "dot_product" in name:  # one product, or the kernel's two
            twice, inner = (2, args[-1]) if "mm" in name else (4, args[1])
            self.products += 1
            self.operations += twice * one.numel() * inner.shape[-2]
        return made


def measure(step):
    with torch.no_grad(), Count() as count:
        output = step(x)
    torch.testing.assert_close(output, mha(x, x, x, is_causal=True))  # one result for all steps
    return count.operations, count.calls, count.products, count.largest


counts = list(map(measure, steps.values()))
operations, calls, products, largest = zip(*counts, strict=True)

# what the picture claims: 5 is the layer, no step saves operations, most save calls or memory
assert measure(lambda x: mha(x, x, x, is_causal=True)) == counts[-1]
assert set(operations) == {flops(MultiHeadAttention, ((N, L, E),) * 3, h=h, d_model=E)}
assert products == (41, 6, 4, 3, 3) and calls[0] > 7 * calls[1] > 7 * calls[2] > 14 * calls[3]
assert largest[1] == largest[2] == N * h * L * L * 4 == 8 * largest[0]
assert largest[3] == L * L * 4 > 2 * largest[4]  # the mask is left, then the projection

# %%

panels = [
    ("Floating-point operations, millions", [n / 1e6 for n in operations]),
    ("Calls that make a tensor; hatched: products of matrices", calls),
    ("Largest tensor, MB", [n / 1e6 for n in largest]),
]
fig, axes = plt.subplots(3, 1, figsize=(figures.WIDTH, 6.4), sharey=True)
for ax, (title, values), color in zip(axes, panels, figures.COLORS, strict=False):
    ax.bar_label(ax.barh(list(steps), values, color=color), fmt="{:.3g}", padding=4)
    ax.set(title=title, xlim=(0, 1.15 * max(values)), xticks=[])
axes[1].barh(list(steps), products, facecolor="none", edgecolor="black", hatch="///")
axes[0].invert_yaxis()
figures.describe(
    fig,
    f"""Three counts for five forms of an attention of {L} tokens and {h} heads: loop over heads,
    batched, packed, fused, is_causal. Operations: always {operations[0]:,}. Calls that
    make a tensor: {", ".join(map(str, calls))}, of which products of matrices
    {", ".join(map(str, products))}. Largest tensor, bytes: {", ".join(map(str, largest))}.""",
)
plt.show()

# %%
# The top panel does not change. From 1 to 2 most calls go, 41 products become 6, at the price of a
# tensor with the weights of all heads. From 3 to 4 this tensor goes, from 4 to 5 the mask.
#
# **Takeaways**
#
# * Batching and packing save calls, and no memory. The kernel saves both.
# * A mask tensor, L × L itself, is then the largest thing left. ``is_causal=True`` takes none.
# * What the kernel cannot give are the weights. For ``need_weights=True`` the layer goes back to 3.

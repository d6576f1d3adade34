"""
What does attention cost as the sequence gets longer?
=====================================================

Every token is compared with every other, so the cost is said to be quadratic in the length. For
operations that holds from some length on. For memory it holds only if someone keeps the weights,
and a fused kernel does not. Counted here, not timed: a count is the same on every machine.
"""

import math

import matplotlib.pyplot as plt
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from layerref import MultiHeadAttention, ScaledDotProductAttention, figures, flops

torch.manual_seed(0)
figures.style()
h, d = 2, 32
lengths = [2**n for n in range(4, 12)]  # 16 to 2048
mha = MultiHeadAttention(h, d, dropout=0.0)

# %%
# Three counts of real calls. *Operations*: torch's counter has no formula for the fused kernel of a
# CPU and would leave it out, so it is given the one that torch has for those of a GPU. *Memory of a
# call*: the largest tensor that an operation returns. *Memory of training*: the tensors that are
# kept for the backward pass.

formula = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu:
        lambda q, k, v, *args, out_shape=None, **kwargs: sdpa_flop_count(q, k, v),
}  # fmt: skip


class Largest(TorchDispatchMode):
    bytes = 0  # of the largest tensor that an operation made, views apart

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        one = made[0] if isinstance(made, (tuple, list)) else made
        if not function.is_view and "view" not in str(function):
            self.bytes = max(self.bytes, one.untyped_storage().nbytes())
        return made


def count(L, need_weights):
    x, kept = torch.randn(1, L, d), {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=formula) as counter:
        mha(x, x, x, need_weights=need_weights)
    with torch.no_grad(), Largest() as largest:
        mha(x, x, x, need_weights=need_weights)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = mha(x, x, x, need_weights=need_weights)  # alive until all is counted
    del output
    return counter.get_total_flops(), largest.bytes, sum(kept.values())


readable = list(zip(*(count(L, need_weights=True) for L in lengths), strict=True))
fused = list(zip(*(count(L, need_weights=False) for L in lengths), strict=True))


def exponent(costs):
    return math.log2(costs[-1] / costs[-2])  # the slope over the last doubling of the length


# what the picture claims: the operations of both are those of the rule, and have two parts...
shapes = [((1, L, d),) * 3 for L in lengths]
assert list(readable[0]) == [flops(MultiHeadAttention, s, h=h, d_model=d) for s in shapes]
assert fused[0] == readable[0]
with torch.no_grad(), FlopCounterMode(display=False) as counter:
    mha(*[torch.randn(1, lengths[0], d)] * 3)
assert counter.get_total_flops() == 8 * lengths[0] * d**2  # without the formula: projections only
pairs = [flops(ScaledDotProductAttention, s) for s in shapes]
projections = [all_ - pair for all_, pair in zip(fused[0], pairs, strict=True)]
assert pairs == [4 * L**2 * d for L in lengths] and projections == [8 * L * d**2 for L in lengths]
assert fused[0][1] == 2.4 * fused[0][0] and 1.9 < exponent(fused[0]) < 2
# ...and the memory with weights grows with the square, without them with the length
assert readable[1][-1] == h * lengths[-1] ** 2 * 4  # the weights, float32
assert exponent(readable[1]) == 2 and 1.9 < exponent(readable[2]) <= 2
assert round(readable[2][-1] / fused[2][-1]) == 26
assert exponent(fused[1]) == 1 and 0.9 < exponent(fused[2]) < 1.1

# %%

fig, axes = plt.subplots(3, 1, figsize=(figures.WIDTH, 9.2), sharex=True)
axes[0].loglog(lengths, fused[0], "-o", markersize=4, label="all, either way", base=2)
axes[0].loglog(lengths, projections, ":", label="projections, 8 L d²", color=figures.GREEN)
axes[0].loglog(lengths, pairs, "-.", label="pairs, 4 L² d", color=figures.PURPLE)
axes[0].plot(2 * d, 16 * d**3, "o", color="black")
axes[0].annotate(f"L = 2d = {2 * d}", (2 * d, 16 * d**3), (8, -14), textcoords="offset points")
axes[0].set(title="Floating-point operations")
for ax, k, title in (
    (axes[1], 1, "Bytes of the largest tensor"),
    (axes[2], 2, "Bytes kept for the backward pass"),
):
    ax.loglog(lengths, readable[k], "--s", markersize=4, color=figures.VERMILLION,
              label=f"with weights: exponent {exponent(readable[k]):.2f}")  # fmt: skip
    ax.loglog(lengths, fused[k], "-o", markersize=4, color=figures.BLUE,
              label=f"fused: exponent {exponent(fused[k]):.2f}")  # fmt: skip
    ax.set(title=title)
for ax in axes:
    ax.set_yscale("log", base=10)
    ax.set_xticks(lengths, [f"{L}" for L in lengths])
    ax.minorticks_off()
    ax.grid(True)
    ax.legend(loc="upper left")
axes[2].set(xlabel="tokens L")
figures.describe(
    fig,
    f"""Three counts over lengths from {lengths[0]} to {lengths[-1]} tokens, all axes logarithmic,
    for {h} heads and width {d}. Operations, the same with and without weights, grow from
    {fused[0][0]:,} to {fused[0][-1]:,}, exponent {exponent(fused[0]):.2f} at the end. The largest
    tensor grows to {readable[1][-1]:,} bytes with weights, exponent {exponent(readable[1]):.2f},
    and to {fused[1][-1]:,} fused, exponent {exponent(fused[1]):.2f}. Kept for the backward pass are
    {readable[2][-1]:,} bytes with weights and {fused[2][-1]:,} fused.""",
)
plt.show()

# %%
# At the top, both ways do the same operations. The projections are the larger part up to twice the
# width, and the curve bends there. In the middle and below the two ways part: with weights the
# memory follows the square of the length, fused the length itself. The exponents are those of the
# last doubling.
#
# **Takeaways**
#
# * "Quadratic" describes long sequences. Up to L = 2d the projections cost more than all pairs:
#   from 16 to 32 tokens the operations grow 2.4-fold.
# * The fused kernel saves no operation. It saves the weights, and the time to write and read them.
# * ``need_weights=True`` is for looking. On 2,048 tokens it takes 26 times the memory in training.
# * What a kernel uses inside itself is no tensor and not in the count.

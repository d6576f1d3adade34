"""
What does each layer change?
============================

A layer may change the channels, the lengths of the other axes, or only the values. It may learn
something, and it may compute one thing in training and another in evaluation. Which does what is
the first thing to know of a layer.
"""

import matplotlib.pyplot as plt
import torch

import layerref as lr
from layerref import figures

torch.manual_seed(0)
figures.style()

# %%
# One of every layer, on a small input: N = 2 samples, C = 4 channels, 8 positions on each further
# axis. Layers that differ only in the number of axes share a row.

images = {n: torch.randn(2, 4, *(8,) * n) for n in (1, 2, 3)}
tokens = torch.randn(2, 8, 4)  # (N, L, E)


def kinds(arguments, *classes):
    """Build the 1-d, 2-d and 3-d layer of one kind, each beside its input."""
    return [(c(*arguments), (images[n],)) for n, c in enumerate(classes, start=1) if c]


mha = {"d_model": 4, "nhead": 2, "dim_feedforward": 8, "batch_first": True}
encoder, decoder = lr.TransformerEncoderLayer(**mha), lr.TransformerDecoderLayer(**mha)
pair = (tokens, tokens)
rows = {
    "Linear": [(lr.Linear(4, 6), (tokens,))],
    "Embedding": [(lr.Embedding(9, 4), (torch.arange(6).view(2, 3),))],
    "Flatten": [(lr.Flatten(), (images[2],))],
    "Unflatten": [(lr.Unflatten(1, (2, 2)), (images[1],))],
    "ReLU, GELU, Hardtanh": [(c(), (tokens,)) for c in (lr.ReLU, lr.GELU, lr.Hardtanh)],
    "Threshold": [(lr.Threshold(0.1, 0.0), (tokens,))],
    "Dropout": [(lr.Dropout(), (tokens,))],
    "Dropout1d, 2d, 3d": kinds((), lr.Dropout1d, lr.Dropout2d, lr.Dropout3d),
    "ZeroPad": kinds((1,), lr.ZeroPad1d, lr.ZeroPad2d, lr.ZeroPad3d),
    "ConstantPad": kinds((1, 7.0), lr.ConstantPad1d, lr.ConstantPad2d, lr.ConstantPad3d),
    "ReplicationPad": kinds((1,), lr.ReplicationPad1d, lr.ReplicationPad2d, lr.ReplicationPad3d),
    "ReflectionPad": kinds((1,), lr.ReflectionPad1d, lr.ReflectionPad2d, lr.ReflectionPad3d),
    "CircularPad": kinds((1,), lr.CircularPad1d, lr.CircularPad2d, lr.CircularPad3d),
    "BatchNorm": kinds((4,), lr.BatchNorm1d, lr.BatchNorm2d, lr.BatchNorm3d),
    "LayerNorm, RMSNorm": [(lr.LayerNorm(4), (tokens,)), (lr.RMSNorm(4), (tokens,))],
    "GroupNorm": [(lr.GroupNorm(2, 4), (images[2],))],
    "InstanceNorm": kinds((4,), lr.InstanceNorm1d, lr.InstanceNorm2d, lr.InstanceNorm3d),
    "SwitchableNorm2d": [(lr.SwitchableNorm2d(4), (images[2],))],
    "Conv": kinds((4, 6, 3), lr.Conv1d, lr.Conv2d, lr.Conv3d),
    "ConvTranspose": kinds((4, 6, 3), lr.ConvTranspose1d, lr.ConvTranspose2d, lr.ConvTranspose3d),
    "DepthwiseConv2d": [(lr.DepthwiseConv2d(4, 3), (images[2],))],
    "SeparableConv2d": [(lr.SeparableConv2d(4, 6, 3), (images[2],))],
    "MaxPool": kinds((2,), lr.MaxPool1d, lr.MaxPool2d, lr.MaxPool3d),
    "AvgPool": kinds((2,), lr.AvgPool1d, lr.AvgPool2d, lr.AvgPool3d),
    "AdaptiveMax": kinds((5,), lr.AdaptiveMaxPool1d, lr.AdaptiveMaxPool2d, lr.AdaptiveMaxPool3d),
    "AdaptiveAvg": kinds((5,), lr.AdaptiveAvgPool1d, lr.AdaptiveAvgPool2d, lr.AdaptiveAvgPool3d),
    "FractionalMaxPool": kinds((2, 5), None, lr.FractionalMaxPool2d, lr.FractionalMaxPool3d),
    "Upsample": [(lr.Upsample(scale_factor=2), (images[2],))],
    "Unfold": [(lr.Unfold(2), (images[2],))],
    "Fold": [(lr.Fold((3, 5), 2), (images[1],))],
    "RNN": [(lr.RNN(4, 6), (tokens,)), (lr.RNNCell(4, 6), (tokens[0],))],
    "LSTM": [(lr.LSTM(4, 6), (tokens,)), (lr.LSTMCell(4, 6), (tokens[0],))],
    "GRU": [(lr.GRU(4, 6), (tokens,)), (lr.GRUCell(4, 6), (tokens[0],))],
    "ScaledDotProductAttention": [(lr.ScaledDotProductAttention(), (*pair, tokens))],
    "MultiHeadAttention": [(lr.MultiHeadAttention(2, 4), (*pair, tokens))],
    "PositionalEncoding": [(lr.PositionalEncoding(4), (tokens,))],
    "TransformerEncoder": [(encoder, (tokens,)), (lr.TransformerEncoder(encoder, 2), (tokens,))],
    "TransformerDecoder": [(decoder, pair), (lr.TransformerDecoder(decoder, 2), pair)],
    "Transformer": [(lr.Transformer(4, 2, 1, 1, 8, batch_first=True), pair)],
}  # fmt: skip


def properties(layer, inputs):
    """Ask the layer itself: does it change C, other axes; does it learn; do the modes differ?"""
    outputs = [layer.train(mode)(*inputs) for mode in (True, False, False)]
    train, evaluated, again = (y[0] if isinstance(y, tuple) else y for y in outputs)
    channel = 1 if inputs[0].dim() > 3 or inputs[0] is images[1] else -1
    before, after = inputs[0].shape, evaluated.shape
    same_rank = len(before) == len(after)
    others = [n for n in range(1, len(before)) if n != channel % len(before)]
    return [
        not same_rank or before[channel] != after[channel],
        not same_rank or any(before[n] != after[n] for n in others),
        any(p.requires_grad for p in layer.parameters()),
        not torch.equal(train, evaluated) or not torch.equal(evaluated, again),
    ]


table = {}
for name, layers in rows.items():
    answers = [properties(*layer) for layer in layers]
    assert all(answer == answers[0] for answer in answers), f"{name}: the kinds differ"
    table[name] = answers[0]

assert table["BatchNorm"] == [False, False, True, True]
assert table["LayerNorm, RMSNorm"] == [False, False, True, False]
assert table["FractionalMaxPool"][3], "random in both modes"
assert not any(table["InstanceNorm"]), "its defaults learn nothing and track nothing"

# %%
# A filled mark says yes.

columns = ["channels", "lengths", "learns", "train ≠ eval"]
fig, ax = plt.subplots(figsize=(figures.WIDTH, 0.21 * len(table) + 0.6))
for y, answer in enumerate(table.values()):
    for x in (x for x, yes in enumerate(answer) if yes):
        ax.plot(x, y, "o", color=figures.COLORS[x], markersize=9)
ax.set(xlim=(-0.5, 3.5), ylim=(len(table) - 0.5, -0.5), yticks=range(len(table)), yticklabels=table)
ax.set_xticks(range(4), columns)
ax.xaxis.tick_top()
ax.tick_params(length=0)
ax.grid(axis="y", linewidth=0.4)
ax.set_axisbelow(True)
ax.spines[:].set_visible(False)
count = [sum(column) for column in zip(*table.values(), strict=True)]
figures.describe(
    fig,
    f"A table of {len(table)} kinds of layer. {count[0]} change the channels, {count[1]} the "
    f"lengths of other axes, {count[2]} learn parameters, {count[3]} compute different values in "
    f"training and evaluation or draw at random.",
)
plt.show()

# %%
# Most layers change either the channels or the lengths, not both: convolution without padding is
# the exception, and Flatten and Unfold, which move elements from one axis to another. BatchNorm
# learns and differs between the modes; LayerNorm learns and does not differ. FractionalMaxPool
# draws its windows at random, in evaluation as well.
#
# **Takeaways**
#
# - Before you swap a layer, compare its row: a norm that differs between train and eval does not
#   replace one that does not.
# - What learns nothing and changes no shape can go anywhere.

"""
What do the gates of an LSTM do over time?
==========================================

An LSTM multiplies its memory by a forget gate and lets new content in through an input gate. When
the task says when to remember, the gates can be read off: here one cell learns to keep the last
marked number, for as long as it takes.
"""

import matplotlib.pyplot as plt
import torch

from layerref import LSTM, figures

torch.manual_seed(0)
figures.style()

# %%
# The task: at each step come a number between −1 and 1 and a mark, 0 or 1. The answer is the number
# that was marked last. All others are noise.


def draw_sequences(N, L):
    numbers = torch.rand(N, L) * 2 - 1
    marks = (torch.rand(N, L) < 0.2).float()
    marks[:, 0] = 1  # so that there is always something to remember
    last = torch.where(marks > 0, torch.arange(L), 0).cummax(dim=1).values
    return torch.stack([numbers, marks], dim=-1), numbers.gather(1, last)


lstm = LSTM(input_size=2, hidden_size=1, batch_first=True)
optimizer = torch.optim.Adam(lstm.parameters(), lr=0.05)
for _ in range(1500):
    x, answer = draw_sequences(N=61, L=11)
    loss = (lstm(x)[0].squeeze(-1) - answer).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# The layer returns its outputs and its last state, not its gates. These follow from its parameters,
# and one check shows that they are the layer's own: they lead to what it returns.

L = 23  # longer than any sequence in training
x, answer = draw_sequences(N=1, L=L)
with torch.no_grad():
    output, (h_n, c_n) = lstm(x)
    h = c = torch.zeros(1, 1)
    steps = []
    for t in range(L):
        from_input = x[:, t] @ lstm.weight_ih_l0.T + lstm.bias_ih_l0
        from_state = h @ lstm.weight_hh_l0.T + lstm.bias_hh_l0
        i, f, g, o = (from_input + from_state).chunk(4, dim=1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        h = o * c.tanh()
        steps.append(torch.cat([i, f, o, c, h], dim=1))
i, f, o, c, h = torch.cat(steps).T
torch.testing.assert_close(h, output[0, :, 0])
torch.testing.assert_close((h[-1], c[-1]), (h_n.squeeze(), c_n.squeeze()))

# what the picture claims: at a mark the cell forgets and writes, elsewhere it keeps
marked = x[0, :, 1] > 0
assert 2 <= marked.sum() <= 8
assert i[marked].min() > 0.8 > 0.3 > i[~marked].max()
assert f[marked].max() < 0.2 < 0.8 < f[~marked].min()
error = (h - answer[0]).abs()
assert error.max() < 0.4

# %%

fig, axes = plt.subplots(3, 1, figsize=(figures.WIDTH, 6), sharex=True)
time = torch.arange(L)
for ax in axes:
    for t in time[marked]:
        ax.axvline(t, color=figures.ORANGE, linewidth=7, alpha=0.35, zorder=0)
axes[0].plot(time, x[0, :, 0], "o", color="black", markersize=4, label="number given")
axes[0].step(time, answer[0], "-", where="post", color=figures.BLUE, label="answer")
axes[0].plot(time, h, "--", color=figures.VERMILLION, label="output h")
axes[0].set(title="A number at each step; the bars are marks", ylim=(-1.1, 1.1))
axes[1].plot(time, f, "-o", markersize=4, label="forget gate f")
axes[1].plot(time, i, "--s", markersize=4, label="input gate i")
axes[1].set(title="Two gates: keep what is there, let new content in", ylim=(-0.05, 1.05))
axes[2].plot(time, c, "-o", markersize=4, color=figures.PURPLE, label="cell state c")
axes[2].plot(time, o, "-.", color=figures.GREEN, label="output gate o")
axes[2].set(title="The memory, and the gate that shows it", xlabel="step")
for ax in axes:
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3)
axes[2].legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=3)
figures.describe(
    fig,
    f"""An LSTM of one cell over {L} steps, {int(marked.sum())} of them marked. At the marks the
    input gate is at least {i[marked].min():.2f} and the forget gate at most
    {f[marked].max():.2f}. At all other steps the input gate is at most {i[~marked].max():.2f} and
    the forget gate at least {f[~marked].min():.2f}. The output stays within {error.max():.2f} of
    the number that was marked last.""",
)
plt.show()

# %%
# At a bar the two gates change places: the forget gate closes, so that the old number goes, and the
# input gate opens, so that the new one comes in. Between the bars the forget gate is near 1, and
# the cell state hardly moves, whatever numbers come by.
#
# **Takeaways**
#
# * Nothing told the gates what to do. The loss was on the output alone.
# * A forget gate of 0.98 leaves a number with a third of its size after 50 steps (0.98⁵⁰ = 0.36),
#   and the gradient of the cell state travels back along the same path.
# * A gate near 0 or 1 is a learned decision; the usual start of all gates is near ½.

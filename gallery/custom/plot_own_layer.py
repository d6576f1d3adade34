"""
What goes wrong when a layer of your own does not register what it owns?
========================================================================

A parameter, a buffer and a submodule work as plain attributes, too: ``forward`` gives the same
numbers. What is lost shows in training, after loading or on a GPU, and not always as an error.
"""

import io

import matplotlib.pyplot as plt
import torch
from torch import nn

from layerref import Linear, figures

figures.style()
F = 3

# %%
# One layer, which centres its input by a running mean (a buffer), mixes the features (a submodule)
# and scales the result by a gain (a parameter). Each can be left out of what PyTorch knows.


class Own(nn.Module):
    def __init__(self, missing=None):
        super().__init__()
        gain, mean, mix = torch.ones(F), torch.zeros(F), [Linear(F, F)]
        self.gain = gain.requires_grad_() if missing == "parameter" else nn.Parameter(gain)
        if missing == "buffer":
            self.mean = mean
        else:
            self.register_buffer("mean", mean)
        self.mix = mix if missing == "submodule" else nn.ModuleList(mix)

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return self.gain * torch.tanh(self.mix[0](x - self.mean))


def batch(count=61):
    x = torch.randn(count, F)
    return x + 5, 3 * torch.tanh(x @ torch.tensor([[0.5, 1, 0], [-1, 0.5, 0], [0, 0.5, 1]]))


# %%
# Three trials: train; save the state and load it into a new layer; move to another dtype and
# device. "meta" stands in for a GPU: it computes shapes only, and refuses a mixture of devices.

losses, table = {}, {}
for missing in (None, "parameter", "buffer", "submodule"):
    name = f"no {missing}" if missing else "all registered"
    torch.manual_seed(0)
    layer = Own(missing)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    losses[name] = []
    for _ in range(400):
        x, y = batch()
        loss = nn.functional.mse_loss(layer(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[name].append(loss.item())

    x, y = batch(1009)
    trained = nn.functional.mse_loss(layer.eval()(x), y).item()
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    loaded = Own(missing).eval()
    loaded.load_state_dict(torch.load(io.BytesIO(file.getvalue())))  # no complaint
    again = nn.functional.mse_loss(loaded(x), y).item()
    row = [f"{trained:.3f}", f"{again:.3f}"]
    for target in torch.bfloat16, torch.device("meta"):
        try:
            y = Own(missing).eval().to(target)(x.to(target))
            row.append(str(y.dtype)[6:] if target == torch.bfloat16 else str(y.device))
        except (RuntimeError, TypeError):  # torch's layers raise the one, layerref's the other
            row.append("error")
    table[name] = row

# what the picture claims
whole, parameter, buffer, submodule = (list(map(float, row[:2])) for row in table.values())
assert whole[0] == whole[1] < 0.1
assert losses["all registered"] == losses["no buffer"]
assert parameter[0] == parameter[1] > 1  # never learned, so nothing to lose
assert buffer[0] < 0.1 < 1 < buffer[1]  # learned well and lost by loading
assert 1 < submodule[0] < submodule[1]
assert [row[2] for row in table.values()] == ["bfloat16", "float32", "error", "error"]
assert [row[3] for row in table.values()] == ["meta", "error", "error", "error"]

# %%

fig, (top, bottom) = plt.subplots(2, 1, figsize=(figures.WIDTH, 5.6), height_ratios=[5, 3])
looks = [(figures.BLUE, "-"), (figures.VERMILLION, "--"), ("black", ":"), (figures.PURPLE, "-.")]
for (name, values), (color, dash) in zip(losses.items(), looks, strict=True):
    smooth = torch.tensor(values).view(-1, 8).mean(1)  # of 8 batches each
    width = 5 if dash == "-" else 2  # two lines coincide, and both should be seen
    top.semilogy(range(4, 400, 8), smooth, dash, color=color, linewidth=width, label=name)
top.set(xlabel="step", title="Training: mean squared error", ylim=(0.004, 10))
top.legend(loc="upper right", bbox_to_anchor=(1, 0.75))

bottom.set(xlim=(0, 10), ylim=(5, 0))
bottom.axis("off")
bottom.axhline(1, color="black", linewidth=0.8)
shown = {"": ["trained", "loaded", "bfloat16", "device"]} | table
for i, (name, row) in enumerate(shown.items()):
    bottom.text(0, i + 0.7, name)
    for k, cell in enumerate(row):
        failed = i > 0 and cell != shown["all registered"][k]
        bottom.text(4.6 + 1.8 * k, i + 0.7, f"{cell} ✗" if failed else cell, ha="right",
                    color=figures.VERMILLION if failed else "black")  # fmt: skip
told = "; ".join(f"{name}: {', '.join(row)}" for name, row in table.items())
figures.describe(
    fig,
    f"""Above, the loss of four variants of one layer over 400 steps. With all registered and
    without the buffer it falls to {losses["all registered"][-1]:.3f} and
    {losses["no buffer"][-1]:.3f}; without the parameter it stays at
    {losses["no parameter"][-1]:.1f}, without the submodule at {losses["no submodule"][-1]:.1f}.
    Below, the loss after training and after loading, and what comes out after a move to bfloat16
    and to device meta. {told}.""",
)
plt.show()

# %%
# Above, a parameter and a submodule that are not registered never move, as the optimizer does not
# know them; the buffer is not learned by gradient and not missed: the two lines coincide. Below,
# the loss after training, and after loading into a new layer, where the buffer starts at 0 again;
# then the dtype and the device that come out of a move. A ✗ marks what should not be.
#
# **Takeaways**
#
# * Learned: ``nn.Parameter``. Remembered: ``register_buffer``. Layers in a list:
#   ``nn.ModuleList``; a layer that is an attribute by itself is registered already.
# * Loading with ``strict=True`` says nothing, as the new layer forgets the same things.
# * A move to bfloat16 may fail, or not: without the parameter the result is float32, unasked.
# * Look at ``layer.state_dict()`` once. What it does not list will not be saved.

"""
Which norm does SwitchableNorm choose?
======================================

Each norm takes something away: the light of a channel, of a sample, of the whole batch. Which of
them a task can do without is hard to say beforehand, so SwitchableNorm learns its mixture. Three
tasks, for which one knows the answer.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

from layerref import BatchNorm2d, GroupNorm, InstanceNorm2d, SwitchableNorm2d, figures

figures.style()
N, C, H, W = 31, 3, 5, 7

# %%
# *Stripes*: are they upright or lying? Every channel of every image has a light of its own, which
# only InstanceNorm removes whole. *Hue*: which channel is the brightest? Every image has its own
# light; InstanceNorm would remove the answer with it. *Brightness*: is the image bright or dark,
# compared with the others? Only BatchNorm leaves that.


def light(*shape):
    return torch.randn(N, *shape, 1, 1).exp(), 3 * torch.randn(N, *shape, 1, 1)


def stripes():
    answer, start = torch.randint(2, (N,)), torch.randint(2, (N, 1, 1, 1))
    rows, columns = torch.arange(H).view(H, 1).expand(H, W), torch.arange(W).expand(H, W)
    image = (torch.stack([columns, rows])[answer].unsqueeze(1) + start) % 2 * 2.0 - 1
    gain, shift = light(C)
    return gain * (image + 2 * torch.randn(N, C, H, W)) + shift, answer


def hue():
    answer = torch.randint(C, (N,))
    image = nn.functional.one_hot(answer, C)[:, :, None, None] + torch.randn(N, C, H, W)
    gain, shift = light(1)
    return gain * image + shift, answer


def brightness():
    answer = torch.randint(2, (N,))
    return torch.randn(N, C, H, W) + 0.6 * answer.view(N, 1, 1, 1) + 3, answer


def train(task, norm):
    """Return the shares of means and variances at each step, and the share of right answers."""
    torch.manual_seed(0)
    after = [nn.Conv2d(C, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, C)]
    model, shares = nn.Sequential(norm, *after), []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(300):
        x, answer = task()
        loss = nn.functional.cross_entropy(model(x), answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if isinstance(norm, SwitchableNorm2d):
            logits = torch.stack([norm.mean_logits, norm.var_logits])
            shares.append(logits.detach().softmax(1))
    model.eval()
    right = [(model(x).argmax(1) == answer).float() for x, answer in (task() for _ in range(31))]
    return shares, torch.stack(right).mean().item()


# %%

names = {"instance": "-", "layer": "--", "batch": ":"}
fixed = (InstanceNorm2d(C, affine=True), GroupNorm(1, C), BatchNorm2d(C))  # GroupNorm(1): LayerNorm
fig = plt.figure(figsize=(figures.WIDTH, 8.6))
told = []
for k, (task, part) in enumerate(
    zip((stripes, hue, brightness), fig.subfigures(3, 1, height_ratios=[8, 8, 9]), strict=True)
):
    shares, right = train(task, SwitchableNorm2d(C))
    shares = torch.stack(shares)  # (steps, mean or variance, kind)
    last = shares[-1]
    scores = {}
    for name, norm in zip(names, fixed, strict=True):
        norm.reset_parameters()
        scores[name] = train(task, norm)[1]

    # what the picture claims: the means go to the kind that we know to be right, with which a fixed
    # norm does best, or within 2% of it, and the mixture does as well
    assert last[0].argmax() == k and last[0, k] > 0.8
    assert list(scores.values())[k] > max(scores.values()) - 0.02
    assert right > max(scores.values()) - 0.02

    score = ", ".join(f"{name} {value:.0%}" for name, value in scores.items())
    head = f"{task.__name__.capitalize()}\nright: mixture {right:.0%}; {score}"
    part.suptitle(head, x=0.02, ha="left", fontsize=10)
    for ax, kind, share in zip(
        part.subplots(1, 2),
        ("share of the means", "of the variances"),
        shares.unbind(1),
        strict=True,
    ):
        for (name, dash), line in zip(names.items(), share.T, strict=True):
            ax.plot(line, dash, label=name)
        ax.set(title=kind, ylim=(-0.03, 1.03), yticks=[0, 1 / 3, 1], yticklabels=["0", "⅓", "1"])
        ax.set_xticks([0, 100, 200, 300])
    if k == 2:
        part.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    means, variances = (", ".join(f"{share:.2f}" for share in row) for row in last.tolist())
    told.append(f"{task.__name__}: {means} of the means and {variances} of the variances; right: "
                f"mixture {right:.0%}, {score}")  # fmt: skip
figures.describe(
    fig,
    f"""The shares of the statistics of InstanceNorm, LayerNorm and BatchNorm in a SwitchableNorm,
    from a third each, over 300 training steps on three tasks. At the end, in this order,
    {". ".join(told)}.""",
)
plt.show()

# %%
# Left the shares of the three means, right those of the three variances, over the training steps;
# the titles say how many answers are right in the end, with the mixture and with each norm alone.
#
# **Takeaways**
#
# * The means went to InstanceNorm, LayerNorm and BatchNorm, each where it is the right one.
# * A wrong norm can make a task impossible: where every channel of an image ends with the same
#   mean, no hue is left, and one in three answers is right by chance.
# * The variances have shares of their own, and may be undecided. With *hue* the variance of a
#   channel and that of the image both follow the light.
# * The mixture is one for all channels of a layer: six numbers, next to scale and shift.

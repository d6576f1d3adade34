"""Whole networks: replace every layer by ours, and training takes the same path."""

import copy

import pytest
import torch
from torch import nn

import layerref


class Vision(nn.Module):
    """Every kind of image layer in one network; ``module`` supplies the layers."""

    def __init__(self, m):
        super().__init__()
        self.features = nn.Sequential(
            m.ReflectionPad2d(1),
            m.Conv2d(3, 6, 3, stride=2, padding_mode="circular", padding=1),
            m.BatchNorm2d(6),
            m.ReLU(),
            m.MaxPool2d(2, ceil_mode=True),
            m.Conv2d(6, 6, 3, padding="same", groups=3),
            m.GroupNorm(2, 6),
            m.GELU(),
            m.Upsample(scale_factor=2, mode="bilinear"),
            m.ConvTranspose2d(6, 4, 3, stride=2, output_padding=1),
            m.InstanceNorm2d(4, affine=True, track_running_stats=True),
            m.Threshold(-0.5, 0.1),
            m.Dropout2d(0.3),
            m.AvgPool2d(3, 2, 1),
            m.AdaptiveMaxPool2d(5),
            m.AdaptiveAvgPool2d((3, 2)),
            m.Flatten(),
        )
        self.head = nn.Sequential(m.Linear(24, 7), m.BatchNorm1d(7), m.Dropout(0.2), m.Linear(7, 2))

    def forward(self, x):
        return self.head(self.features(x))


class Language(nn.Module):
    """Every kind of sequence layer in one network."""

    def __init__(self, m):
        super().__init__()
        self.embed = m.Embedding(11, 8, padding_idx=0)
        self.conv = m.Conv1d(8, 8, 3, padding=1)
        self.lstm = m.LSTM(8, 8, num_layers=2, dropout=0.2, batch_first=True)
        self.gru = m.GRU(8, 4, bidirectional=True, batch_first=True)
        self.norm = m.LayerNorm(8)
        layer = m.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = m.TransformerEncoder(layer, 2)
        self.rms = m.RMSNorm(8)
        self.head = m.Linear(8, 2)

    def forward(self, tokens):
        x = self.conv(self.embed(tokens).mT).mT
        x = self.norm(self.gru(self.lstm(x)[0])[0])
        x = self.encoder(x, src_key_padding_mask=tokens == 0)
        return self.head(self.rms(x).mean(1))


def train(model, x, y):
    """Return the losses and the weights after ten steps."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for step in range(10):
        torch.manual_seed(step)  # the same draws of dropout
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model.state_dict()


@pytest.mark.parametrize("network", [Vision, Language])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_training_takes_the_same_path(network):
    torch.manual_seed(1)
    theirs = network(nn).double()
    torch.manual_seed(1)
    ours = network(layerref).double()
    assert all(
        torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)
    )
    if network is Vision:
        x = torch.randn(5, 3, 13, 11, dtype=torch.float64)
    else:
        x = torch.randint(1, 11, (5, 7))
        x[2:, 5:] = 0
    y = torch.randint(2, (5,))
    theirs_losses, theirs_state = train(theirs, x, y)
    ours_losses, ours_state = train(ours, x, y)
    torch.testing.assert_close(ours_losses, theirs_losses, rtol=1e-8, atol=0)
    torch.testing.assert_close(ours_state, theirs_state, rtol=1e-7, atol=1e-9)
    assert ours_losses[-1] < ours_losses[0]
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-7, atol=1e-9)


def test_no_layer_of_torch_is_inside_ours():
    """Ours are made of tensor operations and each other; the out_proj of attention is torch's."""
    for network in (Vision, Language):
        inside = {
            type(module).__name__
            for module in network(layerref).modules()
            if type(module).__module__.startswith("torch.nn")
        }
        assert inside <= {"Sequential", "ModuleList", "Linear"}, inside


def test_a_module_of_ours_copies_and_saves(tmp_path):
    model = Language(layerref).eval()
    x = torch.randint(1, 11, (2, 5))
    expected = model(x)
    torch.testing.assert_close(copy.deepcopy(model)(x), expected)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    fresh = Language(layerref).eval()
    fresh.load_state_dict(torch.load(tmp_path / "weights.pt"))
    torch.testing.assert_close(fresh(x), expected)

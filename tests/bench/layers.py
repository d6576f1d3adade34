"""Forward and backward of every twin against torch.nn, one thread: what readable code costs."""

import math

import timing
import torch
from torch import nn

import layerref

IMAGE = (8, 32, 56, 56)
VOLUME = (2, 16, 12, 28, 28)
LINE = (16, 32, 512)
TOKENS = (8, 128, 256)

# name, constructor arguments, input shape
CASES = [
    ("Linear", (256, 512), TOKENS),
    ("Embedding", (10_000, 256), (8, 128)),
    ("Flatten", (), IMAGE),
    *((name, (), shape) for name, shape in (
        ("Dropout", TOKENS), ("Dropout1d", LINE), ("Dropout2d", IMAGE), ("Dropout3d", VOLUME),
    )),
    ("Threshold", (0.1, 20.0), IMAGE),
    ("ReLU", (), IMAGE),
    ("GELU", (), IMAGE),
    ("ConstantPad2d", (2, 1.0), IMAGE),
    ("ZeroPad2d", (2,), IMAGE),
    ("ReplicationPad1d", (2,), LINE),
    ("ReflectionPad2d", (2,), IMAGE),
    ("BatchNorm1d", (32,), LINE),
    ("BatchNorm2d", (32,), IMAGE),
    ("BatchNorm3d", (16,), VOLUME),
    ("LayerNorm", (256,), TOKENS),
    ("RMSNorm", (256,), TOKENS),
    ("GroupNorm", (8, 32), IMAGE),
    ("InstanceNorm2d", (32,), IMAGE),
    ("Conv1d", (32, 64, 5), LINE),
    ("Conv2d", (32, 64, 3), IMAGE),
    ("Conv2d", (32, 64, 3, 1, 1, 1, 8), IMAGE),
    ("Conv2d", (32, 32, 3, 1, 1, 1, 32), IMAGE),
    ("Conv3d", (16, 16, 3), VOLUME),
    ("ConvTranspose2d", (32, 16, 4, 2, 1), (8, 32, 28, 28)),
    ("MaxPool1d", (2,), LINE),
    ("MaxPool2d", (2,), IMAGE),
    ("MaxPool2d", (3, 2, 1), IMAGE),
    ("MaxPool3d", (2,), VOLUME),
    ("AvgPool2d", (2,), IMAGE),
    ("AdaptiveMaxPool2d", (7,), IMAGE),
    ("AdaptiveAvgPool2d", (7,), IMAGE),
    ("FractionalMaxPool2d", (2, 28), IMAGE),
    ("Upsample", (None, 2, "nearest"), IMAGE),
    ("Upsample", (None, 2, "bilinear"), IMAGE),
    ("Upsample", (None, 2, "bicubic"), IMAGE),
    ("Unfold", (3,), IMAGE),
    ("Fold", ((30, 30), 3), (8, 32 * 9, 28 * 28)),
    ("RNN", (64, 128), (100, 32, 64)),
    ("LSTM", (64, 128), (100, 32, 64)),
    ("GRU", (64, 128), (100, 32, 64)),
    ("RNNCell", (64, 128), (32, 64)),
    ("LSTMCell", (64, 128), (32, 64)),
    ("GRUCell", (64, 128), (32, 64)),
    ("TransformerEncoderLayer", (256, 8, 1024), (128, 8, 256)),
]  # fmt: skip


def step(layer, input):
    """Return a call that runs forward and backward once."""

    def run():
        output = layer(input)
        while isinstance(output, tuple):
            output = output[0]
        if output.requires_grad:
            output.sum().backward()

    return run


def main():
    """Print the table, worst last, and leave its data file."""
    torch.set_num_threads(1)
    rows = []
    for name, args, shape in CASES:
        if name == "Embedding":
            input = torch.randint(args[0], shape)
        else:
            input = torch.randn(shape, requires_grad=True)
        pair = [getattr(module, name)(*args) for module in (layerref, nn)]
        runs = timing.paired([step(layer, input) for layer in pair])
        settings = ", ".join(map(str, args))
        rows.append({
            "layer": f"{name}({settings})", "input": list(shape),
            "ours_ms": round(timing.median(runs, 0) * 1e3, 3),
            "torch_ms": round(timing.median(runs, 1) * 1e3, 3),
            "ratio": round(timing.ratio(runs, 0, 1), 2),
        })  # fmt: skip
    rows.sort(key=lambda row: row["ratio"])
    mean = math.exp(sum(math.log(row["ratio"]) for row in rows) / len(rows))
    print(f"{'layer':44} {'input':24} {'ours ms':>9} {'torch ms':>9} {'ratio':>6}")
    for row in rows:
        size = "×".join(map(str, row["input"]))
        print(
            f"{row['layer']:44} {size:24} {row['ours_ms']:9.3f} {row['torch_ms']:9.3f}"
            f" {row['ratio']:6.2f}"
        )
    slow = [row["layer"] for row in rows if row["ratio"] > 10]
    print(f"geometric mean {mean:.2f}; above 10: {', '.join(slow) or 'none'}")
    timing.write("bench_layers", rows, geometric_mean=round(mean, 2))


if __name__ == "__main__":
    main()

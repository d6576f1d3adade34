"""MultiHeadAttention against nn.MultiheadAttention and against the floor: the bare products.

The floor is the same matrix products and ``scaled_dot_product_attention``, called with nothing
around them. Each row times all three in turn and takes medians, so their ratio is a fair one.

    python tests/bench/attention.py [--threads 1] [--only self,train,float32] [--largest 2048]
"""

import argparse
import itertools

import timing
import torch
import torch.nn.functional as F
from torch import nn

from layerref import MultiHeadAttention

H = 8
GRID = {
    "kind": ("self", "cross"),
    "d_model": (64, 512),
    "batch": (1, 8),
    "length": (64, 512, 2048),
    "mask": ("none", "causal", "padding", "bias"),
    "mode": ("train", "inference"),
    "dtype": ("float32", "bfloat16"),
}


def floor(mha, query, key, mask, is_causal):
    """Return a call of the products alone."""
    E, weight, bias = mha.d_model, mha.in_proj_weight, mha.in_proj_bias

    def heads(x):
        return x.view(x.shape[0], x.shape[1], H, -1).transpose(1, 2)

    def call():
        if query is key:
            q, k, v = F.linear(query, weight, bias).chunk(3, -1)
        else:
            q = F.linear(query, weight[:E], bias[:E])
            k, v = F.linear(key, weight[E:], bias[E:]).chunk(2, -1)
        y = F.scaled_dot_product_attention(heads(q), heads(k), heads(v), mask, 0.0, is_causal)
        return F.linear(
            y.transpose(1, 2).reshape(query.shape), mha.out_proj.weight, mha.out_proj.bias
        )

    return call


def masks(kind, N, L, dtype, device):
    """Return our mask and the arguments that torch's module needs for the same."""
    if kind == "none":
        return None, {}
    if kind == "causal":
        hidden = torch.ones(L, L, dtype=torch.bool, device=device).triu(1)
        return None, {"attn_mask": hidden, "is_causal": True}
    if kind == "padding":
        real = torch.arange(L, device=device) < torch.linspace(L // 2, L, N, device=device)[:, None]
        return real[:, None], {"key_padding_mask": ~real}
    bias = torch.randn(L, L, dtype=dtype, device=device)
    return bias, {"attn_mask": bias}


def measure(kind, d_model, batch, length, mask, mode, dtype, device):
    """Return the three times of one row, in seconds."""
    dtype = getattr(torch, dtype)
    ours = MultiHeadAttention(H, d_model, dropout=0.0).to(device, dtype)
    theirs = nn.MultiheadAttention(d_model, H, batch_first=True).to(device, dtype)
    query = torch.randn(batch, length, d_model, dtype=dtype, device=device)
    key = query if kind == "self" else torch.randn_like(query)
    our_mask, their_masks = masks(mask, batch, length, dtype, device)
    causal = mask == "causal"
    four = our_mask[:, None] if our_mask is not None and our_mask.dim() == 3 else our_mask
    calls = [
        lambda: ours(query, key, key, our_mask, is_causal=causal),
        lambda: theirs(query, key, key, need_weights=False, **their_masks)[0],
        floor(ours, query, key, four, causal),
    ]
    for module in (ours, theirs):
        module.train(mode == "train")
    if mode == "inference":
        with torch.inference_mode():
            return timing.paired(calls)
    query.requires_grad_()

    def step(call):
        return lambda: call().sum().backward()

    return timing.paired(list(map(step, calls)))


def main():
    """Print a row and a verdict for each cell of the grid, and leave the data file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="values of the grid, comma-separated")
    parser.add_argument("--largest", type=int, default=2048, help="longest sequence")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    wanted = set(filter(None, options.only.split(",")))
    rows = []
    print(f"{'cell':52} {'ours ms':>9} {'torch ms':>9} {'floor ms':>9} {'/torch':>7} {'/floor':>7}")
    for cell in itertools.product(*GRID.values()):
        values = dict(zip(GRID, cell, strict=True))
        names = set(map(str, cell))
        if values["length"] > options.largest or not all(w in names for w in wanted):
            continue
        ours, theirs, least = measure(**values, device=device)
        row = {
            **values,
            "ours_ms": round(ours * 1e3, 3), "torch_ms": round(theirs * 1e3, 3),
            "floor_ms": round(least * 1e3, 3),
            "to_torch": round(ours / theirs, 2), "to_floor": round(ours / least, 2),
        }  # fmt: skip
        row["verdict"] = "ok" if row["to_torch"] <= 1 and row["to_floor"] <= 1.05 else "slower"
        rows.append(row)
        print(
            f"{' '.join(map(str, cell)):52} {row['ours_ms']:9.3f} {row['torch_ms']:9.3f}"
            f" {row['floor_ms']:9.3f} {row['to_torch']:7.2f} {row['to_floor']:7.2f}"
            f" {row['verdict']}",
            flush=True,
        )
    good = sum(row["verdict"] == "ok" for row in rows)
    print(f"{good} of {len(rows)} cells at most 1.00 of torch and 1.05 of the floor")
    timing.write(f"bench_attention_{options.threads}", rows, threads=options.threads)


if __name__ == "__main__":
    main()

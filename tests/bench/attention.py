"""MultiHeadAttention against nn.MultiheadAttention and against the floor: the bare products.

The floor is the same matrix products and ``scaled_dot_product_attention``, called with nothing
around them. Each row times all three turn by turn and takes medians, so their ratios are fair. With
weights returned there is no fused kernel and no floor. On a GPU the same grid runs in bfloat16 with
longer sequences, and our layer compiled besides.

    python tests/bench/attention.py [--threads 1] [--only self,train,float32] [--largest 2048]
"""

import argparse
import itertools
import json
import subprocess
import sys

import timing
import torch
import torch.nn.functional as F
from torch import nn

from layerref import MultiHeadAttention

H = 8
GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
GRID = {
    "weights": ("fused", "returned"),
    "dtype": ("bfloat16",) if GPU else ("float32", "bfloat16"),
    "mode": ("train", "inference"),
    "kind": ("self", "cross"),
    "d_model": (64, 512),
    "batch": (1, 8),
    "length": (64, 512, 2048, 16384) if GPU else (64, 512, 2048),
    "mask": ("none", "causal", "padding", "bias"),
}
LONGEST_WITH_WEIGHTS = 512
MEMORY = "import attention; attention.print_memory({!r}, {})"


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


def masks(kind, N, L, dtype):
    """Return our mask and the arguments that torch's module needs for the same."""
    if kind == "none":
        return None, {}
    if kind == "causal":
        hidden = torch.ones(L, L, dtype=torch.bool, device=DEVICE).triu(1)
        return None, {"attn_mask": hidden, "is_causal": True}
    if kind == "padding":
        real = torch.arange(L, device=DEVICE) < torch.linspace(L // 2, L, N, device=DEVICE)[:, None]
        return real[:, None], {"key_padding_mask": ~real}
    bias = torch.randn(L, L, dtype=dtype, device=DEVICE)
    return bias, {"attn_mask": bias}


def measure(weights, dtype, mode, kind, d_model, batch, length, mask):
    """Return the times of one row, repeat by repeat: ours, torch's, the floor, ours compiled."""
    dtype, returned, causal = getattr(torch, dtype), weights == "returned", mask == "causal"
    ours = MultiHeadAttention(H, d_model, dropout=0.0).to(DEVICE, dtype)
    theirs = nn.MultiheadAttention(d_model, H, batch_first=True).to(DEVICE, dtype)
    query = torch.randn(batch, length, d_model, dtype=dtype, device=DEVICE)
    key = query if kind == "self" else torch.randn_like(query)
    our_mask, their_masks = masks(mask, batch, length, dtype)
    four = our_mask[:, None] if our_mask is not None and our_mask.dim() == 3 else our_mask
    given = {"is_causal": causal, "need_weights": returned}
    calls = [
        lambda: ours(query, key, key, our_mask, **given),
        lambda: theirs(query, key, key, need_weights=returned, **their_masks),
    ]
    if not returned:
        calls.append(floor(ours, query, key, four, causal))
        if GPU:
            compiled = torch.compile(ours)
            calls.append(lambda: compiled(query, key, key, our_mask, **given))
    for module in (ours, theirs):
        module.train(mode == "train")
    if mode == "inference":
        with torch.inference_mode():
            return timing.paired(calls)
    query.requires_grad_()

    def step(call):
        def run():
            made = call()
            (made[0] if isinstance(made, tuple) else made).sum().backward()

        return run

    return timing.paired(list(map(step, calls)))


def row_of(cell, runs):
    """Return a row of the data file, with its verdict."""
    row = {**cell, "ours_ms": timing.median(runs, 0), "torch_ms": timing.median(runs, 1)}
    row["to_torch"] = timing.ratio(runs, 0, 1)
    good = round(row["to_torch"], 2) <= 1
    if cell["weights"] == "fused":
        row |= {"floor_ms": timing.median(runs, 2), "to_floor": timing.ratio(runs, 0, 2)}
        good = good and round(row["to_floor"], 2) <= 1.05
        if GPU:
            row["compiled_ms"] = timing.median(runs, 3)
    for key, value in row.items():
        if isinstance(value, float):
            row[key] = round(value, 2) if key.startswith("to_") else round(value * 1e3, 3)
    return row | {"verdict": "ok" if good else "slower"}


def print_row(row):
    """Print a row as people read it."""
    shown = [row["ours_ms"], row["torch_ms"], row.get("floor_ms", "")]
    ratios = [row["to_torch"], row.get("to_floor", ""), row.get("compiled_ms", "")]
    cell = " ".join(str(row[key]) for key in GRID)
    numbers = " ".join(f"{n:>9}" for n in shown) + "".join(f" {n:>7}" for n in ratios)
    print(f"{cell:58} {numbers} {row['verdict']}", flush=True)


def print_memory(which, length):
    """Print by how many MiB one inference call raises the peak of this process."""
    import resource

    def peak():
        if GPU:
            return torch.cuda.max_memory_allocated() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

    torch.set_num_threads(1)
    layers = {
        "ours": MultiHeadAttention(H, 64).eval(),
        "torch": nn.MultiheadAttention(64, H, batch_first=True).eval(),
    }
    layer, x = layers[which].to(DEVICE), torch.randn(1, length, 64, device=DEVICE)
    with torch.inference_mode():
        layer(x[:, :64], x[:, :64], x[:, :64], need_weights=False)  # loads the kernels
        before = peak()
        layer(x, x, x, need_weights=False)
    print(peak() - before)


def memory():
    """Return the growth of peak memory for three lengths, each in a process of its own."""
    rows = []
    for length in (1024, 4096, 16384):
        row = {"length": length, "square_mib": H * length**2 * 4 / 2**20}
        for which in ("ours", "torch"):
            command = [sys.executable, "-c", MEMORY.format(which, length)]
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, cwd=timing.HERE
            )
            row[f"{which}_mib"] = round(float(done.stdout), 1)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main():
    """Print a row and a verdict for each cell of the grid, and leave the data file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="values of the grid, comma-separated")
    parser.add_argument("--largest", type=int, default=16384, help="longest sequence")
    parser.add_argument("--resume", action="store_true", help="keep the rows of the data file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    wanted = set(filter(None, options.only.split(",")))
    name = f"bench_attention_{options.threads}"
    known = timing.read(name) if options.resume else {"rows": []}
    used = known.get("memory") or (memory() if options.threads == 1 and not wanted else None)
    rows = known["rows"]
    done = {tuple(row[key] for key in GRID) for row in rows}
    print(f"{timing.machine()}\n{'cell':58} {'ours ms':>9} {'torch ms':>9} {'floor ms':>9}"
          f" {'/torch':>7} {'/floor':>7}")  # fmt: skip
    for values in itertools.product(*GRID.values()):
        cell = dict(zip(GRID, values, strict=True))
        longest = LONGEST_WITH_WEIGHTS if cell["weights"] == "returned" else options.largest
        if cell["length"] > longest or not wanted <= set(map(str, values)) or values in done:
            continue
        rows.append(row_of(cell, measure(**cell)))
        print_row(rows[-1])
        if not wanted:  # the long run's data lie there whenever it is ended
            timing.write(name, rows, memory=used)
    good = sum(row["verdict"] == "ok" for row in rows)
    print(f"{good} of {len(rows)} cells at most 1.00 of torch and 1.05 of the floor")


if __name__ == "__main__":
    main()

"""Memory layout and dtype of what comes out: output strides and autocast."""

import oracle
import torch
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from protocols.judge import Subject, takes_real_numbers, tool


def strides(tensor):
    """Return the strides that matter: an axis of length 1 may have any."""
    return [s for s, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]


def laid_out(s: Subject, lay):
    """Return outputs, their strides, and the draws of a Dropout behind them."""
    found = []
    for training in (True, False):
        layer = s.layer().train(training)
        for gradient in (True, False):
            inputs = [lay(x) for x in s.inputs(grad=False)]
            if gradient and takes_real_numbers(s):
                inputs = [x.requires_grad_() for x in inputs]
            torch.manual_seed(0)
            with torch.set_grad_enabled(gradient):
                output = layer(*inputs, **s.forward)
            for x in tree_leaves(output):
                if isinstance(x, torch.Tensor):
                    found.append((x.shape, strides(x), x))
                    torch.manual_seed(1)
                    found.append(F.dropout(x.double(), 0.5))
    return found


@tool()
def strides_contiguous(s):
    return laid_out(s, lambda x: x)


@tool(lambda s: s.inputs()[0].dim() in (4, 5))
def strides_channels_last(s):
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return laid_out(s, lambda x: x.contiguous(memory_format=formats[x.dim()]))


@tool(lambda s: s.inputs()[0].dim() > 1)
def strides_transposed(s):
    return laid_out(s, lambda x: x.transpose(0, -1).contiguous().transpose(0, -1))


@tool(lambda s: s.inputs()[0].dim() > 1)
def strides_transposed_last(s):
    return laid_out(s, lambda x: x.transpose(-2, -1).contiguous().transpose(-2, -1))


@tool()
def strides_expanded(s):
    return laid_out(s, lambda x: x[:1].expand_as(x))


@tool()
def strides_sliced(s):
    return laid_out(s, lambda x: x.repeat_interleave(2, -1)[..., ::2])


def under_autocast(s, dtype):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    layer = s.layer(wide)
    with torch.autocast("cpu", torch.bfloat16):
        try:
            return oracle.run(layer, s.inputs(dtype=dtype), {}, 0, s.forward.items())
        except RuntimeError as error:
            # without AVX-512 torch's own LSTM has no kernel for bfloat16: the values are known
            if s.ours or "primitive" not in str(error):
                raise
    found = oracle.run(layer, s.inputs(dtype=wide), {}, 0, s.forward.items())
    found["output"] = torch.utils._pytree.tree_map(lambda t: t.bfloat16(), found["output"])
    found["input gradients"] = [g.to(dtype) for g in found["input gradients"]]
    return found


@tool(rtol=0.03, scale=1.0)
def autocast_float32(s):
    return under_autocast(s, torch.float32)


@tool(takes_real_numbers, rtol=0.03, scale=1.0)
def autocast_bfloat16(s):
    return under_autocast(s, torch.bfloat16)


@tool(takes_real_numbers)
def autocast_float64(s):
    return under_autocast(s, torch.float64)

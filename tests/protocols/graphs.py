"""Tools that take a layer's forward apart: compile, export, trace."""

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from protocols.judge import tool


class Fixed(nn.Module):
    """A layer with the keyword arguments of its forward."""

    def __init__(self, s, layer):
        super().__init__()
        self.layer, self.given = layer, s.forward

    def forward(self, *inputs):
        return self.layer(*inputs, **self.given)


def outputs(s, layer, *inputs):
    """Return the output on other numbers, and on tensors with longer free axes."""
    found = []
    for inputs in (s.inputs(seed=2, grad=False), s.inputs(grad=False, longer=s.case.free_axes())):
        torch.manual_seed(0)
        found.append(tree_map_only(torch.Tensor, torch.Tensor.detach, layer(*inputs)))
    return found


def plain_step(s):
    return s.run(s.layer())


def plain_outputs(s):
    return outputs(s, Fixed(s, s.layer().eval()))


@tool(plain=plain_step)
def compile_fullgraph(s):
    torch.compiler.reset()
    found = s.run(torch.compile(s.layer(), fullgraph=True, backend="aot_eager"))
    for what in ("parameter gradients", "buffers"):
        found[what] = {name.removeprefix("_orig_mod."): t for name, t in found[what].items()}
    return found


@tool(plain=plain_outputs)
def export_free_axes(s):
    layer, inputs = Fixed(s, s.layer().eval()), tuple(s.inputs(grad=False))
    free = [dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in s.case.free_axes()]
    program = torch.export.export(layer, inputs, dynamic_shapes=(tuple(free),))
    return outputs(s, program.module())


@tool(plain=plain_outputs)
def jit_trace(s):
    layer, inputs = Fixed(s, s.layer().eval()), tuple(s.inputs(grad=False))
    return outputs(s, torch.jit.trace(layer, inputs, check_trace=False))

"""The oracle of the protocols: a tool runs on torch's layer first, then on ours.

Where torch's works, ours must work with the same result. Where it refuses, the hole is torch's.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import oracle
import torch
from torch import nn

import layerref
from protocols.cases import CASES, NAMES, THEIRS, Case, tensors

TOOLS = {}


@dataclass(frozen=True)
class Tool:
    name: str
    run: Callable  # takes a Subject, returns what is compared
    needs: Callable  # takes torch's Subject: does the tool mean anything for this layer?
    rtol: float
    scale: float  # differences are measured against numbers of at least this size
    plain: Callable | None  # the result without the tool, where the tool should not change it


def tool(needs=lambda s: True, rtol=oracle.RTOL, scale=0.0, plain=None):
    """Enter a function into ``TOOLS`` under its own name."""

    def enter(function):
        TOOLS[function.__name__] = Tool(function.__name__, function, needs, rtol, scale, plain)
        return function

    return enter


@dataclass(frozen=True)
class Subject:
    """One case of one layer, torch's or ours."""

    module: object
    name: str
    case: Case

    @property
    def ours(self):
        return self.module is layerref

    @property
    def theirs(self):
        return Subject(THEIRS, self.name, self.case)

    @property
    def forward(self):
        return self.case.forward

    @cached_property
    def kind(self):
        """Return torch's class."""
        return getattr(THEIRS, self.name)

    def build(self, **more):
        torch.manual_seed(0)
        return self.case.layer(self.module, self.name, **more)

    def layer(self, dtype=torch.float64):
        """Build the layer and give parameters and statistics values far from their first ones."""
        return fill(self.build()).to(dtype)

    def inputs(self, **more):
        return tensors(self.case, **more)

    def run(self, layer, seed=0, **more):
        """Return output, gradients and buffers of one step of training."""
        return oracle.run(layer, self.inputs(**more), {}, seed, self.forward.items())


def fill(layer):
    for name, tensor in [*layer.named_parameters(), *layer.named_buffers()]:
        if tensor.is_floating_point() and name != "pe":
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            values = torch.randn(tensor.shape, generator=generator) / 2
            tensor.data.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return layer


def matrices(layer):
    """Return each module's parameters with at least two axes."""
    return [(m, n) for m, n, p in own_parameters(layer) if p.dim() > 1]


def own_parameters(layer):
    return [
        (module, name, parameter)
        for module in layer.modules()
        for name, parameter in list(module.named_parameters(recurse=False))
    ]


def has_parameters(s):
    return any(True for _ in s.build().parameters())


def has_matrices(s):
    return bool(matrices(s.build()))


def has_batch_norm(s):
    return hasattr(nn, s.name) and isinstance(s.build(), nn.modules.batchnorm._BatchNorm)


def takes_real_numbers(s):
    return all(x.is_floating_point() for x in s.inputs())


def reason(error):
    """Return an error's type and first line, without addresses and file names."""
    lines = str(error).strip().splitlines() or [""]
    text = re.sub(r"0x[0-9a-f]+|/\S+/", "", lines[0])
    return f"{type(error).__name__}: {text}"[:160].strip()


def refusal(tool, name, case):
    """Run a tool on torch's layer and on ours: return torch's refusal, or None; fail if ours does.

    A tool that should change nothing is first run on ours, since it is slow.
    """
    ours, what = Subject(layerref, name, case), f"{name}({case}) under {tool.name}"

    def compare(subject, expected):
        oracle.assert_close(tool.run(subject), expected, what, tool.rtol, tool.scale)

    if tool.plain:
        expected = tool.plain(ours.theirs)
        try:
            compare(ours, expected)
        except Exception as failure:
            try:
                compare(ours.theirs, expected)
            except Exception as error:
                return reason(error)
            raise failure from None
        return None
    try:
        expected = tool.run(ours.theirs)
    except Exception as error:
        return reason(error)
    compare(ours, expected)
    return None


def table(tools=TOOLS):
    """Return every (tool, name, number of the case) that means something."""
    subjects = [
        (name, number, Subject(THEIRS, name, case))
        for name in NAMES
        for number, case in enumerate(CASES[name])
    ]
    return [
        (tool, name, number)
        for tool in tools.values()
        for name, number, subject in subjects
        if tool.needs(subject)
    ]

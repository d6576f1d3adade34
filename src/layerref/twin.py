"""What all twins share: torch's class keeps the books, the rule refuses, ``forward`` computes.

A twin inherits from ``Twin`` and from torch's layer of the same name, and writes ``forward``:

>>> class Linear(Twin, torch.nn.Linear):
...     def forward(self, input):
...         return input @ self.weight.T + self.bias

Constructor, parameters, initial values, state dict and repr are torch's. Around ``forward``,
``Twin`` asks the layer's rule before the arithmetic, and lays the output out in memory after it.
"""

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from layerref.checks import check_dtype
from layerref.rules.reading import given_by, settings_of
from layerref.rules.record import Rule, settle
from layerref.rules.table import LAYERS

_MOST_ANSWERS = 10_000


class Twin(nn.Module):
    """A layer with torch's constructor and a ``forward`` of its own.

    Attributes
    ----------
    rule
        What :mod:`layerref.rules` knows about the layer. It belongs to the class, since torch's
        parametrizations give the instance a class of another name.
    takes
        The dtypes of the input, as a word of :func:`~layerref.checks.check_dtype`.
    layout
        The strides of the output, as a word of :func:`laid_out`.
    """

    rule: ClassVar[Rule]
    takes: ClassVar[str] = "anything"
    layout: ClassVar[str] = "as computed"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.split(".")[0] != "layerref":
            return  # somebody's subclass of a twin: it calls ours by super().forward
        if cls.__name__ in LAYERS:
            cls.rule = LAYERS[cls.__name__]
        if "forward" in vars(cls):
            cls.forward = _asking_first(cls.forward)

    def _question(self, input: Tensor, *rest: Any, **more: Any) -> tuple[Any, dict[str, Any]]:
        """Return what the rule is asked: the input's shape, and what it knows of the keywords."""
        return tuple(input.shape), {}

    def _check(self, input: Tensor, *rest: Any, **more: Any) -> None:
        """Refuse what no rule knows about: the dtypes."""
        check_dtype(self, input, self.takes)


def _asking_first(arithmetic: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a ``forward``: ask before the arithmetic, lay the output out after it."""

    @functools.wraps(arithmetic)
    def forward(self: Twin, *args: Any, **kwargs: Any) -> Any:
        if not _is_watched():
            self._check(*args, **kwargs)
            ask(self, *self._question(*args, **kwargs))
        output = arithmetic(self, *args, **kwargs)
        return laid_out(output, self.layout, *args, **kwargs)

    return forward


def _is_watched() -> bool:
    """Tell whether a tool reads the arithmetic instead of running it: then nothing is asked."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
    )


_accepted: set[tuple[Any, ...]] = set()


def ask(layer: Twin, shape: Any, forward: dict[str, Any]) -> None:
    """Ask the rule whether this layer takes this shape; each question only once.

    Settings are read from the layer at each call, since people change attributes.
    """
    rule = layer.rule
    given = {**given_by(rule, layer), **forward}
    # by its repr, 2 is neither 2.0 nor True, and a list has one, too
    question = rule.name, repr(given), shape
    if question in _accepted:
        return
    settle(rule.name, rule.shape(shape, settings_of(rule, given)))
    if len(_accepted) >= _MOST_ANSWERS:
        _accepted.clear()
    _accepted.add(question)


def laid_out(output: Any, layout: str, input: Any = None, *rest: Any, **more: Any) -> Any:
    """Give the output the strides that torch's layer gives it.

    ``layout`` is ``"as computed"``; ``"contiguous"``; or ``"channels"``: channels_last where the
    input is, contiguous elsewhere.

    Examples
    --------
    >>> images = torch.zeros(2, 3, 5, 7).to(memory_format=torch.channels_last)
    >>> laid_out(torch.zeros(2, 3, 5, 7), "channels", images).stride()
    (105, 1, 21, 3)
    >>> laid_out(torch.zeros(2, 3, 5, 7), "channels", images.contiguous()).stride()
    (105, 35, 7, 1)
    """
    if layout == "as computed" or torch._C._are_functorch_transforms_active():
        return output
    if isinstance(output, tuple):
        return tuple(laid_out(one, layout, input) for one in output)
    input = more.get("input", input)
    if layout == "channels" and output.dim() == input.dim() and is_channels_last(input):
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        return output.contiguous(memory_format=formats[input.dim()])
    return output.contiguous()


def is_channels_last(input: Tensor) -> bool:
    """Tell whether torch takes the strides of images or volumes for channels_last.

    It looks at the order of the strides alone; where sizes of 1 leave the order open, it says no.

    Examples
    --------
    >>> images = torch.zeros(2, 3, 5, 7).to(memory_format=torch.channels_last)
    >>> is_channels_last(images), is_channels_last(images[:, :, :2]), is_channels_last(images.mT)
    (True, True, False)
    >>> is_channels_last(torch.zeros(2, 3, 5, 7)), is_channels_last(torch.zeros(2, 1, 1, 1))
    (False, False)
    """
    if input.dim() not in (4, 5) or input.stride(1) == 0:
        return False
    least = 0
    for axis in (1, *range(input.dim() - 1, 1, -1), 0):  # from the innermost to the outermost
        size, stride = input.shape[axis], input.stride(axis)
        if size == 0 or stride < least or (axis == 0 and least == input.stride(1)):
            return False
        least = stride * max(size, 1)
    return True

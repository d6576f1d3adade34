"""Fractional max pooling: windows at pseudo-random places, for any ratio of sizes."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from layerref.pooling.shared import (
    FLOATING,
    cells_at,
    check_input,
    check_not_empty,
    ints_per_axis,
    largest_cell,
    number_cells,
    take,
)


def fractional_starts(u: Tensor, length: int, k: int, out: int) -> Tensor:
    r"""Return where windows start, ``(*, out)``, for random numbers u in [0, 1).

    .. math::
        \mathrm{start}_o = \lfloor \alpha (o + u) \rfloor - \lfloor \alpha u \rfloor, \qquad
        \alpha = \frac{i - k}{m - 1}

    for i cells and m outputs; the last window ends where the input ends. Every step is rounded
    to the dtype of u, as in PyTorch.

    Examples
    --------
    >>> fractional_starts(torch.tensor([0.0, 0.5, 0.9]), length=10, k=2, out=4).tolist()
    [[0, 2, 5, 8], [0, 3, 5, 8], [0, 3, 5, 8]]
    """
    last = u.new_tensor(length - k)
    alpha = last / u.new_tensor(max(out - 1, 1))
    order = torch.arange(out, device=u.device).to(u.dtype)
    u = u.unsqueeze(-1)
    start = (alpha * (order + u)).long() - (alpha * u).long()
    # half precisions may round up beyond the end
    start = start.clamp(max=length - k)
    return torch.cat([start[..., :-1], torch.full_like(start[..., -1:], length - k)], -1)


class _FractionalMaxPool(nn.Module):
    """Fractional max pooling over the last ``_axes`` axes."""

    _axes: int
    output_size: tuple[int, ...] | None
    output_ratio: tuple[float, ...] | None
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        output_size: int | Sequence[int] | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name, axes = type(self).__name__, self._axes
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{name} takes either output_size or output_ratio, got "
                f"output_size={output_size} and output_ratio={output_ratio}"
            )
        self.kernel_size = ints_per_axis("kernel_size", kernel_size, axes, least=1)
        self.output_size = self.output_ratio = None
        if output_size is not None:
            self.output_size = ints_per_axis("output_size", output_size, axes, least=0)
        if output_ratio is not None:
            self.output_ratio = (
                (output_ratio,) * axes
                if isinstance(output_ratio, int | float)
                else tuple(output_ratio)
            )
            if len(self.output_ratio) != axes or not all(0 < r < 1 for r in self.output_ratio):
                raise ValueError(
                    f"{name}: output_ratio is between 0 and 1, one number or {axes}, got "
                    f"{output_ratio!r}: use output_size for an output as large as the input"
                )
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        axes = self._axes
        check_input(type(self).__name__, input, axes, FLOATING)
        check_not_empty(type(self).__name__, input, range(1, input.dim()))
        size = input.shape[-axes:]
        samples = self._samples(input)
        if axes == 2:  # torch's order: the first number is for W in 2-d, but for D in 3-d
            samples = samples.flip(-1)
        windows = []
        for length, k, out, u in zip(
            size, self.kernel_size, self._wanted(size), samples.unbind(-1)
        ):
            start = fractional_starts(u, length, k, out).unsqueeze(-1)
            table = start + torch.arange(k, device=input.device)  # (N, C, out, k)
            table = table.reshape(*input.shape[:-axes], *(1,) * (axes - 1), out, k)
            windows.append(partial(cells_at, table=table))
        cell = number_cells(size, [torch.arange(i, device=input.device) for i in size])
        cell = largest_cell(input.detach(), cell, windows)
        return take(input, cell, axes, self.return_indices)

    def _wanted(self, size: Sequence[int]) -> tuple[int, ...]:
        """Return the output's size for an input's."""
        wanted = self.output_size or ()
        if self.output_ratio is not None:
            wanted = tuple(int(i * r) for i, r in zip(size, self.output_ratio))
        spare = 1 if self._axes == 3 else 0  # torch wants one cell more in 3-d, if not empty
        if any(out + k - 1 + spare > i for i, k, out in zip(size, self.kernel_size, wanted)):
            raise ValueError(
                f"{type(self).__name__}: windows start at different cells, so output_size + "
                f"kernel_size - 1 {'<' if spare else '<='} input size, got {wanted}, "
                f"{self.kernel_size} and {tuple(size)}: shrink the output or the window"
            )
        return wanted

    def _samples(self, input: Tensor) -> Tensor:
        """Return one random number for each plane and axis, ``(N, C, axes)``."""
        batched = input.dim() == self._axes + 2
        n, c = input.shape[:2] if batched else (1, input.shape[0])
        given = self._random_samples
        if given is None:
            given = torch.rand(n, c, self._axes, dtype=input.dtype, device=input.device)
        elif given.dtype != input.dtype:
            raise TypeError(
                f"_random_samples has dtype {given.dtype}, the input {input.dtype}: convert one"
            )
        elif given.dim() != 3 or given.shape[0] < n or given.shape[1:] != (c, self._axes):
            raise ValueError(
                f"_random_samples has shape (N, C, {self._axes}), at least "
                f"{(n, c, self._axes)} here, got {tuple(given.shape)}"
            )
        return given[:n]


class FractionalMaxPool2d(_FractionalMaxPool):
    r"""Shrink an image by any ratio: max pooling over windows at pseudo-random places.

    .. math::
        y[n, c, o_1, o_2] = \max_{0 \le j < k} x[n, c, a_1(o_1) + j_1, a_2(o_2) + j_2] \qquad
        a(o) = \lfloor \alpha (o + u) \rfloor - \lfloor \alpha u \rfloor, \quad
        \alpha = \frac{i - k}{m - 1}

    for i cells and m outputs along an axis. Every plane (n, c) draws one u in [0, 1) for each
    axis. Windows have equal size; the first starts at 0, the last ends at the edge. The draw
    happens in eval, too: fix ``_random_samples`` for outputs that repeat.

    Parameters
    ----------
    kernel_size
        Height and width of a window, k; > 0.
    output_size
        Height and width of the output; at least 0.
    output_ratio
        Instead: the output's size over the input's, in (0, 1); the size is rounded down.
    return_indices
        Return ``(output, indices)``: the number of each output's cell, counted row by row.
    _random_samples
        The numbers u to use instead of fresh ones, ``(N, C, 2)``, of the input's dtype; the first
        of the two is for W.

    Shape
    -----
    input ``(N, C, H, W)`` or ``(C, H, W)``; output and indices ``(N, C, *output_size)`` or
    ``(C, *output_size)``. On each axis ``output_size + kernel_size - 1`` is at most the input's
    size. N may be 0.

    Raises
    ------
    ValueError
        Not just one of ``output_size`` and ``output_ratio`` is given, a setting is out of range,
        the windows do not fit, or the input has another rank or an empty axis.
    TypeError
        The input is not floating, ``_random_samples`` has another dtype, or a size is neither an
        int nor a sequence.

    Notes
    -----
    The random numbers are those that PyTorch would draw, and the windows those of its CPU kernel
    (its GPU kernel computes half precisions in float32). Half precisions can round a start beyond
    the edge, where PyTorch's CPU kernel stops; we move it back. PyTorch takes ``kernel_size <= 0``
    and gives :math:`-\infty`; we refuse it.

    References
    ----------
    Graham, *Fractional Max-Pooling*, arXiv 1412.6071, section 2 (pseudo-random, overlapping).

    Examples
    --------
    >>> x = torch.randn(2, 3, 11, 7)
    >>> FractionalMaxPool2d(2, output_size=(5, 4))(x).shape
    torch.Size([2, 3, 5, 4])
    >>> FractionalMaxPool2d(2, output_ratio=0.7)(x).shape
    torch.Size([2, 3, 7, 4])

    The same seed gives PyTorch's result; every value comes from the input:

    >>> _ = torch.manual_seed(0)
    >>> y = nn.FractionalMaxPool2d(2, 5)(x)
    >>> _ = torch.manual_seed(0)
    >>> torch.testing.assert_close(FractionalMaxPool2d(2, 5)(x), y)
    >>> torch.isin(y, x).all().item()
    True

    The windows have to start at different cells, and a ratio is not a size:

    >>> FractionalMaxPool2d(2, output_size=(11, 4))(x)
    Traceback (most recent call last):
        ...
    ValueError: FractionalMaxPool2d: windows start at different cells, so output_size +
        kernel_size - 1 <= input size, got (11, 4), (2, 2) and (11, 7): shrink the output or
        the window
    >>> FractionalMaxPool2d(2, output_size=0.7)
    Traceback (most recent call last):
        ...
    TypeError: output_size takes an int or 2 ints, one per axis, got 0.7
    """

    _axes = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    r"""Shrink a volume by any ratio: max pooling over windows at pseudo-random places.

    .. math::
        y[n, c, o] = \max_{0 \le j < k} x[n, c, a(o) + j] \qquad
        a(o) = \lfloor \alpha (o + u) \rfloor - \lfloor \alpha u \rfloor, \quad
        \alpha = \frac{i - k}{m - 1}

    where :math:`o, j, k, a, u, i, m` have one entry for each of D, H, W. Otherwise as
    :class:`FractionalMaxPool2d`.

    Parameters
    ----------
    kernel_size
        Depth, height and width of a window, k; > 0.
    output_size
        Depth, height and width of the output; at least 0.
    output_ratio
        Instead: the output's size over the input's, in (0, 1); the size is rounded down.
    return_indices
        Return ``(output, indices)``: the number of each output's cell, W fastest, then H, then D.
    _random_samples
        The numbers u to use instead of fresh ones, ``(N, C, 3)``, of the input's dtype, for D, H
        and W.

    Shape
    -----
    input ``(N, C, D, H, W)`` or ``(C, D, H, W)``; output and indices ``(N, C, *output_size)`` or
    ``(C, *output_size)``. On each axis ``output_size + kernel_size - 1`` is less than the input's
    size (in 2-d it may be equal). N may be 0.

    Raises
    ------
    ValueError
        Not just one of ``output_size`` and ``output_ratio`` is given, a setting is out of range,
        the windows do not fit, or the input has another rank or an empty axis.
    TypeError
        The input is not floating, ``_random_samples`` has another dtype, or a size is neither an
        int nor a sequence.

    Notes
    -----
    The random numbers are those that PyTorch would draw. PyTorch ignores a fourth entry of
    ``output_ratio``; we refuse it.

    References
    ----------
    As for :class:`FractionalMaxPool2d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 11, 7)
    >>> FractionalMaxPool3d(2, output_size=(2, 5, 4))(x).shape
    torch.Size([2, 3, 2, 5, 4])

    The same seed gives PyTorch's result; every value comes from the input:

    >>> _ = torch.manual_seed(0)
    >>> y = nn.FractionalMaxPool3d(2, 3)(x)
    >>> _ = torch.manual_seed(0)
    >>> torch.testing.assert_close(FractionalMaxPool3d(2, 3)(x), y)
    >>> torch.isin(y, x).all().item()
    True

    Either a size or a ratio is given, and integers have to be converted:

    >>> FractionalMaxPool3d(2)
    Traceback (most recent call last):
        ...
    ValueError: FractionalMaxPool3d takes either output_size or output_ratio, got
        output_size=None and output_ratio=None
    >>> FractionalMaxPool3d(2, 3)(x.long())
    Traceback (most recent call last):
        ...
    TypeError: FractionalMaxPool3d pools float16, bfloat16, float32, float64, got torch.int64:
        convert with input.float()
    """

    _axes = 3

"""Upsample: every output cell mixes a few input cells, axis by axis."""

import functools

import torch
from torch import Tensor, nn

from layerref.checks import check_rank

_LAYOUTS = {3: "(N, C, L)", 4: "(N, C, H, W)", 5: "(N, C, D, H, W)"}
_RANKS = {
    "linear": 3,
    "bilinear": 4,
    "bicubic": 4,
    "trilinear": 5,
}  # the other modes take all three
_COPYING = ("nearest", "nearest-exact")
_MODES = (*_COPYING, "area", *_RANKS)


class Upsample(nn.Module):
    r"""Change the size of a signal, an image or a volume by interpolation.

    Output cell :math:`o` of an axis looks at the input at the place

    .. math::

        r_o = \begin{cases}
        o\, \dfrac{i - 1}{\mathrm{size} - 1} & \text{with align\_corners: corner centres meet} \\
        (o + \tfrac12)\, t - \tfrac12 & \text{without: edges meet}
        \end{cases}

    where :math:`i` is the input's size and :math:`t` is :math:`1 / \mathrm{scale\_factor}` or, if
    a size is given, :math:`i / \mathrm{size}`. It copies the cell there (``nearest-exact``), mixes
    the 2 cells around it by their distance (``linear``) or the 4 cells around it by a cubic of
    parameter -0.75 (``bicubic``). ``nearest`` copies cell :math:`\lfloor o\, t \rfloor`, and
    ``area`` takes the mean of the cells that :math:`[o\,t, (o+1)\,t)` touches. Axes are treated
    one after the other. Nothing is learned, and train equals eval.

    Parameters
    ----------
    size
        Output size per axis; >= 1. An int stands for all axes. Exclusive with ``scale_factor``.
    scale_factor
        Output size over input size, rounded down; > 0. A tuple has one factor per axis. A factor
        below 1 shrinks, without smoothing (except ``area``).
    mode
        ``"nearest"``, ``"nearest-exact"`` and ``"area"`` for 3, 4 or 5 axes, ``"linear"`` for 3,
        ``"bilinear"`` and ``"bicubic"`` for 4, ``"trilinear"`` for 5.
    align_corners
        Match the centres of the corner cells (true) or the edges (false, and None); for the
        linear and cubic modes only.
    recompute_scale_factor
        Take t from the sizes although ``scale_factor`` is given; they differ where the size was
        rounded. ``area`` always does.

    Shape
    -----
    input: ``(N, C, L)``, ``(N, C, H, W)`` or ``(N, C, D, H, W)``; there is no unbatched form.
    Output: the same N and C, and per axis ``size`` or
    :math:`\lfloor i \cdot \mathrm{scale\_factor} \rfloor`.

    Raises
    ------
    ValueError
        Both or neither of ``size`` and ``scale_factor``; a mode that does not exist or not for
        the input's axes; ``align_corners`` with a mode that has no corners; an empty input (but
        for the batch) or output, also for ``area``, where torch lets some pass.
    TypeError
        The input is neither floating point nor, for the nearest modes, uint8 (torch also rounds
        bilinear and bicubic uint8: convert those by ``.float()``).

    Notes
    -----
    The nearest modes round like torch's CPU kernels, which have two arithmetics: small or
    channels-last images are copied exactly if the size stays or doubles, whatever the factor was.
    For the other inputs torch's gradient follows the first arithmetic and its output the second,
    and the gradient of bicubic copies where all sizes stay; our gradient belongs to our output.

    References
    ----------
    Keys, *Cubic Convolution Interpolation for Digital Image Processing*, IEEE Transactions on
    Acoustics, Speech, and Signal Processing 29(6), 1981, equation 15 (the cubic, there with
    parameter -1/2). PyTorch: :class:`torch.nn.Upsample`.

    Examples
    --------
    >>> x = torch.tensor([[[1.0, 2.0, 4.0]]])                               # N=1, C=1, L=3
    >>> Upsample(scale_factor=2)(x).shape
    torch.Size([1, 1, 6])
    >>> Upsample(scale_factor=2)(x).tolist()
    [[[1.0, 1.0, 2.0, 2.0, 4.0, 4.0]]]
    >>> Upsample(scale_factor=2, mode="linear")(x).tolist()
    [[[1.0, 1.25, 1.75, 2.5, 3.5, 4.0]]]
    >>> Upsample(size=5, mode="linear", align_corners=True)(x).tolist()
    [[[1.0, 1.5, 2.0, 3.0, 4.0]]]

    The weights of a cell add up to 1, so that a constant stays; and it equals PyTorch's:

    >>> bicubic, image = Upsample(size=(7, 11), mode="bicubic"), torch.randn(2, 3, 5, 5)
    >>> torch.testing.assert_close(bicubic(torch.ones(1, 1, 5, 5)), torch.ones(1, 1, 7, 11))
    >>> torch.testing.assert_close(bicubic(image), nn.Upsample((7, 11), mode="bicubic")(image))

    A mode belongs to a number of axes, a size or a factor is given, and bytes are only copied:

    >>> Upsample(scale_factor=2, mode="bilinear")(x)
    Traceback (most recent call last):
        ...
    ValueError: Upsample of mode 'bilinear' takes an input (N, C, H, W), got 3 axes, shape
        (1, 1, 3): reshape or unsqueeze the input to one of these layouts
    >>> Upsample(size=6, scale_factor=2)
    Traceback (most recent call last):
        ...
    ValueError: Upsample takes exactly one of size and scale_factor, got size=6 and
        scale_factor=2
    >>> bicubic(image.to(torch.uint8))
    Traceback (most recent call last):
        ...
    TypeError: Upsample of mode 'bicubic' takes floating point, got torch.uint8: use .float()
    """

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        if mode not in _MODES:
            raise ValueError(f"Upsample: mode is one of {_MODES}, got {mode!r}")
        if (size is None) == (scale_factor is None):
            raise ValueError(
                "Upsample takes exactly one of size and scale_factor, got "
                f"size={size} and scale_factor={scale_factor}"
            )
        if align_corners is not None and mode not in _RANKS:
            raise ValueError(
                f"Upsample: align_corners belongs to the modes {tuple(_RANKS)}, got {mode!r}: "
                "leave it None"
            )
        if recompute_scale_factor and size is not None:
            raise ValueError("Upsample: recompute_scale_factor needs a scale_factor, got a size")
        for name, value, kind in (("size", size, int), ("scale_factor", scale_factor, int | float)):
            values = value if isinstance(value, tuple | list) else () if value is None else (value,)
            if isinstance(scale_factor, list) or not all(isinstance(v, kind) for v in values):
                raise TypeError(
                    "Upsample: size is an int or a tuple of ints, scale_factor a number or a tuple "
                    f"of numbers, got size={size!r} and scale_factor={scale_factor!r}"
                )
            if any(v <= 0 for v in values):
                raise ValueError(f"Upsample: {name} is greater than 0 on every axis, got {value}")
        self.name = type(self).__name__
        self.size = size
        self.scale_factor = (
            tuple(float(factor) for factor in scale_factor)
            if isinstance(scale_factor, tuple)
            else scale_factor and float(scale_factor)
        )
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def _axes(self, input: Tensor) -> list[tuple[int, int, float]]:
        """Return per axis the input's size i, the output's, and the step t."""
        spatial = input.shape[2:]
        asked = self.scale_factor if self.size is None else self.size
        numbers = asked if isinstance(asked, tuple | list) else [asked or 0] * len(spatial)
        if len(numbers) != len(spatial):
            raise ValueError(
                f"Upsample resamples the last {len(spatial)} axes of an input of shape "
                f"{tuple(input.shape)}, got {asked}: give one number, or one for each of them"
            )
        sizes = [int(n if self.size is not None else i * n) for i, n in zip(spatial, numbers)]
        if 0 in (*sizes, *input.shape[1:]):
            raise ValueError(
                "Upsample takes and gives at least one channel and cell, got an input of shape "
                f"{tuple(input.shape)} for the sizes {tuple(sizes)}"
            )
        keep = self.size is None and not self.recompute_scale_factor
        return [(i, o, 1 / n if keep else i / o) for i, o, n in zip(spatial, sizes, numbers)]

    def forward(self, input: Tensor) -> Tensor:
        """Resample every axis of ``input``, ``(N, C, *)``, after the first two."""
        self._check_input(input)
        axes = self._axes(input)
        small = _is_small(input, [size for _, size, _ in axes])
        # half precision is mixed in float32 and rounded once
        output = input.to(torch.promote_types(input.dtype, torch.float32))
        for axis, (count, size, step) in enumerate(axes, start=2):
            if self.mode == "area":
                taps = _area(count, size, output)
            elif self.mode in _COPYING:
                taps = _nearest(count, size, step, output, self.mode == "nearest-exact", small)
            else:
                cubic, corners = self.mode == "bicubic", bool(self.align_corners)
                taps = _around(count, size, step, output, cubic, corners)
            output = _mix(output, axis, taps)
        return output.to(input.dtype)

    def _check_input(self, input: Tensor) -> None:
        ranks = [_RANKS[self.mode]] if self.mode in _RANKS else list(_LAYOUTS)
        check_rank(f"Upsample of mode {self.mode!r}", input, {r: _LAYOUTS[r] for r in ranks})
        bytes_too = self.mode in _COPYING and input.dtype == torch.uint8
        if not (input.is_floating_point() or bytes_too):
            raise TypeError(
                f"Upsample of mode {self.mode!r} takes floating point"
                f"{' or uint8' if self.mode in _COPYING else ''}, got {input.dtype}: use .float()"
            )

    def extra_repr(self) -> str:
        """Name the size or the factor, and the mode, as torch does."""
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)!r}, mode={self.mode!r}"


# the cells that the outputs read, and the weights of these readings (None: all 1)
_Taps = list[tuple[Tensor, Tensor | None]]


def _mix(input: Tensor, axis: int, taps: _Taps) -> Tensor:
    """Sum the cells that each tap reads along an axis, times their weights."""
    trailing = [1] * (input.dim() - axis - 1)
    read = [(input.index_select(axis, cells), weights) for cells, weights in taps]
    parts = [x if w is None else x * w.view(-1, *trailing) for x, w in read]
    return functools.reduce(torch.add, parts)


def _nearest(count: int, size: int, step: float, like: Tensor, exact: bool, small: bool) -> _Taps:
    """Read the one cell at the place of each output cell."""
    if small and not exact and size in (count, 2 * count):
        return [(torch.arange(size, device=like.device) // (size // count), None)]
    dtype = torch.float32 if small else like.dtype
    place = torch.arange(size, dtype=dtype, device=like.device)
    place = (place + 0.5) * step if exact else place * step
    return [(place.float().floor().long().clamp(max=count - 1), None)]


def _around(
    count: int, size: int, step: float, like: Tensor, cubic: bool, align_corners: bool
) -> _Taps:
    """Read the 2 or 4 cells around the place of each output cell, weighted by their distance."""
    place = torch.arange(size, dtype=like.dtype, device=like.device)
    if align_corners:
        place = place * ((count - 1) / max(size - 1, 1))
    elif size != count or cubic:
        place = (place + 0.5) * step - 0.5
    if not cubic:
        place = place.clamp(min=0)
    first = place.float().floor().long()
    part = (place - first).clamp(min=0)  # float() may have rounded up
    if not cubic:
        return [(first, 1 - part), ((first + 1).clamp(max=count - 1), part)]
    a = -0.75  # Keys' parameter; x is the distance to the cell
    near = [((a + 2) * x - (a + 3)) * x**2 + 1 for x in (part, 1 - part)]
    far = [((a * x - 5 * a) * x + 8 * a) * x - 4 * a for x in (part + 1, 2 - part)]
    weights = (far[0], *near, far[1])
    return [((first + j).clamp(0, count - 1), w) for j, w in enumerate(weights, start=-1)]


def _area(count: int, size: int, like: Tensor) -> _Taps:
    """Read all cells that each output cell touches, with equal weights."""
    starts = [o * count // size for o in range(size)]
    lengths = [-((o + 1) * count // -size) - start for o, start in enumerate(starts)]
    start, length = (torch.tensor(n, device=like.device) for n in (starts, lengths))
    most = max(lengths)
    taps: _Taps = []
    for j in range(most):
        # a shorter window reads its last cell again, and these readings share that cell's weight
        readings = torch.where(j < length - 1, 1, most - length + 1)
        taps.append((start + (length - 1).clamp(max=j), 1 / (length * readings).to(like.dtype)))
    return taps


def _is_small(input: Tensor, sizes: list[int]) -> bool:
    """Tell whether torch resamples an image by its kernel for small or channels-last images."""
    if input.dim() != 4:
        return False
    channels_last = input.is_contiguous(memory_format=torch.channels_last)
    return sum(sizes) <= 128 or (channels_last and input.shape[1] > 3)

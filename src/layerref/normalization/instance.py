"""InstanceNorm: every channel of every sample is normalised over its own positions."""

import math
import warnings
from typing import ClassVar

import torch
from torch import Tensor, nn  # noqa: F401 (nn: for the doctests)

from layerref.normalization.affine import widen
from layerref.normalization.running import _ChannelNorm


class _InstanceNorm(_ChannelNorm):
    """Normalise each plane, that is one channel of one sample, over its positions."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``, ``(N, C, *)`` or ``(C, *)``."""
        self._check_planes(input)
        self._check_dtype(input)
        x = widen(input)
        mean, variance = self._statistics(x)
        output = (x - mean) * torch.rsqrt(variance + self.eps)
        return self._scale_and_shift(output, self._positions).to(input.dtype)

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance: of each plane, or the running ones in eval if tracked."""
        per_channel = (-1, *(1,) * self._positions)
        tracked = self.track_running_stats and not self.training
        if tracked and self.running_mean is not None and self.running_var is not None:
            return self.running_mean.reshape(per_channel), self.running_var.reshape(per_channel)
        axes = tuple(range(-self._positions, 0))
        count = math.prod(x.shape[axis] for axis in axes)
        if count == 1:
            raise ValueError(
                f"{type(self).__name__} takes more than one position per channel, for one value "
                f"has no variance, got an input of shape {tuple(x.shape)}: give a larger input, "
                "or keep running statistics and call eval()"
            )
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        self._remember_average(mean, variance, count)
        # a constant plane gives 0 even if eps is 0, as in torch
        return mean, variance.masked_fill(variance + self.eps == 0, torch.inf)

    def _remember_average(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Remember the average over the samples; with momentum=None nothing moves, as in torch."""
        planes = -1 - self._positions
        mean, variance = (torch.atleast_2d(t.flatten(planes)).mean(0) for t in (mean, variance))
        self._remember(mean, variance, count, self.momentum or 0.0)

    @property
    def _positions(self) -> int:
        """The number of axes after the channels."""
        return min(self._layouts) - 1

    def _check_planes(self, input: Tensor) -> None:
        """Refuse a wrong rank and wrong channels; warn of a num_features wrong and unused."""
        axis = input.dim() - self._positions - 1
        self._check_input(input, axis)
        name, shape = type(self).__name__, tuple(input.shape)
        if input.shape[axis] != self.num_features:
            warnings.warn(
                f"{name} has num_features={self.num_features}, got {shape[axis]} channels, on "
                f"axis {axis} of an input of shape {shape}. The layer has neither parameters nor "
                "running statistics, so nothing is wrong with the result, but perhaps with the "
                f"order of the axes: make num_features {shape[axis]}, or move the channels",
                stacklevel=2,
            )
        if self.weight is not None and 0 in shape[: axis + 1]:
            raise ValueError(
                f"{name} with affine=True takes at least one sample, got an input of shape "
                f"{shape}: skip an empty batch"
            )


class InstanceNorm1d(_InstanceNorm):
    r"""Normalise every channel of every sequence over its own positions.

    .. math::
        y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \cdot \gamma_c + \beta_c

    Mean and variance (biased) are taken over L, separately for each sample and channel. By
    default nothing is learned and nothing remembered, so train and eval agree. With
    ``track_running_stats`` each training batch moves running statistics towards the average over
    its samples (of the unbiased variance), and eval normalises with these.

    Twin of :class:`torch.nn.InstanceNorm1d`, with its oddities: ``momentum=None`` freezes the
    running statistics, ``num_batches_tracked`` stays 0, an empty batch is refused with ``affine``
    only (and makes running statistics NaN without), and a ``num_features`` that is wrong but
    unused gives a warning.

    Parameters
    ----------
    num_features
        Number of channels C.
    eps
        Added to the variance, inside the root; >= 0.
    momentum
        Weight of the newest batch in the running statistics, in [0, 1]. None leaves them as
        they are.
    affine
        Learn a scale :math:`\gamma` (from 1) and a shift :math:`\beta` (from 0), one per channel.
    track_running_stats
        Keep running statistics and normalise with them in eval.
    bias
        Learn the shift; without effect if ``affine`` is false.

    Shape
    -----
    input and output: ``(N, C, L)`` or ``(C, L)``.

    Raises
    ------
    ValueError
        The input has other axes, or other channels than parameters or running statistics; L is 1
        where the input's own statistics are needed; an empty batch meets parameters.
    TypeError
        The input is not floating-point, or its dtype does not fit that of the parameters; eps or
        momentum is not a number.

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky, *Instance Normalization*, arXiv 1607.08022, equation 4.

    Examples
    --------
    Each channel of each sample ends with mean 0 and (biased) variance 1:

    >>> x = torch.randn(2, 3, 7) * 2 + 4                             # N=2, C=3, L=7
    >>> y = InstanceNorm1d(3)(x)
    >>> y.shape
    torch.Size([2, 3, 7])
    >>> torch.testing.assert_close(y.mean(-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
    >>> torch.testing.assert_close(y.var(-1, correction=0), torch.ones(2, 3), atol=1e-3, rtol=0)

    It equals PyTorch's, and a sample alone gives what it gives within a batch:

    >>> torch.testing.assert_close(y, nn.InstanceNorm1d(3)(x))
    >>> torch.testing.assert_close(y[0], InstanceNorm1d(3)(x[0]))

    One position has no variance, and learned scales fix channels and dtype:

    >>> InstanceNorm1d(3)(x[..., :1])
    Traceback (most recent call last):
        ...
    ValueError: InstanceNorm1d takes more than one position per channel, for one value has no
        variance, got an input of shape (2, 3, 1): give a larger input, or keep running
        statistics and call eval()
    >>> InstanceNorm1d(3, affine=True)(x[:, :2])
    Traceback (most recent call last):
        ...
    ValueError: InstanceNorm1d has num_features=3, got 2 channels, on axis 1 of an input of
        shape (2, 2, 7): make num_features 2, or move the channels to axis 1
    >>> InstanceNorm1d(3, affine=True)(x.double())
    Traceback (most recent call last):
        ...
    TypeError: InstanceNorm1d takes floating-point input of its parameters' dtype, or half
        precision with float32 parameters, got an input of torch.float64 and parameters of
        {torch.float32}: convert one, as by layer.to(input.dtype)
    """

    _layouts: ClassVar = {2: "(C, L)", 3: "(N, C, L)"}


class InstanceNorm2d(_InstanceNorm):
    r"""Normalise every channel of every image over its own positions.

    .. math::
        y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \cdot \gamma_c + \beta_c

    As :class:`InstanceNorm1d`, with mean and variance over H and W. Train and eval agree unless
    ``track_running_stats`` is set.

    Twin of :class:`torch.nn.InstanceNorm2d`.

    Parameters
    ----------
    num_features
        Number of channels C.
    eps
        Added to the variance, inside the root; >= 0.
    momentum
        Weight of the newest batch in the running statistics, in [0, 1]; None: they stay.
    affine
        Learn a scale :math:`\gamma` (from 1) and a shift :math:`\beta` (from 0), one per channel.
    track_running_stats
        Keep running statistics and normalise with them in eval.
    bias
        Learn the shift; without effect if ``affine`` is false.

    Shape
    -----
    input and output: ``(N, C, H, W)`` or ``(C, H, W)``.

    Raises
    ------
    ValueError
        The input has other axes, or other channels than parameters or running statistics; H and
        W are 1 where the input's own statistics are needed; an empty batch meets parameters.
    TypeError
        The input is not floating-point, or its dtype does not fit that of the parameters; eps or
        momentum is not a number.

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky, *Instance Normalization*, arXiv 1607.08022, equation 4.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7)                                  # N=2, C=3, H=5, W=7
    >>> y = InstanceNorm2d(3)(x)
    >>> y.shape
    torch.Size([2, 3, 5, 7])
    >>> torch.testing.assert_close(y, nn.InstanceNorm2d(3)(x))

    A group of one channel makes the same planes:

    >>> torch.testing.assert_close(y, nn.GroupNorm(3, 3)(x))

    Other axes are refused, an empty batch where something is learned, and whole numbers:

    >>> InstanceNorm2d(3)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: InstanceNorm2d takes an input (C, H, W) or (N, C, H, W), got 2 axes, shape
        (5, 7): reshape or unsqueeze the input to one of these layouts
    >>> InstanceNorm2d(3, affine=True)(x[:0])
    Traceback (most recent call last):
        ...
    ValueError: InstanceNorm2d with affine=True takes at least one sample, got an input of
        shape (0, 3, 5, 7): skip an empty batch
    >>> InstanceNorm2d(3)(torch.ones(2, 3, 5, 7).byte())
    Traceback (most recent call last):
        ...
    TypeError: InstanceNorm2d takes floating-point input of its parameters' dtype, or half
        precision with float32 parameters, got an input of torch.uint8 and parameters of no
        dtype: convert one, as by layer.to(input.dtype)
    """

    _layouts: ClassVar = {3: "(C, H, W)", 4: "(N, C, H, W)"}


class InstanceNorm3d(_InstanceNorm):
    r"""Normalise every channel of every volume over its own positions.

    .. math::
        y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \cdot \gamma_c + \beta_c

    As :class:`InstanceNorm1d`, with mean and variance over D, H and W. Train and eval agree
    unless ``track_running_stats`` is set.

    Twin of :class:`torch.nn.InstanceNorm3d`.

    Parameters
    ----------
    num_features
        Number of channels C.
    eps
        Added to the variance, inside the root; >= 0.
    momentum
        Weight of the newest batch in the running statistics, in [0, 1]; None: they stay.
    affine
        Learn a scale :math:`\gamma` (from 1) and a shift :math:`\beta` (from 0), one per channel.
    track_running_stats
        Keep running statistics and normalise with them in eval.
    bias
        Learn the shift; without effect if ``affine`` is false.

    Shape
    -----
    input and output: ``(N, C, D, H, W)`` or ``(C, D, H, W)``.

    Raises
    ------
    ValueError
        The input has other axes, or other channels than parameters or running statistics; D, H
        and W are 1 where the input's own statistics are needed; an empty batch meets parameters.
    TypeError
        The input is not floating-point, or its dtype does not fit that of the parameters; eps or
        momentum is not a number.

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky, *Instance Normalization*, arXiv 1607.08022, equation 4.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7, 4)                               # N=2, C=3, D=5, H=7, W=4
    >>> y = InstanceNorm3d(3)(x)
    >>> y.shape
    torch.Size([2, 3, 5, 7, 4])
    >>> torch.testing.assert_close(y, nn.InstanceNorm3d(3)(x))

    The shape of the volume does not matter, only which values belong to a plane:

    >>> torch.testing.assert_close(y.flatten(2), InstanceNorm1d(3)(x.flatten(2)))

    Settings are checked when the layer is made:

    >>> InstanceNorm3d(0, affine=True)
    Traceback (most recent call last):
        ...
    ValueError: InstanceNorm3d takes the number of channels, from 1, got num_features=0: give
        the size of the input's channel axis
    >>> InstanceNorm3d(3, eps="small")
    Traceback (most recent call last):
        ...
    TypeError: InstanceNorm3d: eps is a number, got 'small': give a float, or leave eps out
    """

    _layouts: ClassVar = {4: "(C, D, H, W)", 5: "(N, C, D, H, W)"}

"""BatchNorm: every channel is normalised over the batch and all positions."""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn  # noqa: F401 (nn: for the doctests)

from layerref.normalization.affine import widen
from layerref.normalization.running import _ChannelNorm


class _BatchNorm(_ChannelNorm):
    """Normalise channels over all other axes, or in eval with the running statistics."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias=bias)
        if eps < 0:
            raise ValueError(
                f"{type(self).__name__} adds eps to a variance, got eps={eps}: the default is 1e-5"
            )

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``, ``(N, C, *)``."""
        self._check_input(input, channel_axis=1)
        self._check_dtype(input, self.running_mean, self.running_var)
        x = widen(input)
        mean, variance = self._statistics(x)
        output = (x - mean) * torch.rsqrt(variance + self.eps)
        return self._scale_and_shift(output, shared_axes=x.dim() - 2).to(input.dtype)

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance per channel: of this batch in training, else the running."""
        per_channel = (-1, *(1,) * (x.dim() - 2))
        if not self.training and self.running_mean is not None and self.running_var is not None:
            return self.running_mean.reshape(per_channel), self.running_var.reshape(per_channel)
        axes = (0, *range(2, x.dim()))
        count = math.prod(x.shape[axis] for axis in axes)
        if count == 1:
            raise ValueError(
                f"{type(self).__name__} takes more than one value per channel for the statistics "
                f"of a batch, got an input of shape {tuple(x.shape)}: give a larger batch, or "
                "call eval() to use the running statistics"
            )
        if self.eps == 0:
            raise ValueError(
                f"{type(self).__name__} takes eps > 0 for the statistics of a batch, got eps=0: "
                "a constant channel would divide by 0; the default is 1e-5"
            )
        variance, mean = torch.var_mean(x, axes, correction=0)
        if self.training and self.track_running_stats:
            self._remember(mean, variance, count, self._next_factor())
        return mean.reshape(per_channel), variance.reshape(per_channel)

    def _next_factor(self) -> float:
        """Count a batch; return its share in the running statistics, 1/n for a plain average."""
        if self.num_batches_tracked is None:
            return self.momentum or 0.0
        self.num_batches_tracked.add_(1)
        if self.momentum is None:
            return 1 / int(self.num_batches_tracked)
        return self.momentum


class BatchNorm1d(_BatchNorm):
    r"""Normalise every channel over the batch, and over the positions of a sequence.

    .. math::
        y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \cdot \gamma_c + \beta_c

    In training, mean and variance of channel c are taken over the N samples and L positions of
    the batch, the variance biased (divided by n). Each training batch also moves the running
    statistics, with m for ``momentum``:

    .. math::
        \begin{aligned}
        \mathrm{running\_mean} &\leftarrow (1 - m)\, \mathrm{running\_mean} + m\, \mathrm{E}[x] \\
        \mathrm{running\_var} &\leftarrow (1 - m)\, \mathrm{running\_var}
            + m\, \tfrac{n}{n - 1} \mathrm{Var}[x]
        \end{aligned}

    The variance that is remembered is the unbiased one. In eval the running statistics take the
    place of the batch's, so each sample's result stands by itself.

    Twin of :class:`torch.nn.BatchNorm1d`. Without ``affine`` and ``track_running_stats``,
    ``num_features`` is unused and not compared with the input, as in torch. An empty batch leaves
    the running statistics alone, but is counted; torch does not check its channels and dtype, and
    this layer does. A negative ``eps`` is refused at once, not at the first input.

    Parameters
    ----------
    num_features
        Number of channels C, from 1.
    eps
        Added to the variance, inside the root; > 0 (in eval with running statistics, >= 0).
    momentum
        Weight of the newest batch in the running statistics, in [0, 1]. None gives the plain
        average over all batches so far. (An optimizer's momentum weighs the past instead.)
    affine
        Learn a scale :math:`\gamma` (from 1) and a shift :math:`\beta` (from 0), one per channel.
    track_running_stats
        Keep running statistics. If false, eval also normalises with those of its batch.
    bias
        Learn the shift; without effect if ``affine`` is false.

    Shape
    -----
    input and output: ``(N, C)`` or ``(N, C, L)``. There is no unbatched form.

    Raises
    ------
    ValueError
        The input has other axes or channels; a batch gives a channel one value only; eps is 0 in
        training, or negative; num_features is no number of channels.
    TypeError
        The input is not floating-point, or its dtype does not fit parameters and buffers; eps or
        momentum is not a number.

    References
    ----------
    Ioffe and Szegedy, *Batch Normalization*, arXiv 1502.03167, algorithms 1 and 2.

    Examples
    --------
    In training, each channel ends with mean 0 and (biased) variance 1:

    >>> x = torch.randn(7, 3, 5) * 2 + 4                             # N=7, C=3, L=5
    >>> layer, theirs = BatchNorm1d(3), nn.BatchNorm1d(3)
    >>> y = layer(x)
    >>> y.shape
    torch.Size([7, 3, 5])
    >>> torch.testing.assert_close(y.mean((0, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    >>> torch.testing.assert_close(y.var((0, 2), correction=0), torch.ones(3))

    It equals PyTorch's, and so do the running statistics and eval:

    >>> torch.testing.assert_close(y, theirs(x))
    >>> torch.testing.assert_close(layer.running_var, theirs.running_var)
    >>> torch.testing.assert_close(layer.eval()(x), theirs.eval()(x))

    Refused are other channels, a single value of each in training, and another dtype:

    >>> BatchNorm1d(3)(torch.ones(7, 5))
    Traceback (most recent call last):
        ...
    ValueError: BatchNorm1d has num_features=3, got 5 channels, on axis 1 of an input of shape
        (7, 5): make num_features 5, or move the channels to axis 1
    >>> BatchNorm1d(3)(torch.ones(1, 3))
    Traceback (most recent call last):
        ...
    ValueError: BatchNorm1d takes more than one value per channel for the statistics of a
        batch, got an input of shape (1, 3): give a larger batch, or call eval() to use the
        running statistics
    >>> BatchNorm1d(3)(x.double())
    Traceback (most recent call last):
        ...
    TypeError: BatchNorm1d takes floating-point input of its parameters' dtype, or half
        precision with float32 parameters, got an input of torch.float64 and parameters of
        {torch.float32}: convert one, as by layer.to(input.dtype)
    """

    _layouts: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(_BatchNorm):
    r"""Normalise every channel over the batch and over the positions of an image.

    .. math::
        y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \cdot \gamma_c + \beta_c

    As :class:`BatchNorm1d`, with mean and variance over N, H and W. In eval the running
    statistics take the place of the batch's.

    Twin of :class:`torch.nn.BatchNorm2d`.

    Parameters
    ----------
    num_features
        Number of channels C, from 1.
    eps
        Added to the variance, inside the root; > 0 (in eval with running statistics, >= 0).
    momentum
        Weight of the newest batch in the running statistics, in [0, 1]; None: plain average.
    affine
        Learn a scale :math:`\gamma` (from 1) and a shift :math:`\beta` (from 0), one per channel.
    track_running_stats
        Keep running statistics. If false, eval also normalises with those of its batch.
    bias
        Learn the shift; without effect if ``affine`` is false.

    Shape
    -----
    input and output: ``(N, C, H, W)``. There is no unbatched form.

    Raises
    ------
    ValueError
        The input has other axes or channels; a batch gives a channel one value only; eps is 0 in
        training, or negative; num_features is no number of channels.
    TypeError
        The input is not floating-point, or its dtype does not fit parameters and buffers; eps or
        momentum is not a number.

    References
    ----------
    Ioffe and Szegedy, *Batch Normalization*, arXiv 1502.03167, section 3.2.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7)                                  # N=2, C=3, H=5, W=7
    >>> y = BatchNorm2d(3)(x)
    >>> y.shape
    torch.Size([2, 3, 5, 7])
    >>> torch.testing.assert_close(y, nn.BatchNorm2d(3)(x))

    The shape of the image does not matter, only which values belong to a channel:

    >>> torch.testing.assert_close(y.flatten(2), BatchNorm1d(3)(x.flatten(2)))

    A missing batch axis is refused, and so are whole numbers:

    >>> BatchNorm2d(3)(x[0])
    Traceback (most recent call last):
        ...
    ValueError: BatchNorm2d takes an input (N, C, H, W), got 3 axes, shape (3, 5, 7): reshape
        or unsqueeze the input to one of these layouts
    >>> BatchNorm2d(3)(torch.ones(2, 3, 5, 7).byte())
    Traceback (most recent call last):
        ...
    TypeError: BatchNorm2d takes floating-point input of its parameters' dtype, or half
        precision with float32 parameters, got an input of torch.uint8 and parameters of
        {torch.float32}: convert one, as by layer.to(input.dtype)
    """

    _layouts: ClassVar = {4: "(N, C, H, W)"}


class BatchNorm3d(_BatchNorm):
    r"""Normalise every channel over the batch and over the positions of a volume.

    .. math::
        y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \cdot \gamma_c + \beta_c

    As :class:`BatchNorm1d`, with mean and variance over N, D, H and W. In eval the running
    statistics take the place of the batch's.

    Twin of :class:`torch.nn.BatchNorm3d`.

    Parameters
    ----------
    num_features
        Number of channels C, from 1.
    eps
        Added to the variance, inside the root; > 0 (in eval with running statistics, >= 0).
    momentum
        Weight of the newest batch in the running statistics, in [0, 1]; None: plain average.
    affine
        Learn a scale :math:`\gamma` (from 1) and a shift :math:`\beta` (from 0), one per channel.
    track_running_stats
        Keep running statistics. If false, eval also normalises with those of its batch.
    bias
        Learn the shift; without effect if ``affine`` is false.

    Shape
    -----
    input and output: ``(N, C, D, H, W)``. There is no unbatched form.

    Raises
    ------
    ValueError
        The input has other axes or channels; a batch gives a channel one value only; eps is 0 in
        training, or negative; num_features is no number of channels.
    TypeError
        The input is not floating-point, or its dtype does not fit parameters and buffers; eps or
        momentum is not a number.

    References
    ----------
    Ioffe and Szegedy, *Batch Normalization*, arXiv 1502.03167, section 3.2.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7, 4)                               # N=2, C=3, D=5, H=7, W=4
    >>> y = BatchNorm3d(3)(x)
    >>> y.shape
    torch.Size([2, 3, 5, 7, 4])
    >>> torch.testing.assert_close(y, nn.BatchNorm3d(3)(x))

    The shape of the volume does not matter, only which values belong to a channel:

    >>> torch.testing.assert_close(y.flatten(2), BatchNorm1d(3)(x.flatten(2)))

    Settings are checked when the layer is made:

    >>> BatchNorm3d(0)
    Traceback (most recent call last):
        ...
    ValueError: BatchNorm3d takes the number of channels, from 1, got num_features=0: give the
        size of the input's channel axis
    >>> BatchNorm3d(3, eps=-1e-5)
    Traceback (most recent call last):
        ...
    ValueError: BatchNorm3d adds eps to a variance, got eps=-1e-05: the default is 1e-5
    >>> BatchNorm3d(3, momentum="slow")
    Traceback (most recent call last):
        ...
    TypeError: BatchNorm3d: momentum is a number, got 'slow': give a float, or leave momentum
        out
    """

    _layouts: ClassVar = {5: "(N, C, D, H, W)"}

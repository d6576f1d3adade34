"""GroupNorm: every sample is normalised over groups of its channels."""

import math

import torch
from torch import Tensor, nn  # noqa: F401 (nn: for the doctests)

from layerref.normalization.affine import _Affine, check_number, is_size, widen


class GroupNorm(_Affine):
    r"""Normalise every sample over groups of neighbouring channels.

    .. math::
        y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \cdot \gamma_c + \beta_c

    The C channels are cut into G runs of C / G neighbours. Mean and variance (biased) are taken
    over the channels of a group and all positions, separately for each sample and group, while
    scale and shift are learned per channel. The batch takes no part, so train and eval agree.

    Twin of :class:`torch.nn.GroupNorm`, with two of its oddities. Without ``affine`` it takes
    any number of channels that ``num_groups`` divides. It refuses a batch of one sample with one
    value per group, and computes zeros for two such samples. A ``num_groups`` below 1, which
    torch may refuse only at the first input, is refused at once.

    Parameters
    ----------
    num_groups
        Number of groups G; from 1, and a divisor of ``num_channels``.
    num_channels
        Number of channels C.
    eps
        Added to the variance, inside the root; > 0.
    affine
        Learn a scale :math:`\gamma` (from 1) and a shift :math:`\beta` (from 0), one per channel.
    bias
        Learn the shift; without effect if ``affine`` is false.

    Shape
    -----
    input and output: ``(N, C, *)``, with any number of further axes. There is no unbatched form.

    Raises
    ------
    ValueError
        ``num_groups`` does not divide ``num_channels``; the input has another number of channels,
        fewer than two axes, or one value per group in a single sample.
    TypeError
        The input is not floating-point, or its dtype does not fit that of the parameters; eps or
        num_channels is not a number.

    References
    ----------
    Wu and He, *Group Normalization*, arXiv 1803.08494, equations 1, 2, 6 and 7.

    Examples
    --------
    Each group of each sample ends with mean 0 and (biased) variance 1:

    >>> x = torch.randn(2, 6, 5, 7) * 3 + 4                          # N=2, C=6, H=5, W=7
    >>> y = GroupNorm(3, 6)(x)
    >>> y.shape
    torch.Size([2, 6, 5, 7])
    >>> groups = y.reshape(2, 3, -1)
    >>> torch.testing.assert_close(groups.mean(-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
    >>> torch.testing.assert_close(groups.var(-1, correction=0), torch.ones(2, 3))

    It equals PyTorch's, and a sample alone gives what it gives within a batch:

    >>> torch.testing.assert_close(y, nn.GroupNorm(3, 6)(x))
    >>> torch.testing.assert_close(y[:1], GroupNorm(3, 6)(x[:1]))

    Groups are equally large, and the input is one of num_channels channels:

    >>> GroupNorm(4, 6)
    Traceback (most recent call last):
        ...
    ValueError: GroupNorm cuts num_channels into num_groups equal groups, got num_groups=4 and
        num_channels=6: give a num_groups from 1 that divides num_channels
    >>> GroupNorm(3, 6)(x[:, :3])
    Traceback (most recent call last):
        ...
    ValueError: GroupNorm with num_groups=3 and num_channels=6 got an input of 3 channels,
        shape (2, 3, 5, 7): make axis 1 the channels, and num_channels their number
    >>> GroupNorm(3, 6)(x[0, :, 0, 0])
    Traceback (most recent call last):
        ...
    ValueError: GroupNorm takes an input (N, C, *), got shape (6,): unsqueeze the input to give
        it a batch axis and a channel axis
    >>> GroupNorm(6, 6)(x[:1, :, :1, :1])
    Traceback (most recent call last):
        ...
    ValueError: GroupNorm takes more than one value per group, for one value has no variance,
        got num_groups=6 and an input of shape (1, 6, 1, 1): use fewer groups

    Refused are whole numbers, another dtype than the parameters', and settings of other types:

    >>> GroupNorm(3, 6)(torch.ones(2, 6).long())
    Traceback (most recent call last):
        ...
    TypeError: GroupNorm takes floating-point input of its parameters' dtype, or half precision
        with float32 parameters, got an input of torch.int64 and parameters of {torch.float32}:
        convert one, as by layer.to(input.dtype)
    >>> GroupNorm(3, 6)(x.double())
    Traceback (most recent call last):
        ...
    TypeError: GroupNorm takes floating-point input of its parameters' dtype, or half precision
        with float32 parameters, got an input of torch.float64 and parameters of
        {torch.float32}: convert one, as by layer.to(input.dtype)
    >>> GroupNorm(3, 6, eps="small")
    Traceback (most recent call last):
        ...
    TypeError: GroupNorm: eps is a number, got 'small': give a float, or leave eps out
    >>> GroupNorm(3, "6")
    Traceback (most recent call last):
        ...
    TypeError: GroupNorm: num_channels is a number, got '6': give a float, or leave
        num_channels out
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_number("GroupNorm", "eps", eps)
        check_number("GroupNorm", "num_channels", num_channels)
        whole = is_size(num_channels) or not affine  # without parameters, torch never uses it
        if not is_size(num_groups) or num_groups < 1 or not whole or num_channels % num_groups:
            raise ValueError(
                "GroupNorm cuts num_channels into num_groups equal groups, got num_groups="
                f"{num_groups!r} and num_channels={num_channels!r}: give a num_groups from 1 "
                "that divides num_channels"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._learn((num_channels,), affine, affine and bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``, ``(N, C, *)``."""
        self._check_shape(input)
        self._check_dtype(input)
        samples, channels, *positions = input.shape
        group_size = channels // self.num_groups
        groups = widen(input).reshape(samples, self.num_groups, group_size, *positions)
        axes = tuple(range(2, groups.dim()))
        variance, mean = torch.var_mean(groups, axes, correction=0, keepdim=True)
        output = (groups - mean) * torch.rsqrt(variance + self.eps)
        output = self._scale_and_shift(output.reshape(input.shape), len(positions))
        return output.to(input.dtype)

    def _check_shape(self, input: Tensor) -> None:
        """Refuse an input without channel axis, with other channels, or with a lone value."""
        shape = tuple(input.shape)
        if len(shape) < 2:
            raise ValueError(
                f"GroupNorm takes an input (N, C, *), got shape {shape}: unsqueeze the input to "
                "give it a batch axis and a channel axis"
            )
        other = self.weight is not None and shape[1] != self.num_channels
        if other or shape[1] % self.num_groups:
            raise ValueError(
                f"GroupNorm with num_groups={self.num_groups} and num_channels="
                f"{self.num_channels} got an input of {shape[1]} channels, shape {shape}: make "
                "axis 1 the channels, and num_channels their number"
            )
        if shape[0] * shape[1] // self.num_groups * math.prod(shape[2:]) == 1:
            raise ValueError(
                "GroupNorm takes more than one value per group, for one value has no variance, "
                f"got num_groups={self.num_groups} and an input of shape {shape}: use fewer groups"
            )

    def extra_repr(self) -> str:
        """Show the settings as torch does."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )

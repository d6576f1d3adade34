"""SwitchableNorm: learn how far to trust the statistics of a plane, a sample and the batch."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from layerref.normalization.affine import widen
from layerref.normalization.batch import _BatchNorm


def merge(mean: Tensor, variance: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    r"""Return mean and variance of a union of equally large sets from those of the sets.

    The variance of the union is that within the sets plus that between them:

    .. math:: \sigma^2 = \mathrm{E}[\sigma_k^2] + \mathrm{Var}[\mu_k]

    Examples
    --------
    >>> x = torch.randn(5, 7).double()
    >>> mean, variance = merge(x.mean(1), x.var(1, correction=0), axis=0)
    >>> torch.testing.assert_close(mean, x.mean((0, 1), keepdim=True)[0])
    >>> torch.testing.assert_close(variance, x.var((0, 1), correction=0, keepdim=True)[0])
    """
    between, merged = torch.var_mean(mean, axis, correction=0, keepdim=True)
    return merged, variance.mean(axis, keepdim=True) + between


class SwitchableNorm2d(_BatchNorm):
    r"""Normalise an image with a learned mixture of plane, sample and batch statistics.

    .. math::
        y = \frac{x - \sum_k w_k\, \mu_k}{\sqrt{\sum_k w'_k\, \sigma_k^2 + \epsilon}}
            \cdot \gamma_c + \beta_c, \qquad k \in \{\mathrm{in}, \mathrm{ln}, \mathrm{bn}\}

    The statistics are those of InstanceNorm (over H, W), of LayerNorm (over C, H, W) and of
    BatchNorm (over N, H, W), all variances biased. :math:`w` is the softmax of three
    ``mean_logits`` and :math:`w'` that of three ``var_logits``, in the order in, ln, bn; both
    start uniform and serve all channels. The layer mixes statistics, not the outputs of three
    layers.

    In eval, running statistics take the place of the batch's. They are kept as
    :class:`BatchNorm2d` keeps them (unbiased variance, ``momentum`` the weight of the newest
    batch), so with all weight on bn this *is* BatchNorm2d. The authors' code differs:
    it takes the unbiased variance for in, derives the others from it, and counts ``momentum`` the
    other way round. There is no such layer in torch.nn.

    Parameters
    ----------
    num_features
        Number of channels C, from 1. The layer has 2C + 6 parameters.
    eps
        Added to the mixed variance, inside the root; > 0.
    momentum
        Weight of the newest batch in the running statistics, in [0, 1]; None: plain average.

    Shape
    -----
    input and output: ``(N, C, H, W)``.

    Raises
    ------
    ValueError
        The input has other axes or channels; a training batch gives a channel one value only;
        eps is 0 in training, or negative; num_features is no number of channels.
    TypeError
        The input is not floating-point, or its dtype does not fit parameters and buffers; eps or
        momentum is not a number.

    References
    ----------
    Luo, Ren, Peng, Zhang and Li, *Differentiable Learning-to-Normalize via Switchable
    Normalization*, arXiv 1806.10779, equations 3 to 5.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7)                                  # N=2, C=3, H=5, W=7
    >>> layer = SwitchableNorm2d(3)
    >>> layer(x).shape
    torch.Size([2, 3, 5, 7])
    >>> sum(p.numel() for p in layer.parameters()) == 2 * 3 + 6
    True

    With all the weight on one kind of statistics it is the layer of that kind:

    >>> for k, kind in enumerate([nn.InstanceNorm2d(3), nn.GroupNorm(1, 3), nn.BatchNorm2d(3)]):
    ...     one_hot = 1e4 * nn.functional.one_hot(torch.tensor(k), 3).float()
    ...     state = layer.state_dict() | {"mean_logits": one_hot, "var_logits": one_hot}
    ...     _ = layer.load_state_dict(state)
    ...     torch.testing.assert_close(layer(x), kind(x))

    Refused are other channels, a single value of each in training, and another dtype:

    >>> SwitchableNorm2d(3)(x[:, :2])
    Traceback (most recent call last):
        ...
    ValueError: SwitchableNorm2d has num_features=3, got 2 channels, on axis 1 of an input of
        shape (2, 2, 5, 7): make num_features 2, or move the channels to axis 1
    >>> SwitchableNorm2d(3)(x[:1, :, :1, :1])
    Traceback (most recent call last):
        ...
    ValueError: SwitchableNorm2d takes more than one value per channel for the statistics of a
        batch, got an input of shape (1, 3, 1, 1): give a larger batch, or call eval() to use
        the running statistics
    >>> SwitchableNorm2d(3)(x.double())
    Traceback (most recent call last):
        ...
    TypeError: SwitchableNorm2d takes floating-point input of its parameters' dtype, or half
        precision with float32 parameters, got an input of torch.float64 and parameters of
        {torch.float32}: convert one, as by layer.to(input.dtype)
    >>> SwitchableNorm2d(3, momentum="slow")
    Traceback (most recent call last):
        ...
    TypeError: SwitchableNorm2d: momentum is a number, got 'slow': give a float, or leave
        momentum out
    """

    _layouts: ClassVar = {4: "(N, C, H, W)"}

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1) -> None:
        super().__init__(num_features, eps, momentum)
        self.mean_logits = nn.Parameter(torch.zeros(3))
        self.var_logits = nn.Parameter(torch.zeros(3))

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``, ``(N, C, H, W)``."""
        self._check_input(input, channel_axis=1)
        self._check_dtype(input, self.mean_logits, self.var_logits, self.running_mean)
        x = widen(input)
        variance_in, mean_in = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        mean_ln, variance_ln = merge(mean_in, variance_in, axis=1)
        mean_bn, variance_bn = self._statistics(x)
        w = torch.softmax(widen(self.mean_logits), 0)
        v = torch.softmax(widen(self.var_logits), 0)
        mean = w[0] * mean_in + w[1] * mean_ln + w[2] * mean_bn
        variance = v[0] * variance_in + v[1] * variance_ln + v[2] * variance_bn
        output = (x - mean) * torch.rsqrt(variance + self.eps)
        return self._scale_and_shift(output, shared_axes=2).to(input.dtype)

    def reset_parameters(self) -> None:
        """Start from scale 1, shift 0, equal weights and no batch seen."""
        super().reset_parameters()
        for logits in (getattr(self, "mean_logits", None), getattr(self, "var_logits", None)):
            if logits is not None:
                nn.init.zeros_(logits)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"

"""LayerNorm: every position is normalised over its own last axes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn  # noqa: F401 (nn: for the doctests)

from layerref.normalization.affine import (
    _Affine,
    check_last_axes,
    check_number,
    last_axes,
    widen,
)


class LayerNorm(_Affine):
    r"""Normalise every position over its own last axes.

    .. math:: y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \odot \gamma + \beta

    Mean and variance (biased: divided by n) are taken over the axes that ``normalized_shape``
    names, separately at each index of all other axes. No other token and no other sample takes
    part, so train and eval agree, and a sequence may have any length.

    Twin of :class:`torch.nn.LayerNorm`. An empty or negative ``normalized_shape``, which torch
    may refuse only at the first input, is refused at once.

    Parameters
    ----------
    normalized_shape
        Sizes of the last axes, ``E`` or ``(C, H, W)``. An int stands for one axis.
    eps
        Added to the variance, inside the root; > 0.
    elementwise_affine
        Learn a scale :math:`\gamma` (from 1) and a shift :math:`\beta` (from 0), one per element.
    bias
        Learn the shift; without effect if ``elementwise_affine`` is false.

    Shape
    -----
    input and output: ``(*, *normalized_shape)``, at least as many axes as ``normalized_shape``.

    Raises
    ------
    ValueError
        The input's last axes are not ``normalized_shape``; a size is negative or there is none.
    TypeError
        The input is not floating-point, or its dtype does not fit that of the parameters; eps is
        not a number.

    References
    ----------
    Ba, Kiros and Hinton, *Layer Normalization*, arXiv 1607.06450, equation 4.

    Examples
    --------
    Each token ends with mean 0 and (biased) standard deviation 1, whatever its scale was:

    >>> x = torch.arange(2 * 3 * 5.0).reshape(2, 3, 5) ** 2          # N=2, L=3, E=5
    >>> y = LayerNorm(5)(x)
    >>> y.shape
    torch.Size([2, 3, 5])
    >>> torch.testing.assert_close(y.mean(-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
    >>> torch.testing.assert_close(y.std(-1, correction=0), torch.ones(2, 3))

    It equals PyTorch's, and does not see a positive rescaling of its input:

    >>> torch.testing.assert_close(y, nn.LayerNorm(5)(x))
    >>> torch.testing.assert_close(y, LayerNorm(5)(3 * x + 7))

    Features are refused if there is another number of them, and sizes that none can have:

    >>> LayerNorm(5)(torch.randn(2, 4))
    Traceback (most recent call last):
        ...
    ValueError: LayerNorm normalises the last axes (5,), got an input of shape (2, 4): give
        normalized_shape the sizes of the input's last axes
    >>> LayerNorm((3, -5))
    Traceback (most recent call last):
        ...
    ValueError: LayerNorm takes the sizes of one or more last axes, got
        normalized_shape=(3, -5): give an int for one axis, or a tuple such as (3, 5)

    So are whole numbers, another dtype than the parameters', and an eps that is no number:

    >>> LayerNorm(5)(torch.ones(2, 5).long())
    Traceback (most recent call last):
        ...
    TypeError: LayerNorm takes floating-point input of its parameters' dtype, or half precision
        with float32 parameters, got an input of torch.int64 and parameters of {torch.float32}:
        convert one, as by layer.to(input.dtype)
    >>> LayerNorm(5)(x.double())
    Traceback (most recent call last):
        ...
    TypeError: LayerNorm takes floating-point input of its parameters' dtype, or half precision
        with float32 parameters, got an input of torch.float64 and parameters of
        {torch.float32}: convert one, as by layer.to(input.dtype)
    >>> LayerNorm(5, eps="small")
    Traceback (most recent call last):
        ...
    TypeError: LayerNorm: eps is a number, got 'small': give a float, or leave eps out
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_number("LayerNorm", "eps", eps)
        self.normalized_shape = last_axes("LayerNorm", normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._learn(self.normalized_shape, elementwise_affine, elementwise_affine and bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``, ``(*, *normalized_shape)``."""
        check_last_axes("LayerNorm", input, self.normalized_shape)
        self._check_dtype(input)
        x = widen(input)
        axes = tuple(range(-len(self.normalized_shape), 0))
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        output = (x - mean) * torch.rsqrt(variance + self.eps)
        return self._scale_and_shift(output).to(input.dtype)

    def extra_repr(self) -> str:
        """Show the settings as torch does."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )

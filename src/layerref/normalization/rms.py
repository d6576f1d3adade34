"""RMSNorm: every position is divided by the root mean square of its own last axes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from layerref.normalization.affine import check_last_axes, check_number, last_axes, widen


class RMSNorm(nn.Module):
    r"""Divide every position by its root mean square.

    .. math::
        y = \frac{x}{\sqrt{\frac{1}{n} \sum_{i=1}^{n} x_i^2 + \epsilon}} \odot \gamma

    The sum runs over the axes that ``normalized_shape`` names, separately at each index of all
    other axes. No mean is subtracted and nothing is added, so a vector keeps its direction as
    long as :math:`\gamma` is 1, and a zero vector stays zero. Train and eval agree.

    Twin of :class:`torch.nn.RMSNorm`. An empty or negative ``normalized_shape``, which torch may
    refuse only at the first input, is refused at once.

    Parameters
    ----------
    normalized_shape
        Sizes of the last axes, ``E`` or ``(C, H, W)``. An int stands for one axis.
    eps
        Added to the mean square, inside the root; > 0. None stands for the machine epsilon of
        the dtype that the layer computes in: float64's for a float64 input, else float32's.
    elementwise_affine
        Learn a scale :math:`\gamma` (from 1), one per element. There is no shift.

    Shape
    -----
    input and output: ``(*, *normalized_shape)``, at least as many axes as ``normalized_shape``.

    Raises
    ------
    ValueError
        The input's last axes are not ``normalized_shape``; a size is negative or there is none.
    TypeError
        The input is neither floating-point nor complex; eps is not a number.

    References
    ----------
    Zhang and Sennrich, *Root Mean Square Layer Normalization*, arXiv 1910.07467, equation 4
    (which has no :math:`\epsilon`).

    Examples
    --------
    Each token ends with mean square 1, and points where it pointed before:

    >>> x = torch.arange(1, 1 + 2 * 3 * 5.0).reshape(2, 3, 5)        # N=2, L=3, E=5
    >>> y = RMSNorm(5)(x)
    >>> y.shape
    torch.Size([2, 3, 5])
    >>> torch.testing.assert_close(y.square().mean(-1), torch.ones(2, 3))
    >>> torch.testing.assert_close(torch.cosine_similarity(x, y, dim=-1), torch.ones(2, 3))

    It equals PyTorch's, and does not see a positive rescaling of its input:

    >>> torch.testing.assert_close(y, nn.RMSNorm(5)(x))
    >>> torch.testing.assert_close(y, RMSNorm(5)(3 * x))

    Features are refused if there is another number of them, and so are no features at all:

    >>> RMSNorm(5)(torch.randn(2, 4))
    Traceback (most recent call last):
        ...
    ValueError: RMSNorm normalises the last axes (5,), got an input of shape (2, 4): give
        normalized_shape the sizes of the input's last axes
    >>> RMSNorm(())
    Traceback (most recent call last):
        ...
    ValueError: RMSNorm takes the sizes of one or more last axes, got normalized_shape=(): give
        an int for one axis, or a tuple such as (3, 5)

    So are whole numbers, and an eps that is no number:

    >>> RMSNorm(5)(torch.ones(2, 5).long())
    Traceback (most recent call last):
        ...
    TypeError: RMSNorm takes floating-point or complex input, got torch.int64: convert it, as
        by input.float()
    >>> RMSNorm(5, eps="small")
    Traceback (most recent call last):
        ...
    TypeError: RMSNorm: eps is a number, got 'small': give a float, or leave eps out
    """

    weight: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
    ) -> None:
        super().__init__()
        if eps is not None:
            check_number("RMSNorm", "eps", eps)
        self.normalized_shape = last_axes("RMSNorm", normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = nn.Parameter(torch.empty(self.normalized_shape)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start from scale 1, which changes nothing."""
        if self.weight is not None:
            nn.init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x``, ``(*, *normalized_shape)``."""
        check_last_axes("RMSNorm", x, self.normalized_shape)
        if not (x.is_floating_point() or x.is_complex()):
            raise TypeError(
                f"RMSNorm takes floating-point or complex input, got {x.dtype}: "
                "convert it, as by input.float()"
            )
        wide = widen(x)
        eps = torch.finfo(wide.dtype).eps if self.eps is None else self.eps
        axes = tuple(range(-len(self.normalized_shape), 0))
        output = wide * torch.rsqrt(wide.square().mean(axes, keepdim=True) + eps)
        if self.weight is not None:
            output = output * self.weight
        return output.to(x.dtype)

    def extra_repr(self) -> str:
        """Show the settings as torch does."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )

"""The fully connected layer."""

import math

import torch
from torch import Tensor, nn


def check_sizes(layer: str, **sizes: int) -> None:
    """Refuse negative sizes (zero is a valid, empty, layer).

    Examples
    --------
    >>> check_sizes("Linear", in_features=0, out_features=1)
    >>> check_sizes("Linear", in_features=1, out_features=-1)
    Traceback (most recent call last):
        ...
    ValueError: Linear: out_features counts features, so it is >= 0, got -1
    """
    for name, size in sizes.items():
        if size < 0:
            raise ValueError(f"{layer}: {name} counts features, so it is >= 0, got {size}")


class Linear(nn.Module):
    r"""Map the features of each position by one matrix and one shift.

    .. math:: y = x W^\top + b, \qquad y_j = \sum_i W_{ji} x_i + b_j

    Only the last axis takes part; every other index is one independent sample, so an input may
    have any number of axes from one upwards. Both W and b start uniform in
    :math:`\pm 1/\sqrt{\mathrm{in\_features}}`. Train and eval agree.

    Parameters
    ----------
    in_features
        Size of the last axis of the input; >= 0.
    out_features
        Size of the last axis of the output; >= 0.
    bias
        Learn the shift b.

    Shape
    -----
    input ``(*, in_features)``, at least one axis; output ``(*, out_features)``.
    ``weight`` is ``(out_features, in_features)``: one row for each output feature.

    Raises
    ------
    ValueError
        A size is negative, or the input's last axis is not ``in_features``.
    TypeError
        The input's dtype is not the weight's (autocast excepted).

    References
    ----------
    He, Zhang, Ren and Sun, *Delving Deep into Rectifiers*, arXiv 1502.01852, section 2.2 (the
    initial values, with the gain of a leaky ReLU of slope :math:`\sqrt 5`).

    Examples
    --------
    Only the last axis changes:

    >>> layer = Linear(5, 3)
    >>> layer(torch.zeros(2, 7, 5)).shape                            # N=2, L=7, E=5
    torch.Size([2, 7, 3])

    The same seed gives PyTorch's layer, bit for bit in its parameters:

    >>> _ = torch.manual_seed(1)
    >>> theirs = nn.Linear(5, 3)
    >>> _ = torch.manual_seed(1)
    >>> ours = Linear(5, 3)
    >>> torch.equal(ours.weight, theirs.weight), torch.equal(ours.bias, theirs.bias)
    (True, True)
    >>> x = torch.randn(2, 5)
    >>> torch.testing.assert_close(ours(x), theirs(x))

    Without the shift it is linear in the strict sense:

    >>> matrix = Linear(5, 3, bias=False)
    >>> torch.testing.assert_close(matrix(2 * x), 2 * matrix(x))

    A negative size, another number of features and another dtype are refused:

    >>> Linear(5, -3)
    Traceback (most recent call last):
        ...
    ValueError: Linear: out_features counts features, so it is >= 0, got -3
    >>> layer(torch.zeros(2, 7))
    Traceback (most recent call last):
        ...
    ValueError: Linear takes an input whose last axis has in_features=5 elements, got shape (2,
        7): give in_features the size of the input's last axis, or move the features there
    >>> layer(torch.zeros(2, 5).double())
    Traceback (most recent call last):
        ...
    TypeError: Linear multiplies tensors of one dtype, got an input of torch.float64 and a
        weight of torch.float32: convert the input (x.to(torch.float32)) or the layer
        (layer.to(torch.float64))
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        check_sizes("Linear", in_features=in_features, out_features=out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        r"""Draw weight, then bias, uniformly from :math:`\pm 1/\sqrt{\mathrm{in\_features}}`."""
        # kaiming's bound is gain * sqrt(3 / fan_in) with gain = sqrt(2 / (1 + a²)) = sqrt(1 / 3)
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input @ weight.T + bias``."""
        if input.dim() == 0 or input.shape[-1] != self.in_features:
            raise ValueError(
                f"Linear takes an input whose last axis has in_features={self.in_features} "
                f"elements, got shape {tuple(input.shape)}: give in_features the size of the "
                "input's last axis, or move the features there"
            )
        if input.dtype != self.weight.dtype and not torch.is_autocast_enabled(input.device.type):
            raise TypeError(
                f"Linear multiplies tensors of one dtype, got an input of {input.dtype} and a "
                f"weight of {self.weight.dtype}: convert the input (x.to({self.weight.dtype})) "
                f"or the layer (layer.to({input.dtype}))"
            )
        output = input @ self.weight.T
        # autocast lowers the product only; the sum stays in its dtype
        return output if self.bias is None else output + self.bias.to(output.dtype)

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )

"""Dropout of single elements (Dropout) and of whole channels (Dropout1d, 2d, 3d)."""

import warnings

import torch
from torch import Tensor, nn

from layerref.checks import check_probability, check_rank

__all__ = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]


class _Dropout(nn.Module):
    """Multiply by noise that is 0 with probability p and 1 / (1 - p) otherwise."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(type(self).__name__, p)
        self.p = p
        self.inplace = inplace

    def _drop(self, input: Tensor, channel_axis: int | None = None) -> Tensor:
        """Drop elements or, given ``channel_axis``, everything behind an index of that axis."""
        if not self.training or self.p == 0 or input.numel() == 0:
            return input
        if self.p == 1:
            noise = input.new_zeros(())  # 0 / (1 - p) would be NaN
        elif not input.is_floating_point():
            raise TypeError(
                f"{type(self).__name__} multiplies by 1 / (1 - p) = {1 / (1 - self.p):g} or 0, got "
                f"an input of {input.dtype}: convert it, for example with input.float()"
            )
        elif channel_axis is None:
            noise = torch.empty_like(input).bernoulli_(1 - self.p).div_(1 - self.p)
        elif channel_axis >= input.dim():
            raise ValueError(
                f"{type(self).__name__} drops channels, got an input without a channel axis, "
                f"shape {tuple(input.shape)}: use Dropout, which drops single elements"
            )
        else:
            # one draw for each channel of each sample; size 1 behind it, so that it broadcasts
            drawn, rest = input.shape[: channel_axis + 1], input.dim() - channel_axis - 1
            noise = input.new_empty(*drawn, *(1,) * rest).bernoulli_(1 - self.p).div_(1 - self.p)
        return input.mul_(noise) if self.inplace else input * noise

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    r"""Set random elements to zero and scale the others up.

    .. math:: y_i = \frac{m_i}{1 - p}\, x_i, \qquad m_i \sim \mathrm{Bernoulli}(1 - p)

    in train mode, with one independent draw for each element of an input of any shape. The
    factor keeps the expectation: :math:`\mathrm{E}[y] = x`. In eval mode the input comes back.
    On the CPU the draws are torch's: the same seed drops the same elements. (On a GPU torch's
    own layer uses a fused kernel with other draws, and the distribution is what agrees.)

    Parameters
    ----------
    p
        Probability of dropping an element, in [0, 1]; 1 drops all, without a draw.
    inplace
        Write into the input's memory and return the input itself.

    Shape
    -----
    input and output ``(*)``: any shape.

    Raises
    ------
    ValueError
        p is outside [0, 1].
    TypeError
        The input is not of a floating-point dtype and elements would be scaled.

    References
    ----------
    Srivastava et al., *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*,
    JMLR 15 (2014), section 4; the factor 1 / (1 - p) at training time: section 10.

    Examples
    --------
    >>> x = torch.ones(2, 3, 500)
    >>> y = Dropout(0.2)(x)
    >>> y.shape
    torch.Size([2, 3, 500])
    >>> sorted(set(y.flatten().tolist()))
    [0.0, 1.25]

    Eval mode is the identity, and the same seed gives PyTorch's elements:

    >>> Dropout(0.2).eval()(x) is x
    True
    >>> _ = torch.manual_seed(1)
    >>> theirs = nn.Dropout(0.2)(x)
    >>> _ = torch.manual_seed(1)
    >>> torch.equal(Dropout(0.2)(x), theirs)
    True

    p is a probability, and whole numbers cannot be scaled:

    >>> Dropout(1.1)
    Traceback (most recent call last):
        ...
    ValueError: Dropout: p is the probability of dropping an element, between 0 and 1, got 1.1
    >>> Dropout(0.2)(torch.tensor([1, 2]))
    Traceback (most recent call last):
        ...
    TypeError: Dropout multiplies by 1 / (1 - p) = 1.25 or 0, got an input of torch.int64:
        convert it, for example with input.float()
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop single elements in train mode; return the input in eval mode."""
        return self._drop(input)


class Dropout1d(_Dropout):
    r"""Set random channels of a sequence to zero and scale the others up.

    .. math:: y_{n,c,:} = \frac{m_{n,c}}{1 - p}\, x_{n,c,:}, \qquad
        m_{n,c} \sim \mathrm{Bernoulli}(1 - p)

    in train mode; in eval mode the input comes back. All positions of a channel share one draw,
    and every sample has draws of its own. On the CPU they are torch's.

    Parameters
    ----------
    p
        Probability of dropping a channel, in [0, 1].
    inplace
        Write into the input's memory and return the input itself.

    Shape
    -----
    input and output ``(N, C, L)`` or ``(C, L)``.

    Raises
    ------
    ValueError
        p is outside [0, 1], or the input has another number of axes.
    TypeError
        The input is not of a floating-point dtype and elements would be scaled.

    References
    ----------
    Tompson et al., *Efficient Object Localization Using Convolutional Networks*,
    arXiv 1411.4280, section 3 ("SpatialDropout").

    Examples
    --------
    >>> y = Dropout1d(0.5)(torch.ones(2, 300, 7))                      # N=2, C=300, L=7
    >>> y.shape
    torch.Size([2, 300, 7])

    A channel is kept or dropped as a whole:

    >>> sorted({tuple(channel) for channel in y.flatten(0, 1).tolist()}) == [(0.0,) * 7, (2.0,) * 7]
    True
    >>> _ = torch.manual_seed(1)
    >>> theirs = nn.Dropout1d(0.5)(torch.ones(2, 300, 7))
    >>> _ = torch.manual_seed(1)
    >>> torch.equal(Dropout1d(0.5)(torch.ones(2, 300, 7)), theirs)
    True

    p is a probability, the input has a channel axis, and whole numbers cannot be scaled:

    >>> Dropout1d(-0.1)
    Traceback (most recent call last):
        ...
    ValueError: Dropout1d: p is the probability of dropping an element, between 0 and 1, got
        -0.1
    >>> Dropout1d(0.5)(torch.ones(300))
    Traceback (most recent call last):
        ...
    ValueError: Dropout1d takes an input (C, L) or (N, C, L), got 1 axes, shape (300,): reshape
        or unsqueeze the input to one of these layouts
    >>> Dropout1d(0.5)(torch.tensor([[1, 2]]))
    Traceback (most recent call last):
        ...
    TypeError: Dropout1d multiplies by 1 / (1 - p) = 2 or 0, got an input of torch.int64:
        convert it, for example with input.float()
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop channels in train mode; return the input in eval mode."""
        check_rank("Dropout1d", input, {2: "(C, L)", 3: "(N, C, L)"})
        return self._drop(input, channel_axis=input.dim() - 2)


class Dropout2d(_Dropout):
    r"""Set random channels of an image to zero and scale the others up.

    .. math:: y_{n,c,:,:} = \frac{m_{n,c}}{1 - p}\, x_{n,c,:,:}, \qquad
        m_{n,c} \sim \mathrm{Bernoulli}(1 - p)

    in train mode; in eval mode the input comes back. On the CPU the draws are torch's.

    Axis 1 is the channel axis whatever the input's rank, as in torch: an input with three axes
    is read as ``(N, C, L)``, not as one image ``(C, H, W)``, and warns. Other ranks than four
    warn too; in train mode ranks 0 and 1 are refused.

    Parameters
    ----------
    p
        Probability of dropping a channel, in [0, 1].
    inplace
        Write into the input's memory and return the input itself.

    Shape
    -----
    input and output ``(N, C, H, W)``.

    Raises
    ------
    ValueError
        p is outside [0, 1], or channels are to be dropped of an input without a channel axis.
    TypeError
        The input is not of a floating-point dtype and elements would be scaled.

    References
    ----------
    Tompson et al., *Efficient Object Localization Using Convolutional Networks*,
    arXiv 1411.4280, section 3 ("SpatialDropout").

    Examples
    --------
    >>> y = Dropout2d(0.5)(torch.ones(2, 300, 3, 5))                   # N=2, C=300, H=3, W=5
    >>> y.shape
    torch.Size([2, 300, 3, 5])

    A channel is kept or dropped as a whole, as in PyTorch's layer:

    >>> set(y.mean((2, 3)).flatten().tolist()) == {0.0, 2.0}
    True
    >>> _ = torch.manual_seed(1)
    >>> theirs = nn.Dropout2d(0.5)(torch.ones(2, 300, 3, 5))
    >>> _ = torch.manual_seed(1)
    >>> torch.equal(Dropout2d(0.5)(torch.ones(2, 300, 3, 5)), theirs)
    True

    p is a probability, axis 1 is there, and whole numbers cannot be scaled:

    >>> Dropout2d(1.1)
    Traceback (most recent call last):
        ...
    ValueError: Dropout2d: p is the probability of dropping an element, between 0 and 1, got
        1.1
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     Dropout2d(0.5)(torch.ones(300))
    Traceback (most recent call last):
        ...
    ValueError: Dropout2d drops channels, got an input without a channel axis, shape (300,):
        use Dropout, which drops single elements
    >>> Dropout2d(0.5)(torch.ones(2, 3, 1, 1).int())
    Traceback (most recent call last):
        ...
    TypeError: Dropout2d multiplies by 1 / (1 - p) = 2 or 0, got an input of torch.int32:
        convert it, for example with input.float()
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop channels in train mode; return the input in eval mode."""
        if input.dim() == 3:
            warnings.warn(
                f"Dropout2d reads the shape {tuple(input.shape)} as (N, C, L) and drops rows of "
                "L elements: use Dropout1d for that, or x.unsqueeze(0) for one image (C, H, W)",
                stacklevel=2,
            )
        elif input.dim() != 4:
            warnings.warn(
                f"Dropout2d takes an input (N, C, H, W), got {input.dim()} axes, which is "
                "deprecated: use Dropout for single elements, or Dropout1d or Dropout3d",
                stacklevel=2,
            )
        return self._drop(input, channel_axis=1)


class Dropout3d(_Dropout):
    r"""Set random channels of a volume to zero and scale the others up.

    .. math:: y_{n,c,:,:,:} = \frac{m_{n,c}}{1 - p}\, x_{n,c,:,:,:}, \qquad
        m_{n,c} \sim \mathrm{Bernoulli}(1 - p)

    in train mode; in eval mode the input comes back. On the CPU the draws are torch's.

    Unlike :class:`Dropout2d` it knows unbatched inputs: four axes are ``(C, D, H, W)``. As in
    torch, any rank but five makes axis 0 the channel axis, and other ranks than four and five
    warn: six axes lose whole samples. In train mode rank 0 is refused.

    Parameters
    ----------
    p
        Probability of dropping a channel, in [0, 1].
    inplace
        Write into the input's memory and return the input itself.

    Shape
    -----
    input and output ``(N, C, D, H, W)`` or ``(C, D, H, W)``.

    Raises
    ------
    ValueError
        p is outside [0, 1], or channels are to be dropped of an input without axes.
    TypeError
        The input is not of a floating-point dtype and elements would be scaled.

    References
    ----------
    Tompson et al., *Efficient Object Localization Using Convolutional Networks*,
    arXiv 1411.4280, section 3 ("SpatialDropout"), with one more axis.

    Examples
    --------
    >>> y = Dropout3d(0.5)(torch.ones(300, 2, 3, 5))                   # C=300, D=2, H=3, W=5
    >>> y.shape
    torch.Size([300, 2, 3, 5])

    A channel is kept or dropped as a whole, as in PyTorch's layer:

    >>> set(y.mean((1, 2, 3)).tolist()) == {0.0, 2.0}
    True
    >>> _ = torch.manual_seed(1)
    >>> theirs = nn.Dropout3d(0.5)(torch.ones(2, 300, 2, 3, 5))
    >>> _ = torch.manual_seed(1)
    >>> torch.equal(Dropout3d(0.5)(torch.ones(2, 300, 2, 3, 5)), theirs)
    True

    p is a probability, there is an axis, and whole numbers cannot be scaled:

    >>> Dropout3d(1.1)
    Traceback (most recent call last):
        ...
    ValueError: Dropout3d: p is the probability of dropping an element, between 0 and 1, got
        1.1
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     Dropout3d(0.5)(torch.tensor(1.0))
    Traceback (most recent call last):
        ...
    ValueError: Dropout3d drops channels, got an input without a channel axis, shape (): use
        Dropout, which drops single elements
    >>> Dropout3d(0.5)(torch.ones(3, 1, 1, 1).int())
    Traceback (most recent call last):
        ...
    TypeError: Dropout3d multiplies by 1 / (1 - p) = 2 or 0, got an input of torch.int32:
        convert it, for example with input.float()
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop channels in train mode; return the input in eval mode."""
        if input.dim() not in (4, 5):
            warnings.warn(
                "Dropout3d takes an input (N, C, D, H, W) or (C, D, H, W), got "
                f"{input.dim()} axes, which is deprecated: use Dropout for single elements, or "
                "Dropout1d or Dropout2d",
                stacklevel=2,
            )
        return self._drop(input, channel_axis=1 if input.dim() == 5 else 0)

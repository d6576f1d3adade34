"""The two layers that Keras names: depthwise and separable convolution."""

from collections.abc import Sequence

import torch  # noqa: F401 (for the doctests)
from torch import Tensor, nn

from layerref.convolution.conv import Conv2d


class DepthwiseConv2d(Conv2d):
    r"""Slide separate kernels over every channel of an image, without mixing channels.

    .. math::

        y_{n,\,mc + r,\,o} = b_{mc + r} + \sum_{j} w_{mc + r,\,0,\,j}\, x_{n,c,\,s\,o + d\,j - p}

    for :math:`r = 0, \dots, m - 1` where :math:`m` is ``depth_multiplier``. It is :class:`Conv2d`
    with as many groups as input channels. Keras has a layer of this name: the same family of
    functions, with kernels stored as ``(k_h, k_w, C, m)`` and images as ``(N, H, W, C)``.

    Parameters
    ----------
    in_channels
        Channels C of the input; >= 1.
    kernel_size
        Taps k of the kernel per axis; >= 1.
    depth_multiplier
        Kernels m per channel; >= 1. The output has m C channels.
    stride, padding, dilation, bias
        As for :class:`Conv2d`.

    Shape
    -----
    input: ``(N, C, H_in, W_in)`` or ``(C, H_in, W_in)``. Output: ``(N, m C, H_out, W_out)`` or
    ``(m C, H_out, W_out)``, sizes as for :class:`Conv2d`.
    ``weight`` is ``(m C, 1, *kernel_size)``, ``bias`` is ``(m C,)``.

    Raises
    ------
    ValueError
        As for :class:`Conv2d`; ``depth_multiplier`` < 1.
    TypeError
        The input's dtype is not the weight's.

    References
    ----------
    Chollet, *Xception: Deep Learning with Depthwise Separable Convolutions*, arXiv 1610.02357,
    section 1.1. Keras: ``keras.layers.DepthwiseConv2D``. PyTorch: :class:`torch.nn.Conv2d`.

    Examples
    --------
    >>> conv, x = DepthwiseConv2d(3, kernel_size=3, depth_multiplier=2), torch.randn(5, 3, 7, 11)
    >>> conv(x).shape
    torch.Size([5, 6, 5, 9])

    A channel of the output follows from one channel of the input alone:

    >>> one = x * torch.tensor([0.0, 1.0, 0.0])[:, None, None]
    >>> torch.testing.assert_close(conv(one)[:, 2:4], conv(x)[:, 2:4])

    It equals PyTorch's grouped convolution:

    >>> theirs = nn.Conv2d(3, 6, kernel_size=3, groups=3)
    >>> theirs.load_state_dict(conv.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(conv(x), theirs(x))

    A channel has one kernel or more, and the input has the weight's dtype:

    >>> DepthwiseConv2d(3, kernel_size=3, depth_multiplier=0)
    Traceback (most recent call last):
        ...
    ValueError: DepthwiseConv2d: in_channels, out_channels and groups are at least 1, got 3, 0
        and 3
    >>> conv(x.double())
    Traceback (most recent call last):
        ...
    TypeError: DepthwiseConv2d takes an input of its weight's dtype, got torch.float64 for
        torch.float32: convert one by .to(dtype)
    """

    def __init__(
        self,
        in_channels: int,
        kernel_size: int | Sequence[int],
        depth_multiplier: int = 1,
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels, depth_multiplier * in_channels, kernel_size, stride, padding, dilation,
            groups=in_channels, bias=bias,
        )  # fmt: skip
        self.depth_multiplier = depth_multiplier


class SeparableConv2d(nn.Module):
    r"""Convolve every channel by itself, then mix the channels at every position.

    .. math:: y = b + P \cdot \mathrm{DepthwiseConv2d}(x)

    where :math:`P`, of shape (n, m C), multiplies the channels of each position. The depthwise
    step has no bias: Keras' layer of this name has one, after the mixing, so that it has
    :math:`k_h k_w m C + m C n + n` parameters.

    Parameters
    ----------
    in_channels, out_channels
        Channels C of the input and n of the output; >= 1.
    kernel_size
        Taps k of the depthwise kernel per axis; >= 1.
    depth_multiplier
        Depthwise kernels m per input channel; >= 1.
    stride, padding, dilation
        Of the depthwise step, as for :class:`Conv2d`.
    bias
        Add one learned number per output channel, after the mixing.

    Shape
    -----
    input: ``(N, C, H_in, W_in)`` or ``(C, H_in, W_in)``. Output: ``(N, n, H_out, W_out)`` or
    ``(n, H_out, W_out)``, sizes as for :class:`Conv2d`. ``depthwise.weight`` is
    ``(m C, 1, *kernel_size)``, ``pointwise.weight`` is ``(n, m C, 1, 1)``, ``pointwise.bias`` is
    ``(n,)``.

    Raises
    ------
    ValueError
        As for :class:`Conv2d`; ``depth_multiplier`` < 1.
    TypeError
        The input's dtype is not the weight's.

    References
    ----------
    Chollet, *Xception: Deep Learning with Depthwise Separable Convolutions*, arXiv 1610.02357,
    section 1.1. Keras: ``keras.layers.SeparableConv2D``. PyTorch: :class:`torch.nn.Conv2d`, twice.

    Examples
    --------
    >>> conv, x = SeparableConv2d(3, 7, kernel_size=3), torch.randn(5, 3, 11, 13)
    >>> conv(x).shape
    torch.Size([5, 7, 9, 11])
    >>> sum(p.numel() for p in conv.parameters()) == 3 * 3 * 3 + 3 * 7 + 7
    True

    It equals one dense convolution whose kernels are products:

    >>> dense = nn.Conv2d(3, 7, kernel_size=3)
    >>> dense.weight.data = conv.pointwise.weight.data * conv.depthwise.weight.data[:, 0]
    >>> dense.bias.data = conv.pointwise.bias.data
    >>> torch.testing.assert_close(conv(x), dense(x))

    The first step checks the input:

    >>> conv(torch.randn(5, 11, 13, 3))                                # Keras' (N, H, W, C)
    Traceback (most recent call last):
        ...
    ValueError: DepthwiseConv2d with in_channels=3 takes that many channels on axis -3, got an
        input of shape (5, 11, 13, 3): move the channels there or change in_channels
    >>> conv(x.double())
    Traceback (most recent call last):
        ...
    TypeError: DepthwiseConv2d takes an input of its weight's dtype, got torch.float64 for
        torch.float32: convert one by .to(dtype)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        depth_multiplier: int = 1,
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv2d(
            in_channels, kernel_size, depth_multiplier, stride, padding, dilation, bias=False
        )
        self.pointwise = Conv2d(depth_multiplier * in_channels, out_channels, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve every channel of ``input``, ``(N, C, H, W)`` or ``(C, H, W)``, then mix them."""
        return self.pointwise(self.depthwise(input))

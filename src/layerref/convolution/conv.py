"""Convolution: read every window, multiply."""

from collections.abc import Sequence

import torch  # noqa: F401 (for the doctests)
from torch import Tensor, nn  # noqa: F401 (nn: for the doctests)

from layerref.checks import per_axis
from layerref.convolution.kernel import _Kernel
from layerref.windows import pad, sliding_windows, to_columns


class _Conv(_Kernel):
    """Convolution over the last ``axes`` axes: read windows, multiply, add the bias."""

    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        layer, modes = type(self).__name__, ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ValueError(f"{layer}: padding_mode is one of {modes}, got {padding_mode!r}")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{layer}: padding is numbers, 'same' or 'valid', got {padding!r}")
        if padding == "same" and set(per_axis("stride", stride, self.axes)) != {1}:
            raise ValueError(
                f"{layer}: padding='same' keeps the size, so it needs stride=1, got "
                f"stride={stride}: give padding as numbers"
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias,
            padding_mode,
        )  # fmt: skip

    def _pads(self) -> list[tuple[int, int]]:
        """Return how many cells to add before and after, per axis."""
        if self.padding == "same":  # an odd total puts its extra cell after
            totals = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation)]
            return [(total // 2, total - total // 2) for total in totals]
        numbers = (0,) * self.axes if isinstance(self.padding, str) else self.padding
        return [(p, p) for p in numbers]

    def forward(self, input: Tensor) -> Tensor:
        """Convolve ``input``, ``(N, C, *)`` or ``(C, *)`` with ``axes`` spatial axes."""
        self._check_input(input)
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        padded = pad(input, self._pads(), mode)
        windows = sliding_windows(padded, self.kernel_size, self.stride, self.dilation)
        out = windows.shape[-2 * self.axes : -self.axes]
        columns = to_columns(windows, self.axes).unflatten(
            -2, (self.groups, -1)
        )  # (N, G, C/G k, L)
        weight = self.weight.unflatten(0, (self.groups, -1)).flatten(2)  # (G, O/G, C/G k)
        return self._add_bias((weight @ columns).flatten(-3, -2).unflatten(-1, out))


class Conv1d(_Conv):
    r"""Slide learned kernels along a sequence.

    .. math:: y_{n,c,o} = b_c + \sum_{c'} \sum_{j=0}^{k-1} w_{c,c',j}\, x_{n,c',\,s\,o + d\,j - p}

    It is :class:`Conv2d` with one spatial axis; the parameters, the padding and the groups are
    described there. Values outside the input are what ``padding_mode`` says.

    Parameters
    ----------
    in_channels, out_channels
        Channels C of the input and of the output; >= 1, multiples of ``groups``.
    kernel_size, stride, padding, dilation, groups, bias, padding_mode
        As for :class:`Conv2d`, with one axis.

    Shape
    -----
    input: ``(N, C_in, L_in)`` or ``(C_in, L_in)``. Output: ``(N, C_out, L_out)`` or
    ``(C_out, L_out)`` with :math:`L_{out} = \lfloor (L_{in} + 2p - d(k-1) - 1) / s \rfloor + 1`.

    Raises
    ------
    ValueError, TypeError
        As for :class:`Conv2d`.

    References
    ----------
    Waibel et al., *Phoneme Recognition Using Time-Delay Neural Networks*, IEEE Transactions on
    Acoustics, Speech, and Signal Processing 37(3), 1989. PyTorch: :class:`torch.nn.Conv1d`.

    Examples
    --------
    >>> conv, x = Conv1d(2, 3, kernel_size=5, stride=2), torch.randn(7, 2, 11)    # N=7, C=2, L=11
    >>> conv(x).shape
    torch.Size([7, 3, 4])

    A kernel (1, -1) takes differences, and a sum is moved with its input:

    >>> difference = Conv1d(1, 1, 2, bias=False)
    >>> difference.weight.data = torch.tensor([[[-1.0, 1.0]]])
    >>> difference(torch.tensor([[1.0, 4.0, 9.0, 16.0]])).tolist()
    [[3.0, 5.0, 7.0]]

    It equals PyTorch's:

    >>> theirs = nn.Conv1d(2, 3, kernel_size=5, stride=2)
    >>> theirs.load_state_dict(conv.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(conv(x), theirs(x))

    Channels come before the length, and the input has the weight's dtype:

    >>> conv(x.mT)                                                          # (N, L, C)
    Traceback (most recent call last):
        ...
    ValueError: Conv1d with in_channels=2 takes that many channels on axis -2, got an input of
        shape (7, 11, 2): move the channels there or change in_channels
    >>> conv(x.double())
    Traceback (most recent call last):
        ...
    TypeError: Conv1d takes an input of its weight's dtype, got torch.float64 for
        torch.float32: convert one by .to(dtype)
    """

    axes = 1


class Conv2d(_Conv):
    r"""Slide learned kernels over an image.

    .. math::

        y_{n,c,o} = b_c + \sum_{c'} \sum_{j} w_{c,c',j}\, x_{n,c',\,s\,o + d\,j - p}

    where the position :math:`o` and the tap :math:`j` of the kernel are pairs (row, column), and
    :math:`c'` runs over the input channels of the group of :math:`c`. The kernel is not flipped,
    so this is what signal processing calls cross-correlation. It is one matrix product: each
    window of the input is laid out as a column of C k values, and the weight multiplies it.

    Parameters
    ----------
    in_channels, out_channels
        Channels C of the input and of the output; >= 1, multiples of ``groups``.
    kernel_size
        Taps k of the kernel per axis; >= 1. An int stands for all axes, here and below.
    stride
        Cells s between neighbouring windows; >= 1.
    padding
        Cells p added on both sides of each axis; >= 0. ``"valid"`` is 0. ``"same"`` adds
        d (k - 1) in total, the odd one after, so that the output has the input's size; it needs
        ``stride=1``. With a ``padding_mode`` other than zeros a negative padding crops.
    dilation
        Cells d between neighbouring taps; >= 1.
    groups
        Number G of parts into which the channels are cut; output channels of a part see the
        input channels of the same part only. Divides both channel numbers.
    bias
        Add one learned number per output channel.
    padding_mode
        What the added cells hold: ``"zeros"``, ``"reflect"`` (mirror without the edge; p < size),
        ``"replicate"`` (the edge) or ``"circular"`` (wrap around; p <= size).

    Shape
    -----
    input: ``(N, C_in, H_in, W_in)`` or ``(C_in, H_in, W_in)``. Output: ``(N, C_out, H_out, W_out)``
    or ``(C_out, H_out, W_out)``; per axis, with i cells in and o out,
    :math:`o = \lfloor (i + 2p - d(k-1) - 1) / s \rfloor + 1`.
    ``weight`` is ``(C_out, C_in / G, *kernel_size)``, ``bias`` is ``(C_out,)``.

    Raises
    ------
    ValueError
        A number is out of its range (also ``in_channels=0`` and tuples of length 1, which torch
        lets pass); ``groups`` does not divide the channels; the input has other channels or axes;
        the window does not fit into the padded input; the padding is too big for its mode.
    TypeError
        The input's dtype is not the weight's.

    References
    ----------
    LeCun et al., *Gradient-Based Learning Applied to Document Recognition*, Proceedings of the
    IEEE 86(11), 1998, section II. Dumoulin and Visin, *A guide to convolution arithmetic for deep
    learning*, arXiv 1603.07285, section 2 (sizes). PyTorch: :class:`torch.nn.Conv2d`.

    Examples
    --------
    >>> conv, x = Conv2d(2, 3, kernel_size=3, padding=1), torch.randn(7, 2, 5, 11)
    >>> conv(x).shape
    torch.Size([7, 3, 5, 11])

    Away from the border, moving the input moves the output:

    >>> moved = conv(x.roll(1, dims=-1))
    >>> torch.testing.assert_close(moved[..., 2:-1], conv(x)[..., 1:-2])

    It equals PyTorch's:

    >>> theirs = nn.Conv2d(2, 3, kernel_size=3, padding=1)
    >>> theirs.load_state_dict(conv.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(conv(x), theirs(x))

    What cannot be convolved is refused: other channels, another dtype, too small an image,
    groups that do not divide the channels.

    >>> conv(torch.randn(7, 4, 5, 11))
    Traceback (most recent call last):
        ...
    ValueError: Conv2d with in_channels=2 takes that many channels on axis -3, got an input of
        shape (7, 4, 5, 11): move the channels there or change in_channels
    >>> conv(x.half())
    Traceback (most recent call last):
        ...
    TypeError: Conv2d takes an input of its weight's dtype, got torch.float16 for
        torch.float32: convert one by .to(dtype)
    >>> Conv2d(2, 3, kernel_size=7, padding=(0, 1))(x)
    Traceback (most recent call last):
        ...
    ValueError: a window of kernel_size=7 and dilation=1 spans 7 cells, more than the 5 of the
        padded input (7, 2, 5, 13): use a smaller kernel or dilation, a larger input or more
        padding
    >>> Conv2d(4, 6, 3, groups=4)
    Traceback (most recent call last):
        ...
    ValueError: Conv2d: groups divides in_channels and out_channels, got groups=4 for 4 and 6:
        choose a divisor of 2
    """

    axes = 2


class Conv3d(_Conv):
    r"""Slide learned kernels through a volume or a video.

    .. math:: y_{n,c,o} = b_c + \sum_{c'} \sum_{j} w_{c,c',j}\, x_{n,c',\,s\,o + d\,j - p}

    It is :class:`Conv2d` with three spatial axes: the position :math:`o` and the tap :math:`j`
    are triples (depth, row, column).

    Parameters
    ----------
    in_channels, out_channels
        Channels C of the input and of the output; >= 1, multiples of ``groups``.
    kernel_size, stride, padding, dilation, groups, bias, padding_mode
        As for :class:`Conv2d`, with three axes.

    Shape
    -----
    input: ``(N, C_in, D_in, H_in, W_in)`` or ``(C_in, D_in, H_in, W_in)``. Output:
    ``(N, C_out, D_out, H_out, W_out)`` or ``(C_out, D_out, H_out, W_out)``; per axis
    :math:`o = \lfloor (i + 2p - d(k-1) - 1) / s \rfloor + 1`.

    Raises
    ------
    ValueError, TypeError
        As for :class:`Conv2d`.

    References
    ----------
    Tran et al., *Learning Spatiotemporal Features with 3D Convolutional Networks*, ICCV 2015,
    section 3. PyTorch: :class:`torch.nn.Conv3d`.

    Examples
    --------
    >>> conv, x = Conv3d(2, 3, kernel_size=(1, 3, 3)), torch.randn(5, 2, 7, 11, 13)
    >>> conv(x).shape
    torch.Size([5, 3, 7, 9, 11])

    A kernel of depth 1 treats every frame by itself, as Conv2d does:

    >>> frames = nn.Conv2d(2, 3, kernel_size=3)
    >>> frames.weight.data, frames.bias.data = conv.weight.data[:, :, 0], conv.bias.data
    >>> torch.testing.assert_close(conv(x)[:, :, 4], frames(x[:, :, 4]))

    It equals PyTorch's:

    >>> theirs = nn.Conv3d(2, 3, kernel_size=(1, 3, 3))
    >>> theirs.load_state_dict(conv.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(conv(x), theirs(x))

    Bytes of a video are converted before, and a batch of images is not a video:

    >>> conv((255 * x).to(torch.uint8))
    Traceback (most recent call last):
        ...
    TypeError: Conv3d takes an input of its weight's dtype, got torch.uint8 for torch.float32:
        convert one by .to(dtype)
    >>> conv(torch.randn(5, 2, 11))
    Traceback (most recent call last):
        ...
    ValueError: Conv3d takes an input (C, D, H, W) or (N, C, D, H, W), got 3 axes, shape
        (5, 2, 11): reshape or unsqueeze the input to one of these layouts
    """

    axes = 3

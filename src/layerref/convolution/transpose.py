"""Transposed convolution: multiply, write every window."""

from collections.abc import Sequence

import torch  # noqa: F401 (for the doctests)
from torch import Tensor, nn  # noqa: F401 (nn: for the doctests)

from layerref.convolution.kernel import _Kernel
from layerref.windows import from_columns, overlap_add, pad


class _ConvTranspose(_Kernel):
    """The adjoint of convolution: multiply, write the windows and add where they overlap."""

    transposed = True
    padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
    ) -> None:
        layer = type(self).__name__
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ValueError(
                f"{layer} crops its output by a number of cells, so padding is numbers and "
                f"padding_mode is 'zeros', got {padding!r} and {padding_mode!r}"
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation,
            groups, bias, padding_mode,
        )  # fmt: skip
        for extra, s, d in zip(self.output_padding, self.stride, self.dilation):
            if not 0 <= extra < max(s, d):
                raise ValueError(
                    f"{layer}: output_padding is at least 0 and less than the larger of stride and "
                    f"dilation, got output_padding={self.output_padding} for stride={self.stride} "
                    f"and dilation={self.dilation}: it only chooses among the sizes that the "
                    "stride makes alike"
                )

    def _sizes(self, input: Tensor) -> list[int]:
        """Return the output size per axis that padding leaves, before ``output_padding``."""
        inner = input.shape[-self.axes :]
        windows = zip(inner, self.kernel_size, self.stride, self.padding, self.dilation)
        return [(i - 1) * s - 2 * p + d * (k - 1) + 1 for i, k, s, p, d in windows]

    def _extra(self, input: Tensor, output_size: Sequence[int] | None) -> list[int]:
        """Return the cells to append per axis so that the output has ``output_size``."""
        layer, sizes = type(self).__name__, self._sizes(input)
        extra = list(self.output_padding)
        if output_size is not None:
            wanted = list(output_size)
            if len(wanted) == input.dim():  # batch and channels may be named, and are not read
                wanted = wanted[-self.axes :]
            if len(wanted) != self.axes:
                raise ValueError(
                    f"{layer}: output_size has {self.axes} or {input.dim()} numbers, got "
                    f"{tuple(output_size)}"
                )
            extra = [o - size for o, size in zip(wanted, sizes)]
            if any(not 0 <= e < s for e, s in zip(extra, self.stride)):
                raise ValueError(
                    f"{layer}: an input of shape {tuple(input.shape)} gives sizes from "
                    f"{tuple(sizes)} to {tuple(n + s - 1 for n, s in zip(sizes, self.stride))}, "
                    f"got output_size={tuple(output_size)}"
                )
        if any(size + e < 1 for size, e in zip(sizes, extra)):
            raise ValueError(
                f"{layer}: padding={self.padding} leaves nothing of the output, whose size is "
                f"{tuple(n + e for n, e in zip(sizes, extra))}: use less padding"
            )
        return extra

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Write ``input``, ``(N, C, *)`` or ``(C, *)``, as windows, to ``output_size`` if given."""
        self._check_input(input)
        extra = self._extra(input, output_size)
        rows = input.flatten(-self.axes).unflatten(-2, (self.groups, -1))  # (N, G, C/G, L)
        weight = self.weight.unflatten(0, (self.groups, -1)).flatten(2)  # (G, C/G, O/G k)
        columns = (weight.mT @ rows).flatten(-3, -2)  # (N, O k, L)
        windows = from_columns(columns, input.shape[-self.axes :], self.kernel_size)
        crops = [-p for p in self.padding]
        full = [size - 2 * crop for size, crop in zip(self._sizes(input), crops)]
        output = overlap_add(windows, full, self.stride, self.dilation)
        output = pad(pad(output, [(0, e) for e in extra]), [(crop, crop) for crop in crops])
        return self._add_bias(output)


class ConvTranspose1d(_ConvTranspose):
    r"""Write learned kernels along a sequence and add where they overlap.

    .. math:: y_{n,c,\,s\,o + d\,j - p} \mathrel{+}= \sum_{c'} w_{c',c,j}\, x_{n,c',o}

    It is :class:`ConvTranspose2d` with one spatial axis.

    Parameters
    ----------
    in_channels, out_channels
        Channels C of the input and of the output; >= 1, multiples of ``groups``.
    kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode
        As for :class:`ConvTranspose2d`, with one axis.

    Shape
    -----
    input: ``(N, C_in, L_in)`` or ``(C_in, L_in)``. Output: ``(N, C_out, L_out)`` or
    ``(C_out, L_out)`` with :math:`L_{out} = (L_{in} - 1)s - 2p + d(k-1) + \mathrm{output\_padding}
    + 1`.

    Raises
    ------
    ValueError, TypeError
        As for :class:`ConvTranspose2d`.

    References
    ----------
    Dumoulin and Visin, *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285,
    section 4. PyTorch: :class:`torch.nn.ConvTranspose1d`.

    Examples
    --------
    >>> up, x = ConvTranspose1d(2, 3, kernel_size=4, stride=2, padding=1), torch.randn(5, 2, 7)
    >>> up(x).shape
    torch.Size([5, 3, 14])

    One input cell writes the kernel, two neighbours overlap:

    >>> write = ConvTranspose1d(1, 1, 3, stride=2, bias=False)
    >>> write.weight.data = torch.tensor([[[1.0, 2.0, 3.0]]])
    >>> write(torch.tensor([[1.0, 10.0]])).tolist()
    [[1.0, 2.0, 13.0, 20.0, 30.0]]

    It equals PyTorch's:

    >>> theirs = nn.ConvTranspose1d(2, 3, kernel_size=4, stride=2, padding=1)
    >>> theirs.load_state_dict(up.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(up(x), theirs(x))

    Channels come before the length, and the input has the weight's dtype:

    >>> up(x.mT)                                                            # (N, L, C)
    Traceback (most recent call last):
        ...
    ValueError: ConvTranspose1d with in_channels=2 takes that many channels on axis -2, got an
        input of shape (5, 7, 2): move the channels there or change in_channels
    >>> up(x.double())
    Traceback (most recent call last):
        ...
    TypeError: ConvTranspose1d takes an input of its weight's dtype, got torch.float64 for
        torch.float32: convert one by .to(dtype)
    """

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    r"""Write learned kernels over an image and add where they overlap.

    .. math:: y_{n,c,\,s\,o + d\,j - p} \mathrel{+}= \sum_{c'} w_{c',c,j}\, x_{n,c',o}

    Every cell :math:`o` of the input writes one window of the output; :math:`o` and the tap
    :math:`j` are pairs (row, column). It is the adjoint (the transposed matrix) of
    :class:`Conv2d` with the same weight and options, which is also that layer's gradient with
    respect to its input. It is not its inverse: it restores the size, not the values.

    Parameters
    ----------
    in_channels, out_channels
        Channels C of the input and of the output; >= 1, multiples of ``groups``.
    kernel_size
        Taps k of the kernel per axis; >= 1. An int stands for all axes, here and below.
    stride
        Cells s of the output between the windows of neighbouring input cells; >= 1.
    padding
        Cells p that are cut off on both sides of the output; >= 0.
    output_padding
        Cells appended after each axis, to which no window writes unless ``padding`` cut it;
        >= 0, less than the larger of stride and dilation.
    groups
        Number G of parts into which the channels are cut. Divides both channel numbers.
    bias
        Add one learned number per output channel.
    dilation
        Cells d of the output between neighbouring taps; >= 1.
    padding_mode
        ``"zeros"`` only.

    Shape
    -----
    input: ``(N, C_in, H_in, W_in)`` or ``(C_in, H_in, W_in)``. Output: ``(N, C_out, H_out, W_out)``
    or ``(C_out, H_out, W_out)``; per axis, with i cells in and o out,
    :math:`o = (i - 1)s - 2p + d(k-1) + \mathrm{output\_padding} + 1`.
    ``forward(input, output_size)`` chooses the output padding for a wanted size.
    ``weight`` is ``(C_in, C_out / G, *kernel_size)``, ``bias`` is ``(C_out,)``.

    Raises
    ------
    ValueError
        A number is out of its range (``output_padding`` already here, where torch waits for the
        first input; also tuples of length 1, which torch lets pass); ``groups`` does not divide
        the channels; the input has other channels or axes; ``output_size`` is not one of the s
        possible sizes; nothing is left of the output.
    TypeError
        The input's dtype is not the weight's.

    References
    ----------
    Zeiler et al., *Deconvolutional Networks*, CVPR 2010. Dumoulin and Visin, *A guide to
    convolution arithmetic for deep learning*, arXiv 1603.07285, section 4. PyTorch:
    :class:`torch.nn.ConvTranspose2d`.

    Examples
    --------
    >>> up, x = ConvTranspose2d(2, 3, kernel_size=3, stride=2), torch.randn(5, 2, 7, 11)
    >>> up(x).shape
    torch.Size([5, 3, 15, 23])
    >>> up(x, output_size=(16, 23)).shape
    torch.Size([5, 3, 16, 23])

    The adjoint: a scalar product with the output is one with the input.

    >>> down = nn.Conv2d(2, 3, kernel_size=3, stride=2, bias=False).double()
    >>> back = ConvTranspose2d(3, 2, kernel_size=3, stride=2, bias=False).double()
    >>> back.load_state_dict(down.state_dict())
    <All keys matched successfully>
    >>> a, b = torch.randn(5, 2, 15, 23).double(), torch.randn(5, 3, 7, 11).double()
    >>> torch.testing.assert_close((down(a) * b).sum(), (a * back(b)).sum())

    It equals PyTorch's:

    >>> theirs = nn.ConvTranspose2d(2, 3, kernel_size=3, stride=2)
    >>> theirs.load_state_dict(up.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(up(x), theirs(x))

    A stride of 2 can give two sizes per axis, and no others:

    >>> up(x, output_size=(17, 23))
    Traceback (most recent call last):
        ...
    ValueError: ConvTranspose2d: an input of shape (5, 2, 7, 11) gives sizes from (15, 23) to
        (16, 24), got output_size=(17, 23)
    >>> up(x, output_size=(5, 16, 23))
    Traceback (most recent call last):
        ...
    ValueError: ConvTranspose2d: output_size has 2 or 4 numbers, got (5, 16, 23)
    >>> ConvTranspose2d(2, 3, kernel_size=3, stride=2, output_padding=(1, 2))
    Traceback (most recent call last):
        ...
    ValueError: ConvTranspose2d: output_padding is at least 0 and less than the larger of
        stride and dilation, got output_padding=(1, 2) for stride=(2, 2) and dilation=(1, 1):
        it only chooses among the sizes that the stride makes alike

    Nor is an output without a cell given, an input of another dtype taken, or its border filled:

    >>> ConvTranspose2d(2, 3, kernel_size=1, padding=(1, 2))(torch.randn(2, 3, 4))
    Traceback (most recent call last):
        ...
    ValueError: ConvTranspose2d: padding=(1, 2) leaves nothing of the output, whose size is
        (1, 0): use less padding
    >>> up(x.half())
    Traceback (most recent call last):
        ...
    TypeError: ConvTranspose2d takes an input of its weight's dtype, got torch.float16 for
        torch.float32: convert one by .to(dtype)
    >>> ConvTranspose2d(2, 3, kernel_size=3, padding_mode="reflect")
    Traceback (most recent call last):
        ...
    ValueError: ConvTranspose2d crops its output by a number of cells, so padding is numbers
        and padding_mode is 'zeros', got 0 and 'reflect'
    """

    axes = 2


class ConvTranspose3d(_ConvTranspose):
    r"""Write learned kernels into a volume and add where they overlap.

    .. math:: y_{n,c,\,s\,o + d\,j - p} \mathrel{+}= \sum_{c'} w_{c',c,j}\, x_{n,c',o}

    It is :class:`ConvTranspose2d` with three spatial axes.

    Parameters
    ----------
    in_channels, out_channels
        Channels C of the input and of the output; >= 1, multiples of ``groups``.
    kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode
        As for :class:`ConvTranspose2d`, with three axes.

    Shape
    -----
    input: ``(N, C_in, D_in, H_in, W_in)`` or ``(C_in, D_in, H_in, W_in)``. Output:
    ``(N, C_out, D_out, H_out, W_out)`` or ``(C_out, D_out, H_out, W_out)``; per axis
    :math:`o = (i - 1)s - 2p + d(k-1) + \mathrm{output\_padding} + 1`.

    Raises
    ------
    ValueError, TypeError
        As for :class:`ConvTranspose2d`.

    References
    ----------
    Dumoulin and Visin, *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285,
    section 4. PyTorch: :class:`torch.nn.ConvTranspose3d`.

    Examples
    --------
    >>> up, x = ConvTranspose3d(2, 3, kernel_size=2, stride=2), torch.randn(5, 2, 3, 5, 7)
    >>> up(x).shape
    torch.Size([5, 3, 6, 10, 14])

    Here k = s, so windows touch without overlap, and one cell writes one block:

    >>> block = torch.einsum("c,codhw->odhw", x[0, :, 1, 2, 3], up.weight)
    >>> block = block + up.bias[:, None, None, None]
    >>> torch.testing.assert_close(up(x)[0, :, 2:4, 4:6, 6:8], block)

    It equals PyTorch's:

    >>> theirs = nn.ConvTranspose3d(2, 3, kernel_size=2, stride=2)
    >>> theirs.load_state_dict(up.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(up(x), theirs(x))

    The input has the weight's dtype, and the layer has no ``"same"`` padding:

    >>> up(x.bfloat16())
    Traceback (most recent call last):
        ...
    TypeError: ConvTranspose3d takes an input of its weight's dtype, got torch.bfloat16 for
        torch.float32: convert one by .to(dtype)
    >>> ConvTranspose3d(2, 3, kernel_size=3, padding="same")
    Traceback (most recent call last):
        ...
    ValueError: ConvTranspose3d crops its output by a number of cells, so padding is numbers
        and padding_mode is 'zeros', got 'same' and 'zeros'
    """

    axes = 3

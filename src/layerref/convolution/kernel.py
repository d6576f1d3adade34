"""What convolution and its transpose share: options, parameters and checks."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from layerref.checks import check_rank, per_axis
from layerref.windows import check_window


class _Kernel(nn.Module):
    """What convolution and its transpose share: options, weight, bias and the checks of both."""

    axes: int  # 1 for (N, C, L), 2 for (N, C, H, W), 3 for (N, C, D, H, W)
    transposed: bool
    padding: str | tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int],
        padding: str | int | Sequence[int],
        output_padding: int | Sequence[int],
        dilation: int | Sequence[int],
        groups: int,
        bias: bool,
        padding_mode: str,
    ) -> None:
        super().__init__()
        layer = type(self).__name__
        if groups < 1 or min(in_channels, out_channels) < 1:
            raise ValueError(
                f"{layer}: in_channels, out_channels and groups are at least 1, got "
                f"{in_channels}, {out_channels} and {groups}"
            )
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{layer}: groups divides in_channels and out_channels, got groups={groups} for "
                f"{in_channels} and {out_channels}: choose a divisor of "
                f"{math.gcd(in_channels, out_channels)}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = per_axis("kernel_size", kernel_size, self.axes)
        self.stride = per_axis("stride", stride, self.axes)
        self.padding = (
            padding if isinstance(padding, str) else per_axis("padding", padding, self.axes)
        )
        self.output_padding = per_axis("output_padding", output_padding, self.axes)
        self.dilation = per_axis("dilation", dilation, self.axes)
        self.groups = groups
        self.padding_mode = padding_mode

        # with a padding mode, negative padding crops the input; zeros refuse it, as torch does
        unchecked = padding_mode != "zeros"
        checked = (0,) if isinstance(self.padding, str) or unchecked else self.padding
        check_window(layer, self.kernel_size, self.stride, checked, self.dilation)

        rows, columns = (
            (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        )
        self.weight = nn.Parameter(torch.empty(rows, columns // groups, *self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight, then bias, from U(-1/sqrt(f), 1/sqrt(f)); f is the size of ``weight[0]``."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        # kaiming_uniform_ with a = sqrt(5) is this bound, up to rounding: follow it to the bit
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def _check_input(self, input: Tensor) -> None:
        layer, letters = type(self).__name__, ("L", "H, W", "D, H, W")[self.axes - 1]
        layouts = {self.axes + 1: f"(C, {letters})", self.axes + 2: f"(N, C, {letters})"}
        check_rank(layer, input, layouts)
        if input.shape[-self.axes - 1] != self.in_channels:
            raise ValueError(
                f"{layer} with in_channels={self.in_channels} takes that many channels on axis "
                f"{-self.axes - 1}, got an input of shape {tuple(input.shape)}: "
                "move the channels there or change in_channels"
            )
        if 0 in input.shape[-self.axes :] and 0 not in input.shape[: -self.axes - 1]:
            raise ValueError(
                f"{layer} takes at least one cell on every axis but the batch, got an input of "
                f"shape {tuple(input.shape)}"
            )
        device = input.device.type
        if input.dtype != self.weight.dtype and not (  # matmul chooses the dtype under autocast
            torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        ):
            raise TypeError(
                f"{layer} takes an input of its weight's dtype, got {input.dtype} for "
                f"{self.weight.dtype}: convert one by .to(dtype)"
            )

    def _add_bias(self, output: Tensor) -> Tensor:
        if self.bias is None:
            return output
        return output + self.bias.to(output.dtype).unflatten(0, (-1, *[1] * self.axes))

    def extra_repr(self) -> str:
        """Name the options that differ from the defaults, as torch does."""
        zeros, ones = (0,) * self.axes, (1,) * self.axes
        optional = (
            ("padding", self.padding, zeros),
            ("dilation", self.dilation, ones),
            ("output_padding", self.output_padding, zeros),
            ("groups", self.groups, 1),
            ("bias", self.bias is not None, True),
        )
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        text += "".join(f", {name}={value}" for name, value, usual in optional if value != usual)
        return text + (
            f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else ""
        )

"""What BatchNorm and InstanceNorm share: one scale and shift per channel, running statistics."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from layerref.checks import check_rank
from layerref.normalization.affine import _Affine, check_number, is_size, widen


class _ChannelNorm(_Affine):
    """Hold the settings, parameters and running statistics of a normalisation of channels."""

    _version = 2  # of the state dict, as torch counts: since 2 it holds num_batches_tracked
    _layouts: ClassVar[Mapping[int, str]]  # rank -> axis letters

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        *,
        bias: bool,
    ) -> None:
        super().__init__()
        check_number(type(self).__name__, "eps", eps)
        if momentum is not None:
            check_number(type(self).__name__, "momentum", momentum)
        if (affine or track_running_stats) and not (
            is_size(num_features) and num_features >= int(affine)
        ):
            raise ValueError(
                f"{type(self).__name__} takes the number of channels, from 1, got num_features="
                f"{num_features!r}: give the size of the input's channel axis"
            )
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        tracked = track_running_stats
        self.register_buffer("running_mean", torch.zeros(num_features) if tracked else None)
        self.register_buffer("running_var", torch.ones(num_features) if tracked else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if tracked else None)
        self._learn((num_features,), affine, affine and bias)

    def reset_running_stats(self) -> None:
        """Forget all batches: mean 0, variance 1, none seen."""
        for buffer, start in (
            (self.running_mean, 0),
            (self.running_var, 1),
            (self.num_batches_tracked, 0),
        ):
            if self.track_running_stats and buffer is not None:
                buffer.fill_(start)

    def reset_parameters(self) -> None:
        """Start from scale 1, shift 0 and no batch seen."""
        self.reset_running_stats()
        super().reset_parameters()

    def _remember(self, mean: Tensor, variance: Tensor, count: int, factor: float) -> None:
        """Move the running statistics by ``factor`` towards those of a batch.

        ``variance`` is the biased one, of ``count`` values; what is remembered is the unbiased.
        """
        if self.running_mean is None or self.running_var is None or count == 0:
            return
        with torch.no_grad():
            unbiased = variance * (count / (count - 1))
            for running, new in ((self.running_mean, mean), (self.running_var, unbiased)):
                running.copy_((1 - factor) * widen(running) + factor * new)

    def _check_input(self, input: Tensor, channel_axis: int) -> None:
        """Refuse a wrong rank, and channels for which there are no parameters or statistics."""
        check_rank(type(self).__name__, input, self._layouts)
        channels = input.shape[channel_axis]
        unused = self.weight is None and self.running_mean is None
        if channels != self.num_features and not unused:
            raise ValueError(
                f"{type(self).__name__} has num_features={self.num_features}, got {channels} "
                f"channels, on axis {channel_axis} of an input of shape {tuple(input.shape)}: "
                f"make num_features {channels}, or move the channels to axis {channel_axis}"
            )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        """Load, also from before version 2, where the batches were not counted."""
        if (local_metadata.get("version") or 1) < 2 and self.num_batches_tracked is not None:
            state_dict.setdefault(prefix + "num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def extra_repr(self) -> str:
        """Show the settings as torch does."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

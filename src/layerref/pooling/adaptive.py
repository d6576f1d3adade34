"""The windows of adaptive pooling: the output's size is given, they follow from it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from layerref.pooling.shared import ints_per_axis


def adaptive_windows(length: int, out: int, device: torch.device) -> tuple[Tensor, Tensor]:
    r"""Return the positions of every window's cells, ``(out, k)``, and which are inside it.

    .. math:: \mathrm{window}_o = [\lfloor o\,i / n \rfloor, \lceil (o+1)\,i / n \rceil)

    for i cells and n outputs. Where n divides i, all windows have :math:`k = i / n` cells; else
    they have k or k - 1, :math:`k = \lceil i / n \rceil + 1`, and a shorter one repeats its last.

    Examples
    --------
    >>> positions, inside = adaptive_windows(8, 5, torch.device("cpu"))
    >>> [row[mask].tolist() for row, mask in zip(positions, inside)]
    [[0, 1], [1, 2, 3], [3, 4], [4, 5, 6], [6, 7]]
    """
    n = max(out, 1)  # an output of length 0 has no window
    k = length // n if length % n == 0 else -(-length // n) + 1
    start = torch.arange(out, device=device) * length // n
    end = -((torch.arange(1, out + 1, device=device) * -length) // n)
    position = start.unsqueeze(1) + torch.arange(k, device=device)
    return torch.minimum(position, end.unsqueeze(1) - 1), position < end.unsqueeze(1)


class _AdaptivePool(nn.Module):
    """The output size of adaptive pooling over the last ``_axes`` axes."""

    _axes: int

    def __init__(self, output_size: int | Sequence[int | None]) -> None:
        super().__init__()
        self.output_size = output_size
        self._wanted((1,) * self._axes)

    def _wanted(self, size: Sequence[int]) -> tuple[int, ...]:
        """Return the output's size for an input's; None stands for the input's."""
        wanted = self.output_size
        if isinstance(wanted, Sequence) and len(wanted) == self._axes > 1:  # no None in 1-d
            wanted = [i if o is None else o for o, i in zip(wanted, size)]
        return ints_per_axis("output_size", wanted, self._axes, least=0)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"

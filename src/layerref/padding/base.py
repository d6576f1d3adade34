"""What all padding layers share; each names its mode and its number of axes."""

from collections.abc import Sequence

from torch import Tensor, nn

from layerref.checks import check_rank
from layerref.windows import pad


class _Pad(nn.Module):
    """Extend the last ``axes`` axes; the order of ``padding`` is torch's, the last axis first."""

    axes: int
    mode: str
    value: float = 0.0

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides = 2 * self.axes
        amounts = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(amounts) != sides or any(type(amount) is not int for amount in amounts):
            names = ", ".join(("left", "right", "top", "bottom", "front", "back")[:sides])
            raise ValueError(
                f"{type(self).__name__}: padding is an int or the {sides} ints ({names}), the "
                f"last axis first, got {padding!r}: write padding=1 for 1 on every side, or "
                f"padding={(1,) * sides}"
            )
        self.padding = amounts

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with its last axes extended or, where negative, cropped."""
        self._check(input)
        last_axis_first = list(zip(self.padding[::2], self.padding[1::2]))
        output = pad(input, last_axis_first[::-1], self.mode, self.value)
        # where nothing is added, pad may return a view; a layer returns memory of its own
        return output if max(self.padding) > 0 else output.clone()

    def _check(self, input: Tensor) -> None:
        letters = ("N", "C", *(("L",) if self.axes == 1 else ("D", "H", "W")[3 - self.axes :]))
        batched, unbatched = f"({', '.join(letters)})", f"({', '.join(letters[1:])})"
        layouts = {self.axes + 1: unbatched, self.axes + 2: batched}
        check_rank(type(self).__name__, input, layouts)
        if self.mode != "circular" and 0 in input.shape[-self.axes - 1 :]:
            raise ValueError(
                f"{type(self).__name__} copies cells of the input, got {unbatched} without cells, "
                f"shape {tuple(input.shape)}: only the batch axis may be empty"
            )

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return f"{self.padding}"

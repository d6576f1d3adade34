"""Positions as sines."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PositionalEncoding(nn.Module):
    r"""Add to every token a pattern of sines that tells its position.

    .. math::

        \begin{aligned}
        PE_{t,\,2i} &= \sin\left(t / 10000^{2i / d_{model}}\right) \\
        PE_{t,\,2i+1} &= \cos\left(t / 10000^{2i / d_{model}}\right)
        \end{aligned}

    Attention alone does not see the order of its tokens. Each pair of columns is a hand of a
    clock, the first turning once in 2π tokens, the last once in almost 10000 · 2π. A shift by k
    tokens turns each hand by a fixed angle, whatever the position.

    Parameters
    ----------
    d_model
        Width E of the tokens, >= 1. If it is odd, the last sine has no cosine beside it.
    dropout
        Probability of dropping an element of the sum in training mode, in [0, 1].
    max_len
        Longest sequence, >= 1.

    Attributes
    ----------
    pe
        The table ``(max_len, E)``. It follows ``.to()``, computed anew for each dtype (in
        float64, then rounded once), and is left out of the state dict, since nothing in it is
        learned: so a checkpoint fits every ``max_len``.

    Shape
    -----
    input and output: ``(N, L, E)`` or ``(L, E)``, batch first, L <= max_len. The output has the
    input's dtype.

    Raises
    ------
    ValueError
        ``d_model`` or ``max_len`` is below 1, ``dropout`` outside [0, 1], the input has another
        number of axes or width, or is longer than ``max_len``.
    TypeError
        The input is not floating point (token numbers, not yet embedded).

    References
    ----------
    Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, section 3.5.

    Examples
    --------
    >>> encode = PositionalEncoding(d_model=4, dropout=0.0)
    >>> encode(torch.zeros(2, 3, 4)).shape                              # N=2, L=3, E=4
    torch.Size([2, 3, 4])
    >>> encode(torch.zeros(1, 4)).tolist()                              # sin 0, cos 0, sin 0, cos 0
    [[0.0, 1.0, 0.0, 1.0]]

    Every position has the same length, since sin² + cos² = 1 in each pair:

    >>> torch.testing.assert_close(encode.pe.square().sum(-1), torch.full((5000,), 2.0))

    A sequence may be as long as the table, not longer, and is made of embedded tokens:

    >>> encode(torch.zeros(5000, 4)).shape
    torch.Size([5000, 4])
    >>> encode(torch.zeros(5001, 4))
    Traceback (most recent call last):
        ...
    ValueError: PositionalEncoding knows max_len=5000 positions, got L=5001 in shape (5001, 4):
        build it with max_len=5001 or more (the state dict stays the same), or cut the
        sequence; the order of axes is (N, L, E)
    >>> encode(torch.zeros(2, 3, 6))
    Traceback (most recent call last):
        ...
    ValueError: PositionalEncoding takes the shape (N, L, E) or (L, E) with E = d_model = 4,
        got (2, 3, 6): build it with d_model=E of the tokens
    >>> encode(torch.zeros(2, 4).int())
    Traceback (most recent call last):
        ...
    TypeError: PositionalEncoding takes floating-point tokens, got torch.int32: send token
        numbers through an Embedding first
    >>> PositionalEncoding(4, dropout=1.5)
    Traceback (most recent call last):
        ...
    ValueError: dropout is the probability of dropping an element, between 0 and 1, got 1.5:
        give 0 for none
    >>> PositionalEncoding(0)
    Traceback (most recent call last):
        ...
    ValueError: PositionalEncoding takes a width and a length of at least 1, got d_model=0,
        max_len=5000: give d_model the width of the tokens and max_len the length of the
        longest sequence
    """

    pe: Tensor

    def __init__(self, d_model: int, dropout: float = 0.1, max_len: int = 5000) -> None:
        super().__init__()
        if d_model < 1 or max_len < 1:
            raise ValueError(
                f"PositionalEncoding takes a width and a length of at least 1, got "
                f"d_model={d_model}, max_len={max_len}: give d_model the width of the tokens and "
                f"max_len the length of the longest sequence"
            )
        if not 0 <= dropout <= 1:
            raise ValueError(
                f"dropout is the probability of dropping an element, between 0 and 1, got "
                f"{dropout}: give 0 for none"
            )
        self.d_model = d_model
        self.dropout = dropout
        self.max_len = max_len
        table = _sinusoids(max_len, d_model).to(torch.get_default_dtype())
        self.register_buffer("pe", table.to(torch.get_default_device()), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` plus the pattern of its positions."""
        if input.dim() not in (2, 3) or input.shape[-1] != self.d_model:
            raise ValueError(
                f"PositionalEncoding takes the shape (N, L, E) or (L, E) with E = d_model = "
                f"{self.d_model}, got {tuple(input.shape)}: build it with d_model=E of the tokens"
            )
        if not input.is_floating_point():
            raise TypeError(
                f"PositionalEncoding takes floating-point tokens, got {input.dtype}: send token "
                f"numbers through an Embedding first"
            )
        length = input.shape[-2]
        if length > self.max_len:
            raise ValueError(
                f"PositionalEncoding knows max_len={self.max_len} positions, got L={length} in "
                f"shape {tuple(input.shape)}: build it with max_len={length} or more (the state "
                f"dict stays the same), or cut the sequence; the order of axes is (N, L, E)"
            )
        output = input + self.pe[:length].to(input.dtype)
        return F.dropout(output, self.dropout, self.training)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "PositionalEncoding":
        super()._apply(fn, recurse)
        # .to() rounds the table it has, and .to_empty() leaves it unset: compute it anew
        self.pe = _sinusoids(self.max_len, self.d_model).to(self.pe)
        return self

    def extra_repr(self) -> str:
        """Return the settings that ``print`` shows."""
        return f"d_model={self.d_model}, dropout={self.dropout}, max_len={self.max_len}"


def _sinusoids(length: int, d_model: int) -> Tensor:
    """Compute the table ``(length, d_model)`` in float64."""
    position = torch.arange(length, dtype=torch.float64, device="cpu")
    even = torch.arange(0, d_model, 2, dtype=torch.float64, device="cpu")
    angle = position[:, None] / 10000 ** (even / d_model)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :d_model]

"""Scaled dot-product attention, the form to read."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layerref.masks import mask_to_additive


class ScaledDotProductAttention(nn.Module):
    r"""Mix the values by how well each query matches each key.

    .. math::

        \begin{aligned}
        A &= \operatorname{softmax}\left(\frac{Q K^{\top}}{\sqrt{d_k}} + M\right) \\
        \operatorname{Attention}(Q, K, V) &= A V
        \end{aligned}

    The softmax runs over the keys, so each row of :math:`A` is a distribution: non-negative, sum
    1. :math:`M` is 0 where a query may attend and :math:`-\infty` where it may not. A query that
    may attend to nothing gets a row of zeros and the output 0; a plain softmax would give NaN.

    This is the form to read. It holds all L × S weights in memory and returns them.
    :func:`torch.nn.functional.scaled_dot_product_attention` computes the same output without
    them, and :class:`~layerref.MultiHeadAttention` uses that one unless it is asked for weights.

    Parameters
    ----------
    dropout
        Probability of dropping a weight in training mode, in [0, 1). The others are divided by
        ``1 - dropout``, so that rows sum to 1 on average only.

    Shape
    -----
    - query: ``(*, L, d_k)``
    - key: ``(*, S, d_k)``
    - value: ``(*, S, d_v)``
    - mask: boolean, True = may attend, or floating point, added to the scores; it broadcasts to
      ``(*, L, S)``
    - output: ``(*, L, d_v)``, and the weights ``(*, L, S)``, after dropout

    float16 computes its scores in float32, whose range they need.

    Raises
    ------
    ValueError
        ``dropout`` lies outside [0, 1).
    TypeError
        The mask is neither boolean nor floating point.

    References
    ----------
    Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, section 3.2.1, equation 1.

    Examples
    --------
    >>> query, key, value = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 7)
    >>> output, weights = ScaledDotProductAttention()(query, key, value)  # N=2, L=3, S=5
    >>> output.shape, weights.shape
    (torch.Size([2, 3, 7]), torch.Size([2, 3, 5]))

    Each row of weights sums to 1, and the output is that of PyTorch's fused kernel:

    >>> torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3))
    >>> fused = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    >>> torch.testing.assert_close(output, fused)

    A query that may attend to nothing gets zero weights:

    >>> mask = torch.tensor([[True] * 5, [True] * 5, [False] * 5])
    >>> ScaledDotProductAttention()(query, key, value, mask)[1][0, 2].tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0]

    Some weight has to survive dropout, and a mask of integers may mean two things:

    >>> ScaledDotProductAttention(dropout=1.0)
    Traceback (most recent call last):
        ...
    ValueError: dropout is the probability of dropping an attention weight, at least 0 and
        below 1, got 1.0: give 0 for none
    >>> ScaledDotProductAttention()(query, key, value, mask.int())
    Traceback (most recent call last):
        ...
    TypeError: mask takes bool or a floating-point type, got torch.int32: write mask.bool() for
        one of zeros and ones
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(
                f"dropout is the probability of dropping an attention weight, at least 0 and "
                f"below 1, got {dropout}: give 0 for none"
            )
        self.dropout = dropout

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the output and the weights."""
        if query.dtype == torch.float16:  # whose largest number, 65504, is too small for scores
            query, key = query.float(), key.float()
        scores = (query / query.shape[-1] ** 0.5) @ key.mT
        if mask is None:
            weights = torch.softmax(scores, -1)
        else:
            mask = mask_to_additive(mask, scores.dtype)
            # softmax of a row of -inf is 0/0, in its gradient too: open such a row, empty it after
            empty = (mask == -torch.inf).all(-1, keepdim=True)
            weights = torch.softmax(scores + mask.masked_fill(empty, 0), -1) * ~empty
        weights = F.dropout(weights.to(value.dtype), self.dropout, self.training)
        return weights @ value, weights

    def extra_repr(self) -> str:
        """Return the settings that ``print`` shows."""
        return f"dropout={self.dropout}"

"""Masks of order and of padding, and several in one."""

from collections.abc import Sequence

import torch
from torch import Tensor

from layerref.masks.shapes import check_mask, four_axes


def causal_mask(
    L: int,
    S: int | None = None,
    *,
    offset: int = 0,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""Let each query attend to the keys up to its own position.

    .. math:: \mathrm{mask}[i, j] = (j \le i + \mathrm{offset})

    Parameters
    ----------
    L
        Number of queries, >= 0.
    S
        Number of keys, >= 0; as many as queries unless given.
    offset
        Position of the first query among the keys. At 0 both sequences start together, which is
        what ``is_causal=True`` means in ``scaled_dot_product_attention`` (the top-left corner of
        the mask is aligned). ``offset=S - L`` aligns their ends: L new tokens after a cache.
    device
        Where the mask lives.

    Returns
    -------
    Tensor
        bool ``(L, S)``, True = may attend.

    Raises
    ------
    ValueError
        L or S is negative.

    References
    ----------
    Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, section 3.2.3.

    Examples
    --------
    >>> causal_mask(2, 3).int().tolist()
    [[1, 0, 0], [1, 1, 0]]
    >>> causal_mask(2, 3, offset=1).int().tolist()                      # ends aligned
    [[1, 1, 0], [1, 1, 1]]
    >>> causal_mask(5).shape
    torch.Size([5, 5])
    >>> hidden = torch.nn.Transformer.generate_square_subsequent_mask(5)
    >>> torch.equal(causal_mask(5), hidden == 0)
    True

    There may be no query or no key, but not less than none:

    >>> causal_mask(0, 3).shape, causal_mask(3, 0).shape
    (torch.Size([0, 3]), torch.Size([3, 0]))
    >>> causal_mask(2, -1)
    Traceback (most recent call last):
        ...
    ValueError: causal_mask takes sizes of at least 0, got L=2, S=-1
    >>> causal_mask(-1, 2)
    Traceback (most recent call last):
        ...
    ValueError: causal_mask takes sizes of at least 0, got L=-1, S=2
    """
    S = L if S is None else S
    if L < 0 or S < 0:
        raise ValueError(f"causal_mask takes sizes of at least 0, got L={L}, S={S}")
    return torch.ones(L, S, dtype=torch.bool, device=device).tril(offset)


def padding_mask(lengths: Tensor | Sequence[int], S: int | None = None) -> Tensor:
    r"""Hide the padding behind sequences of different lengths.

    .. math:: \mathrm{mask}[n, 0, j] = (j < \mathrm{lengths}[n])

    Parameters
    ----------
    lengths
        Number of real tokens of each sample, ``(N,)``, each between 0 and S.
    S
        Padded length; the longest of ``lengths`` unless given.

    Returns
    -------
    Tensor
        bool ``(N, 1, S)``, True = may attend. The 1 stands for every query.

    Raises
    ------
    ValueError
        ``lengths`` is not one int per sample, or one lies outside [0, S].

    References
    ----------
    The mask that :func:`torch.nn.functional.scaled_dot_product_attention` takes; turned over, it
    is the ``key_padding_mask`` of :class:`torch.nn.MultiheadAttention`.

    Examples
    --------
    >>> mask = padding_mask([3, 1])
    >>> mask.shape
    torch.Size([2, 1, 3])
    >>> mask.int().tolist()
    [[[1, 1, 1]], [[1, 0, 0]]]

    As many keys are left in each row as the sample has tokens:

    >>> lengths = torch.tensor([0, 4])
    >>> torch.equal(padding_mask(lengths, S=5).sum((1, 2)), lengths)
    True

    There is one length for each sample, and it fits into the padded length:

    >>> padding_mask([], S=4).shape, padding_mask([]).shape
    (torch.Size([0, 1, 4]), torch.Size([0, 1, 0]))
    >>> padding_mask([[3, 1]])
    Traceback (most recent call last):
        ...
    ValueError: padding_mask takes lengths as one int per sample, shape (N,), got torch.int64
        of shape (1, 2): give the number of real tokens
    >>> padding_mask([3, 1], S=2)
    Traceback (most recent call last):
        ...
    ValueError: padding_mask takes lengths between 0 and S=2, got [3, 1]: cut the sequences, or
        give S=3 or more
    >>> padding_mask([3, -1])
    Traceback (most recent call last):
        ...
    ValueError: padding_mask takes lengths between 0 and S=3, got [3, -1]: cut the sequences,
        or give S=3 or more
    """
    lengths = torch.as_tensor(lengths, dtype=None if len(lengths) else torch.int64)
    if lengths.dim() != 1 or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(
            f"padding_mask takes lengths as one int per sample, shape (N,), got "
            f"{lengths.dtype} of shape {tuple(lengths.shape)}: give the number of real tokens"
        )
    sizes = lengths.tolist()
    longest = max(sizes, default=0)
    S = longest if S is None else S
    if longest > S or any(size < 0 for size in sizes):
        raise ValueError(
            f"padding_mask takes lengths between 0 and S={S}, got {sizes}: "
            f"cut the sequences, or give S={longest} or more"
        )
    return (torch.arange(S, device=lengths.device) < lengths[:, None])[:, None]


def combine_masks(*masks: Tensor | None) -> Tensor | None:
    r"""Hide what any of the masks hides.

    Keep masks are joined by *and*, additive masks are summed, and what a keep mask hides becomes
    ``-inf`` in an additive one.

    Parameters
    ----------
    masks
        Keep or additive masks of shapes ``(L, S)``, ``(N, L, S)`` or ``(N, h, L, S)``, in any
        mixture; N, h and L may be 1. None hides nothing.

    Returns
    -------
    Tensor or None
        One mask: bool if all are bool, floating point otherwise, with as many axes as the largest
        of them. None if there was none.

    Raises
    ------
    TypeError
        A mask is neither bool nor floating point.
    ValueError
        A mask has another number of axes, or sizes that do not fit the others'.

    References
    ----------
    As :func:`torch.nn.functional.scaled_dot_product_attention` uses them: a boolean mask sets
    scores to ``-inf``, an additive one is added to them.

    Examples
    --------
    >>> both = combine_masks(causal_mask(3), padding_mask([3, 2]))
    >>> both.shape
    torch.Size([2, 3, 3])
    >>> both.int().tolist()
    [[[1, 0, 0], [1, 1, 0], [1, 1, 1]], [[1, 0, 0], [1, 1, 0], [1, 1, 0]]]
    >>> combine_masks(causal_mask(2), torch.full((2, 2), 0.5)).tolist()
    [[0.5, -inf], [0.5, 0.5]]

    A mask combined with itself is itself, and none with none is none:

    >>> torch.equal(combine_masks(both, both), both)
    True
    >>> combine_masks(None, None) is None
    True

    Additive masks add up. The type and the shapes have to be those of masks:

    >>> combine_masks(torch.full((1, 2), 0.5), torch.full((1, 2), 0.25)).tolist()
    [[0.75, 0.75]]
    >>> combine_masks(causal_mask(3).int())
    Traceback (most recent call last):
        ...
    TypeError: mask takes bool or a floating-point type, got torch.int32: write mask.bool() for
        one of zeros and ones
    >>> combine_masks(torch.ones(2).bool())
    Traceback (most recent call last):
        ...
    ValueError: mask takes the shape (L, S), (N, L, S) or (N, h, L, S), where N, h and L may be
        1, got (2,): key padding (N, S) is written mask[:, None, :]
    >>> combine_masks(causal_mask(3), causal_mask(4))
    Traceback (most recent call last):
        ...
    ValueError: combine_masks: the shapes (3, 3), (4, 4) do not fit together: N, h and L must
        be equal or 1, S equal; key padding (N, S) is written mask[:, None, :]
    """
    given = [mask for mask in masks if mask is not None]
    if not given:
        return None
    for mask in given:
        check_mask(mask)
    rank = max(mask.dim() for mask in given)
    result, *others = map(four_axes, given)
    for other in others:
        try:
            result = _combine_two(result, other)
        except RuntimeError:
            shapes = ", ".join(str(tuple(mask.shape)) for mask in given)
            raise ValueError(
                f"combine_masks: the shapes {shapes} do not fit together: N, h and L must be "
                f"equal or 1, S equal; key padding (N, S) is written mask[:, None, :]"
            ) from None
    if rank == 4:
        return result
    return result[:, 0] if rank == 3 else result[0, 0]


def _combine_two(a: Tensor, b: Tensor) -> Tensor:
    if a.dtype == b.dtype == torch.bool:
        return a & b
    if a.dtype == torch.bool:
        return b.masked_fill(~a, -torch.inf)
    if b.dtype == torch.bool:
        return a.masked_fill(~b, -torch.inf)
    return a + b

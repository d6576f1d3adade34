"""From each convention of masks to each."""

from collections.abc import Sequence

import torch
from torch import Tensor

from layerref.masks.make import combine_masks
from layerref.masks.shapes import check_mask, check_mask_dtype, four_axes


def mask_from_torch(
    attn_mask: Tensor | None = None,
    key_padding_mask: Tensor | None = None,
    num_heads: int | None = None,
) -> Tensor | None:
    r"""Turn the masks of ``nn.MultiheadAttention`` and ``nn.Transformer`` into one of ours.

    Their boolean masks say True = hidden; ours say True = may attend. Additive masks mean the
    same in both.

    Parameters
    ----------
    attn_mask
        bool or float, ``(L, S)`` or ``(N * h, L, S)``; unbatched ``(h, L, S)``.
    key_padding_mask
        bool or float, ``(N, S)``; unbatched ``(S,)``.
    num_heads
        h; needed for an ``attn_mask`` of three axes only.

    Returns
    -------
    Tensor or None
        Mask of both together, True = may attend, or additive if one of them is:
        ``(L, S)``, ``(N, 1, S)``, ``(N, L, S)`` or ``(N, h, L, S)``. None if there was none.

    Raises
    ------
    TypeError
        A mask is neither bool nor floating point.
    ValueError
        A mask has another number of axes, or ``num_heads`` is missing or does not divide N * h.

    References
    ----------
    ``attn_mask`` and ``key_padding_mask`` of :class:`torch.nn.MultiheadAttention`.

    Examples
    --------
    >>> hidden = torch.tensor([[False, True], [False, False]])
    >>> mask_from_torch(hidden).int().tolist()
    [[1, 0], [1, 1]]
    >>> mask_from_torch(key_padding_mask=hidden).shape                  # N=2, S=2
    torch.Size([2, 1, 2])
    >>> mask_from_torch(torch.zeros(6, 4, 5), num_heads=3).shape        # N=2, h=3
    torch.Size([2, 3, 4, 5])

    There and back again:

    >>> torch.equal(mask_to_torch(mask_from_torch(hidden)), hidden)
    True

    torch takes neither 0 and 1 for False and True, nor other shapes:

    >>> mask_from_torch(hidden.int())
    Traceback (most recent call last):
        ...
    TypeError: attn_mask takes bool or a floating-point type, got torch.int32: write
        attn_mask.bool() for one of zeros and ones
    >>> mask_from_torch(torch.zeros(6, 4, 5), num_heads=4)
    Traceback (most recent call last):
        ...
    ValueError: attn_mask of shape (6, 4, 5) is (N * h, L, S), whose first axis is a multiple
        of the number of heads, got num_heads=4: give the h that the mask was made for
    """
    return combine_masks(_heads_apart(attn_mask, num_heads), _padding_from_torch(key_padding_mask))


def _heads_apart(attn_mask: Tensor | None, num_heads: int | None) -> Tensor | None:
    """Unfold (N * h, L, S) into (N, h, L, S), True = may attend."""
    if attn_mask is None:
        return None
    check_mask_dtype(attn_mask, "attn_mask")
    if attn_mask.dim() == 3:
        if num_heads is None or num_heads < 1 or attn_mask.shape[0] % num_heads:
            raise ValueError(
                f"attn_mask of shape {tuple(attn_mask.shape)} is (N * h, L, S), whose first axis "
                f"is a multiple of the number of heads, got num_heads={num_heads}: give the h "
                f"that the mask was made for"
            )
        attn_mask = attn_mask.unflatten(0, (attn_mask.shape[0] // num_heads, num_heads))
    elif attn_mask.dim() != 2:
        raise ValueError(
            f"attn_mask takes the shape (L, S) or (N * h, L, S), got {tuple(attn_mask.shape)}: "
            f"a mask (N, h, L, S) becomes the latter by mask.flatten(0, 1)"
        )
    return ~attn_mask if attn_mask.dtype == torch.bool else attn_mask


def _padding_from_torch(key_padding_mask: Tensor | None) -> Tensor | None:
    """Turn (N, S) or (S,) into (N, 1, S), True = may attend."""
    if key_padding_mask is None:
        return None
    check_mask_dtype(key_padding_mask, "key_padding_mask")
    if key_padding_mask.dim() not in (1, 2):
        raise ValueError(
            f"key_padding_mask takes the shape (N, S), or (S,) unbatched, got "
            f"{tuple(key_padding_mask.shape)}: a mask over queries too is an attn_mask"
        )
    key_padding_mask = key_padding_mask.reshape(-1, 1, key_padding_mask.shape[-1])
    return ~key_padding_mask if key_padding_mask.dtype == torch.bool else key_padding_mask


def mask_to_torch(mask: Tensor, size: Sequence[int] | None = None) -> Tensor:
    r"""Turn one of our masks into the ``attn_mask`` of ``nn.MultiheadAttention``.

    Parameters
    ----------
    mask
        Keep or additive mask, ``(L, S)``, ``(N, L, S)`` or ``(N, h, L, S)``.
    size
        ``(N, h, L, S)`` of the attention it is for; needed unless the mask is ``(L, S)``,
        because torch's mask has every head of every sample in its first axis.

    Returns
    -------
    Tensor
        bool with True = hidden, or the same additive values: ``(L, S)`` without ``size``,
        ``(N * h, L, S)`` with it.

    Raises
    ------
    TypeError
        The mask is neither bool nor floating point.
    ValueError
        The mask has another number of axes, does not fit ``size``, or needs one.

    References
    ----------
    ``attn_mask`` of :class:`torch.nn.MultiheadAttention`.

    Examples
    --------
    >>> from layerref import causal_mask, padding_mask
    >>> mask_to_torch(causal_mask(3)).int().tolist()
    [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    >>> mask = padding_mask([4, 2], S=5)
    >>> hidden = mask_to_torch(mask, size=(2, 3, 7, 5))                 # N=2, h=3, L=7, S=5
    >>> hidden.shape
    torch.Size([6, 7, 5])

    The same pairs are hidden after a round trip:

    >>> back = mask_from_torch(hidden, num_heads=3)
    >>> torch.equal(back, mask[:, None].expand(2, 3, 7, 5))
    True

    With more than two axes it has to know how often each head is repeated:

    >>> mask_to_torch(mask)
    Traceback (most recent call last):
        ...
    ValueError: mask_to_torch: a mask of shape (2, 1, 5) becomes (N * h, L, S): give size=(N,
        h, L, S)
    >>> mask_to_torch(mask, size=(4, 3, 7, 5))
    Traceback (most recent call last):
        ...
    ValueError: mask_to_torch: a mask of shape (2, 1, 5) does not fit the size (4, 3, 7, 5),
        which is (N, h, L, S): N, h and L of the mask are equal or 1
    >>> mask_to_torch(mask.int())
    Traceback (most recent call last):
        ...
    TypeError: mask takes bool or a floating-point type, got torch.int32: write mask.bool() for
        one of zeros and ones
    """
    check_mask(mask)
    hidden = ~mask if mask.dtype == torch.bool else mask
    if size is not None:
        try:
            return four_axes(hidden).expand(*size).flatten(0, 1)
        except RuntimeError:
            raise ValueError(
                f"mask_to_torch: a mask of shape {tuple(mask.shape)} does not fit the size "
                f"{tuple(size)}, which is (N, h, L, S): N, h and L of the mask are equal or 1"
            ) from None
    if mask.dim() != 2:
        raise ValueError(
            f"mask_to_torch: a mask of shape {tuple(mask.shape)} becomes (N * h, L, S): "
            f"give size=(N, h, L, S)"
        )
    return hidden


def mask_to_additive(mask: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    r"""Turn a keep mask into one that is added to the scores: 0 where it may attend, else ``-inf``.

    Parameters
    ----------
    mask
        Keep mask of any shape; an additive mask keeps its values.
    dtype
        Floating-point type of the result; torch's default dtype unless given. Take that of the
        query.

    Returns
    -------
    Tensor
        Mask of the same shape.

    Raises
    ------
    TypeError
        The mask is neither bool nor floating point, or ``dtype`` is not floating point.

    References
    ----------
    The form that :func:`torch.nn.functional.scaled_dot_product_attention` adds to the scores.

    Examples
    --------
    >>> from layerref import causal_mask, padding_mask
    >>> mask_to_additive(causal_mask(2)).tolist()
    [[0.0, -inf], [0.0, 0.0]]
    >>> mask_to_additive(padding_mask([3, 1]), torch.float16).shape
    torch.Size([2, 1, 3])

    The way back gives the mask that it came from:

    >>> torch.equal(mask_to_boolean(mask_to_additive(causal_mask(7, 5))), causal_mask(7, 5))
    True

    An integer holds no ``-inf``, and a mask of integers may mean either thing:

    >>> mask_to_additive(causal_mask(2), torch.int64)
    Traceback (most recent call last):
        ...
    TypeError: mask_to_additive: -inf needs a floating-point dtype, got torch.int64
    >>> mask_to_additive(causal_mask(2).int())
    Traceback (most recent call last):
        ...
    TypeError: mask takes bool or a floating-point type, got torch.int32: write mask.bool() for
        one of zeros and ones
    """
    check_mask_dtype(mask)
    dtype = dtype or torch.get_default_dtype()
    if not dtype.is_floating_point:
        raise TypeError(f"mask_to_additive: -inf needs a floating-point dtype, got {dtype}")
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.where(mask, 0.0, -torch.inf).to(dtype)


def mask_to_boolean(mask: Tensor) -> Tensor:
    r"""Turn an additive mask of 0 and ``-inf`` into a keep mask.

    Parameters
    ----------
    mask
        Additive mask of any shape; a keep mask is returned as it is, in a copy.

    Returns
    -------
    Tensor
        bool of the same shape, True = may attend.

    Raises
    ------
    TypeError
        The mask is neither bool nor floating point.
    ValueError
        A value is neither 0 nor ``-inf``: such a bias has no boolean form.

    References
    ----------
    The masks that :func:`torch.nn.functional.scaled_dot_product_attention` takes.

    Examples
    --------
    >>> mask = torch.tensor([[0.0, -torch.inf], [0.0, 0.0]])
    >>> mask_to_boolean(mask).tolist()
    [[True, False], [True, True]]
    >>> mask_to_boolean(mask).shape == mask.shape
    True
    >>> torch.equal(mask_to_additive(mask_to_boolean(mask)), mask)
    True

    Other values are a bias, which has no boolean form:

    >>> mask_to_boolean(torch.tensor([[0.0, -1e9], [-torch.inf, 0.5]]))
    Traceback (most recent call last):
        ...
    ValueError: mask_to_boolean takes an additive mask of 0 and -inf, got -1000000000.0: a bias
        has no boolean form; for a large negative stand-in write
        mask_to_boolean(mask.masked_fill(mask <= -1000000000.0, -torch.inf))
    >>> mask_to_boolean(torch.tensor([[0, 1], [0, 0]]))
    Traceback (most recent call last):
        ...
    TypeError: mask takes bool or a floating-point type, got torch.int64: write mask.bool() for
        one of zeros and ones
    """
    check_mask_dtype(mask)
    if mask.dtype == torch.bool:
        return mask.clone()
    keep, hidden = mask == 0, mask == -torch.inf
    if not bool((keep | hidden).all()):
        other = mask[~(keep | hidden)].flatten()[0].item()
        raise ValueError(
            f"mask_to_boolean takes an additive mask of 0 and -inf, got {other}: a bias has no "
            f"boolean form; for a large negative stand-in write mask_to_boolean("
            f"mask.masked_fill(mask <= {other}, -torch.inf))"
        )
    return keep

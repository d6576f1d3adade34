"""What every mask has in common."""

import torch
from torch import Tensor


def four_axes(mask: Tensor) -> Tensor:
    """View (L, S), (N, L, S) or (N, h, L, S) as (N, h, L, S), with 1 for what is missing."""
    if mask.dim() == 3:
        return mask.unsqueeze(1)
    return mask.expand(1, 1, -1, -1) if mask.dim() == 2 else mask


def check_mask_dtype(mask: Tensor, name: str = "mask") -> None:
    """Refuse a mask that is neither boolean nor floating point."""
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise TypeError(
            f"{name} takes bool or a floating-point type, got {mask.dtype}: write {name}.bool() "
            f"for one of zeros and ones"
        )


def check_mask(mask: Tensor) -> None:
    """Refuse a mask of another dtype or number of axes than all of ours have."""
    check_mask_dtype(mask)
    if mask.dim() not in (2, 3, 4):
        raise ValueError(
            f"mask takes the shape (L, S), (N, L, S) or (N, h, L, S), where N, h and L may be 1, "
            f"got {tuple(mask.shape)}: key padding (N, S) is written mask[:, None, :]"
        )

"""Multi-head attention on the fused kernel."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layerref.attention.scaled_dot_product import ScaledDotProductAttention
from layerref.masks import causal_mask, combine_masks
from layerref.masks.shapes import check_mask, four_axes


class MultiHeadAttention(nn.Module):
    r"""Let every query mix the values, in ``h`` ways at once.

    .. math::

        \begin{aligned}
        \operatorname{head}_i &= \operatorname{Attention}(
            Q W_i^Q + b_i^Q,\; K W_i^K + b_i^K,\; V W_i^V + b_i^V) \\
        \operatorname{MultiHead}(Q, K, V) &=
            [\operatorname{head}_1, \ldots, \operatorname{head}_h]\, W^O + b^O
        \end{aligned}

    Each head projects to the width :math:`d_k = d_{model} / h` and runs
    :class:`~layerref.ScaledDotProductAttention` there, so the cost and the number of parameters,
    :math:`4 d_{model}^2 + 4 d_{model}`, do not depend on h.

    Parameters carry the names and the initial values of :class:`torch.nn.MultiheadAttention`, so
    weights move both ways by ``load_state_dict``. Unlike it, the batch comes first, dropout is
    0.1 unless given, boolean masks say True = may attend, ``is_causal`` needs no mask beside it,
    and a query that may attend to nothing gives ``out_proj.bias``, never NaN.

    Parameters
    ----------
    h
        Number of heads; divides ``d_model``.
    d_model
        Width E of queries, keys, values and output.
    dropout
        Probability of dropping an attention weight in training mode, in [0, 1).
    bias
        Learn a bias in each of the four projections.

    Attributes
    ----------
    attn
        Weights of the last call with ``need_weights=True``, detached; None after any other call,
        in a copy and in a saved module.

    Shape
    -----
    - query: ``(N, L, E)`` or ``(L, E)``
    - key, value: ``(N, S, E)`` or ``(S, E)``
    - mask: boolean, True = may attend, or of the query's floating-point type, added to the
      scores; ``(L, S)``, ``(N, L, S)`` or ``(N, h, L, S)``, where N, h and L may be 1. Key
      padding is ``(N, 1, S)``, see :func:`~layerref.padding_mask`.
    - output: as query
    - weights: ``(N, h, L, S)``, unbatched ``(h, L, S)``; those that multiplied the values, so
      after dropout

    ``is_causal=True`` hides from query i all keys after position i, and what a mask hides stays
    hidden. For L ≠ S both sequences start at position 0, as in ``scaled_dot_product_attention``;
    ``causal_mask(L, S, offset=S - L)`` aligns their ends.

    ``need_weights=False`` runs the fused kernel, which holds no L × S tensor unless the mask is
    one, or comes together with ``is_causal`` (on a CPU, dropout in training takes one as well).

    Raises
    ------
    ValueError
        ``h`` does not divide ``d_model``; ``dropout`` lies outside [0, 1); an input has another
        number of axes, batch size or width; key and value differ in length; the mask's shape
        fits none of the above.
    TypeError
        Inputs, mask and parameters mix floating-point types (outside autocast), or the mask is of
        integers.

    References
    ----------
    Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, section 3.2.2.

    Examples
    --------
    >>> mha = MultiHeadAttention(h=2, d_model=6, dropout=0.0)
    >>> query, memory = torch.randn(3, 5, 6), torch.randn(3, 7, 6)      # N=3, L=5, S=7, E=6
    >>> mha(query, memory, memory).shape
    torch.Size([3, 5, 6])
    >>> output, weights = mha(query, memory, memory, need_weights=True)
    >>> weights.shape                                                   # N, h, L, S
    torch.Size([3, 2, 5, 7])

    Rows of weights sum to 1, and with the same parameters it equals PyTorch's:

    >>> torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 5))
    >>> theirs = nn.MultiheadAttention(6, 2, batch_first=True)
    >>> theirs.load_state_dict(mha.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(output, theirs(query, memory, memory)[0])

    No later token changes an earlier output of causal self-attention:

    >>> changed = query.clone()
    >>> changed[:, -1] += 1
    >>> before = mha(query, query, query, is_causal=True)
    >>> after = mha(changed, changed, changed, is_causal=True)
    >>> torch.testing.assert_close(before[:, :-1], after[:, :-1])
    """

    attn: Tensor | None

    def __init__(self, h: int, d_model: int, dropout: float = 0.1, bias: bool = True) -> None:
        super().__init__()
        if h < 1 or d_model < 1 or d_model % h:
            raise ValueError(
                f"h heads share d_model equally, so h >= 1 must divide d_model >= 1, got h={h}, "
                f"d_model={d_model}: take h out of {_divisors(d_model)}; it is the first argument"
            )
        self.h = h
        self.d_model = d_model
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d_model, d_model))  # W^Q, W^K, W^V
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * d_model)) if bias else None
        self.out_proj = nn.Linear(d_model, d_model, bias=bias)
        self.attention = ScaledDotProductAttention(dropout)
        self.attn = None
        nn.init.xavier_uniform_(self.in_proj_weight)
        if bias:
            nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        *,
        is_causal: bool = False,
        need_weights: bool = False,
    ) -> Any:
        """Return the output, and the weights if ``need_weights``."""
        _check_inputs(query, key, value, self.in_proj_weight)
        if mask is not None:
            mask = _with_four_axes(mask, query, key, self.h)
        if is_causal and (need_weights or mask is not None):
            causal = causal_mask(query.shape[-2], key.shape[-2], device=query.device)
            mask, is_causal = combine_masks(four_axes(causal), mask), False
        q, k, v = self._project(query, key, value)
        if need_weights:
            output, weights = self.attention(q, k, v, mask)
            weights = weights if query.dim() == 3 else weights.squeeze(0)
            self.attn = None if torch.compiler.is_exporting() else weights.detach()
        else:
            p = self.attention.dropout if self.training else 0.0
            output = F.scaled_dot_product_attention(q, k, v, mask, p, is_causal)
            if self.attn is not None:  # setting a module's attribute takes a microsecond
                self.attn = None
        output = self.out_proj(output.transpose(1, 2).reshape(query.shape))
        return (output, weights) if need_weights else output

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> Sequence[Tensor]:
        """Project to the heads' queries, keys and values, with one product for each tensor."""
        E, weight, bias = self.d_model, self.in_proj_weight, self.in_proj_bias

        def project(x: Tensor, start: int, stop: int) -> Sequence[Tensor]:
            rows = bias if bias is None else bias[start:stop]
            return self._heads(F.linear(x, weight[start:stop], rows))

        if query is key is value:
            return self._heads(F.linear(query, weight, bias))
        if key is value:
            return *project(query, 0, E), *project(key, E, 3 * E)
        return *project(query, 0, E), *project(key, E, 2 * E), *project(value, 2 * E, 3 * E)

    def _heads(self, x: Tensor) -> Sequence[Tensor]:
        """View each E columns of ``(N, L, b E)`` as ``(N, h, L, d_k)``: head i has slice i."""
        batch, blocks = x.shape[0] if x.dim() == 3 else 1, x.shape[-1] // self.d_model
        sizes = (batch, x.shape[-2], blocks, self.h, self.d_model // self.h)
        heads = x.view(sizes).permute(2, 0, 3, 1, 4)
        if blocks == 2 and sizes[1] > 256:  # rows 2 E apart push each other out of a CPU's cache
            heads = heads.contiguous()
        return heads.unbind() if blocks > 1 else [heads.squeeze(0)]

    @property
    def dropout(self) -> float:
        """Probability of dropping an attention weight in training mode."""
        return self.attention.dropout

    def extra_repr(self) -> str:
        """Return the settings that ``print`` shows."""
        return f"h={self.h}, d_model={self.d_model}, bias={self.in_proj_bias is not None}"

    def __getstate__(self) -> dict[str, Any]:
        # weights belong to a call, not to the module: a copy or a file starts without them
        return {**self.__dict__, "attn": None}


def _divisors(d_model: int) -> list[int]:
    return [h for h in range(1, d_model + 1) if d_model % h == 0]


def _check_inputs(query: Tensor, key: Tensor, value: Tensor, weight: Tensor) -> None:
    """Refuse inputs that do not fit each other, or the packed weight (3 E, E)."""
    width, batch, last = weight.shape[-1], query.shape[:-2], None
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x is last:
            continue
        last = x
        if x.dim() not in (2, 3) or x.shape[-1] != width:
            given = x.shape[-1] if x.dim() else 1
            raise ValueError(
                f"{name} takes the shape (N, L, E) or (L, E) with E = d_model = {width}, got "
                f"{tuple(x.shape)}: project it first, nn.Linear({given}, {width}) say, or build "
                f"the layer for another d_model"
            )
        if x.shape[:-2] != batch:
            raise ValueError(
                f"query, key and value share the batch axis N, or none has one, got query "
                f"{tuple(query.shape)} and {name} {tuple(x.shape)}: repeat one sample for the "
                f"whole batch with {name}.expand(N, -1, -1)"
            )
        if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
            raise TypeError(
                f"query, key, value and the parameters have one dtype, got {name} in {x.dtype} "
                f"and parameters in {weight.dtype}: write {name}.to({weight.dtype}), or convert "
                f"the layer with .to({x.dtype})"
            )
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"key and value share the length S, a value for each key, got key "
            f"{tuple(key.shape)} and value {tuple(value.shape)}: cut or pad one of them"
        )


def _with_four_axes(mask: Tensor, query: Tensor, key: Tensor, h: int) -> Tensor:
    """Return the mask as (N, h, L, S), or refuse it by name."""
    check_mask(mask)
    four = four_axes(mask)
    n, heads, rows, columns = four.shape
    N, L, S = query.shape[0] if query.dim() == 3 else 1, query.shape[-2], key.shape[-2]
    if n not in (1, N) or heads not in (1, h) or rows not in (1, L) or columns != S:
        raise ValueError(
            f"mask takes the shape (L, S), (N, L, S) or (N, h, L, S), where N, h and L may be 1, "
            f"here with N={N}, h={h}, L={L}, S={S}, got "
            f"{tuple(mask.shape)}: key padding (N, S) is written mask[:, None, :], and torch's "
            f"(N * h, L, S) goes through mask_from_torch"
        )
    if mask.dtype not in (torch.bool, query.dtype) and not torch.is_autocast_enabled(
        query.device.type
    ):
        raise TypeError(
            f"a floating-point mask has the dtype of the query, got mask in {mask.dtype} and "
            f"query in {query.dtype}: write mask.to({query.dtype})"
        )
    return four

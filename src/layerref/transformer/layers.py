"""The two layers of a Transformer: sublayers with a residual around each."""

from collections.abc import Callable

import torch  # noqa: F401  the examples use it
import torch.nn.functional as F
from torch import Tensor, nn

from layerref.attention import MultiHeadAttention
from layerref.dropout import Dropout
from layerref.linear import Linear
from layerref.masks import mask_from_torch
from layerref.normalization import LayerNorm

__all__ = ["TransformerDecoderLayer", "TransformerEncoderLayer"]

Activation = str | Callable[[Tensor], Tensor]
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class _Layer(nn.Module):
    """What both layers share: attentions, a feed-forward network, a norm and a dropout for each."""

    attentions: tuple[str, ...]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise ValueError(
                f"activation takes 'relu', 'gelu' or a function of one tensor, got "
                f"{activation!r}: pass the function itself, torch.{activation} say"
            )
        for name in self.attentions:
            self.add_module(name, MultiHeadAttention(nhead, d_model, dropout, bias))
        self.linear1 = Linear(d_model, dim_feedforward, bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias)
        sublayers = range(1, len(self.attentions) + 2)
        for i in sublayers:
            self.add_module(f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias))
        for i in sublayers:
            self.add_module(f"dropout{i}", Dropout(dropout))
        self.activation = ACTIVATIONS[activation] if isinstance(activation, str) else activation
        self.batch_first = batch_first
        self.norm_first = norm_first

    def _sublayer(self, i: int, x: Tensor, block: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply block ``i`` with its dropout, a residual around it, its norm before or after."""
        norm, dropout = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
        if self.norm_first:
            return x + dropout(block(norm(x)))
        return norm(x + dropout(block(x)))

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _attend(
        self,
        attention: MultiHeadAttention,
        query: Tensor,
        memory: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        is_causal: bool,
    ) -> Tensor:
        """Call our attention, which is batch-first and whose masks say who may attend."""
        time_major = query.dim() == 3 and not self.batch_first
        if time_major:
            same = memory is query  # one product projects a tensor attending to itself
            query = query.transpose(0, 1)
            memory = query if same else memory.transpose(0, 1)
        mask = _our_mask(attention.h, query, memory, attn_mask, key_padding_mask, is_causal)
        output = attention(query, memory, memory, mask, is_causal=is_causal)
        # torch holds this output time-major in memory, and dropout draws in the order of memory
        if output.dim() == 3:
            output = output.transpose(0, 1).contiguous()
        return output if time_major or output.dim() == 2 else output.transpose(0, 1)


def _our_mask(
    h: int,
    query: Tensor,
    memory: Tensor,
    attn_mask: Tensor | None,
    key_padding_mask: Tensor | None,
    is_causal: bool,
) -> Tensor | None:
    """Turn torch's two masks into one of ours; refuse other shapes than torch's, by name."""
    if is_causal and attn_mask is None:
        raise ValueError(
            "is_causal says that the mask given beside it is causal, got no mask: pass "
            "nn.Transformer.generate_square_subsequent_mask(L) as well"
        )
    batch, L, S = query.shape[:-2], query.shape[-2], memory.shape[-2]
    heads = (h * batch.numel(), L, S)
    if attn_mask is not None and tuple(attn_mask.shape) not in {(L, S), heads}:
        raise ValueError(
            f"the mask over queries and keys takes the shape (L, S) = {(L, S)} or (N * h, L, S) = "
            f"{heads}, got {tuple(attn_mask.shape)}: padding goes into the key_padding_mask"
        )
    if key_padding_mask is not None and key_padding_mask.shape != (*batch, S):
        raise ValueError(
            f"the key_padding_mask takes the shape {(*batch, S)}, N and S of the keys (S alone "
            f"without a batch axis), got {tuple(key_padding_mask.shape)}: it is batch-first always"
        )
    mask = mask_from_torch(attn_mask, key_padding_mask, h)
    return mask.to(query.dtype) if mask is not None and mask.is_floating_point() else mask


class TransformerEncoderLayer(_Layer):
    r"""Let each token look at the others, then pass each through the same small network.

    .. math::

        \begin{aligned}
        \text{post-norm:} \quad & x_1 = \mathrm{LN}_1(x + \mathrm{SA}(x)), &
        y &= \mathrm{LN}_2(x_1 + \mathrm{FF}(x_1)) \\
        \text{pre-norm:} \quad & x_1 = x + \mathrm{SA}(\mathrm{LN}_1(x)), &
        y &= x_1 + \mathrm{FF}(\mathrm{LN}_2(x_1))
        \end{aligned}

    SA is multi-head self-attention and
    :math:`\mathrm{FF}(x) = W_2\,\mathrm{act}(W_1 x + b_1) + b_2`, applied to each token alone.

    Masks are torch's: a boolean one says who is **hidden**. Where torch has two behaviours, ours
    has one: a token that may attend to nothing gets the bias of the output projection in every
    mode, and ``is_causal`` hides the future in addition to the mask given with it.

    Parameters
    ----------
    d_model
        E, the width of every token, >= 1.
    nhead
        h, the number of heads; divides ``d_model``.
    dim_feedforward
        Width of the hidden layer of the feed-forward network, >= 1.
    dropout
        Probability in [0, 1) of dropping an attention weight, a hidden unit, or an element of a
        sublayer's output.
    activation
        ``"relu"``, ``"gelu"`` or a function of one tensor.
    layer_norm_eps
        Added to the variance in each norm, inside the root.
    batch_first
        Whether inputs and output are ``(N, L, E)`` instead of ``(L, N, E)``. Masks are unaffected.
    norm_first
        Whether a norm stands before its sublayer (pre-norm) instead of after the residual.
    bias
        Whether projections and norms have a bias.

    Shape
    -----
    - src and output: ``(L, N, E)``, ``(N, L, E)`` if ``batch_first``, or ``(L, E)``
    - src_mask: bool (True = hidden) or float (added to the scores), ``(L, L)`` or ``(N * h, L, L)``
    - src_key_padding_mask: bool or float, ``(N, L)``, or ``(L,)`` for ``(L, E)``

    Raises
    ------
    ValueError
        ``nhead`` does not divide ``d_model``, the activation's name is unknown, a mask has another
        shape, or ``is_causal`` is given without a mask.
    TypeError
        A mask is neither bool nor floating point.

    References
    ----------
    Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, section 3.1; pre-norm: Xiong et
    al., *On Layer Normalization in the Transformer Architecture*, arXiv 2002.04745, figure 1.

    Examples
    --------
    >>> layer = TransformerEncoderLayer(d_model=8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> src = torch.randn(3, 5, 8)                                       # N=3, L=5, E=8
    >>> layer(src).shape
    torch.Size([3, 5, 8])

    With torch's weights it gives torch's output:

    >>> theirs = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    >>> layer = layer.eval()
    >>> layer.load_state_dict(theirs.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(layer(src), theirs(src))

    Without positions it does not know the order of its tokens: reorder them, and the output is
    reordered alike.

    >>> order = torch.tensor([4, 2, 0, 1, 3])
    >>> torch.testing.assert_close(layer(src[:, order]), layer(src)[:, order])

    Settings and masks that do not fit are refused:

    >>> TransformerEncoderLayer(8, 3)
    Traceback (most recent call last):
        ...
    ValueError: h heads share d_model equally, so h >= 1 must divide d_model >= 1, got h=3,
        d_model=8: take h out of [1, 2, 4, 8]; it is the first argument
    >>> TransformerEncoderLayer(8, 2, activation="tanh")
    Traceback (most recent call last):
        ...
    ValueError: activation takes 'relu', 'gelu' or a function of one tensor, got 'tanh': pass
        the function itself, torch.tanh say
    >>> layer(src, src_mask=torch.zeros(3, 5, 5))
    Traceback (most recent call last):
        ...
    ValueError: the mask over queries and keys takes the shape (L, S) = (5, 5) or (N * h, L, S)
        = (6, 5, 5), got (3, 5, 5): padding goes into the key_padding_mask
    >>> layer(src, src_key_padding_mask=torch.zeros(5, 3))
    Traceback (most recent call last):
        ...
    ValueError: the key_padding_mask takes the shape (3, 5), N and S of the keys (S alone
        without a batch axis), got (5, 3): it is batch-first always
    >>> layer(src, src_mask=torch.zeros(5, 5).int())
    Traceback (most recent call last):
        ...
    TypeError: attn_mask takes bool or a floating-point type, got torch.int32: write
        attn_mask.bool() for one of zeros and ones
    """

    attentions = ("self_attn",)
    self_attn: MultiHeadAttention

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Return ``src`` after self-attention and the feed-forward network."""

        def self_attention(x: Tensor) -> Tensor:
            return self._attend(self.self_attn, x, x, src_mask, src_key_padding_mask, is_causal)

        x = self._sublayer(1, src, self_attention)
        return self._sublayer(2, x, self._feed_forward)


class TransformerDecoderLayer(_Layer):
    r"""Let each token look at its own sequence, at the encoder's, then pass it through a network.

    .. math::

        \begin{aligned}
        x_1 &= \mathrm{LN}_1(x + \mathrm{SA}(x)) \\
        x_2 &= \mathrm{LN}_2(x_1 + \mathrm{CA}(x_1, \mathrm{memory})) \\
        y &= \mathrm{LN}_3(x_2 + \mathrm{FF}(x_2))
        \end{aligned}

    SA is self-attention, CA attention whose keys and values come from ``memory``, FF the
    feed-forward network. With ``norm_first`` each norm stands before its sublayer.

    No mask is built in: without ``tgt_mask`` a token sees the future. Masks are those of
    :class:`TransformerEncoderLayer`.

    Parameters
    ----------
    d_model
        E, the width of every token, >= 1.
    nhead
        h, the number of heads; divides ``d_model``.
    dim_feedforward
        Width of the hidden layer of the feed-forward network, >= 1.
    dropout
        Probability in [0, 1) of dropping an attention weight, a hidden unit, or an element of a
        sublayer's output.
    activation
        ``"relu"``, ``"gelu"`` or a function of one tensor.
    layer_norm_eps
        Added to the variance in each norm, inside the root.
    batch_first
        Whether inputs and output are ``(N, L, E)`` instead of ``(L, N, E)``. Masks are unaffected.
    norm_first
        Whether a norm stands before its sublayer (pre-norm) instead of after the residual.
    bias
        Whether projections and norms have a bias.

    Shape
    -----
    - tgt and output: ``(L, N, E)``, ``(N, L, E)`` if ``batch_first``, or ``(L, E)``
    - memory: ``(S, N, E)``, ``(N, S, E)`` or ``(S, E)``
    - tgt_mask, memory_mask: ``(L, L)`` and ``(L, S)``, or with N * h in front
    - tgt_key_padding_mask, memory_key_padding_mask: ``(N, L)`` and ``(N, S)``, without N unbatched

    Raises
    ------
    ValueError, TypeError
        As in :class:`TransformerEncoderLayer`.

    References
    ----------
    Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, section 3.1.

    Examples
    --------
    >>> layer = TransformerDecoderLayer(8, 2, 16, batch_first=True).eval()
    >>> tgt, memory = torch.randn(3, 5, 8), torch.randn(3, 7, 8)         # N=3, L=5, S=7, E=8
    >>> layer(tgt, memory).shape
    torch.Size([3, 5, 8])
    >>> theirs = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True).eval()
    >>> layer.load_state_dict(theirs.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(layer(tgt, memory), theirs(tgt, memory))

    The order of the memory does not matter:

    >>> order = torch.tensor([6, 4, 2, 0, 1, 3, 5])
    >>> torch.testing.assert_close(layer(tgt, memory[:, order]), layer(tgt, memory))

    A mask has the shape that its name says, and a type that says who is hidden:

    >>> layer(tgt, memory, memory_mask=torch.zeros(5, 5).bool())
    Traceback (most recent call last):
        ...
    ValueError: the mask over queries and keys takes the shape (L, S) = (5, 7) or (N * h, L, S)
        = (6, 5, 7), got (5, 5): padding goes into the key_padding_mask
    >>> layer(tgt, memory, memory_mask=torch.zeros(5, 7).int())
    Traceback (most recent call last):
        ...
    TypeError: attn_mask takes bool or a floating-point type, got torch.int32: write
        attn_mask.bool() for one of zeros and ones
    """

    attentions = ("self_attn", "multihead_attn")
    self_attn: MultiHeadAttention
    multihead_attn: MultiHeadAttention

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return ``tgt`` after self-attention, attention to ``memory`` and the network."""

        def self_attention(x: Tensor) -> Tensor:
            return self._attend(self.self_attn, x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def cross_attention(x: Tensor) -> Tensor:
            return self._attend(
                self.multihead_attn,
                x,
                memory,
                memory_mask,
                memory_key_padding_mask,
                memory_is_causal,
            )

        x = self._sublayer(1, tgt, self_attention)
        x = self._sublayer(2, x, cross_attention)
        return self._sublayer(3, x, self._feed_forward)

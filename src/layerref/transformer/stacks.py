"""Stacks of layers, and the Transformer of encoder and decoder."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layerref.normalization import LayerNorm
from layerref.transformer.layers import (
    Activation,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)

__all__ = ["Transformer", "TransformerDecoder", "TransformerEncoder"]


def _copies(layer: nn.Module, num_layers: int) -> nn.ModuleList:
    if num_layers < 1:
        raise ValueError(f"a stack takes num_layers >= 1, got {num_layers}")
    return nn.ModuleList(copy.deepcopy(layer) for _ in range(num_layers))


class TransformerEncoder(nn.Module):
    r"""Pass a sequence through copies of one encoder layer.

    .. math:: y = \mathrm{norm}(f_n(\ldots f_2(f_1(x))))

    The layer is **copied**, weights included: all copies start alike and part ways in training.
    :class:`Transformer` draws them anew.

    torch skips padded tokens in eval mode when no gradient is wanted, and returns zeros for them
    (before ``norm``). Ours computes them as in training: the real tokens are equal, the padded
    ones are not. ``enable_nested_tensor`` and ``mask_check`` steer torch's shortcut; here they are
    kept for the signature's sake and change nothing.

    Parameters
    ----------
    encoder_layer
        The layer to copy.
    num_layers
        How many copies, >= 1.
    norm
        A module applied to the last layer's output, or None. A pre-norm stack wants one; a
        post-norm stack has normalised already.
    enable_nested_tensor
        Without effect, see above.
    mask_check
        Without effect, see above.

    Shape
    -----
    As :class:`TransformerEncoderLayer`.

    Raises
    ------
    ValueError
        ``num_layers`` < 1, and what the layer refuses.

    References
    ----------
    Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, section 3.1.

    Examples
    --------
    >>> layer = TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> encoder = TransformerEncoder(layer, num_layers=3).eval()
    >>> src = torch.randn(2, 5, 8)                                       # N=2, L=5, E=8
    >>> encoder(src).shape
    torch.Size([2, 5, 8])

    It is the composition of its layers, which start as equal copies:

    >>> first, second, third = encoder.layers
    >>> torch.testing.assert_close(encoder(src), third(second(first(src))))
    >>> torch.equal(first.linear1.weight, third.linear1.weight)
    True
    >>> TransformerEncoder(layer, num_layers=0)
    Traceback (most recent call last):
        ...
    ValueError: a stack takes num_layers >= 1, got 0
    """

    def __init__(
        self,
        encoder_layer: nn.Module,
        num_layers: int,
        norm: nn.Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Return ``src`` after all layers, and the norm if there is one."""
        output = src
        for layer in self.layers:
            output = layer(output, mask, src_key_padding_mask, bool(is_causal))
        return output if self.norm is None else self.norm(output)


class TransformerDecoder(nn.Module):
    r"""Pass a sequence through copies of one decoder layer, each looking at the same memory.

    .. math:: y = \mathrm{norm}(f_n(\ldots f_1(x, m) \ldots, m))

    Copies start alike, as in :class:`TransformerEncoder`.

    Parameters
    ----------
    decoder_layer
        The layer to copy.
    num_layers
        How many copies, >= 1.
    norm
        A module applied to the last layer's output, or None. A pre-norm stack wants one; a
        post-norm stack has normalised already.

    Shape
    -----
    As :class:`TransformerDecoderLayer`.

    Raises
    ------
    ValueError
        ``num_layers`` < 1, and what the layer refuses.

    References
    ----------
    Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, section 3.1.

    Examples
    --------
    >>> decoder = TransformerDecoder(TransformerDecoderLayer(8, 2, 16, batch_first=True), 2).eval()
    >>> tgt, memory = torch.randn(3, 5, 8), torch.randn(3, 7, 8)         # N=3, L=5, S=7, E=8
    >>> mask = Transformer.generate_square_subsequent_mask(5)
    >>> output = decoder(tgt, memory, tgt_mask=mask)
    >>> output.shape
    torch.Size([3, 5, 8])

    Under the causal mask the parallel pass gives what each prefix gives alone:

    >>> for n in range(1, 6):
    ...     prefix = decoder(tgt[:, :n], memory, tgt_mask=mask[:n, :n])
    ...     torch.testing.assert_close(prefix[:, -1], output[:, n - 1])
    >>> TransformerDecoder(decoder.layers[0], num_layers=-1)
    Traceback (most recent call last):
        ...
    ValueError: a stack takes num_layers >= 1, got -1
    """

    def __init__(
        self, decoder_layer: nn.Module, num_layers: int, norm: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return ``tgt`` after all layers, each attending to ``memory``, and the norm."""
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask,
                memory_mask,
                tgt_key_padding_mask,
                memory_key_padding_mask,
                bool(tgt_is_causal),
                memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class Transformer(nn.Module):
    r"""Encode one sequence, then decode another that looks at it.

    .. math:: y = \mathrm{decoder}(\mathrm{tgt},\ \mathrm{encoder}(\mathrm{src}))

    This is the pair of stacks only. It has no embedding, no positional encoding, no output
    projection and no mask of its own. Each stack ends in a LayerNorm, which the paper does not
    have; with post-norm layers it normalises a second time. Every matrix is drawn from Xavier's
    uniform distribution, so the layers of a stack differ from the start.

    Parameters
    ----------
    d_model
        E, the width of every token; ``nhead`` divides it.
    nhead
        h, the number of heads.
    num_encoder_layers
        Layers of the encoder, >= 1.
    num_decoder_layers
        Layers of the decoder, >= 1.
    dim_feedforward
        Width of the hidden layer of the feed-forward networks.
    dropout
        Probability in [0, 1).
    activation
        ``"relu"``, ``"gelu"`` or a function of one tensor.
    custom_encoder
        A module to use instead of the encoder.
    custom_decoder
        A module to use instead of the decoder.
    layer_norm_eps
        Added to the variance in each norm.
    batch_first
        Whether sequences are ``(N, L, E)`` instead of ``(L, N, E)``.
    norm_first
        Whether norms stand before their sublayers.
    bias
        Whether projections and norms have a bias.

    Shape
    -----
    - src: ``(S, N, E)``, ``(N, S, E)`` if ``batch_first``, or ``(S, E)``
    - tgt and output: ``(L, N, E)``, ``(N, L, E)`` or ``(L, E)``
    - src_mask ``(S, S)``, tgt_mask ``(L, L)``, memory_mask ``(L, S)``, or with N * h in front
    - src_key_padding_mask and memory_key_padding_mask ``(N, S)``, tgt_key_padding_mask ``(N, L)``

    Masks: bool, True = hidden, or float, added to the scores.

    Raises
    ------
    ValueError
        The last axis is not ``d_model``, the batch sizes differ, and what the layers refuse.

    References
    ----------
    Vaswani et al., *Attention Is All You Need*, arXiv 1706.03762, figure 1.

    Examples
    --------
    >>> model = Transformer(8, 2, 2, 2, dim_feedforward=16, batch_first=True).eval()
    >>> src, tgt = torch.randn(3, 7, 8), torch.randn(3, 5, 8)            # N=3, S=7, L=5, E=8
    >>> model(src, tgt).shape
    torch.Size([3, 5, 8])
    >>> torch.testing.assert_close(model(src, tgt), model.decoder(tgt, model.encoder(src)))

    With torch's weights it gives torch's output:

    >>> theirs = nn.Transformer(8, 2, 2, 2, dim_feedforward=16, batch_first=True).eval()
    >>> model.load_state_dict(theirs.state_dict())
    <All keys matched successfully>
    >>> torch.testing.assert_close(model(src, tgt), theirs(src, tgt))

    Both sequences have the width of the model and the same batch:

    >>> model(src[..., :6], tgt)
    Traceback (most recent call last):
        ...
    ValueError: src ends in the axis E = d_model = 8, got (3, 7, 6): embed the tokens in
        d_model numbers first
    >>> model(src[:2], tgt)
    Traceback (most recent call last):
        ...
    ValueError: src and tgt share the batch axis 0, got src (2, 7, 8) and tgt (3, 5, 8):
        batch_first is True
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: nn.Module | None = None,
        custom_decoder: nn.Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()

        def stack(
            Layer: Callable[..., nn.Module],
            Stack: Callable[..., nn.Module],
            count: int,
        ) -> nn.Module:
            layer = Layer(
                d_model,
                nhead,
                dim_feedforward,
                dropout,
                activation,
                layer_norm_eps,
                batch_first,
                norm_first,
                bias,
            )
            return Stack(layer, count, LayerNorm(d_model, layer_norm_eps, bias=bias))

        self.encoder = custom_encoder or stack(
            TransformerEncoderLayer, TransformerEncoder, num_encoder_layers
        )
        self.decoder = custom_decoder or stack(
            TransformerDecoderLayer, TransformerDecoder, num_decoder_layers
        )
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return the decoder's output for ``tgt``, given the encoder's for ``src``."""
        for name, sequence in (("src", src), ("tgt", tgt)):
            if sequence.shape[-1] != self.d_model:
                raise ValueError(
                    f"{name} ends in the axis E = d_model = {self.d_model}, got "
                    f"{tuple(sequence.shape)}: embed the tokens in d_model numbers first"
                )
        axis = 0 if self.batch_first else 1
        if src.dim() == 3 and src.shape[axis] != tgt.shape[axis]:
            raise ValueError(
                f"src and tgt share the batch axis {axis}, got src {tuple(src.shape)} and tgt "
                f"{tuple(tgt.shape)}: batch_first is {self.batch_first}"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            tgt_is_causal,
            memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Return torch's causal mask, ``(sz, sz)``: 0 up to the diagonal, -inf above."""
        return torch.full((sz, sz), -torch.inf, device=device, dtype=dtype).triu(1)

"""The lookup table and its gradient."""

from typing import Any

import torch
from torch import Tensor, nn


class _Lookup(torch.autograd.Function):
    """Select rows of a table; the gradient of a row is the sum over its occurrences."""

    generate_vmap_rule = True

    @staticmethod
    def forward(table: Tensor, words: Tensor, padding: int, by_freq: bool, sparse: bool) -> Tensor:
        return table.index_select(0, words)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        table, words, ctx.padding, ctx.by_freq, ctx.sparse = inputs
        ctx.shape = table.shape
        ctx.save_for_backward(words)
        ctx.save_for_forward(words)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (words,) = ctx.saved_tensors
        is_padding = words == ctx.padding
        if ctx.by_freq:
            count = words.new_zeros(ctx.shape[0]).index_add(0, words, torch.ones_like(words))
            gradient = gradient / count[words].unsqueeze(-1)
        if ctx.sparse and ctx.by_freq:
            raise ValueError(
                "Embedding: scale_grad_by_freq=True works with a dense gradient only, "
                "got sparse=True: switch one of the two off"
            )
        if ctx.sparse:
            places, rows = words[~is_padding].unsqueeze(0), gradient[~is_padding]
            table_gradient = torch.sparse_coo_tensor(
                places, rows, ctx.shape, check_invariants=False
            )
        else:
            rows = gradient.masked_fill(is_padding.unsqueeze(-1), 0)
            table_gradient = gradient.new_zeros(ctx.shape).index_add(0, words, rows)
        return table_gradient, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return tangent.index_select(0, ctx.saved_tensors[0])


class Embedding(nn.Module):
    r"""Look up one learned vector for each index.

    .. math:: y[\ldots, :] = W[\mathrm{input}[\ldots], :]

    It equals the product of a one-hot vector and W, without the zeros: reading is a copy of
    rows, and the gradient of a row is the sum of the gradients at the places that read it.

    Parameters
    ----------
    num_embeddings
        Rows of the table, the size of the vocabulary; indices go from 0 to ``num_embeddings - 1``.
    embedding_dim
        Size of each vector, E.
    padding_idx
        A row that starts at zero and receives no gradient; from ``-num_embeddings`` to
        ``num_embeddings - 1``, where negative ones count from the end.
    max_norm
        Shorten the rows that the input names to this norm, in the table itself, before reading,
        also in eval mode. Rows that are shorter stay.
    norm_type
        p of the p-norm that ``max_norm`` limits.
    scale_grad_by_freq
        Divide the gradient of a row by the number of its occurrences in the input.
    sparse
        Make ``weight.grad`` a sparse tensor of the rows that were read.

    Shape
    -----
    input ``(*)``, int32 or int64, any number of axes; output ``(*, E)``.

    Raises
    ------
    ValueError
        An index or ``padding_idx`` is outside the table (an index: at the latest where torch
        notices, which on a GPU is an assertion of the device), a size is negative, ``_weight``
        has another shape, the table of ``from_pretrained`` has not two axes, or
        ``scale_grad_by_freq`` meets ``sparse`` in the backward pass.
    TypeError
        The input is not of int32 or int64.

    References
    ----------
    Bengio, Ducharme, Vincent and Jauvin, *A Neural Probabilistic Language Model*, JMLR 3 (2003),
    section 2: the matrix C, a parameter whose rows are the words' feature vectors.

    Examples
    --------
    >>> layer = Embedding(11, 5, padding_idx=0)
    >>> layer(torch.tensor([[1, 10, 7], [2, 0, 0]])).shape             # N=2, L=3
    torch.Size([2, 3, 5])

    A lookup is the product with one-hot vectors, as is PyTorch's:

    >>> words = torch.tensor([3, 0, 3])
    >>> one_hot = torch.nn.functional.one_hot(words, 11).float()
    >>> torch.testing.assert_close(layer(words), one_hot @ layer.weight)
    >>> theirs = nn.Embedding.from_pretrained(layer.weight)
    >>> torch.equal(layer(words), theirs(words))
    True

    A row's gradient counts its occurrences; the padding row has none:

    >>> layer(words).sum().backward()
    >>> layer.weight.grad[[3, 0, 1], 0].tolist()
    [2.0, 0.0, 0.0]

    Rows longer than ``max_norm`` are shortened, in the table; a row of just this norm stays:

    >>> table = torch.tensor([[6.0, 8.0], [3.0, 4.0]]).double()
    >>> limited = Embedding.from_pretrained(table, max_norm=5.0)
    >>> limited(torch.tensor([0, 1])).round(decimals=4).tolist()
    [[3.0, 4.0], [3.0, 4.0]]
    >>> table[1].tolist()
    [3.0, 4.0]

    Refused are an index, a padding row and sizes that make no sense, a weight or a table of
    another shape:

    >>> layer(torch.tensor([3, 11]))
    Traceback (most recent call last):
        ...
    ValueError: Embedding takes indices from 0 to 10, got some from 3 to 11: raise
        num_embeddings or map unknown words to a row of their own (negative indices do not
        count from the end)
    >>> Embedding(11, 5, padding_idx=11)
    Traceback (most recent call last):
        ...
    ValueError: padding_idx is a row of the table, from -11 to 10, got 11: raise num_embeddings
        or leave it out
    >>> Embedding(11, -5)
    Traceback (most recent call last):
        ...
    ValueError: Embedding: embedding_dim counts features, so it is >= 0, got -5
    >>> Embedding(11, 5, _weight=torch.zeros(5, 11))
    Traceback (most recent call last):
        ...
    ValueError: Embedding(11, 5) takes a _weight of that shape, got (5, 11): use
        Embedding.from_pretrained, which reads the sizes
    >>> Embedding.from_pretrained(torch.zeros(11))
    Traceback (most recent call last):
        ...
    ValueError: from_pretrained takes a table (num_embeddings, embedding_dim), got shape (11,):
        reshape it to two axes

    So are other dtypes, and a sparse gradient that is to be divided:

    >>> layer(torch.tensor([3.0]))
    Traceback (most recent call last):
        ...
    TypeError: Embedding takes indices of int32 or int64, got torch.float32: convert them with
        input.long()
    >>> Embedding(11, 5, scale_grad_by_freq=True, sparse=True)(words).sum().backward()
    Traceback (most recent call last):
        ...
    ValueError: Embedding: scale_grad_by_freq=True works with a dense gradient only, got
        sparse=True: switch one of the two off
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
    ) -> None:
        super().__init__()
        for name, size in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            if size < 0:
                raise ValueError(f"Embedding: {name} counts features, so it is >= 0, got {size}")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"padding_idx is a row of the table, from {-num_embeddings} to "
                f"{num_embeddings - 1}, got {padding_idx}: raise num_embeddings or leave it out"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            table = torch.empty(num_embeddings, embedding_dim)
            self.weight = nn.Parameter(table, requires_grad=not _freeze)
            self.reset_parameters()
        elif _weight.shape == (num_embeddings, embedding_dim):
            self.weight = nn.Parameter(_weight, requires_grad=not _freeze)
        else:
            raise ValueError(
                f"Embedding({num_embeddings}, {embedding_dim}) takes a _weight of that shape, got "
                f"{tuple(_weight.shape)}: use Embedding.from_pretrained, which reads the sizes"
            )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> "Embedding":
        """Make a layer around a given table, which it shares and, by default, does not train."""
        if embeddings.dim() != 2:
            raise ValueError(
                "from_pretrained takes a table (num_embeddings, embedding_dim), got shape "
                f"{tuple(embeddings.shape)}: reshape it to two axes"
            )
        num_embeddings, embedding_dim = embeddings.shape
        return cls(
            num_embeddings,
            embedding_dim,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def reset_parameters(self) -> None:
        """Draw the table from a standard normal distribution; the padding row becomes zero."""
        nn.init.normal_(self.weight)
        if self.padding_idx is not None:
            with torch.no_grad():
                self.weight[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        """Return the rows of ``weight`` that ``input`` names."""
        if input.dtype not in (torch.int32, torch.int64):
            raise TypeError(
                f"Embedding takes indices of int32 or int64, got {input.dtype}: "
                "convert them with input.long()"
            )
        words = input.flatten().long()
        padding = -1 if self.padding_idx is None else self.padding_idx  # -1: no word is padding
        try:
            if self.max_norm is not None:
                self._renormalise(words, self.max_norm)
            rows = _Lookup.apply(self.weight, words, padding, self.scale_grad_by_freq, self.sparse)
        except IndexError as error:
            raise ValueError(
                f"Embedding takes indices from 0 to {self.num_embeddings - 1}, got some from "
                f"{words.min()} to {words.max()}: raise num_embeddings or map unknown words to "
                "a row of their own (negative indices do not count from the end)"
            ) from error
        return rows.unflatten(0, input.shape) if input.dim() else rows.squeeze(0)

    @torch.no_grad()
    def _renormalise(self, words: Tensor, max_norm: float) -> None:
        rows = self.weight.index_select(0, words)
        norm = torch.linalg.vector_norm(rows, self.norm_type, dim=-1, keepdim=True)
        rows = torch.where(norm > max_norm, rows * (max_norm / (norm + 1e-7)), rows)
        self.weight.index_copy_(0, words, rows)  # a repeated word writes the same row again

    def extra_repr(self) -> str:
        """Return the settings as torch prints them: only those that differ from the default."""
        shown = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.padding_idx is not None:
            shown.append(f"padding_idx={self.padding_idx}")
        if self.max_norm is not None:
            shown.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            shown.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq is not False:
            shown.append(f"scale_grad_by_freq={self.scale_grad_by_freq}")
        if self.sparse is not False:
            shown.append("sparse=True")
        return ", ".join(shown)

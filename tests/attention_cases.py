"""What the tests of attention share: torch's layer with our call, wrappers, draws of settings."""

import oracle
import torch
from hypothesis import strategies as st
from torch import nn

from layerref import MultiHeadAttention

HALF = (torch.float16, torch.bfloat16)
DTYPES = (torch.float64, torch.float32, *HALF)


class Theirs(nn.MultiheadAttention):
    """nn.MultiheadAttention with our call: every mask becomes an (N * h, L, S) attn_mask."""

    def forward(self, query, key, value, mask=None, *, is_causal=False, need_weights=False):
        L, S, h = query.shape[-2], key.shape[-2], self.num_heads
        N = query.shape[0] if query.dim() == 3 else 1
        if is_causal:
            ahead = torch.ones(L, S).triu(1).bool()
            if mask is None or mask.dtype == torch.bool:
                mask = ~ahead if mask is None else mask & ~ahead
            else:
                mask = mask.masked_fill(ahead, -torch.inf)
        if mask is not None:
            mask = ~mask if mask.dtype == torch.bool else mask
            mask = mask if mask.dim() == 4 else mask.reshape(-1, 1, *mask.shape[-2:])
            mask = mask.expand(N, h, L, S).reshape(N * h, L, S)
        output, weights = super().forward(
            query, key, value, attn_mask=mask, need_weights=need_weights, average_attn_weights=False
        )
        return (output, weights) if need_weights else output


class Self(nn.Module):
    """One tensor as query, key and value."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, mask=None, **kwargs):
        return self.layer(x, x, x, mask, **kwargs)


class Cross(Self):
    """One tensor as key and value."""

    def forward(self, x, memory, mask=None, **kwargs):
        return self.layer(x, memory, memory, mask, **kwargs)


class Keyed(Self):
    """One tensor as query and key."""

    def forward(self, x, value, mask=None, **kwargs):
        return self.layer(x, x, value, mask, **kwargs)


class Ends(Self):
    """One tensor as query and value."""

    def forward(self, x, key, mask=None, **kwargs):
        return self.layer(x, key, x, mask, **kwargs)


class Three(Self):
    def forward(self, x, key, value, mask=None, **kwargs):
        return self.layer(x, key, value, mask, **kwargs)


class First(Self):
    def forward(self, *args, **kwargs):
        return self.layer(*args, **kwargs)[0]


def build(h, d_model, dropout=0.0, bias=True, seed=0):
    torch.manual_seed(seed)
    theirs = Theirs(d_model, h, dropout, bias, batch_first=True)
    torch.manual_seed(seed)
    ours = MultiHeadAttention(h, d_model, dropout, bias)
    oracle.assert_same_start(ours, theirs)
    with torch.no_grad():  # biases start at zero, which would hide their place
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            p.copy_(torch.randn_like(p))
            q.copy_(p)
    return ours.double(), theirs.double()


@st.composite
def masks(draw, N, h, L, S, empty=False):
    """Draw a mask of any form we take; unless ``empty``, each query may attend to key 0."""
    rank = draw(st.sampled_from([2, 3, 4]))
    sizes = [n if draw(st.booleans()) else 1 for n in (N, h, L)]
    shape = {2: [sizes[2], S], 3: [sizes[0], sizes[2], S], 4: [*sizes, S]}[rank]
    mask = torch.rand(shape) < draw(st.sampled_from([0.1, 0.5, 0.9]))
    if not empty:
        mask[..., :1] = True
    if draw(st.booleans()):
        bias = torch.randn(shape, dtype=torch.float64)
        return bias.masked_fill(~mask, -torch.inf) if draw(st.booleans()) else bias
    return mask


@st.composite
def settings(draw, empty=False):
    """Draw (constructor, wrapper, inputs, call) of one attention."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    h, d_k = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([1, 2, 5]))
    L = draw(st.sampled_from([1, 2, 5]))
    wrapper = draw(st.sampled_from([Self, Cross, Three, Keyed, Ends]))
    S = L if wrapper in (Self, Keyed, Ends) else draw(st.sampled_from([1, 3, 7]))
    batched = draw(st.booleans())
    N = draw(st.sampled_from([1, 2, 3])) if batched else 1
    lead = (N,) if batched else ()
    lengths = {Self: [L], Three: [L, S, S]}.get(wrapper, [L, S])
    inputs = [torch.randn(*lead, n, h * d_k, dtype=torch.float64) for n in lengths]
    mask = draw(st.none() | masks(N, h, L, S, empty=empty))
    call = {"is_causal": draw(st.booleans()), "need_weights": draw(st.booleans())}
    made = {"h": h, "d_model": h * d_k, "dropout": draw(st.sampled_from([0.0, 0.0, 0.4]))}
    return {**made, "bias": draw(st.booleans())}, wrapper, [*inputs, mask], call


def every_mask(N, h, L, S, dtype=torch.float32, device=None):
    """Return None and one mask of every form that we take: each rank, type and broadcast axis."""
    shapes = [[*lead, rows, S] for rows in {1, L} for lead in ([], [1], [N], [1, 1], [N, 1])]
    shapes += [[n, h, rows, S] for rows in {1, L} for n in {1, N}]
    keeps = [torch.rand(shape, device=device) < 0.7 for shape in shapes]
    empty = torch.zeros((), dtype=dtype, device=device)
    return [None, *keeps, *(torch.where(keep, empty, -torch.inf) for keep in keeps)]


def calls():
    """Every kind of call, for a layer of width 6 and inputs (3, 5, 6)."""
    keep = torch.rand(3, 2, 5, 5) < 0.7
    return [
        {},
        {"is_causal": True},
        {"mask": keep[0, 0]},
        {"mask": keep[:, 0, :1]},
        {"mask": keep, "is_causal": True},
        {"mask": torch.randn(5, 5)},
        {"need_weights": True},
        {"need_weights": True, "mask": keep, "is_causal": True},
    ]

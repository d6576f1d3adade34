"""The gated recurrent unit: GRU and its cell."""

import torch
from torch import Tensor
from torch import nn as nn  # the docstrings compare with torch.nn

from layerref.recurrent.base import State, _Cell, _Layer


def gru_step(from_input: Tensor, from_hidden: Tensor, state: State) -> State:
    r"""Return the state ``(h',)`` after one step.

    ``from_input`` is :math:`W_{ih} x + b_{ih}`, ``from_hidden`` is :math:`W_{hh} h + b_{hh}`;
    both hold three blocks: reset gate, update gate, candidate.
    """
    (h,) = state
    input_r, input_z, input_n = from_input.chunk(3, -1)
    hidden_r, hidden_z, hidden_n = from_hidden.chunk(3, -1)
    r = torch.sigmoid(input_r + hidden_r)
    z = torch.sigmoid(input_z + hidden_z)
    n = torch.tanh(input_n + r * hidden_n)  # r scales the product W h + b, not h
    return ((1 - z) * n + z * h,)


class GRUCell(_Cell):
    r"""Update a hidden state with one input: one step of :class:`GRU`.

    .. math::
        \begin{aligned}
        r &= \sigma(W_{ir}\, x + b_{ir} + W_{hr}\, h + b_{hr}) \\
        z &= \sigma(W_{iz}\, x + b_{iz} + W_{hz}\, h + b_{hz}) \\
        n &= \tanh(W_{in}\, x + b_{in} + r \odot (W_{hn}\, h + b_{hn})) \\
        h' &= (1 - z) \odot n + z \odot h
        \end{aligned}

    Parameters
    ----------
    input_size
        Number of features ``H_in`` of the input; ≥ 0.
    hidden_size
        Number of features ``H_out`` of the hidden state; ≥ 0.
    bias
        Learn the two shifts ``bias_ih`` and ``bias_hh``.

    Shape
    -----
    input: ``(N, H_in)`` or ``(H_in)``; hx and output: ``(N, H_out)`` or ``(H_out)``. Without
    ``hx`` the state starts at zero.

    Raises
    ------
    ValueError
        A size is negative, or a shape or dtype does not fit.
    TypeError
        A size is not an int, or ``hx`` is not a tensor.

    References
    ----------
    Cho et al., arXiv 1406.1078, equations 5 to 8: r follows the product in version 1, as here;
    in version 3 it stands inside, :math:`W_{hn} (r \odot h)`.

    Examples
    --------
    >>> cell, theirs = GRUCell(3, 5), nn.GRUCell(3, 5)               # H_in=3, H_out=5
    >>> theirs.load_state_dict(cell.state_dict())
    <All keys matched successfully>
    >>> x, h = torch.randn(2, 3), torch.randn(2, 5)                  # N=2
    >>> cell(x, h).shape
    torch.Size([2, 5])
    >>> torch.testing.assert_close(cell(x, h), theirs(x, h))

    An update gate of 1 copies the old state:

    >>> _ = cell.bias_ih.data[5:10].fill_(1000)                      # the block of z
    >>> torch.testing.assert_close(cell(x, h), h)

    Sizes, shapes and the state are checked:

    >>> GRUCell(3, -1)
    Traceback (most recent call last):
        ...
    ValueError: hidden_size counts features, so it is at least 0, got -1
    >>> GRUCell(3, 5)(torch.randn(2, 4))
    Traceback (most recent call last):
        ...
    ValueError: GRUCell was built with input_size=3, so the input's last axis is 3, got shape
        (2, 4): move the features to the last axis or build the layer with input_size=4
    >>> GRUCell(3, 2.5)
    Traceback (most recent call last):
        ...
    TypeError: hidden_size is an int, got 2.5: write hidden_size=4, for example
    >>> GRUCell(3, 5)(torch.randn(2, 3), (torch.zeros(2, 5),))
    Traceback (most recent call last):
        ...
    TypeError: GRUCell: hx is one tensor, h_0, got tuple: pass on the state that an earlier
        call returned, or None for zeros
    """

    _blocks = 3
    _step = staticmethod(gru_step)


class GRU(_Layer):
    r"""Read a sequence with a state of which one gate says how much to keep.

    .. math::
        \begin{aligned}
        r_t &= \sigma(W_{ir}\, x_t + b_{ir} + W_{hr}\, h_{t-1} + b_{hr}) \\
        z_t &= \sigma(W_{iz}\, x_t + b_{iz} + W_{hz}\, h_{t-1} + b_{hz}) \\
        n_t &= \tanh(W_{in}\, x_t + b_{in} + r_t \odot (W_{hn}\, h_{t-1} + b_{hn})) \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}
        \end{aligned}

    The weights hold the three blocks in the order r, z, n. ``output`` holds :math:`h_t` of the
    last layer for every step, ``h_n`` the last state of every layer and direction. Train and eval
    differ only by ``dropout`` between layers; on the CPU it follows torch's draws.

    Parameters
    ----------
    input_size
        Number of features ``H_in`` of the input; ≥ 1.
    hidden_size
        Number of features ``H_out`` of the hidden state; ≥ 1.
    num_layers
        Layers on top of each other, each reading the output of the one below; ≥ 1.
    bias
        Learn the two shifts ``bias_ih`` and ``bias_hh``.
    batch_first
        Input and output are ``(N, L, ·)`` instead of ``(L, N, ·)``; ``h_0`` and ``h_n`` stay.
    dropout
        Probability in [0, 1] of dropping an element between two layers while training.
    bidirectional
        Read the sequence from its end too, with weights of its own (``…_reverse``); the features
        of both directions stand next to each other: D = 2, otherwise D = 1.

    Shape
    -----
    input: ``(L, N, H_in)``, ``(N, L, H_in)`` if ``batch_first``, ``(L, H_in)`` or a
    :class:`~torch.nn.utils.rnn.PackedSequence`, with L ≥ 1. h_0 and h_n:
    ``(num_layers·D, N, H_out)``, without N if the input has none; zeros if not given.
    output: like the input, with ``D·H_out`` features.

    Raises
    ------
    ValueError
        An option is out of range, or a shape or dtype does not fit.
    TypeError
        An option or ``hx`` has the wrong type.

    References
    ----------
    Cho et al., arXiv 1406.1078, equations 5 to 8: r follows the product in version 1, as here;
    in version 3 it stands inside, :math:`W_{hn} (r \odot h)`. Chung et al., arXiv 1412.3555, swap
    the roles of z and 1 − z.

    Examples
    --------
    >>> layer, theirs = GRU(3, 5, bidirectional=True), nn.GRU(3, 5, bidirectional=True)
    >>> theirs.load_state_dict(layer.state_dict())
    <All keys matched successfully>
    >>> x = torch.randn(7, 2, 3)                                     # L=7, N=2, H_in=3
    >>> output, h_n = layer(x)
    >>> output.shape, h_n.shape
    (torch.Size([7, 2, 10]), torch.Size([2, 2, 5]))
    >>> torch.testing.assert_close((output, h_n), theirs(x))

    The forward direction ends at the last step, the backward one at the first:

    >>> torch.testing.assert_close(output[-1, :, :5], h_n[0])
    >>> torch.testing.assert_close(output[0, :, 5:], h_n[1])

    Options, shapes and the state are checked:

    >>> GRU(3, 0)
    Traceback (most recent call last):
        ...
    ValueError: hidden_size is at least 1, got 0
    >>> GRU(3, 5)(torch.randn(7, 2, 4))
    Traceback (most recent call last):
        ...
    ValueError: GRU was built with input_size=3, so the input's last axis is 3, got shape (7,
        2, 4): move the features to the last axis or build the layer with input_size=4
    >>> GRU(3, 5, bias=None)
    Traceback (most recent call last):
        ...
    TypeError: bias is True or False, got None: check the order of the positional arguments, or
        name them
    >>> GRU(3, 5)(torch.randn(7, 2, 3), (torch.zeros(1, 2, 5),))
    Traceback (most recent call last):
        ...
    TypeError: GRU: hx is one tensor, h_0, got tuple: pass on the state that an earlier call
        returned, or None for zeros
    """

    _blocks = 3
    _step = staticmethod(gru_step)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional
        )

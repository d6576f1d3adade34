"""Long short-term memory: LSTM and its cell."""

import torch
from torch import Tensor
from torch import nn as nn  # the docstrings compare with torch.nn

from layerref.recurrent.base import State, _Cell, _Layer


def lstm_step(from_input: Tensor, from_hidden: Tensor, state: State) -> State:
    r"""Return the state ``(h', c')`` after one step.

    ``from_input`` is :math:`W_{ih} x + b_{ih}`, ``from_hidden`` is :math:`W_{hh} h + b_{hh}`;
    both hold four blocks: input gate, forget gate, candidate, output gate.
    """
    _, c = state
    i, f, g, o = (from_input + from_hidden).chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


class LSTMCell(_Cell):
    r"""Update a hidden and a cell state with one input: one step of :class:`LSTM`.

    .. math::
        \begin{aligned}
        i &= \sigma(W_{ii}\, x + b_{ii} + W_{hi}\, h + b_{hi}) \\
        f &= \sigma(W_{if}\, x + b_{if} + W_{hf}\, h + b_{hf}) \\
        g &= \tanh(W_{ig}\, x + b_{ig} + W_{hg}\, h + b_{hg}) \\
        o &= \sigma(W_{io}\, x + b_{io} + W_{ho}\, h + b_{ho}) \\
        c' &= f \odot c + i \odot g \\
        h' &= o \odot \tanh(c')
        \end{aligned}

    Parameters
    ----------
    input_size
        Number of features ``H_in`` of the input; ≥ 0.
    hidden_size
        Number of features ``H_out`` of both states; ≥ 0.
    bias
        Learn the two shifts ``bias_ih`` and ``bias_hh``.

    Shape
    -----
    input: ``(N, H_in)`` or ``(H_in)``; hx and output: the pair ``(h, c)``, each ``(N, H_out)`` or
    ``(H_out)``. Without ``hx`` both states start at zero. torch's cell also takes a ``c`` of
    another dtype than the input; this one refuses it.

    Raises
    ------
    ValueError
        A size is negative, or a shape or dtype does not fit.
    TypeError
        A size is not an int, or ``hx`` is not a pair of tensors.

    References
    ----------
    Gers, Schmidhuber and Cummins, *Learning to Forget*, Neural Computation 12 (2000): the form
    with a forget gate.

    Examples
    --------
    >>> cell, theirs = LSTMCell(3, 5), nn.LSTMCell(3, 5)             # H_in=3, H_out=5
    >>> theirs.load_state_dict(cell.state_dict())
    <All keys matched successfully>
    >>> x, h, c = torch.randn(2, 3), torch.randn(2, 5), torch.randn(2, 5)
    >>> h1, c1 = cell(x, (h, c))
    >>> h1.shape, c1.shape
    (torch.Size([2, 5]), torch.Size([2, 5]))
    >>> torch.testing.assert_close((h1, c1), theirs(x, (h, c)))

    The output gate opens at most fully, so h stays between −1 and 1 however large c is:

    >>> bool((cell(x, (h, 100 * c))[0].abs() <= 1).all())
    True

    Sizes, shapes and the state are checked:

    >>> LSTMCell(3, -1)
    Traceback (most recent call last):
        ...
    ValueError: hidden_size counts features, so it is at least 0, got -1
    >>> LSTMCell(3, 5)(torch.randn(2, 4))
    Traceback (most recent call last):
        ...
    ValueError: LSTMCell was built with input_size=3, so the input's last axis is 3, got shape
        (2, 4): move the features to the last axis or build the layer with input_size=4
    >>> LSTMCell(3, 2.5)
    Traceback (most recent call last):
        ...
    TypeError: hidden_size is an int, got 2.5: write hidden_size=4, for example
    >>> LSTMCell(3, 5)(torch.randn(2, 3), torch.zeros(2, 5))
    Traceback (most recent call last):
        ...
    TypeError: LSTMCell: hx is the pair (h_0, c_0) of tensors, got Tensor: pass on the state
        that an earlier call returned, or None for zeros
    """

    _blocks = 4
    _states = ("h_0", "c_0")
    _step = staticmethod(lstm_step)


class LSTM(_Layer):
    r"""Read a sequence with a state that gates protect: what f keeps, later steps find unchanged.

    .. math::
        \begin{aligned}
        i_t &= \sigma(W_{ii}\, x_t + b_{ii} + W_{hi}\, h_{t-1} + b_{hi}) \\
        f_t &= \sigma(W_{if}\, x_t + b_{if} + W_{hf}\, h_{t-1} + b_{hf}) \\
        g_t &= \tanh(W_{ig}\, x_t + b_{ig} + W_{hg}\, h_{t-1} + b_{hg}) \\
        o_t &= \sigma(W_{io}\, x_t + b_{io} + W_{ho}\, h_{t-1} + b_{ho}) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        h_t &= W_{hr}\, (o_t \odot \tanh(c_t))
        \end{aligned}

    where :math:`W_{hr}` is there only with ``proj_size``. The weights hold the four blocks in the
    order i, f, g, o. ``output`` holds :math:`h_t` of the last layer for every step, ``h_n`` and
    ``c_n`` the last states of every layer and direction. Train and eval differ only by
    ``dropout`` between layers; on the CPU it follows torch's draws.

    Parameters
    ----------
    input_size
        Number of features ``H_in`` of the input; ≥ 1.
    hidden_size
        Number of features ``H_cell`` of the cell state; ≥ 1.
    num_layers
        Layers on top of each other, each reading the output of the one below; ≥ 1.
    bias
        Learn the two shifts ``bias_ih`` and ``bias_hh``.
    batch_first
        Input and output are ``(N, L, ·)`` instead of ``(L, N, ·)``; the states stay.
    dropout
        Probability in [0, 1] of dropping an element between two layers while training.
    bidirectional
        Read the sequence from its end too, with weights of its own (``…_reverse``); the features
        of both directions stand next to each other: D = 2, otherwise D = 1.
    proj_size
        Shorten h to so many features, in [0, hidden_size); 0 for no projection. ``H_out`` is
        ``proj_size`` if there is one, ``hidden_size`` otherwise.

    Shape
    -----
    input: ``(L, N, H_in)``, ``(N, L, H_in)`` if ``batch_first``, ``(L, H_in)`` or a
    :class:`~torch.nn.utils.rnn.PackedSequence`, with L ≥ 1. hx is the pair ``(h_0, c_0)`` of
    ``(num_layers·D, N, H_out)`` and ``(num_layers·D, N, H_cell)``, without N if the input has
    none; zeros if not given. output: like the input, with ``D·H_out`` features; then
    ``(h_n, c_n)``, shaped like ``(h_0, c_0)``. torch mostly takes a ``c_0`` of another dtype than
    the input too; this layer refuses it.

    Raises
    ------
    ValueError
        An option is out of range, or a shape or dtype does not fit.
    TypeError
        An option has the wrong type, or ``hx`` is not a pair of tensors.

    References
    ----------
    Hochreiter and Schmidhuber, *Long Short-Term Memory*, Neural Computation 9 (1997).
    Sak, Senior and Beaufays, arXiv 1402.1128 (the projection).

    Examples
    --------
    >>> layer, theirs = LSTM(3, 5, num_layers=2), nn.LSTM(3, 5, num_layers=2)
    >>> theirs.load_state_dict(layer.state_dict())
    <All keys matched successfully>
    >>> x = torch.randn(7, 2, 3)                                     # L=7, N=2, H_in=3
    >>> output, (h_n, c_n) = layer(x)
    >>> output.shape, h_n.shape, c_n.shape
    (torch.Size([7, 2, 5]), torch.Size([2, 2, 5]), torch.Size([2, 2, 5]))
    >>> torch.testing.assert_close((output, (h_n, c_n)), theirs(x))

    A sequence may be read in two parts, if the state is carried over:

    >>> first, state = layer(x[:4])
    >>> second, state = layer(x[4:], state)
    >>> torch.testing.assert_close(torch.cat([first, second]), output)
    >>> torch.testing.assert_close(state, (h_n, c_n))

    Options, shapes and the state are checked:

    >>> LSTM(3, 0)
    Traceback (most recent call last):
        ...
    ValueError: hidden_size is at least 1, got 0
    >>> LSTM(3, 5)(torch.randn(7, 2, 4))
    Traceback (most recent call last):
        ...
    ValueError: LSTM was built with input_size=3, so the input's last axis is 3, got shape (7,
        2, 4): move the features to the last axis or build the layer with input_size=4
    >>> LSTM(3, 5, bias=None)
    Traceback (most recent call last):
        ...
    TypeError: bias is True or False, got None: check the order of the positional arguments, or
        name them
    >>> LSTM(3, 5)(torch.randn(7, 2, 3), torch.zeros(1, 2, 5))
    Traceback (most recent call last):
        ...
    TypeError: LSTM: hx is the pair (h_0, c_0) of tensors, got Tensor: pass on the state that
        an earlier call returned, or None for zeros
    """

    _blocks = 4
    _states = ("h_0", "c_0")
    _step = staticmethod(lstm_step)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
        )

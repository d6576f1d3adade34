"""The simple recurrence (Elman network): RNN and its cell."""

import torch
from torch import Tensor
from torch import nn as nn  # the docstrings compare with torch.nn

from layerref.recurrent.base import State, _Cell, _Layer

_NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}


def rnn_step(from_input: Tensor, from_hidden: Tensor, state: State, nonlinearity: str) -> State:
    r"""Return the state ``(h',)`` after one step.

    ``from_input`` is :math:`W_{ih} x + b_{ih}`, ``from_hidden`` is :math:`W_{hh} h + b_{hh}`.
    """
    return (_NONLINEARITIES[nonlinearity](from_input + from_hidden),)


def _check_nonlinearity(nonlinearity: str) -> str:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity is 'tanh' or 'relu', got {nonlinearity!r}")
    return nonlinearity


class RNNCell(_Cell):
    r"""Update a hidden state with one input: one step of :class:`RNN`.

    .. math:: h' = \tanh(W_{ih}\, x + b_{ih} + W_{hh}\, h + b_{hh})

    with ReLU instead of tanh if ``nonlinearity="relu"``.

    Parameters
    ----------
    input_size
        Number of features ``H_in`` of the input; ≥ 0.
    hidden_size
        Number of features ``H_out`` of the hidden state; ≥ 0.
    bias
        Learn the two shifts ``bias_ih`` and ``bias_hh``.
    nonlinearity
        ``"tanh"`` or ``"relu"``. torch's cell takes any text here and fails in ``forward``.

    Shape
    -----
    input: ``(N, H_in)`` or ``(H_in)``; hx and output: ``(N, H_out)`` or ``(H_out)``. Without
    ``hx`` the state starts at zero.

    Raises
    ------
    ValueError
        A size is negative, ``nonlinearity`` is unknown, or a shape or dtype does not fit.
    TypeError
        A size is not an int, or ``hx`` is not a tensor.

    References
    ----------
    Elman, *Finding Structure in Time*, Cognitive Science 14 (1990).

    Examples
    --------
    >>> cell, theirs = RNNCell(3, 5), nn.RNNCell(3, 5)               # H_in=3, H_out=5
    >>> theirs.load_state_dict(cell.state_dict())
    <All keys matched successfully>
    >>> x, h = torch.randn(2, 3), torch.randn(2, 5)                  # N=2
    >>> cell(x, h).shape
    torch.Size([2, 5])
    >>> torch.testing.assert_close(cell(x, h), theirs(x, h))

    Only the sum of the two biases matters:

    >>> expected = cell(x, h)
    >>> _ = cell.bias_ih.data.add_(cell.bias_hh.data), cell.bias_hh.data.zero_()
    >>> torch.testing.assert_close(cell(x, h), expected)

    Sizes, shapes and the state are checked:

    >>> RNNCell(3, -1)
    Traceback (most recent call last):
        ...
    ValueError: hidden_size counts features, so it is at least 0, got -1
    >>> RNNCell(3, 5)(torch.randn(2, 4))
    Traceback (most recent call last):
        ...
    ValueError: RNNCell was built with input_size=3, so the input's last axis is 3, got shape
        (2, 4): move the features to the last axis or build the layer with input_size=4
    >>> RNNCell(3, 2.5)
    Traceback (most recent call last):
        ...
    TypeError: hidden_size is an int, got 2.5: write hidden_size=4, for example
    >>> RNNCell(3, 5)(torch.randn(2, 3), (torch.zeros(2, 5),))
    Traceback (most recent call last):
        ...
    TypeError: RNNCell: hx is one tensor, h_0, got tuple: pass on the state that an earlier
        call returned, or None for zeros
    >>> RNNCell(3, 5, nonlinearity="sigmoid")
    Traceback (most recent call last):
        ...
    ValueError: nonlinearity is 'tanh' or 'relu', got 'sigmoid'
    """

    _blocks = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh"
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity = _check_nonlinearity(nonlinearity)

    def _step(self, from_input: Tensor, from_hidden: Tensor, state: State) -> State:
        return rnn_step(from_input, from_hidden, state, self.nonlinearity)

    def extra_repr(self) -> str:
        """Return what stands between the brackets when the cell is printed."""
        text = super().extra_repr()
        return text if self.nonlinearity == "tanh" else f"{text}, nonlinearity={self.nonlinearity}"


class RNN(_Layer):
    r"""Read a sequence with a state that is mixed anew at every step.

    .. math:: h_t = \tanh(W_{ih}\, x_t + b_{ih} + W_{hh}\, h_{t-1} + b_{hh})

    with ReLU instead of tanh if ``nonlinearity="relu"``. ``output`` holds :math:`h_t` of the last
    layer for every step, ``h_n`` the last state of every layer and direction. Train and eval
    differ only by ``dropout`` between layers; on the CPU it follows torch's draws.

    Parameters
    ----------
    input_size
        Number of features ``H_in`` of the input; ≥ 1.
    hidden_size
        Number of features ``H_out`` of the hidden state; ≥ 1.
    num_layers
        Layers on top of each other, each reading the output of the one below; ≥ 1.
    nonlinearity
        ``"tanh"`` or ``"relu"``.
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
    Elman, *Finding Structure in Time*, Cognitive Science 14 (1990).

    Examples
    --------
    >>> layer, theirs = RNN(3, 5, num_layers=2), nn.RNN(3, 5, num_layers=2)
    >>> theirs.load_state_dict(layer.state_dict())
    <All keys matched successfully>
    >>> x = torch.randn(7, 2, 3)                                     # L=7, N=2, H_in=3
    >>> output, h_n = layer(x)
    >>> output.shape, h_n.shape
    (torch.Size([7, 2, 5]), torch.Size([2, 2, 5]))
    >>> torch.testing.assert_close((output, h_n), theirs(x))

    The last output is the last layer's final state, and no output sees a later input:

    >>> torch.testing.assert_close(output[-1], h_n[-1])
    >>> torch.testing.assert_close(layer(x[:4])[0], output[:4])

    Options, shapes and the state are checked:

    >>> RNN(3, 0)
    Traceback (most recent call last):
        ...
    ValueError: hidden_size is at least 1, got 0
    >>> RNN(3, 5)(torch.randn(7, 2, 4))
    Traceback (most recent call last):
        ...
    ValueError: RNN was built with input_size=3, so the input's last axis is 3, got shape (7,
        2, 4): move the features to the last axis or build the layer with input_size=4
    >>> RNN(3, 5, bias=None)
    Traceback (most recent call last):
        ...
    TypeError: bias is True or False, got None: check the order of the positional arguments, or
        name them
    >>> RNN(3, 5)(torch.randn(7, 2, 3), (torch.zeros(1, 2, 5),))
    Traceback (most recent call last):
        ...
    TypeError: RNN: hx is one tensor, h_0, got tuple: pass on the state that an earlier call
        returned, or None for zeros
    >>> RNN(3, 5, nonlinearity="sigmoid")
    Traceback (most recent call last):
        ...
    ValueError: nonlinearity is 'tanh' or 'relu', got 'sigmoid'
    """

    _blocks = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional
        )
        self.nonlinearity = _check_nonlinearity(nonlinearity)

    def _step(self, from_input: Tensor, from_hidden: Tensor, state: State) -> State:
        return rnn_step(from_input, from_hidden, state, self.nonlinearity)

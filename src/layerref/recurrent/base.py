"""What RNN, LSTM and GRU share: the affine map, the loop over time, the cell and the stack."""

import math
import numbers
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from layerref.checks import check_rank

State = tuple[Tensor, ...]  # (h,) of RNN and GRU, (h, c) of LSTM


def affine(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``W x + b`` for every row ``x`` of ``input``."""
    product = input @ weight.T
    return product if bias is None else product + bias


def dropout(input: Tensor, p: float) -> Tensor:
    """Zero elements with probability ``p`` and scale the others by 1 / (1 − p)."""
    if p == 1:
        return input * 0
    return input * torch.empty_like(input).bernoulli_(1 - p).div_(1 - p)


def same_dtype(a: Tensor, b: Tensor) -> bool:
    """Say whether a product of both is possible; autocast converts them by itself."""
    return a.dtype == b.dtype or torch.is_autocast_enabled(a.device.type)


def check_input(layer: str, input: Tensor, size: int, weight: Tensor) -> None:
    """Refuse an input whose last axis is not ``input_size`` or whose dtype is not the weights'."""
    if input.shape[-1] != size:
        raise ValueError(
            f"{layer} was built with input_size={size}, so the input's last axis is {size}, got "
            f"shape {tuple(input.shape)}: move the features to the last axis or build the layer "
            f"with input_size={input.shape[-1]}"
        )
    if not same_dtype(input, weight):
        raise ValueError(
            f"{layer} multiplies input and weights of one dtype, got {input.dtype} and "
            f"{weight.dtype}: write layer(input.to({weight.dtype})) or layer.to({input.dtype})"
        )


def initial_state(
    layer: str, hx: Any, shapes: Mapping[str, tuple[int, ...]], like: Tensor
) -> State:
    """Return the state before the first step: ``hx`` if it fits ``shapes``, zeros if it is None.

    torch lets some misfits through (a third tensor for an unbatched LSTM, a ``c`` of another
    dtype, more sequences than an unsorted PackedSequence has); all are refused here.
    """
    if hx is None:
        return tuple(like.new_zeros(shape) for shape in shapes.values())
    pair = len(shapes) > 1
    state = hx if pair else (hx,)
    if (
        not isinstance(state, (tuple, list))
        or len(state) != len(shapes)
        or not all(isinstance(s, Tensor) for s in state)
    ):
        form = "the pair (h_0, c_0) of tensors" if pair else "one tensor, h_0"
        raise TypeError(
            f"{layer}: hx is {form}, got {type(hx).__name__}: pass on the state that an earlier "
            f"call returned, or None for zeros"
        )
    for (name, shape), value in zip(shapes.items(), state):
        if tuple(value.shape) != shape or not same_dtype(value, like):
            raise ValueError(
                f"{layer}: {name} has shape {shape} and dtype {like.dtype} for this input, got "
                f"{tuple(value.shape)} and {value.dtype}: reshape or convert it, or pass None for "
                f"zeros (batch_first does not move the batch axis of a state)"
            )
    return tuple(state)


class _Recurrent(nn.Module):
    """What a kind (RNN, LSTM, GRU) fills in for its cell and its layer, and how both start."""

    _blocks: int  # rows of a weight, in multiples of hidden_size: one block for each gate
    _states: tuple[str, ...] = ("h_0",)
    hidden_size: int

    def _step(self, from_input: Tensor, from_hidden: Tensor, state: State) -> State:
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Draw every parameter evenly from ±1/√hidden_size."""
        bound = 1 / math.sqrt(max(self.hidden_size, 1))  # without features nothing is drawn
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)


class _Cell(_Recurrent):
    """One step of a recurrence: checks, the two affine maps, and the step of its kind."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(size, int):
                raise TypeError(f"{name} is an int, got {size!r}: write {name}=4, for example")
            if size < 0:
                raise ValueError(f"{name} counts features, so it is at least 0, got {size}")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self._blocks * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(rows)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty(rows)) if bias else None
        self.reset_parameters()

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """Return the state after one step."""
        name = type(self).__name__
        check_rank(name, input, {1: "(H_in)", 2: "(N, H_in)"})
        check_input(name, input, self.input_size, self.weight_ih)
        shape = (*input.shape[:-1], self.hidden_size)
        state = initial_state(name, hx, dict.fromkeys(self._states, shape), input)

        from_input = affine(input, self.weight_ih, self.bias_ih)
        from_hidden = affine(state[0], self.weight_hh, self.bias_hh)
        state = self._step(from_input, from_hidden, state)
        return state if len(state) > 1 else state[0]

    def extra_repr(self) -> str:
        """Return what stands between the brackets when the module is printed."""
        text = f"{self.input_size}, {self.hidden_size}"
        return text if self.bias is True else f"{text}, bias={self.bias}"


class _Layer(_Recurrent):
    """A stack of recurrences over whole sequences, in one or both directions.

    Inside, every input has the packed form: the rows of step 0, those of step 1, ... below each
    other, and the number of rows at each step. A padded batch is the case of equal numbers.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int = 0,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout, self.proj_size = dropout, proj_size
        self._check_options()
        self.dropout = float(dropout)
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                for stem, shape in self._shapes(layer).items():
                    self.register_parameter(stem + suffix, nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    def _check_options(self) -> None:
        for name in ("input_size", "hidden_size", "num_layers", "proj_size"):
            size, least = getattr(self, name), 0 if name == "proj_size" else 1
            if not isinstance(size, int) or isinstance(size, bool):
                raise TypeError(f"{name} is an int, got {size!r}: write {name}=4, for example")
            if size < least:
                raise ValueError(f"{name} is at least {least}, got {size}")
        for name in ("bias", "batch_first", "bidirectional"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise TypeError(
                    f"{name} is True or False, got {value!r}: check the order of the positional "
                    f"arguments, or name them"
                )
        p = self.dropout
        if isinstance(p, bool) or not isinstance(p, numbers.Real) or not 0 <= p <= 1:
            raise ValueError(f"dropout is a probability between 0 and 1, got {p!r}")
        if self.proj_size >= self.hidden_size:
            raise ValueError(
                f"proj_size is smaller than hidden_size, got {self.proj_size} and "
                f"{self.hidden_size}: a projection shortens h (0 switches it off)"
            )
        if p > 0 and self.num_layers == 1:
            warnings.warn(
                f"dropout={p} has no effect with num_layers=1: it acts between stacked layers, "
                f"never after the last one",
                stacklevel=4,
            )

    def _suffixes(self, layer: int) -> list[str]:
        """Return the endings of the parameter names of a layer, one for each direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"] if self.bidirectional else [f"_l{layer}"]

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """Return the parameters that each direction of a layer has, in torch's order."""
        out = self.proj_size or self.hidden_size
        features = out * len(self._suffixes(layer)) if layer else self.input_size
        rows = self._blocks * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, features),
            "weight_hh": (rows, out),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes |= {"weight_hr": (out, self.hidden_size)}
        return shapes

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters as one list for each layer and direction, in the order of h_n's rows."""
        return [
            [getattr(self, stem + suffix) for stem in self._shapes(layer)]
            for layer in range(self.num_layers)
            for suffix in self._suffixes(layer)
        ]

    def flatten_parameters(self) -> None:
        """Do nothing: torch's layer moves its weights into one block of memory for cuDNN here."""

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> Any:
        """Return the output of every step, and the final states."""
        data, batch_sizes = self._rows(input)
        starts = self._starts(input, hx, data)
        ends: list[State] = []
        for layer in range(self.num_layers):
            if layer > 0 and self.training and self.dropout > 0:
                data = dropout(data, self.dropout)
            outputs = []
            for suffix in self._suffixes(layer):
                weights = {stem: getattr(self, stem + suffix) for stem in self._shapes(layer)}
                backwards = suffix.endswith("_reverse")
                output, end = self._scan(data, batch_sizes, starts[len(ends)], backwards, **weights)
                outputs.append(output)
                ends.append(end)
            data = torch.cat(outputs, -1)
        return self._leave(input, data, tuple(torch.stack(rows) for rows in zip(*ends)))

    def _scan(
        self,
        data: Tensor,
        batch_sizes: list[int],
        state: State,
        backwards: bool,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None = None,
        bias_hh: Tensor | None = None,
        weight_hr: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Run one recurrence over packed rows; return h of every row, and the state at the end."""
        from_input = affine(data, weight_ih, bias_ih).split(batch_sizes)  # all steps at once
        outputs = list(from_input)
        times = range(len(batch_sizes))
        for t in reversed(times) if backwards else times:
            # sequences are sorted by length: the first n take part in step t, the others have
            # ended (or, backwards, not begun) and keep their state
            n = batch_sizes[t]
            active = tuple(s[:n] for s in state) if n < len(state[0]) else state
            new = self._step(from_input[t], affine(active[0], weight_hh, bias_hh), active)
            if weight_hr is not None:
                new = (new[0] @ weight_hr.T, *new[1:])
            outputs[t] = new[0]
            if n < len(state[0]):
                new = tuple(torch.cat((a, s[n:])) for a, s in zip(new, state))
            state = new
        return torch.cat(outputs), state

    def _rows(self, input: Tensor | PackedSequence) -> tuple[Tensor, list[int]]:
        """Check the input; return its rows in packed form, and how many of them each step has."""
        name = type(self).__name__
        if isinstance(input, PackedSequence):
            data, batch_sizes = input.data, input.batch_sizes.tolist()
            check_rank(f"{name} of a PackedSequence", data, {2: "(rows, H_in)"})
            if sorted(batch_sizes, reverse=True) != batch_sizes or sum(batch_sizes) != len(data):
                raise ValueError(
                    f"{name}: batch_sizes of a PackedSequence never rise and add up to its "
                    f"{len(data)} rows, got {batch_sizes}: build it with pack_padded_sequence"
                )
        else:
            layout = "(N, L, H_in)" if self.batch_first else "(L, N, H_in)"
            check_rank(name, input, {2: "(L, H_in)", 3: layout})
            data = input.transpose(0, 1) if self.batch_first and input.dim() == 3 else input
            batch_sizes = [math.prod(data.shape[1:-1])] * len(data)
            if not batch_sizes:
                raise ValueError(
                    f"{name} takes at least one time step, got L=0 in shape {tuple(input.shape)}: "
                    f"leave empty sequences out"
                )
        check_input(name, data, self.input_size, self.get_parameter("weight_ih_l0"))
        return data.reshape(-1, self.input_size), batch_sizes

    def _starts(self, input: Tensor | PackedSequence, hx: Any, data: Tensor) -> list[State]:
        """Check ``hx``; return the state before the first step for each layer and direction."""
        batch: tuple[int, ...] = ()
        if isinstance(input, PackedSequence):
            batch = (int(input.batch_sizes[0]),)
        elif input.dim() == 3:
            batch = (input.shape[0 if self.batch_first else 1],)
        sizes = dict.fromkeys(self._states, self.hidden_size)
        sizes["h_0"] = self.proj_size or self.hidden_size
        shapes = {key: (len(self.all_weights), *batch, size) for key, size in sizes.items()}
        state = initial_state(type(self).__name__, hx, shapes, data)
        if not batch:
            state = tuple(s.unsqueeze(1) for s in state)
        if isinstance(input, PackedSequence) and input.sorted_indices is not None:
            state = tuple(s.index_select(1, input.sorted_indices) for s in state)
        return list(zip(*state))

    def _leave(self, input: Tensor | PackedSequence, data: Tensor, state: State) -> Any:
        """Give rows and final states the layout of the input."""
        output: Tensor | PackedSequence
        if isinstance(input, PackedSequence):
            _, batch_sizes, sorted_indices, unsorted_indices = input
            output = PackedSequence(data, batch_sizes, sorted_indices, unsorted_indices)
            if unsorted_indices is not None:
                state = tuple(s.index_select(1, unsorted_indices) for s in state)
        elif input.dim() == 2:
            output, state = data, tuple(s.squeeze(1) for s in state)
        elif self.batch_first:
            output = data.reshape(input.shape[1], input.shape[0], data.shape[-1]).transpose(0, 1)
        else:
            output = data.reshape(*input.shape[:2], data.shape[-1])
        return output, state if len(state) > 1 else state[0]

    def extra_repr(self) -> str:
        """Return what stands between the brackets when the module is printed."""
        options: Sequence[tuple[str, object]] = (
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0),
            ("bidirectional", False),
        )
        changed = [
            f"{k}={getattr(self, k)}" for k, default in options if getattr(self, k) != default
        ]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])

"""RNN, LSTM and GRU: whole sequences, against torch.nn, by hand and by identities."""

import copy
import pickle
import re

import oracle
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    unpack_sequence,
)

import layerref

LAYERS = ["RNN", "LSTM", "GRU"]
L, N, H_IN, H_OUT = 7, 2, 3, 5

# torch's layers warn as ours do; test_dropout_warning holds it
pytestmark = pytest.mark.filterwarnings("ignore:.*dropout.*num_layers")


def random(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def hidden(name, state):
    """Return h of a state: LSTM has a pair."""
    return state[0] if name == "LSTM" else state


@st.composite
def options_of(draw, name):
    """Draw constructor options, each given or left out."""
    kinds = {
        "num_layers": st.sampled_from([1, 2, 3]),
        "bias": st.booleans(),
        "batch_first": st.booleans(),
        "dropout": st.sampled_from([0, 0.0, 0.2, 0.5, 1, 1.0]),
        "bidirectional": st.booleans(),
    }
    if name == "LSTM":
        kinds["proj_size"] = st.sampled_from([0, 2])
    if name == "RNN":
        kinds["nonlinearity"] = st.sampled_from(["tanh", "relu"])
    options = {
        "input_size": draw(st.sampled_from([1, 3])),
        "hidden_size": draw(st.sampled_from([3, 5])),
    }
    return options | {k: draw(kind) for k, kind in kinds.items() if draw(st.booleans())}


@st.composite
def arguments_of(draw, name, options):
    """Draw what forward takes: padded, unbatched or packed, with or without a first state."""
    length, batch = draw(st.sampled_from([1, 2, 3, 7])), draw(st.sampled_from([0, 1, 2, 5]))
    form = draw(st.sampled_from(["padded", "unbatched", "sorted", "unsorted"]))
    seed, features = draw(st.integers(0, 99)), options["input_size"]
    axes = (batch,)
    if form == "unbatched":
        input, axes = random(length, features, seed=seed), ()
    elif form == "padded":
        first = options.get("batch_first", False)
        shape = (batch, length) if first else (length, batch)
        input = random(*shape, features, seed=seed)
    else:
        batch = max(batch, 1)
        axes = (batch,)
        lengths = draw(st.lists(st.integers(1, length), min_size=batch, max_size=batch))
        lengths = sorted(lengths, reverse=True) if form == "sorted" else lengths
        data = random(length, batch, features, seed=seed)
        input = pack_padded_sequence(data, lengths, enforce_sorted=form == "sorted")
    if draw(st.booleans()):
        return (input,)
    rows = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    out = options.get("proj_size", 0) or options["hidden_size"]
    h = random(rows, *axes, out, seed=seed + 1)
    c = random(rows, *axes, options["hidden_size"], seed=seed + 2)
    return input, draw(st.sampled_from([(h, c), [h, c]])) if name == "LSTM" else h


@pytest.mark.parametrize("name", LAYERS)
@given(data=st.data(), seed=st.integers(0, 99))
def test_layers_equal_torch(name, data, seed):
    options = data.draw(options_of(name))
    args = data.draw(arguments_of(name, options))
    ours, theirs = oracle.build(name, **options, seed=seed)
    oracle.compare(ours, theirs, *args, seed=seed)
    oracle.assert_attributes(ours, theirs, *options, "num_layers", "bias", "batch_first")
    oracle.assert_attributes(ours, theirs, "dropout", "bidirectional", "proj_size")
    oracle.assert_close(ours.all_weights, theirs.all_weights)
    assert repr(ours) == repr(theirs)


# ------------------------------------------------------------------------------ refusals


@st.composite
def bad_options(draw, name):
    """Draw constructor options, some of which are out of range or of the wrong type."""
    kinds = {
        "input_size": st.sampled_from([3, 1, 0, -1, 3.0, "3", None]),
        "hidden_size": st.sampled_from([5, 2, 0, -1, 5.0]),
        "num_layers": st.sampled_from([2, 0, -1, 1.5, True]),
        "bias": st.sampled_from([True, 1, "yes", None]),
        "batch_first": st.sampled_from([False, 0, None]),
        "dropout": st.sampled_from([0.5, 1, -0.1, 1.1, True, "0.5", None, float("nan")]),
        "bidirectional": st.sampled_from([True, 1, 0, "no", None]),
        "proj_size": st.sampled_from([0, 2, 4, 5, 7, -1, 2.0, True]),
        "nonlinearity": st.sampled_from(["tanh", "relu", "sigmoid", "", None]),
    }
    for other, option in (("LSTM", "proj_size"), ("RNN", "nonlinearity")):
        if name != other and draw(st.integers(0, 9)):
            del kinds[option]  # kept now and then: it must be refused as unknown
    chosen = draw(st.lists(st.sampled_from(sorted(kinds)), max_size=2, unique=True))
    return {"input_size": H_IN, "hidden_size": H_OUT} | {k: draw(kinds[k]) for k in chosen}


@pytest.mark.parametrize("name", LAYERS)
@given(data=st.data())
def test_options_are_refused_alike(name, data):
    options = data.draw(bad_options(name))

    def use(module):
        layer = getattr(module, name)(**options)  # torch refuses some only in forward
        return layer(torch.zeros(N, L, layer.input_size))

    oracle.assert_refused_alike(lambda: use(layerref), lambda: use(nn))


@st.composite
def bad_arguments(draw, name):
    """Draw constructor options and arguments of forward, some of which do not fit."""
    options = {
        "num_layers": draw(st.sampled_from([1, 2])),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
    }
    if name == "LSTM":
        options["proj_size"] = draw(st.sampled_from([0, 2]))
    shapes = [(L, N, H_IN), (L, H_IN), (L, N, 2), (L,), (1, L, N, H_IN), (0, H_IN), (0, N, H_IN)]
    input = random(*draw(st.sampled_from(shapes[:2] * 3 + shapes)))
    input = input.to(draw(st.sampled_from([torch.float64] * 7 + [torch.float32, torch.int64])))
    # torch's packed LSTM broadcasts some states that do not fit: see below
    if input.dim() == 3 and len(input) and name != "LSTM" and draw(st.booleans()):
        input, axes = pack_padded_sequence(input, [7, 3]), (N,)
    elif input.dim() == 3:
        axes = (input.shape[0 if options["batch_first"] else 1],)
    else:
        axes = ()
    rows = options["num_layers"] * (2 if options["bidirectional"] else 1)
    right = {"h": options.get("proj_size", 0) or H_OUT, "c": H_OUT}
    state = []
    for size in right.values():
        near = [(rows + 1, *axes, size), (rows, 3, size), (rows, size), (rows, N, size), (size,)]
        near += [(rows, *axes, size + 1), (rows, *axes, 1), (1, *axes, size), (rows, 1, size)]
        shape = draw(st.sampled_from([(rows, *axes, size)] * 12 + near))
        state.append(random(*shape))
    h, c = state
    h = h.to(draw(st.sampled_from([torch.float64] * 9 + [torch.float32])))
    pair = (name == "LSTM") == (draw(st.integers(0, 9)) > 0)
    return options, draw(st.sampled_from([(input,), (input, (h, c) if pair else h)]))


@pytest.mark.parametrize("name", LAYERS)
@given(data=st.data())
def test_arguments_are_refused_alike(name, data):
    options, args = data.draw(bad_arguments(name))
    if name == "LSTM" and isinstance(args[-1], torch.Tensor):
        assume(len(args) == 1 or len(args[-1]) != 2)  # stacked states, a misfit: see below
    ours, theirs = oracle.build(name, H_IN, H_OUT, **options)
    oracle.assert_refused_alike(lambda: ours(*args), lambda: theirs(*args))


PACKED = pack_padded_sequence(torch.zeros(L, N, H_IN), [3, 7], enforce_sorted=False)
ONE = pack_padded_sequence(torch.zeros(L, 1, H_IN), [7])
TAIL = PackedSequence(torch.zeros(9, H_IN), torch.tensor([2, 2, 1]))


@pytest.mark.parametrize(
    ("name", "options", "args"),
    [
        ("GRU", (1, True, False, 0.0, False, 2), ()),  # a positional proj_size
        ("LSTM", (1, True, False, 0.0, False, 0.0), ()),
        ("LSTM", (), (torch.zeros(L, H_IN), torch.zeros(2, 1, H_OUT))),  # h_0 and c_0 stacked
        ("LSTM", (), (torch.zeros(L, H_IN), (torch.zeros(1, H_OUT),) * 3)),
        ("GRU", (), (PACKED, torch.zeros(1, N + 1, H_OUT))),
        ("LSTM", (), (PACKED, (torch.zeros(1, N + 1, H_OUT),) * 2)),
        ("LSTM", (), (ONE, (torch.zeros(1, N, H_OUT),) * 2)),
        ("LSTM", (), (PACKED, (torch.zeros(1, N, H_OUT), torch.zeros(1, N, H_OUT).half()))),
        ("GRU", (), (TAIL,)),  # rows that no step reads
    ],
)
def test_misfits_that_torch_lets_through_are_refused(name, options, args):
    def use(module):
        layer = getattr(module, name)(H_IN, H_OUT, *options)
        return layer(*args) if args else layer

    assert oracle.refuses(lambda: use(nn)) is None
    assert isinstance(oracle.refuses(lambda: use(layerref)), (ValueError, TypeError))


ZEROS = torch.zeros
ERRORS = [  # layer, constructor options, forward arguments, error, text
    ("GRU", {"hidden_size": 0}, (), ValueError, "hidden_size is at least 1, got 0"),
    ("GRU", {"num_layers": 1.5}, (), TypeError, "num_layers is an int, got 1.5"),
    ("GRU", {"bias": 0.5}, (), TypeError, "bias is True or False, got 0.5: check the order"),
    ("GRU", {"dropout": 1.5}, (), ValueError, "dropout is a probability between 0 and 1, got 1.5"),
    ("GRU", {"proj_size": 2}, (), TypeError, "proj_size"),
    ("LSTM", {"proj_size": 5}, (), ValueError, "smaller than hidden_size, got 5 and 5"),
    ("RNN", {"nonlinearity": "gelu"}, (), ValueError, "'tanh' or 'relu', got 'gelu'"),
    ("GRU", {}, (ZEROS(7),), ValueError, "takes an input (L, H_in) or (L, N, H_in), got 1 axes"),
    ("GRU", {"batch_first": True}, (ZEROS(7),), ValueError, "(L, H_in) or (N, L, H_in)"),
    ("GRU", {}, (ZEROS(7, 2, 4),), ValueError, "the input's last axis is 3, got shape (7, 2, 4)"),
    ("GRU", {}, (ZEROS(0, 2, 3),), ValueError, "at least one time step, got L=0"),
    ("GRU", {}, (ZEROS(7, 2, 3).half(),), ValueError, "write layer(input.to(torch.float32))"),
    ("GRU", {"batch_first": True}, (ZEROS(2, 7, 3), ZEROS(2, 1, 5)), ValueError,
     "h_0 has shape (1, 2, 5) and dtype torch.float32 for this input, got (2, 1, 5)"),
    ("LSTM", {"proj_size": 2}, (ZEROS(7, 2, 3), (ZEROS(1, 2, 2), ZEROS(1, 2, 2))), ValueError,
     "c_0 has shape (1, 2, 5)"),
    ("LSTM", {}, (ZEROS(7, 2, 3), ZEROS(1, 2, 5)), TypeError, "hx is the pair (h_0, c_0)"),
    ("RNN", {}, (ZEROS(7, 2, 3), (ZEROS(1, 2, 5),)), TypeError, "hx is one tensor, h_0, got tuple"),
    ("GRU", {}, (PackedSequence(ZEROS(5, 3), torch.tensor([2, 1, 2])),), ValueError,
     "batch_sizes of a PackedSequence never rise and add up to its 5 rows, got [2, 1, 2]"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "args", "kind", "message"), ERRORS)
def test_errors_say_the_rule(name, options, args, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        getattr(layerref, name)(**{"input_size": 3, "hidden_size": 5, **options})(*args)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.filterwarnings("default")
def test_dropout_warning(name):
    for module in (nn, layerref):
        with pytest.warns(UserWarning, match="num_layers"):
            getattr(module, name)(3, 5, dropout=0.5)
    with pytest.warns(UserWarning, match="no effect with num_layers=1") as record:
        getattr(layerref, name)(3, 5, dropout=0.5)
    assert record[0].filename == __file__  # it points at the caller


# ------------------------------------------------------------------------------ values by hand


def test_values_by_hand():
    """h_t = relu(x_t + 2 h_{t-1} − 3) forwards, h_t = relu(10 x_t + h_{t+1}) backwards."""
    layer = layerref.RNN(1, 1, nonlinearity="relu", bidirectional=True)
    values = {"weight_ih_l0": 1, "weight_hh_l0": 2, "bias_ih_l0": -1, "bias_hh_l0": -2}
    values |= {"weight_ih_l0_reverse": 10, "weight_hh_l0_reverse": 1}
    values |= {"bias_ih_l0_reverse": 0, "bias_hh_l0_reverse": 0}
    with torch.no_grad():
        for key, value in values.items():
            layer.get_parameter(key).fill_(value)
    x = torch.tensor([[4.0], [5.0], [-9.0], [6.0]])
    output, h_n = layer(x, torch.tensor([[1.0], [100.0]]))
    #  forwards: 4+2−3=3, 5+6−3=8, −9+16−3=4, 6+8−3=11; backwards from 100: 160, 70, 120, 160
    assert output.tolist() == [[3, 160], [8, 120], [4, 70], [11, 160]]
    assert h_n.tolist() == [[11], [160]]


def test_lstm_adds_up_what_the_gates_let_in():
    """All gates open: c_T = c_0 + T·tanh(1), and its gradient to c_0 is 1 over any length."""
    layer = layerref.LSTM(1, 1).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0.copy_(torch.tensor([1000.0, 1000.0, 1.0, 1000.0]))
    c_0 = torch.tensor([[0.25]]).double().requires_grad_()
    _, (_, c_n) = layer(torch.zeros(200, 1).double(), (torch.zeros(1, 1).double(), c_0))
    c_n.sum().backward()
    oracle.assert_close(c_n, c_0 + 200 * torch.tensor(1.0).double().tanh())
    assert c_0.grad.item() == 1


# ------------------------------------------------------------------------------ identities


@pytest.mark.parametrize("name", LAYERS)
def test_causal_and_independent_of_the_batch(name):
    ours, _ = oracle.build(name, H_IN, H_OUT, num_layers=2)
    x = random(L, N, H_IN)
    output, state = ours(x)
    oracle.assert_close(ours(x[:3])[0], output[:3])  # no step sees a later one
    oracle.assert_close(ours(x[:, :1])[0], output[:, :1])  # no sample sees another
    oracle.assert_close(ours(x[:, 0])[0], output[:, 0])  # unbatched is a batch of one
    oracle.assert_close(output[-1], hidden(name, state)[-1])


@pytest.mark.parametrize("name", LAYERS)
def test_batch_first_moves_input_and_output_only(name):
    options = {"num_layers": 2, "bidirectional": True}
    plain, _ = oracle.build(name, H_IN, H_OUT, **options)
    first, _ = oracle.build(name, H_IN, H_OUT, batch_first=True, **options)
    x = random(L, N, H_IN)
    output, state = plain(x)
    oracle.assert_close(first(x.transpose(0, 1)), (output.transpose(0, 1), state))


@pytest.mark.parametrize("name", LAYERS)
def test_bidirectional_is_two_layers(name):
    both, _ = oracle.build(name, H_IN, H_OUT, bidirectional=True)
    there, _ = oracle.build(name, H_IN, H_OUT)
    back, _ = oracle.build(name, H_IN, H_OUT)
    weights = both.state_dict()
    there.load_state_dict({k: v for k, v in weights.items() if "reverse" not in k})
    back.load_state_dict({k[:-8]: v for k, v in weights.items() if "reverse" in k})
    x = random(L, N, H_IN)
    output, state = both(x)
    (a, a_n), (b, b_n) = there(x), back(x.flip(0))
    oracle.assert_close(output, torch.cat((a, b.flip(0)), -1))
    h, h_a, h_b = (hidden(name, s) for s in (state, a_n, b_n))
    oracle.assert_close(h, torch.cat((h_a, h_b)))
    oracle.assert_close((output[-1, :, :H_OUT], output[0, :, H_OUT:]), (h[0], h[1]))


@pytest.mark.parametrize("name", LAYERS)
def test_stack_and_loop_over_cells(name):
    """Two layers of H_OUT are two loops over a cell, the second over the outputs of the first."""
    ours, _ = oracle.build(name, H_IN, H_OUT, num_layers=2)
    rows = list(random(L, N, H_IN))
    expected, state = ours(torch.stack(rows))
    for layer in range(2):
        cell = getattr(layerref, f"{name}Cell")(H_OUT if layer else H_IN, H_OUT).double()
        weights = ours.state_dict().items()
        cell.load_state_dict({k[:-3]: v for k, v in weights if k.endswith(f"l{layer}")})
        s = None
        for t, row in enumerate(rows):
            s = cell(row, s)
            rows[t] = hidden(name, s)
        oracle.assert_close(hidden(name, state)[layer], rows[-1])
    oracle.assert_close(torch.stack(rows), expected)


@pytest.mark.parametrize("name", LAYERS)
def test_can_be_split_in_time(name):
    ours, _ = oracle.build(name, H_IN, H_OUT, num_layers=2)
    x = random(L, N, H_IN)
    output, state = ours(x)
    a, middle = ours(x[:3])
    b, end = ours(x[3:], middle)
    oracle.assert_close((torch.cat((a, b)), end), (output, state))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_is_each_sequence_alone(name, bidirectional):
    ours, _ = oracle.build(name, H_IN, H_OUT, num_layers=2, bidirectional=bidirectional)
    sequences = [random(length, H_IN, seed=length) for length in (2, 7, 1, 7, 3)]
    output, state = ours(pack_sequence(sequences, enforce_sorted=False))
    for i, (x, y) in enumerate(zip(sequences, unpack_sequence(output), strict=True)):
        alone, end = ours(x)
        oracle.assert_close(y, alone)
        oracle.assert_close(hidden(name, state)[:, i], hidden(name, end))


@pytest.mark.parametrize("name", LAYERS)
def test_states_are_bounded(name):
    ours, _ = oracle.build(name, H_IN, H_OUT, num_layers=2)
    assert ours(100 * random(50, N, H_IN))[0].abs().max() <= 1


# ------------------------------------------------------------------------------ near-misses


class IfogLSTM(layerref.LSTM):
    """Blocks in the order i, f, o, g."""

    def _step(self, from_input, from_hidden, state):
        swap = lambda blocks: torch.cat([blocks.chunk(4, -1)[i] for i in (0, 1, 3, 2)], -1)  # noqa: E731
        return layerref.recurrent.lstm_step(swap(from_input), swap(from_hidden), state)


class SwappedDirections(layerref.GRU):
    """h_n holds the backward direction before the forward one."""

    def forward(self, input, hx=None):
        output, h_n = super().forward(input, hx)
        return output, h_n.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)


class DirectionsOutside(layerref.GRU):
    """h_n holds all layers forwards, then all layers backwards."""

    def forward(self, input, hx=None):
        output, h_n = super().forward(input, hx)
        return output, h_n.unflatten(0, (-1, 2)).transpose(0, 1).flatten(0, 1)


class DropoutAtTheEnd(layerref.GRU):
    """Dropout after the last layer as well."""

    def forward(self, input, hx=None):
        output, h_n = super().forward(input, hx)
        return nn.functional.dropout(output, self.dropout, self.training), h_n


class BatchFirstState(layerref.GRU):
    """batch_first moves h_n too."""

    def forward(self, input, hx=None):
        output, h_n = super().forward(input, hx)
        return output, h_n.transpose(0, 1)


@pytest.mark.parametrize(
    ("near_miss", "options"),
    [
        (IfogLSTM, {}),
        (SwappedDirections, {"bidirectional": True}),
        (DirectionsOutside, {"bidirectional": True, "num_layers": 2}),
        (DropoutAtTheEnd, {"dropout": 0.5, "num_layers": 2}),
        (BatchFirstState, {"batch_first": True, "num_layers": 2}),
    ],
)
def test_near_misses_are_rejected(near_miss, options):
    ours, theirs = oracle.build(near_miss.__mro__[1].__name__, H_IN, H_OUT, **options)
    x = random(2, 2, H_IN)  # N = L = number of rows of h_n: the shapes give nothing away
    oracle.compare(ours, theirs, x)
    wrong = near_miss(H_IN, H_OUT, **options).double()
    wrong.load_state_dict(theirs.state_dict())
    oracle.assert_rejected(wrong, theirs, x)


def test_padding_read_backwards_is_rejected():
    """Without lengths, forwards ends too late and backwards starts in the padding."""
    ours, theirs = oracle.build("GRU", H_IN, H_OUT, bidirectional=True)
    x = random(L, N, H_IN)
    output, h_n = theirs(pack_padded_sequence(x, [7, 3]))
    output, _ = pad_packed_sequence(output)
    padded, h_padded = ours(x)
    oracle.assert_close(padded[:3, 1, :H_OUT], output[:3, 1, :H_OUT])  # forwards no harm is done
    assert not torch.allclose(padded[:3, 1, H_OUT:], output[:3, 1, H_OUT:])
    assert not torch.allclose(h_padded[0, 1], h_n[0, 1])


# ------------------------------------------------------------------------------ the rest


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("packed", [False, True])
def test_precisions(name, dtype, packed):
    """The draws of dropout are torch's in every precision, so train mode is compared."""
    options = {"num_layers": 2, "bidirectional": True, "dropout": 0.5}
    layers = (layer.to(dtype) for layer in oracle.build(name, 7, 11, **options))
    x = random(5, 3, 7).to(dtype)
    results = []
    for layer in layers:
        torch.manual_seed(0)
        output, state = layer(pack_padded_sequence(x, [5, 2, 1]) if packed else x)
        data = output.data if packed else output
        data.sum().backward()
        assert data.dtype == hidden(name, state).dtype == dtype
        results.append((data, state, layer.weight_ih_l0.grad, layer.weight_hh_l1_reverse.grad))
    tolerance = 1e-5 if dtype == torch.float32 else 16 * torch.finfo(dtype).eps
    torch.testing.assert_close(*results, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients(name):
    ours, _ = oracle.build(name, 2, 3, bidirectional=True)
    sequences = [random(length, 2, seed=length).requires_grad_() for length in (1, 3)]

    def call(*sequences):
        output, state = ours(pack_sequence(sequences, enforce_sorted=False))
        return output.data, hidden(name, state)

    assert torch.autograd.gradcheck(call, sequences)


@pytest.mark.parametrize("name", LAYERS)
def test_meta(name):
    with torch.device("meta"):
        layer = getattr(layerref, name)(H_IN, H_OUT, num_layers=2, bidirectional=True)
    assert all(p.is_meta for p in layer.parameters())
    output, state = layer(torch.empty(L, N, H_IN, device="meta"))
    assert output.is_meta
    assert output.shape == (L, N, 2 * H_OUT)
    assert hidden(name, state).shape == (4, N, H_OUT)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast(name, dtype):
    """Under autocast an input of either dtype works, and so does the state that came out."""
    ours, theirs = (layer.float() for layer in oracle.build(name, H_IN, H_OUT))
    x = random(L, N, H_IN).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        a = ours(x, ours(x)[1])[0]
        try:
            b = theirs(x, theirs(x)[1])[0]
        except RuntimeError as error:  # torch's LSTM has no such kernel on older processors
            if "primitive" not in str(error):
                raise
            b = None
    if b is None:
        x = x.float()
        b = theirs(x, theirs(x)[1])[0]
    torch.testing.assert_close(a.float(), b.float(), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", LAYERS)
def test_copies(name):
    ours, theirs = oracle.build(name, H_IN, H_OUT)
    x = random(L, N, H_IN)
    assert ours.flatten_parameters() is None
    for copied in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        oracle.compare(copied, theirs, x)


@pytest.mark.parametrize("name", LAYERS)
def test_a_new_start_is_torchs(name):
    ours, theirs = oracle.build(name, H_IN, H_OUT, num_layers=2)
    for layer in (ours, theirs):
        torch.manual_seed(7)
        layer.reset_parameters()
    oracle.assert_same_start(ours, theirs)

"""RNNCell, LSTMCell and GRUCell: one step, against torch.nn and by hand."""

import copy
import math
import re

import oracle
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

import layerref

CELLS = ["RNNCell", "LSTMCell", "GRUCell"]
H_IN, H_OUT, N = 3, 5, 2


def random(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def settings(draw, name):
    """Draw constructor options and the arguments of forward."""
    options = {
        "input_size": draw(st.sampled_from([0, 1, 2, 3, 7])),
        "hidden_size": draw(st.sampled_from([0, 1, 2, 5])),
    }
    if draw(st.booleans()):
        options["bias"] = draw(st.booleans())
    if name == "RNNCell" and draw(st.booleans()):
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    batch = draw(st.sampled_from([(), (0,), (1,), (2,), (11,)]))
    scale = draw(st.sampled_from([0.1, 1.0, 10.0]))
    args = [scale * random(*batch, options["input_size"])]
    if draw(st.booleans()):
        state = [scale * random(*batch, options["hidden_size"], seed=s) for s in (2, 3)]
        args.append(tuple(state) if name == "LSTMCell" else state[0])
    elif draw(st.booleans()):
        args.append(None)
    return options, args


@pytest.mark.parametrize("name", CELLS)
@given(data=st.data(), seed=st.integers(0, 99))
def test_cells_equal_torch(name, data, seed):
    options, args = data.draw(settings(name))
    ours, theirs = oracle.build(name, **options, seed=seed)
    oracle.compare(ours, theirs, *args)
    oracle.assert_attributes(ours, theirs, *options, "input_size", "hidden_size", "bias")
    assert repr(ours) == repr(theirs)


@st.composite
def misfits(draw, name):
    """Draw constructor options and arguments, some of which do not fit."""
    sizes = st.sampled_from([3, 5, 0, -1, 2.0, "3", None])
    options = {"input_size": H_IN, "hidden_size": H_OUT}
    if draw(st.integers(0, 3)) == 0:
        options[draw(st.sampled_from(["input_size", "hidden_size"]))] = draw(sizes)
    if name == "RNNCell" and draw(st.booleans()):
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu", "sigmoid", "Tanh", ""]))
    shape = draw(
        st.sampled_from([(N, H_IN), (H_IN,), (), (1, N, H_IN), (N, 2), (H_OUT,), (0, H_IN)])
    )
    dtype = draw(st.sampled_from([torch.float64] * 5 + [torch.float32, torch.int64]))
    args = [random(*shape).to(dtype)]
    # (5, 5) for an unbatched RNNCell is a misfit that torch lets through: see below
    near = [(N, H_OUT), (H_OUT,), (N, H_IN), (H_IN,), (1, H_OUT), (7, H_OUT), (1, N, H_OUT), ()]
    h_shape, c_shape = (draw(st.sampled_from([(*shape[:-1], H_OUT), *near])) for _ in range(2))
    h, c = random(*h_shape), random(*c_shape)
    if draw(st.integers(0, 5)) == 0:
        h = h.float()
    wrong_kind = draw(st.integers(0, 5)) == 0
    if draw(st.booleans()):
        pair = (name == "LSTMCell") != wrong_kind
        args.append(draw(st.sampled_from([tuple, list]))((h, c)) if pair else h)
    return options, args


@pytest.mark.parametrize("name", CELLS)
@given(data=st.data())
def test_cells_refuse_what_torch_refuses(name, data):
    options, args = data.draw(misfits(name))
    if name == "LSTMCell" and len(args) == 2 and isinstance(args[1], torch.Tensor):
        assume(args[1].shape[:1] != (2,))  # stacked states, a misfit that torch unpacks: see below
    oracle.assert_refused_alike(
        lambda: getattr(layerref, name)(**options).double()(*args),
        lambda: getattr(nn, name)(**options).double()(*args),
    )


@pytest.mark.parametrize(
    ("name", "args"),
    [
        # x and h of one sample, h with a second axis: torch's result has three axes
        ("RNNCell", (random(H_IN), random(H_OUT, H_OUT))),
        ("LSTMCell", (random(H_IN), (random(H_OUT),) * 3)),
        ("LSTMCell", (random(H_IN), random(2, H_OUT))),
        ("LSTMCell", (random(N, H_IN), (random(N, H_OUT), random(N, H_OUT).float()))),
    ],
)
def test_misfits_that_torch_lets_through_are_refused(name, args):
    assert oracle.refuses(lambda: getattr(nn, name)(H_IN, H_OUT).double()(*args)) is None
    error = oracle.refuses(lambda: getattr(layerref, name)(H_IN, H_OUT).double()(*args))
    assert isinstance(error, (ValueError, TypeError))


ZEROS = torch.zeros
ERRORS = [  # cell, constructor arguments, forward arguments, error, text
    ("RNNCell", (3, 5, True, "gelu"), (), ValueError, "'tanh' or 'relu', got 'gelu'"),
    (
        "GRUCell",
        (3, -5),
        (),
        ValueError,
        "hidden_size counts features, so it is at least 0, got -5",
    ),
    ("GRUCell", (3.5, 5), (), TypeError, "input_size is an int, got 3.5"),
    ("GRUCell", (3, 5), (ZEROS(2, 7),), ValueError, "the input's last axis is 3, got shape (2, 7)"),
    ("GRUCell", (3, 5), (ZEROS(1, 2, 3),), ValueError, "input (H_in) or (N, H_in), got 3 axes"),
    ("GRUCell", (3, 5), (ZEROS(3).double(),), ValueError, "write layer(input.to(torch.float32))"),
    ("GRUCell", (3, 5), (ZEROS(2, 3), ZEROS(2, 7)), ValueError, "h_0 has shape (2, 5)"),
    ("GRUCell", (3, 5), (ZEROS(3), (ZEROS(5), ZEROS(5))), TypeError, "hx is one tensor, h_0"),
    ("LSTMCell", (3, 5), (ZEROS(2, 3), ZEROS(2, 5)), TypeError, "hx is the pair (h_0, c_0)"),
]


@pytest.mark.parametrize(("name", "options", "args", "kind", "message"), ERRORS)
def test_errors_say_the_rule(name, options, args, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        getattr(layerref, name)(*options)(*args)


# ------------------------------------------------------------------------------ values by hand


def fill(cell, **values):
    """Set the named parameters, and the others to zero."""
    with torch.no_grad():
        for key, parameter in cell.double().named_parameters():
            parameter.copy_(torch.tensor(values.get(key, 0.0), dtype=torch.float64))
    return cell


def test_rnn_by_hand():
    cell = fill(
        layerref.RNNCell(1, 1, nonlinearity="relu"),
        weight_ih=[[2.0]], weight_hh=[[3.0]], bias_ih=[0.5], bias_hh=[0.25],
    )  # fmt: skip
    x, h = torch.tensor([[4.0], [-9.0]]).double(), torch.tensor([[5.0], [1.0]]).double()
    assert cell(x, h).tolist() == [[8 + 15 + 0.75], [0.0]]  # relu(-18 + 3 + 0.75) = 0
    cell.nonlinearity = "tanh"
    assert cell(x, h)[1].item() == pytest.approx(math.tanh(-14.25), rel=1e-15)


def test_lstm_by_hand():
    """Gates i, f, g, o: each block of the bias is seen to do its own work."""
    sigma = lambda v: 1 / (1 + math.exp(-v))  # noqa: E731
    cell = fill(layerref.LSTMCell(1, 1), bias_ih=[0.1, 0.2, 0.3, 0.4], bias_hh=[1.0, 2.0, 3.0, 4.0])
    zero = torch.zeros(1, dtype=torch.float64)
    h, c = cell(zero, (zero + 1, zero + 0.7))
    expected = sigma(2.2) * 0.7 + sigma(1.1) * math.tanh(3.3)
    assert c.item() == pytest.approx(expected, rel=1e-14)
    assert h.item() == pytest.approx(sigma(4.4) * math.tanh(expected), rel=1e-14)


def test_gru_by_hand():
    """W_hn = 2, b_hn = 3, r = 1/2, z = 1/4: n = tanh(1/2 (2 h + 3)), then 3/4 n + 1/4 h."""
    cell = fill(
        layerref.GRUCell(1, 1),
        weight_hh=[[0.0], [0.0], [2.0]], bias_ih=[0.0, -math.log(3), 0.0], bias_hh=[0.0, 0.0, 3.0],
    )  # fmt: skip
    h = torch.tensor([0.5]).double()
    expected = 0.75 * math.tanh(2.0) + 0.125
    assert cell(torch.zeros(1).double(), h).item() == pytest.approx(expected, rel=1e-14)


# ------------------------------------------------------------------------------ identities


@pytest.mark.parametrize("name", CELLS)
def test_states_are_bounded(name):
    ours, _ = oracle.build(name, H_IN, H_OUT)
    state = None
    for step in range(30):
        state = ours(100 * random(N, H_IN, seed=step), state)
        h = state[0] if name == "LSTMCell" else state
        assert h.abs().max() <= 1
    if name == "LSTMCell":
        assert state[1].abs().max() > 1  # c is not bounded


@pytest.mark.parametrize("name", CELLS)
def test_only_the_sum_of_both_biases_matters_except_for_gru(name):
    ours, _ = oracle.build(name, H_IN, H_OUT)
    x = random(N, H_IN)
    moved = copy.deepcopy(ours)
    with torch.no_grad():
        moved.bias_ih += moved.bias_hh
        moved.bias_hh.zero_()
    first = lambda layer: layer(x)[0]  # noqa: E731
    assert torch.allclose(first(ours), first(moved), rtol=1e-12) == (name != "GRUCell")


def test_gru_gates_at_their_limits():
    ours, _ = oracle.build("GRUCell", H_IN, H_OUT)
    x, h = random(N, H_IN), random(N, H_OUT)
    with torch.no_grad():
        ours.bias_ih[H_OUT : 2 * H_OUT] = 1000  # z = 1 keeps h
        oracle.assert_close(ours(x, h), h)
        ours.bias_ih[: 2 * H_OUT] = -1000  # z = 0 and r = 0: h does not count, nor does b_hn
        expected = torch.tanh(x @ ours.weight_ih[2 * H_OUT :].T + ours.bias_ih[2 * H_OUT :])
        oracle.assert_close(ours(x, h), expected)


# ------------------------------------------------------------------------------ near-misses


class PaperGRUCell(layerref.GRUCell):
    """Cho et al., arXiv 1406.1078 version 3: r multiplies h before the matrix product."""

    def forward(self, input, hx):
        x = input @ self.weight_ih.T + self.bias_ih
        (w_r, w_z, w_n), (b_r, b_z, b_n) = self.weight_hh.chunk(3), self.bias_hh.chunk(3)
        x_r, x_z, x_n = x.chunk(3, -1)
        r, z = torch.sigmoid(x_r + hx @ w_r.T + b_r), torch.sigmoid(x_z + hx @ w_z.T + b_z)
        n = torch.tanh(x_n + (r * hx) @ w_n.T + b_n)
        return (1 - z) * n + z * hx


class BiasOutsideGRUCell(layerref.GRUCell):
    """r multiplies the product, but not b_hn."""

    def forward(self, input, hx):
        x_n = (input @ self.weight_ih.T + self.bias_ih).chunk(3, -1)[2]
        h_r, h_z, _ = (hx @ self.weight_hh.T + self.bias_hh).chunk(3, -1)
        x_r, x_z, _ = (input @ self.weight_ih.T + self.bias_ih).chunk(3, -1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * (hx @ self.weight_hh.chunk(3)[2].T) + self.bias_hh.chunk(3)[2])
        return (1 - z) * n + z * hx


class SwappedUpdateGRUCell(layerref.GRUCell):
    """Chung et al., arXiv 1412.3555: z takes the candidate instead of keeping the state."""

    def _step(self, from_input, from_hidden, state):
        flip = torch.ones(3, 1).double()  # sigmoid(-a) = 1 - sigmoid(a)
        flip[1] = -1
        flip = flip.expand(3, self.hidden_size).reshape(-1)
        return layerref.recurrent.gru_step(flip * from_input, flip * from_hidden, state)


class ZrnGRUCell(layerref.GRUCell):
    """Blocks in the order z, r, n."""

    def _step(self, from_input, from_hidden, state):
        swap = lambda blocks: torch.cat([blocks.chunk(3, -1)[i] for i in (1, 0, 2)], -1)  # noqa: E731
        return layerref.recurrent.gru_step(swap(from_input), swap(from_hidden), state)


class IfogLSTMCell(layerref.LSTMCell):
    """Blocks in the order i, f, o, g."""

    def _step(self, from_input, from_hidden, state):
        swap = lambda blocks: torch.cat([blocks.chunk(4, -1)[i] for i in (0, 1, 3, 2)], -1)  # noqa: E731
        return layerref.recurrent.lstm_step(swap(from_input), swap(from_hidden), state)


class OneBiasCell(layerref.GRUCell):
    """The second bias vector is left out."""

    def forward(self, input, hx):
        from_input = input @ self.weight_ih.T + self.bias_ih
        return self._step(from_input, hx @ self.weight_hh.T, (hx,))[0]


@pytest.mark.parametrize(
    "near_miss",
    [PaperGRUCell, BiasOutsideGRUCell, SwappedUpdateGRUCell, ZrnGRUCell, IfogLSTMCell, OneBiasCell],
)
def test_near_misses_are_rejected(near_miss):
    name = near_miss.__mro__[1].__name__
    ours, theirs = oracle.build(name, H_IN, H_OUT)
    state = (random(N, H_OUT, seed=2), random(N, H_OUT, seed=3))
    args = (random(N, H_IN), state if name == "LSTMCell" else state[0])
    oracle.compare(ours, theirs, *args)
    wrong = near_miss(H_IN, H_OUT).double()
    wrong.load_state_dict(theirs.state_dict())
    oracle.assert_rejected(wrong, theirs, *args)


def test_paper_gru_agrees_where_it_must():
    """One feature and b_hn = 0: r (W h) and W (r h) are the same number."""
    ours, _ = oracle.build("GRUCell", H_IN, 1)
    with torch.no_grad():
        ours.bias_hh[2] = 0
    paper = PaperGRUCell(H_IN, 1).double()
    paper.load_state_dict(ours.state_dict())
    x, h = random(N, H_IN), random(N, 1)
    oracle.assert_close(paper(x, h), ours(x, h))


# ------------------------------------------------------------------------------ the rest


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_precisions(name, dtype):
    ours, theirs = (layer.to(dtype) for layer in oracle.build(name, 7, 11))
    x = random(5, 7).to(dtype)
    results = []
    for layer in (ours, theirs):
        output = layer(x)
        h = output[0] if name == "LSTMCell" else output
        h.sum().backward()
        assert h.dtype == dtype
        results.append((h, layer.weight_ih.grad, layer.weight_hh.grad, layer.bias_hh.grad))
    tolerance = 1e-5 if dtype == torch.float32 else 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(*results, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CELLS)
def test_gradients(name):
    ours, _ = oracle.build(name, 2, 3)
    x, h, c = (random(2, f, seed=f).requires_grad_() for f in (2, 3, 3))
    call = (lambda x, h, c: ours(x, (h, c))) if name == "LSTMCell" else (lambda x, h, c: ours(x, h))
    assert torch.autograd.gradcheck(call, (x, h, c))
    assert torch.autograd.gradgradcheck(call, (x, h, c))


@pytest.mark.parametrize("name", CELLS)
def test_meta(name):
    with torch.device("meta"):
        cell = getattr(layerref, name)(H_IN, H_OUT)
    assert all(p.is_meta for p in cell.parameters())
    state = cell(torch.empty(N, H_IN, device="meta"))
    h = state[0] if name == "LSTMCell" else state
    assert h.is_meta
    assert h.shape == (N, H_OUT)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("given_dtype", [torch.float32, torch.bfloat16])
def test_autocast(name, given_dtype):
    """Under autocast an input of either dtype works, and so does the state it gave back."""
    ours, theirs = (layer.float() for layer in oracle.build(name, H_IN, H_OUT))
    x = random(N, H_IN).to(given_dtype)
    with torch.autocast("cpu", torch.bfloat16):
        a, b = ours(x, ours(x)), theirs(x, theirs(x))
    a, b = (s[0] if name == "LSTMCell" else s for s in (a, b))
    torch.testing.assert_close(a.float(), b.float(), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("kwargs", [{}, {"bias": False}, {"bias": 0}])
def test_repr(name, kwargs):
    assert repr(getattr(layerref, name)(3, 5, **kwargs)) == repr(getattr(nn, name)(3, 5, **kwargs))

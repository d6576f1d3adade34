"""The one comparison of this project: a layer of layerref against its twin in torch.nn.

Everything is compared in float64 to 1e-9 relative: outputs, gradients of inputs and parameters,
buffers after the step, the state dict and the values a seed starts from.
"""

import torch
from torch import nn
from torch.utils._pytree import keystr, tree_flatten, tree_flatten_with_path, tree_map

import layerref

RTOL = 1e-9


def assert_close(ours, theirs, what="values", rtol=RTOL, scale=0.0):
    """Assert that two nested results agree: structure, shapes, dtypes, values.

    Differences are measured against the largest number of a tensor, or ``scale`` if that is more.
    """
    (a, a_spec), (b, b_spec) = tree_flatten_with_path(ours), tree_flatten_with_path(theirs)
    if a_spec != b_spec:
        a, b = ([keystr(path) for path, _ in leaves] for leaves in (a, b))
        missing, more = sorted(set(b) - set(a)), sorted(set(a) - set(b))
        raise AssertionError(f"{what}: another structure, without {missing}, with {more}")
    for (path, x), (_, y) in zip(a, b, strict=True):
        where = what + keystr(path)
        if not isinstance(y, torch.Tensor):
            assert x == y, f"{where}: {x!r} instead of {y!r}"
            continue
        finite = y.detach()[y.detach().isfinite()] if y.is_floating_point() else y.new_empty(0)
        largest = max(scale, finite.abs().max().item() if finite.numel() else 0.0)
        torch.testing.assert_close(
            x,
            y,
            rtol=rtol if y.is_floating_point() else 0,
            atol=rtol * largest + 1e-12 if y.is_floating_point() else 0,
            equal_nan=True,
            msg=lambda m, where=where: f"{where}: {m}",
        )


def build(name, *args, seed=0, **kwargs):
    """Build our layer and torch's from one seed; assert that they start alike; make both double."""
    torch.manual_seed(seed)
    theirs = getattr(nn, name)(*args, **kwargs)
    torch.manual_seed(seed)
    ours = getattr(layerref, name)(*args, **kwargs)
    assert_same_start(ours, theirs)
    return ours.double(), theirs.double()


def assert_same_start(ours, theirs):
    """Assert equal state-dict keys in order, dtypes and initial values; load both ways."""
    a, b = ours.state_dict(), theirs.state_dict()
    assert list(a) == list(b), f"state_dict keys {list(a)} instead of {list(b)}"
    for key in b:
        assert a[key].dtype == b[key].dtype, f"dtype of {key}"
        assert torch.equal(a[key], b[key]), f"initial value of {key}"
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    ours.load_state_dict(b, strict=True)
    theirs.load_state_dict(a, strict=True)


def assert_attributes(ours, theirs, *names):
    """Assert that constructor parameters can be read back as on torch's layer."""
    for name in names:
        assert getattr(ours, name) == getattr(theirs, name), f"attribute {name}"


def run(layer, args, kwargs, seed, constants=()):
    """Run forward and backward once; return every result that a user can see."""
    args, kwargs = tree_map(
        lambda t: (
            t.detach().clone().requires_grad_(t.is_floating_point() or t.is_complex())
            if isinstance(t, torch.Tensor)
            else t
        ),
        (args, kwargs),
    )
    layer.zero_grad()
    torch.manual_seed(seed)
    output = layer(*args, **kwargs, **dict(constants))
    differentiable = [
        t
        for t in tree_flatten(output)[0]
        if isinstance(t, torch.Tensor) and t.requires_grad and t.numel()
    ]
    if differentiable:
        generator = torch.Generator().manual_seed(seed + 1)
        cotangents = [
            torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in differentiable
        ]
        torch.autograd.backward(differentiable, cotangents)
    leaves = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
    return {
        "output": tree_map(lambda t: t.detach() if isinstance(t, torch.Tensor) else t, output),
        # an unused leaf has no gradient in one implementation and zeros in the other
        "input gradients": [
            t.grad if t.grad is not None else torch.zeros_like(t) for t in leaves if t.requires_grad
        ],
        "parameter gradients": {
            n: p.grad if p.grad is not None else torch.zeros_like(p)
            for n, p in layer.named_parameters()
        },
        "buffers": dict(layer.named_buffers()),
    }


def compare(ours, theirs, *args, seed=0, modes=("train", "eval"), constants=(), **kwargs):
    """Assert that two layers agree on one input in train and then in eval mode.

    ``args`` and ``kwargs`` are what ``forward`` takes; ``constants`` are more of its keyword
    arguments, which get no gradient (masks). Random layers are seeded alike before
    each forward, so that this holds for them only if they follow torch's draws.
    """
    for mode in modes:
        ours.train(mode == "train")
        theirs.train(mode == "train")
        expected = run(theirs, args, kwargs, seed, constants)
        actual = run(ours, args, kwargs, seed, constants)
        for what, value in expected.items():
            assert_close(actual[what], value, f"{type(theirs).__name__} in {mode}: {what}")


def assert_rejected(near_miss, theirs, *args, **kwargs):
    """Assert that :func:`compare` tells a near-miss from the real layer."""
    try:
        compare(near_miss, theirs, *args, **kwargs)
    except AssertionError:
        return
    raise AssertionError(f"{type(near_miss).__name__} passed for {type(theirs).__name__}")


def refuses(call):
    """Return the error that a call raises, or None. torch refuses with any exception."""
    try:
        call()
    except Exception as error:
        return error
    return None


def assert_refused_alike(ours, theirs):
    """Assert that ours raises ValueError or TypeError exactly when theirs raises anything.

    Both are calls without arguments. Constructors are inherited, so their errors are torch's own.
    Returns whether they refused.
    """
    expected, actual = refuses(theirs), refuses(ours)
    if expected is None:
        assert actual is None, f"torch accepts, ours refuses: {actual!r}"
        return False
    if repr(actual) == repr(expected):
        return True
    assert isinstance(actual, (ValueError, TypeError)), (
        f"torch refuses ({expected!r}), ours gives {actual!r}"
    )
    return True

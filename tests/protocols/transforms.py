"""Tools that replace or transform what a layer computes with: torch.func, parametrizations."""

import contextlib

import torch
from torch import nn
from torch.func import functional_call, grad, jvp, stack_module_state, vmap
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils._pytree import tree_leaves

from protocols.judge import (
    has_matrices,
    has_parameters,
    matrices,
    own_parameters,
    takes_real_numbers,
    tool,
)


def weigh(output):
    """Return a scalar in which each number of the output counts differently."""
    return sum(
        (x * torch.arange(x.numel(), dtype=x.dtype).cos().view(x.shape)).sum()
        for x in tensors_of(output)
        if x.is_floating_point()
    )


def state(layer):
    """Return parameters and buffers as plain tensors."""
    return {n: t.detach().clone() for n, t in [*layer.named_parameters(), *layer.named_buffers()]}


def loss_of(s, layer):
    """Return the loss as a function of the parameters and the inputs with real numbers."""
    names = [name for name, _ in layer.named_parameters()]

    def loss(parameters, inputs):
        rest = {n: t for n, t in state(layer).items() if n not in names}
        torch.manual_seed(0)
        return weigh(functional_call(layer, parameters | rest, tuple(inputs), s.forward))

    return loss


def plain_parameters(layer):
    return {n: p.detach() * 0.7 + 0.1 for n, p in layer.named_parameters()}


@tool()
def plain_tensors(s):
    """functional_call with tensors that are no parameters."""
    layer = s.layer()
    given = state(layer)
    for name, _ in layer.named_parameters():
        given[name] = (given[name] * 0.7 + 0.1).requires_grad_()
    inputs = s.inputs()
    torch.manual_seed(0)
    output = functional_call(layer, given, tuple(inputs), s.forward)
    leaves = [t for t in [*given.values(), *inputs] if t.requires_grad]
    gradients = ()
    if weigh(output).requires_grad:
        gradients = torch.autograd.grad(weigh(output), leaves, materialize_grads=True)
    kept = {n: b for n, b in given.items() if not b.requires_grad}
    return output, gradients, kept, dict(layer.named_buffers())


@tool()
def func_grad(s):
    layer = s.layer()
    loss = loss_of(s, layer)
    if takes_real_numbers(s):
        return grad(loss, argnums=(0, 1))(plain_parameters(layer), s.inputs(grad=False))
    return grad(loss)(plain_parameters(layer), s.inputs(grad=False))


@tool()
def func_jvp(s):
    """Forward-mode derivatives."""
    layer = s.layer()
    loss = loss_of(s, layer)
    parameters, inputs = plain_parameters(layer), s.inputs(grad=False)
    tangents = {n: p.cos() for n, p in parameters.items()}
    if takes_real_numbers(s):
        return jvp(loss, (parameters, inputs), (tangents, [x.sin() for x in inputs]))
    return jvp(lambda p: loss(p, inputs), (parameters,), (tangents,))


def stacked(s):
    return tuple(
        torch.stack([a, b])
        for a, b in zip(s.inputs(grad=False), s.inputs(grad=False, seed=2), strict=True)
    )


def tensors_of(output):
    return [t for t in tree_leaves(output) if isinstance(t, torch.Tensor)]


def mapped(s, layer):
    torch.manual_seed(0)
    one = lambda *inputs: tensors_of(layer(*inputs, **s.forward))  # noqa: E731
    return vmap(one, randomness="different")(*stacked(s))


@tool()
def vmap_train(s):
    return mapped(s, s.layer())


@tool()
def vmap_eval(s):
    return mapped(s, s.layer().eval())


@tool(has_parameters)
def vmap_ensemble(s):
    """Two layers at once, each on an input of its own."""
    layers = [s.layer(), s.layer()]
    for parameter in layers[1].parameters():
        parameter.data.mul_(-0.6)
    parameters, buffers = stack_module_state(layers)

    def one(parameters, buffers, inputs):
        return tensors_of(functional_call(layers[0], (parameters, buffers), inputs, s.forward))

    torch.manual_seed(0)
    return vmap(one, randomness="different")(parameters, buffers, stacked(s)), buffers


@tool(has_parameters)
def per_sample_gradients(s):
    layer = s.layer().eval()
    loss, parameters = loss_of(s, layer), plain_parameters(layer)
    return vmap(grad(loss), in_dims=(None, 0), randomness="same")(parameters, list(stacked(s)))


@tool()
def double_backward(s):
    layer, inputs = s.layer(), s.inputs()
    leaves = [t for t in [*inputs, *layer.parameters()] if t.requires_grad]
    torch.manual_seed(0)
    loss = weigh(layer(*inputs, **s.forward))
    first = torch.autograd.grad(loss, leaves, create_graph=True, materialize_grads=True)
    second = sum(((g + 0.1) ** 2).sum() for g in first)
    if not second.requires_grad:  # the first derivative is constant
        return first, tuple(torch.zeros_like(t) for t in leaves)
    return first, torch.autograd.grad(second, leaves, materialize_grads=True)


@tool(has_matrices)
def weight_norm(s):
    layer = s.layer()
    for module, name in matrices(layer):
        parametrizations.weight_norm(module, name)
    for _, parameter in layer.named_parameters():
        parameter.data.add_(0.1)
    return s.run(layer)


@tool(has_matrices)
def spectral_norm(s):
    layer = s.layer()
    for module, name in matrices(layer):
        torch.manual_seed(0)
        parametrizations.spectral_norm(module, name)
    with reading_once(s):
        trained = s.run(layer)
    return trained, s.run(layer.eval())


def hooked(layer):
    """Return the matrices whose module is called: attention reads its out_proj without a call."""
    called = [module for path, module in layer.named_modules() if "out_proj" not in path]
    return [(module, name) for module, name in matrices(layer) if module in called]


@tool(has_matrices)
def old_weight_norm(s):
    layer = s.layer()
    for module, name in hooked(layer):
        nn.utils.weight_norm(module, name)
    first = s.run(layer)
    for parameter in layer.parameters():
        parameter.data.add_(0.1)
    return first, s.run(layer)


@tool(has_matrices)
def old_spectral_norm(s):
    layer = s.layer()
    for module, name in hooked(layer):
        torch.manual_seed(0)
        nn.utils.spectral_norm(module, name)
    return s.run(layer), s.run(layer.eval())


@tool(has_parameters)
def pruning(s):
    layer = s.layer()
    chosen = [(module, name) for module, name, _ in own_parameters(layer)]
    for module, name in chosen:
        torch.manual_seed(0)
        prune.random_unstructured(module, name, amount=0.4)
    masked = s.run(layer)
    for module, name in chosen:
        prune.remove(module, name)
    return masked, s.run(layer)


class Noisy(nn.Module):
    """A parametrization that gives another value at each reading, and counts them."""

    def __init__(self):
        super().__init__()
        self.reads, self.generator = 0, torch.Generator().manual_seed(0)

    def forward(self, parameter):
        self.reads += 1
        noise = torch.randn(parameter.shape, generator=self.generator, dtype=parameter.dtype)
        return parameter + noise


def reading_once(s):
    """Let torch's layers read a parameter once a forward, as ours do: some read it more often."""
    return contextlib.nullcontext() if s.ours else parametrize.cached()


@tool(has_parameters)
def parametrization(s):
    """A fixed one."""
    layer = s.layer()
    for module, name, _ in own_parameters(layer):
        parametrize.register_parametrization(module, name, nn.Softplus(), unsafe=True)
    return s.run(layer)


@tool(has_parameters)
def random_parametrization(s):
    """A parameter is read once a forward: a second reading would give another value."""
    layer, noisy = s.layer(), {}
    for path, module in list(layer.named_modules()):
        for name, _ in list(module.named_parameters(recurse=False)):
            noise = noisy[f"{path}.{name}".removeprefix(".")] = Noisy()
            parametrize.register_parametrization(module, name, noise, unsafe=True)
            noise.reads = 0
    with reading_once(s):
        result = s.run(layer)
    assert not s.ours or {noise.reads for noise in noisy.values()} == {1}, (
        f"{s.name} reads its parameters so often: { ({n: m.reads for n, m in noisy.items()}) }"
    )
    return result

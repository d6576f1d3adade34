"""What happens to a layer as an object: built, copied, saved, loaded, hooked, converted."""

import copy
import inspect
import io
import pickle

import torch
from torch import nn
from torch.optim.swa_utils import update_bn
from torch.utils._pytree import tree_leaves, tree_map

from protocols.judge import fill, has_batch_norm, takes_real_numbers, tool
from protocols.layouts import strides


def takes_device(s):
    parameters = inspect.signature(s.kind).parameters
    return "device" in parameters or "kwargs" in parameters


def facts(layer):
    return {
        name: (tuple(t.shape), t.dtype, t.device.type, isinstance(t, nn.Parameter))
        for name, t in [*layer.named_parameters(), *layer.named_buffers()]
    }


@tool()
def built(s):
    """The first state, and what print shows."""
    layer = s.build()
    return layer.state_dict(), facts(layer), repr(layer) if hasattr(nn, s.name) else None


@tool(takes_device)
def device_argument(s):
    return facts(s.build(device="meta"))


@tool(takes_device)
def dtype_argument(s):
    layer = s.build(dtype=torch.float64)
    return facts(layer), layer.state_dict(), facts(s.build(dtype=torch.bfloat16, device="cpu"))


def used(s):
    """Return a layer that has seen an input, so that whatever it remembers is copied, too."""
    layer = s.layer()
    s.run(layer)
    return layer


@tool()
def deep_copy(s):
    layer = used(s)
    other = copy.deepcopy(layer)
    for parameter in other.parameters():
        parameter.data.mul_(0.5)
    return s.run(other), s.run(layer)


@tool()
def pickled(s):
    layer = pickle.loads(pickle.dumps(used(s)))
    return s.run(layer), s.run(layer.eval())


@tool()
def torch_save(s):
    file = io.BytesIO()
    torch.save(used(s), file)
    file.seek(0)
    return s.run(torch.load(file, weights_only=False))


@tool()
def meta_then_assign(s):
    """A layer on the meta device takes an old checkpoint, one without num_batches_tracked."""
    old = {k: v for k, v in s.layer().state_dict().items() if "num_batches" not in k}
    with torch.device("meta"):
        layer = s.build()
    layer.load_state_dict(old, assign=True)
    layer.to("cpu")
    return facts(layer), s.run(layer)


@tool()
def to_empty(s):
    with torch.device("meta"):
        layer = s.build()
    layer = fill(layer.to_empty(device="cpu")).double()
    for name, buffer in layer.named_buffers():
        if "num_batches" in name:
            buffer.zero_()
    return s.run(layer.eval())


@tool()
def meta_forward(s):
    """Shapes, dtypes and strides without any number."""
    with torch.device("meta"):
        layer = s.build()
    inputs = [x.detach().to("meta") for x in s.inputs(dtype=torch.float32)]
    output = layer(*inputs, **s.forward)
    return [
        (t.shape, t.dtype, t.device.type, strides(t))
        for t in tree_leaves(output)
        if isinstance(t, torch.Tensor)
    ]


@tool(lambda s: takes_device(s) and s.case.build is None)
def skip_init(s):
    kind = getattr(s.module, s.name)
    layer = nn.utils.skip_init(kind, *s.case.args, **s.case.kwargs)
    layer.load_state_dict(s.layer().state_dict())
    return s.run(layer.double())


def plain(values):
    return tree_map(lambda t: t.detach() if isinstance(t, torch.Tensor) else t, values)


@tool()
def hooks(s):
    """Each kind of hook on the layer: in the same order, with the same values."""
    layer, events = s.layer(), []
    layer.register_forward_pre_hook(
        lambda m, args, kwargs: events.append(("before", plain((args, kwargs)))), with_kwargs=True
    )
    layer.register_forward_hook(lambda m, args, output: events.append(("after", plain(output))))
    if takes_real_numbers(s):
        layer.register_full_backward_pre_hook(
            lambda m, outer: events.append(("before backward", plain(outer)))
        )
        layer.register_full_backward_hook(
            lambda m, inner, outer: events.append(("after backward", plain((inner, outer))))
        )
    return s.run(layer), events


@tool(lambda s: any(True for _ in s.build().children()))
def hooks_inside(s):
    """What a forward hook reads from each layer that torch's layer calls."""
    seen = outputs_inside(s)
    return {path: seen.get(path) for path in outputs_inside(s.theirs)} if s.ours else seen


def outputs_inside(s):
    layer, seen = s.layer(), {}
    for path, module in layer.named_modules():
        module.register_forward_hook(
            lambda m, args, output, path=path: seen.setdefault(path, []).append(plain(output))
        )
    s.run(layer)
    return seen


@tool()
def changing_hooks(s):
    """Hooks may replace the input and the output."""
    layer = s.layer()
    layer.register_forward_pre_hook(lambda m, args: (args[0] * 1, *args[1:]))
    layer.register_forward_hook(
        lambda m, args, output: output * 2 if isinstance(output, torch.Tensor) else output
    )
    return s.run(layer)


@tool(has_batch_norm)
def swa_update_bn(s):
    model = nn.Sequential(s.layer())
    update_bn([s.inputs(seed=seed, grad=False)[0] for seed in (1, 2, 3)], model)
    return dict(model.named_buffers())


@tool(has_batch_norm)
def sync_batch_norm(s):
    layer = nn.SyncBatchNorm.convert_sync_batchnorm(s.layer())
    return type(layer).__name__, layer.state_dict(), layer.training

"""Write intersphinx inventories of the installed torch and Python: no build needs a network."""

import builtins
import collections.abc
import inspect
import zlib

import torch
import torch.nn.functional as F
from torch import nn

PYTHON_PAGES = {"int": "functions", "float": "functions", "bool": "functions"}


def torch_rows():
    """Yield (name, role, page) of what our pages link to in torch's documentation."""
    yield "torch.Tensor", "class", "tensors.html"
    yield "torch.dtype", "class", "tensor_attributes.html"
    yield "torch.device", "class", "tensor_attributes.html"
    for key, obj in vars(nn.init).items():
        if inspect.isfunction(obj) and obj.__module__ == nn.init.__name__:
            yield f"torch.nn.init.{key}", "function", f"nn.init.html#torch.nn.init.{key}"
    for module in (nn, nn.utils.rnn, F, torch):
        for key in dir(module):
            name, obj = f"{module.__name__}.{key}", getattr(module, key)
            if key.startswith("_"):
                continue
            if inspect.isclass(obj) and module in (nn, nn.utils.rnn):
                yield name, "class", f"generated/{name}.html"
                # annotations name a class by the module that defines it
                yield f"{obj.__module__}.{key}", "class", f"generated/{name}.html"
            elif inspect.isroutine(obj):
                yield name, "function", f"generated/{name}.html"


def python_rows():
    """Yield (name, role, page) of built-in types, exceptions and abstract collections."""
    for name, obj in vars(builtins).items():
        if inspect.isclass(obj) and issubclass(obj, BaseException):
            yield name, "exception", f"library/exceptions.html#{name}"
        elif inspect.isclass(obj):
            yield name, "class", f"library/{PYTHON_PAGES.get(name, 'stdtypes')}.html#{name}"
    for name in collections.abc.__all__:
        full = f"collections.abc.{name}"
        yield full, "class", f"library/collections.abc.html#{full}"
    yield "types.NoneType", "class", "library/types.html#types.NoneType"
    yield "None", "data", "library/constants.html#None"
    yield "typing.Any", "data", "library/typing.html#typing.Any"


def write(path, project, version, rows):
    """Write one inventory in Sphinx's format, version 2."""
    body = "".join(f"{name} py:{role} 1 {page} -\n" for name, role, page in sorted(set(rows)))
    head = (
        f"# Sphinx inventory version 2\n# Project: {project}\n# Version: {version}\n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    path.write_bytes(head.encode() + zlib.compress(body.encode(), 9))
    return str(path)


def mapping(folder):
    """Return intersphinx_mapping with both inventories written into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    version = torch.__version__.partition("+")[0]
    return {
        "torch": (
            "https://docs.pytorch.org/docs/stable/",
            write(folder / "torch.inv", "PyTorch", version, torch_rows()),
        ),
        "python": (
            "https://docs.python.org/3/",
            write(folder / "python.inv", "Python", "3", python_rows()),
        ),
    }

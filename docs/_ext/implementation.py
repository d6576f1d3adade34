"""The directive that shows our code on the page: the whole class, without its docstring."""

import ast
import importlib
import inspect
import re
import textwrap

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import layerref

#: remarks to our own tools, which are nothing to a reader
TOOLS = re.compile(r"  # (fmt: skip|noqa|type: ignore).*$")


def source_without_docstring(obj):
    """Return the source of a class or function, less its own docstring."""
    lines = textwrap.dedent(inspect.getsource(obj)).splitlines()
    node = ast.parse("\n".join(lines)).body[0]
    first = node.body[0]
    if ast.get_docstring(node) is not None and len(node.body) > 1:
        after = node.body[1]
        # a decorated method starts at its decorator; comments before it stay
        start = min([after.lineno, *(d.lineno for d in getattr(after, "decorator_list", []))])
        kept = lines[first.end_lineno : start - 1]
        lines[first.lineno - 1 : start - 1] = [line for line in kept if line.strip()]
    return "\n".join(TOOLS.sub("", line) for line in lines)


def find(path):
    """Resolve a dotted path that starts in layerref, private modules included."""
    obj = layerref
    for part in path.split("."):
        if not hasattr(obj, part):
            importlib.import_module(f"{obj.__name__}.{part}")
        obj = getattr(obj, part)
    return obj


class Implementation(SphinxDirective):
    """``{implementation} A B``: the sources of these names, one block."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        objects = [find(path) for path in self.arguments[0].split()]
        for obj in objects:
            self.env.note_dependency(inspect.getsourcefile(obj))
        code = "\n\n\n".join(map(source_without_docstring, objects))
        block = nodes.literal_block(code, code, language="python", classes=["implementation"])
        self.set_source_info(block)
        return [block]


def setup(app):
    """Register the directive."""
    app.add_directive("implementation", Implementation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Tell the statement that changed from the later ones which fail because of it."""

import ast
import symtable
from types import FunctionType, ModuleType


def names(source):
    """Return the names that a statement binds and those that it reads, nested scopes included."""
    table = symtable.symtable(source, "<statement>", "exec")
    symbols = table.get_symbols()
    binds = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    reads = {s.get_name() for s in symbols if s.is_referenced()}
    scopes = table.get_children()
    while scopes:
        scope = scopes.pop()
        reads |= {s.get_name() for s in scope.get_symbols() if s.is_global()}
        scopes += scope.get_children()
    return binds, reads


def receivers(source):
    """Return the names whose objects a statement changes: ``a`` in ``a.b()`` and ``a[0] = 1``."""
    touched = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            touched.append(node.value.func)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            touched.append(node)
    found = set()
    for start in touched:
        node = start
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
            node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Name) and node is not start:  # not f in f(x)
            found.add(node.id)
    return found


class Causes:
    """Follow the statements of one page, in their order.

    A statement that raises leaves names unbound, or bound to what they were before. Whatever fails
    later and reads one of them, also by way of others, is a consequence and no change of its own.
    """

    def __init__(self):
        self.spoilt = {}  # name -> the failure that it goes back to

    def passed(self, source):
        """Note a statement that held: what it binds is as good as what it read."""
        binds, _ = names(source)
        cause = self.cause_of(source)
        for name in binds:
            self.spoilt.pop(name, None)
        if cause is not None:
            self.spoilt |= dict.fromkeys(binds, cause)

    def cause_of(self, source):
        """Return the earlier failure that a statement goes back to, or None."""
        _, reads = names(source)
        return next((self.spoilt[name] for name in self.spoilt if name in reads), None)

    def failed(self, source, failure, raised, namespace):
        """Note a statement that failed; return the failure that it goes back to, or None."""
        cause = self.cause_of(source)
        if raised:
            binds, _ = names(source)
            changed = {
                name
                for name in receivers(source)
                if not isinstance(namespace.get(name), ModuleType | FunctionType | type)
            }
            self.spoilt |= dict.fromkeys(binds | changed, cause or failure)
        return cause

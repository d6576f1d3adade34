"""Which small changes are made to a source: one or two at each place that can be wrong.

Our own operators, on Python's ast: those of cosmic-ray replace each operator by all the others
(eleven for a `+`), most of which fail at once and make the rate look better than it is.

Changed: comparisons (their boundary, their sense), arithmetic and bitwise operators, and/or, not,
signs, numbers (+ 1), True/False, a condition that none of these touches, defaults, break/continue,
calls and yields whose value nobody takes and augmented assignments (dropped), and returned values
(None) where nothing else in the `return` is changed.
Left alone: annotations and types, docstrings, decorators, __all__, what raise and warnings.warn say
(whether they are reached is changed), f-strings, and super().__init__() without arguments.
"""

import ast
from collections import Counter
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
ATOMS = (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.Constant, ast.List, ast.Tuple)
NAMES_ONLY = {"__all__", "__slots__", "__version__"}


@dataclass(frozen=True)
class Mutant:
    """One change: what it is called, which lines have to run for it to matter, how it is made."""

    module: str  # path below the package
    function: str  # qualified name; empty at the top of the module
    line: str  # the source line it starts on
    change: str
    first: int  # the statement's first and last line, without the body of an if or for
    last: int
    begin: int  # bytes of the source that are replaced
    end: int
    text: str

    @property
    def key(self):
        """Name the mutant so that it survives a shift of lines."""
        return self.module, self.function, self.line, self.change

    def apply(self, source):
        """Return the changed source."""
        raw = source.encode()
        return (raw[: self.begin] + self.text.encode() + raw[self.end :]).decode()


def copy(node, **fields):
    """Return the node with other fields."""
    return type(node)(**{**dict(ast.iter_fields(node)), **fields})


def bracketed(node):
    """Write an expression so that it may stand anywhere."""
    text = ast.unparse(node)
    return text if isinstance(node, ATOMS) else f"({text})"


class Finder(ast.NodeVisitor):
    """Collects the changes of one source."""

    def __init__(self, module, source):
        self.module = module
        self.source = source.encode()
        self.lines = source.splitlines()
        self.starts = [0]
        for line in self.source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.scope = []
        self.in_function = 0
        self.extent = (1, 1)
        self.found = []
        self.seen = Counter()

    def add(self, node, text, was=""):
        """Note that this node may be replaced by this text."""
        begin = self.starts[node.lineno - 1] + node.col_offset
        end = self.starts[node.end_lineno - 1] + node.end_col_offset
        was = was or " ".join(self.source[begin:end].decode().split())
        line = self.lines[node.lineno - 1].strip()
        key = ".".join(self.scope), line, f"{was} -> {text}"
        self.seen[key] += 1
        which = f" ({self.seen[key]})" if self.seen[key] > 1 else ""  # twice on one line
        function, line, change = key
        self.found.append(
            Mutant(self.module, function, line, change + which, *self.extent, begin, end, text)
        )

    def visit(self, node):
        """Keep the extent of the innermost statement: the lines of which one has to run."""
        before = self.extent
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
            self.extent = (node.lineno, last)
        if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
            self.condition(node.test)
        super().visit(node)
        self.extent = before

    def visit_all(self, nodes):
        """Visit several nodes."""
        for node in nodes:
            self.visit(node)

    # ------------------------------------------------------------ statements
    def visit_FunctionDef(self, node):
        """Change defaults and body."""
        self.scope.append(node.name)
        for default in filter(None, [*node.args.defaults, *node.args.kw_defaults]):
            if isinstance(default, ast.Constant) and default.value is None:
                self.add(default, "1")
            elif isinstance(default, ast.Constant) and isinstance(default.value, str):
                self.add(default, repr(f"not {default.value}"))
            else:
                self.visit(default)
        self.in_function += 1
        self.visit_all(node.body)
        self.in_function -= 1
        self.scope.pop()

    def visit_ClassDef(self, node):
        """Change the body."""
        self.scope.append(node.name)
        self.visit_all(node.body)
        self.scope.pop()

    def visit_Assign(self, node):
        """Change the value, unless it lists names."""
        if not any(isinstance(t, ast.Name) and t.id in NAMES_ONLY for t in node.targets):
            self.generic_visit(node)

    def visit_AnnAssign(self, node):
        """Change the value, not the annotation."""
        if node.value:
            self.visit(node.value)

    def visit_AugAssign(self, node):
        """Change the operator, and drop the statement."""
        self.add(node, ast.unparse(copy(node, op=OPERATORS[type(node.op)]())))
        self.add(node, "pass", "the statement")
        self.generic_visit(node)

    def visit_Expr(self, node):
        """Drop a call or a yield whose value nobody takes."""
        if isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super().__init__()":
            return
        if isinstance(node.value, ast.Call | ast.Yield | ast.YieldFrom):
            self.add(node, "pass", "the statement")
        self.generic_visit(node)

    def visit_Return(self, node):
        """Return None, if nothing else can be changed."""
        known = len(self.found)
        self.generic_visit(node)
        nothing = node.value is None or ast.unparse(node.value) == "None"
        if len(self.found) == known and not nothing:
            self.add(node.value, "None")

    def visit_Break(self, node):
        """Go on instead."""
        self.add(node, "continue")

    def visit_Continue(self, node):
        """Stop instead."""
        self.add(node, "break")

    def visit_Raise(self, node):
        """Leave the words alone."""

    def visit_JoinedStr(self, node):
        """Leave the words alone."""

    # ------------------------------------------------------------ conditions
    def condition(self, test):
        """Negate a condition, unless its own operators are changed."""
        touched = ast.Compare | ast.BoolOp
        negation = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        if not (isinstance(test, touched) or negation):
            self.add(test, f"not {bracketed(test)}")

    def visit_comprehension(self, node):
        """Negate its conditions."""
        for test in node.ifs:
            self.condition(test)
        self.generic_visit(node)

    # ------------------------------------------------------------ expressions
    def visit_Compare(self, node):
        """Move the boundary, turn the sense."""
        for n, op in enumerate(node.ops):
            for other in COMPARISONS[type(op)]:
                ops = [*node.ops[:n], other(), *node.ops[n + 1 :]]
                self.add(node, ast.unparse(copy(node, ops=ops)))
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        """Take or for and, and for or."""
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self.add(node, ast.unparse(copy(node, op=other)))
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        """Drop not, - and ~; a negative number is a number."""
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            self.add(node, repr(1 - node.operand.value))
            return
        self.add(node, bracketed(node.operand))
        self.generic_visit(node)

    def visit_BinOp(self, node):
        """Take another operator; joined text and types stay as they are."""
        text = any(
            isinstance(side, ast.JoinedStr) or isinstance(getattr(side, "value", None), str)
            for side in (node.left, node.right)
        )
        types = isinstance(node.op, ast.BitOr) and not self.in_function
        if not (text or types):
            changed = ast.unparse(copy(node, op=OPERATORS[type(node.op)]()))
            arithmetic = isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div)
            self.add(node, changed if arithmetic else f"({changed})")
        self.generic_visit(node)

    def visit_Call(self, node):
        """Forget all but the first of the types that an isinstance asks for."""
        called = ast.unparse(node.func)
        if called == "isinstance":
            value, types = node.args
            self.visit(value)
            first = types
            while isinstance(first, ast.BinOp):
                first = first.left
            first = first.elts[0] if isinstance(first, ast.Tuple) else first
            if first is not types:
                self.add(types, ast.unparse(first))
        elif called != "warnings.warn":
            self.generic_visit(node)

    def visit_Constant(self, node):
        """Add 1 to a number, turn a truth value."""
        if isinstance(node.value, bool):
            self.add(node, repr(not node.value))
        elif isinstance(node.value, int | float):
            self.add(node, repr(node.value + 1))


def mutants_of(module, source):
    """Return the changes of a module's source."""
    finder = Finder(module, source)
    finder.visit_all(ast.parse(source).body)
    return finder.found

"""What is written down about a layer: its parameters, its needs, its rule."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, TypeVar

from layerref.rules.arithmetic import Number, equal, product

T = TypeVar("T")
REQUIRED: Final = "required"
"""Default of a parameter that has none."""


class Need(NamedTuple):
    """A condition that a configuration must meet, and the sentence that says so if it does not.

    ``text`` holds ``{name}`` where ``values[name]`` belongs; the values are ints, or expressions.
    """

    holds: Any
    text: str
    values: Mapping[str, Any]

    def message(self) -> str:
        """Return the sentence with its values filled in."""
        return self.text.format(**self.values)


Steps = Generator[Need, None, T]
"""A rule in steps: it yields its needs in order and returns its answer.

Each need may rely on the ones before it, so that nothing is divided by a stride of 0.
"""


def need(holds: Any, text: str, **values: Any) -> Need:
    """State a need: the condition, then rule, values and remedy in one sentence."""
    return Need(holds, text, values)


def settle(layer: str, steps: Steps[T]) -> tuple[list[Need], T]:
    """Run a rule: refuse at the first need that fails, collect those that only symbols can tell.

    With ints the list is empty. With symbols it holds what a browser has to check.
    """
    open_needs = []
    try:
        while True:
            step = next(steps)
            if step.holds == False:  # noqa: E712  (SymPy's false is not Python's)
                raise ValueError(f"{layer}: {step.message()}")
            if step.holds != True:  # noqa: E712
                open_needs.append(step)
    except StopIteration as end:
        return open_needs, end.value


class Settings(SimpleNamespace):
    """A layer's constructor arguments, read: one attribute each, a tuple where it has axes."""

    rule: "Rule"
    axes: int

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.rule.name} has no parameter {name}")


class Entry(NamedTuple):
    """One tensor of the state dict. ``present`` is 1 or 0, or a symbol for that."""

    key: str
    shape: tuple[Number, ...]
    present: Any = 1
    learned: bool = True


@dataclass(frozen=True)
class Parameter:
    """One constructor argument (or forward keyword) that a rule knows.

    Attributes
    ----------
    name, default
        As in the constructor; a default of ``REQUIRED`` says that there is none.
    kind
        ``int``, ``float``, ``bool``, ``choice``, ``axes`` (an int for all axes or one for each),
        ``ratios`` (the same with floats), ``pads`` (an int or two for each axis, last axis first),
        ``sizes`` (an int or any number of them), ``layer`` (settings of another layer) or ``any``
        (what no rule looks at).
    letter
        The site's letter for it, which :func:`~layerref.rules.formula` uses; without one it keeps
        its default there, unless a symbol is given.
    low, high
        Bounds that every value (of each axis) keeps.
    choices
        The words it may be; for kind ``axes``, words it may be instead of numbers.
    optional
        ``None`` is allowed; with kind ``axes`` also for single axes.
    structural
        It decides how many axes or results there are: a formula needs its value, not a symbol.
    example
        A value to show a required parameter with.
    """

    name: str
    kind: str
    default: Any = REQUIRED
    letter: str = ""
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    structural: bool = False
    example: Any = None


@dataclass(frozen=True, eq=False)  # one of each: found by identity
class Rule:
    """Everything that ``rules`` knows about one layer.

    Attributes
    ----------
    name, family
        The class's name; the module of layerref that holds it.
    parameters, forward
        Constructor arguments in order; keywords of ``forward`` that change the answer.
    layouts
        The inputs it takes, the batched one first: axis letters, ``*`` for any number of axes, a
        comma between inputs.
    shape, state, check, products
        The rule in steps: output shape from input shape; the tensors of the state dict; the needs
        of the settings alone; the FLOPs from input shape and output shape.
    axis
        The size of one axis after the layer, if it has such a rule; ``formula(name, "size")``.
    changes
        Letters of the axes whose size it may change.
    mode, mode_note
        Train against eval by default: ``same``, ``differs`` or ``random`` (random in both); the
        settings that change this.
    axes
        Number of spatial axes; 0 for layers that have none.
    stacks
        Parameters that count identical sub-layers: everything grows linearly with them.
    candidates
        Settings that may turn one size into another, the plainest first.
    limit
        Which sizes no settings can reach.
    """

    name: str
    family: str
    parameters: tuple[Parameter, ...]
    layouts: tuple[str, ...]
    shape: Callable[[Any, Settings], Steps[Any]]
    state: Callable[[Settings], Sequence[Entry]] = lambda s: ()
    check: Callable[[Settings], Iterable[Need]] = lambda s: ()
    products: Callable[[Any, Any, Settings], Number] = lambda x, y, s: 0
    axis: Callable[..., Number] | None = None
    changes: tuple[str, ...] = ()
    mode: str = "same"
    mode_note: str = ""
    axes: int = 0
    forward: tuple[Parameter, ...] = ()
    stacks: tuple[str, ...] = ()
    candidates: Callable[..., Iterator[dict[str, Any]]] | None = None
    limit: str = ""


# ---------------------------------------------------------------- pieces that families share
SPATIAL = {1: "L", 2: "H W", 3: "D H W"}
"""Letters of the spatial axes."""


def batched_or_not(channels: str, axes: int) -> tuple[str, ...]:
    """Return the layouts with and without a batch axis."""
    return (f"N {channels} {SPATIAL[axes]}", f"{channels} {SPATIAL[axes]}")


def unchanged(x: Any, s: Settings) -> Steps[Any]:
    """Return the shape that came in: the rule of all elementwise layers."""
    yield from fits_layout(x, s)
    return x


def fits_layout(
    x: Sequence[Number], s: Settings, what: str = "input", position: int = 0
) -> Steps[None]:
    """Need the number of axes of one of the layouts."""
    layouts = [layout.split(", ")[position].split() for layout in s.rule.layouts]
    fits = any(
        len(x) >= len(letters) - 1 if "*" in letters else len(x) == len(letters)
        for letters in layouts
    )
    allowed = " or ".join(f"({', '.join(letters)})" for letters in layouts)
    yield need(
        fits,
        "the {what} is {allowed}, got {rank} axes, {shape}: reshape or unsqueeze it",
        what=what,
        allowed=allowed,
        rank=len(x),
        shape=tuple(x),
    )


def not_empty(x: Sequence[Number], axes: int) -> Need:
    """Need at least one element in each sample; the batch may be empty."""
    text = "only the batch axis may have size 0, got {shape}"
    return need(product(x[max(len(x) - axes, 0) :]) > 0, text, shape=tuple(x))


def same_size(got: Number, wanted: Number, axis: str, parameter: str) -> Need:
    """Need an axis of the input to be as large as the constructor was told."""
    return need(
        equal(got, wanted),
        f"the input's {axis} axis has size {{got}}, {parameter} is {{wanted}}: they must be equal",
        got=got,
        wanted=wanted,
    )


def match(got: Any, wanted: Any) -> Any:
    """State that two shapes, or two tuples of shapes, are equal."""
    nested = isinstance(got, tuple), isinstance(wanted, tuple)
    if not all(nested):
        return not any(nested) and equal(got, wanted)
    result: Any = len(got) == len(wanted)
    for a, b in zip(got, wanted) if result else ():
        result &= match(a, b)
    return result


def same_shapes(got: Any, wanted: Any, what: str) -> Need:
    """Need the shapes of a state to be as computed."""
    text = "the {what} has shape {wanted}, got {got}: give it one row for each sequence"
    return need(match(got, wanted), text, what=what, wanted=wanted, got=got)


def several_shapes(x: Any, *names: str) -> tuple[Any, ...]:
    """Split the input of a layer whose forward takes several tensors."""
    nested = isinstance(x, tuple) and all(isinstance(one, tuple) for one in x)
    if not nested or len(x) != len(names):
        raise ValueError(
            f"give a tuple of {len(names)} shapes, one each of {', '.join(names)}, got {x}"
        )
    return x

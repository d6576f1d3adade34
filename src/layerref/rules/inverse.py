"""From two sizes to settings: candidates that may turn one into the other, the plainest first.

Every candidate is then put to the rule itself, so a candidate may be wrong, but no answer can be.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from layerref.rules.reading import settings_of
from layerref.rules.record import REQUIRED, Rule, settle

Candidates = Iterator[dict[str, Any]]
SPANS = 8  # kernels proposed for each stride, padding and dilation
MOST_TRIED = 1000
MOST_ANSWERS = 10


def values(pinned: Mapping[str, Any], name: str, usual: Iterable[int]) -> Iterable[int]:
    """Return the values to try: the pinned one, or the usual ones."""
    return [pinned[name]] if isinstance(pinned.get(name), int) else usual


def kernel_sizes(
    pinned: Mapping[str, Any], shortest: int, longest: int, s: int, d: int
) -> list[int]:
    """Return kernels whose span lies in a range, those first that leave no gap between windows."""
    first = max(shortest, min(s, longest), 1)
    spans = range(first, longest + 1)
    if "kernel_size" in pinned:
        spans = range(max(shortest, 1), longest + 1)
        return [k for k in values(pinned, "kernel_size", []) if d * (k - 1) + 1 in spans]
    return [(span - 1) // d + 1 for span in spans[: SPANS * d] if (span - 1) % d == 0]


def window_candidates(i: int, o: int, axes: int, pinned: Mapping[str, Any]) -> Candidates:
    """Propose kernel, stride, padding and dilation that bring i to o.

    Three of the four are tried and the kernel follows: o windows fit into i + 2p if one of them
    spans from i + 2p - o·s + 1 to i + 2p - (o - 1)·s elements. With o = 1 no stride is made, and
    one is proposed only where the kernel is decided and leaves elements over.
    """
    strided = o > 1 or "kernel_size" in pinned
    found: list[tuple[Any, ...]] = []
    word = pinned.get("padding")
    if word == "same" and i == o:
        kernels = values(pinned, "kernel_size", (3, 5, 7))
        found = [(k, k, 1, word, d) for k in kernels for d in values(pinned, "dilation", (1,))]
    for d in values(pinned, "dilation", (1, 2, 3)) if word != "same" else ():
        for p in [0] if word == "valid" else values(pinned, "padding", range(max(3, o - i) + 1)):
            for s in values(pinned, "stride", range(1, (i + 2 * p) // o + 2 if strided else 2)):
                shortest, longest = i + 2 * p - o * s + 1, i + 2 * p - (o - 1) * s
                for k in kernel_sizes(pinned, shortest, longest, s, d):
                    span = d * (k - 1) + 1
                    unseen = (s > span and o > 1) or longest - span > p
                    oddities = (unseen, p > span // 2, d > 1)
                    if k > 1 or d == 1 or "dilation" in pinned:
                        found.append((*oddities, k + s + p, k, s, word or p, d))
    for *_, k, s, p, d in sorted(found):
        yield {"kernel_size": k, "stride": s, "padding": p, "dilation": d}


def undilated_candidates(i: int, o: int, axes: int, pinned: Mapping[str, Any]) -> Candidates:
    """Propose the same for a layer that has no dilation."""
    for candidate in window_candidates(i, o, axes, {**pinned, "dilation": 1}):
        del candidate["dilation"]
        yield candidate


def transposed_candidates(i: int, o: int, axes: int, pinned: Mapping[str, Any]) -> Candidates:
    """Propose settings of a transposed convolution; the kernel follows from the others.

    The last of i windows starts at (i - 1)·s, within the o + 2p elements.
    """
    found = []
    for d in values(pinned, "dilation", (1, 2)):
        for p in values(pinned, "padding", range(max(3, i - o) + 1)):
            most = (o + 2 * p) // (i - 1) if i > 1 else o + 2 * p + 1
            for s in values(pinned, "stride", range(1, most + 1)):
                for more in values(pinned, "output_padding", range(min(max(s, d), 4))):
                    span = o - (i - 1) * s + 2 * p - more
                    for k in kernel_sizes(pinned, span, span, s, d):
                        oddities = (s > span and i > 1, d > 1)
                        if k > 1 or d == 1 or "dilation" in pinned:
                            found.append((*oddities, k + s + p + 2 * more, k, s, p, more, d))
    for *_, k, s, p, more, d in sorted(found):
        yield {
            "kernel_size": k, "stride": s, "padding": p, "output_padding": more, "dilation": d
        }  # fmt: skip


def padding_candidates(i: int, o: int, axes: int, pinned: Mapping[str, Any]) -> Candidates:
    """Pad as evenly as possible, one more after than before if it has to be."""
    before, after = (o - i) // 2, (o - i) - (o - i) // 2
    yield {"padding": before if before == after else (before, after) * axes}


def scale_candidates(i: int, o: int, axes: int, pinned: Mapping[str, Any]) -> Candidates:
    """Multiply where a whole number does, then name the size."""
    if o % i == 0:
        yield {"scale_factor": o // i}
    yield {"size": o}


def size_candidates(i: int, o: int, axes: int, pinned: Mapping[str, Any]) -> Candidates:
    """Name the size."""
    yield {"output_size": o}


def fractional_candidates(i: int, o: int, axes: int, pinned: Mapping[str, Any]) -> Candidates:
    """Name the size; the windows overlap, or as many as possible do not miss an element."""
    for k in values(pinned, "kernel_size", range(-(-i // o), 0, -1)):
        yield {"kernel_size": k, "output_size": o}


def feature_candidates(before: str, after: str) -> Any:
    """Make the candidates of a layer that is told both sizes."""
    return lambda i, o, axes, pinned: iter([{before: i, after: o}])


# ---------------------------------------------------------------- asking the rule
def settings_between(
    rule: Rule, before: Sequence[int], after: Sequence[int], pinned: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the candidates that the rule confirms, or say why there are none."""
    sizes = f"{' × '.join(map(str, before))} into {' × '.join(map(str, after))}"
    if rule.candidates is None:
        if before == after and not rule.changes:
            return [dict(pinned)]
        why = "no rule of it is about one axis" if rule.changes else "it keeps all sizes"
        raise ValueError(f"{rule.name} has no settings that turn {sizes}: {why}")
    found: list[dict[str, Any]] = []
    for candidate in proposed(rule, rule.candidates, before, after, pinned):
        if candidate not in found and confirmed(rule, before, after, candidate):
            found.append(candidate)
        if len(found) == MOST_ANSWERS:
            break
    if not found:
        given = f" with {', '.join(f'{k}={v!r}' for k, v in pinned.items())}" if pinned else ""
        reason = f": it lets {rule.limit}" if rule.limit else ""
        raise ValueError(f"{rule.name}{given} cannot turn {sizes}{reason}")
    return found


def proposed(
    rule: Rule,
    propose: Callable[..., Candidates],
    before: Sequence[int],
    after: Sequence[int],
    pinned: Mapping[str, Any],
) -> Candidates:
    """Propose what serves every axis alike, then what sets each axis by itself."""
    if len(before) < rule.axes and any(isinstance(v, tuple) for v in pinned.values()):
        before, after = tuple(before) * rule.axes, tuple(after) * rule.axes
    per_axis = []
    for n, (i, o) in enumerate(zip(before, after)):
        here = {k: v[n] if isinstance(v, tuple) and n < len(v) else v for k, v in pinned.items()}
        proposals = propose(i, o, rule.axes or len(before), here)
        agreeing = (c for c in proposals if all(c[k] == v for k, v in here.items() if k in c))
        per_axis.append(list(islice(agreeing, MOST_TRIED)))
    first, *others = per_axis
    for candidate in first:
        if all(candidate in more for more in others):
            yield {**candidate, **pinned}
    for candidate in first if others else []:
        alike = [next((c for c in more if c.keys() == candidate.keys()), None) for more in others]
        parts = [candidate, *(c for c in alike if c is not None)]
        if len(parts) == len(before):
            yield {**{name: joined([c[name] for c in parts], name) for name in candidate}, **pinned}


def joined(values: list[Any], name: str) -> Any:
    """Write one value for each axis; padding layers have two, and the last axis comes first."""
    if name == "padding" and any(isinstance(v, tuple) for v in values):
        pairs = [v[:2] if isinstance(v, tuple) else (v, v) for v in values]
        return tuple(side for pair in reversed(pairs) for side in pair)
    return values[0] if len(set(values)) == 1 else tuple(values)


def confirmed(
    rule: Rule, before: Sequence[int], after: Sequence[int], candidate: Mapping[str, Any]
) -> bool:
    """Ask the rule itself, on the smallest input that has these sizes."""
    required = {p.name: p.example for p in rule.parameters if p.default is REQUIRED}
    groups = candidate.get("groups", 1)
    for name in required.keys() & {"in_channels", "out_channels"}:
        required[name] = groups
    given = {**required, **candidate}
    layouts = [layout.split() for layout in rule.layouts if layout[0] in "NL"]
    for letters in layouts:
        axes = sum(letter in "LDHW" for letter in letters) if rule.axes or "C" in letters else 1
        fixed = (1,) * (len(letters) - axes - 1)
        sizes = [tuple(s) * axes if len(s) == 1 else tuple(s) for s in (before, after)]
        x = (*fixed, given.get("in_channels", 1), *sizes[0])
        try:
            y = settle(rule.name, rule.shape(x, settings_of(rule, given)))[1]
        except ValueError:
            continue
        y = y[0] if isinstance(y[0], tuple) else y
        return bool(y[len(y) - len(sizes[1]) :] == sizes[1])
    return False

"""A selection in words and formulas. ``python -m analysis.reporting.selection_page`` prints
docs/selections.md."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from analysis.config.selection import BUILT_IN
from selections.cuts import Axis, Cut, Region, used_definitions
from selections.selection import Bin, Binning, Correction, Histogram, Selection

_HEAD = """\
# Selections

Printed by `python -m analysis.reporting.selection_page`. Expressions are C++, in GeV and radians,
and use the columns of [columns.md](columns.md) and the columns above them."""

_MOST_EDGES = 16  # edges of unequal bins that are listed


def describe(selection: Selection) -> str:
    """Return the description of a selection in Markdown: regions, cuts, columns, weights, bins,
    histograms."""
    return "\n\n".join(_parts(selection))


def counted(selection: Selection) -> Selection:
    """Return a selection without the regions that are not used, and what only these use."""
    regions = {name: selection.regions[name] for name in selection.used}
    needed = used_definitions(selection.definitions, _expressions(selection, regions.values()))
    return replace(selection, regions=regions, definitions=needed)


def page() -> str:
    """Return docs/selections.md: the built-in selections."""
    parts = (f"## `{name}`\n\n{describe(one)}" for name, one in BUILT_IN.items())
    return "\n\n".join((_HEAD, *parts)) + "\n"


def _expressions(selection: Selection, regions: Iterable[Region]) -> Iterator[str]:
    """Yield all expressions of a selection that may use its definitions, for some regions."""
    for region in regions:
        yield region.binned_in or selection.binning.axis.expression
        for cut in region.cuts:
            yield cut.expression
            if cut.axis is not None:
                yield cut.axis.expression
    for histogram in selection.histograms.values():
        yield from (axis.expression for axis in histogram.axes)
    for factor in selection.weights:
        yield from (factor,) if isinstance(factor, str) else factor.inputs
    yield from selection.quantities.values()


def _parts(selection: Selection) -> Iterator[str]:
    yield f"{_text(_capitalised(selection.title))}."
    yield from _regions(selection)
    yield _binning(selection.binning, selection.regions.values())
    if selection.columns:
        rows = [[_code(name), _code(text)] for name, text in selection.columns.items()]
        yield "Columns that extend or replace those of the input formats:"
        yield _table(("column", "expression"), rows)
    if selection.definitions:
        rows = [[_code(one.name), _code(one.expression)] for one in selection.definitions]
        yield "Columns that it defines:"
        yield _table(("column", "expression"), rows)
    yield f"Weight of a simulated event: {' × '.join(map(_factor, selection.weights)) or '1'}."
    if selection.histograms:
        yield "Histograms:"
        yield _table(
            ("histogram", "quantity", "bins", "regions"),
            [_histogram(one) for one in selection.histograms.values()],
        )
    if selection.quantities:
        stored = ", ".join(
            _code(name) if name == text else f"{_code(name)} ({_code(text)})"
            for name, text in selection.quantities.items()
        )
        yield f"Quantities stored with images of events: {stored}."


def _regions(selection: Selection) -> Iterator[str]:
    regions = list(selection.regions.values())
    cuts = list(dict.fromkeys(cut for region in regions for cut in region.cuts))
    if unused := [one.name for one in regions if one.name not in selection.used]:
        are, them = ("are", "them") if len(unused) > 1 else ("is", "it")
        yield f"Regions ({_listed(unused)} {are} counted only if `use` names {them}):"
    else:
        yield "Regions:"
    yield _table(
        ("region", "requirements"),
        [[region.name, _requirements(region, regions[:i])] for i, region in enumerate(regions)],
    )
    if hidden := [one.name for one in regions if selection.hidden(one.name)]:
        yield (
            f"Collision data are hidden in {_listed(hidden)}; the quantities of the cuts of other "
            f"regions are without the events of {_listed(selection.blind)}."
        )
    yield "Cuts:"
    rows = []
    for cut in cuts:
        having = [region.name for region in regions if cut in region.cuts]
        where = "all" if len(having) == len(regions) else ", ".join(having)
        rows.append([cut.name, _requirement(cut), _code(cut.expression), where])
    yield _table(("cut", "requirement", "expression", "regions"), rows)


def _requirements(region: Region, earlier: Sequence[Region]) -> str:
    """Return all cuts of a region, or those beyond the largest earlier region that it is part
    of."""
    within = [one for one in earlier if len(one.cuts) > 1 and {*one.cuts} < {*region.cuts}]
    wider = max(within, key=lambda one: len(one.cuts), default=None)
    own = [cut for cut in region.cuts if wider is None or cut not in wider.cuts]
    return "; ".join([*([f"as {wider.name}"] if wider else []), *map(_requirement, own)])


def _requirement(cut: Cut) -> str:
    return _code(cut.latex) if cut.latex == cut.expression else _text(cut.latex)


def _binning(binning: Binning, regions: Iterable[Region]) -> str:
    inclusive, exclusive = binning.inclusive, binning.exclusive
    edges = ", ".join(f"{edge:g}" for edge in binning.edges)
    others = ", ".join(
        f"of {_code(region.binned_in)} in {region.name}" for region in regions if region.binned_in
    )
    return (
        f"Signal bins in {_quantity(binning.axis)}{f' ({others})' if others else ''}: "
        f"{_range(inclusive)} above {edges}; {_range(exclusive)} between these edges, the last "
        "without an upper one. A value equal to an edge belongs to the bin below it."
    )


def _range(bins: Sequence[Bin]) -> str:
    names = bins[0].name, bins[-1].name
    return names[0] if len(bins) == 1 else f"{names[0]} to {names[1]}"


def _factor(factor: str | Correction) -> str:
    if isinstance(factor, str):
        return _code(factor)
    inputs = ", ".join(map(_code, factor.inputs))
    return f"{_code(factor.name)} of {_code(Path(factor.file).name)} at {inputs}"


def _histogram(one: Histogram) -> list[str]:
    return [
        one.name,
        " against ".join(map(_quantity, reversed(one.axes))),
        " by ".join(_edges(axis.edges) for axis in one.axes),
        "all" if one.regions is None else ", ".join(one.regions),
    ]


def _quantity(axis: Axis) -> str:
    """Return the label of an axis and its expression."""
    expression = _code(axis.expression)
    if not axis.label or axis.label == axis.expression:
        return expression
    return f"{_text(axis.label)}, {expression}"


def _edges(edges: Sequence[float]) -> str:
    widths = [high - low for low, high in pairwise(edges)]
    n, low, high = len(widths), edges[0], edges[-1]
    if all(math.isclose(width, widths[0], rel_tol=1e-6) for width in widths):
        return f"{n} from {low:g} to {high:g}"
    if len(edges) <= _MOST_EDGES:
        return ", ".join(f"{edge:g}" for edge in edges)
    return f"{n} of different widths from {low:g} to {high:g}"


# --- Markdown -------------------------------------------------------------------------------------


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(map(_row, (titles, ["---"] * len(titles), *rows)))


def _row(cells: Iterable[str]) -> str:
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _code(expression: str) -> str:
    return f"`` {expression} ``" if "`" in expression else f"`{expression}`"


def _text(text: str) -> str:
    """Return text with ``$formulas$`` so that Markdown shows it unchanged."""
    parts = re.split(r"(\$[^$]+\$)", text)
    return "".join(
        part if part.startswith("$") and len(part) > 1 else re.sub(r"([\\`*_<\[])", r"\\\1", part)
        for part in parts
    )


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(names: Sequence[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]


if __name__ == "__main__":
    print(page(), end="")

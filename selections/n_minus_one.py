"""The quantities of cuts, for the events that pass all other cuts of a region (N-1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from selections.cuts import Axis, Cut, Region
from selections.expressions import Requirement, requirements
from selections.selection import Selection

BINS = 40


@dataclass(frozen=True)
class Threshold:
    """A value that a cut compares its quantity with, and whether larger values pass (None: only
    this value, or all others)."""

    value: float
    above: bool | None


@dataclass(frozen=True)
class NMinusOne:
    """The quantity of a cut with its bins, and the cuts that its events must pass.

    ``name`` is that of the cut, with a number if the cut has several quantities.
    """

    name: str
    cut: str
    axis: Axis
    thresholds: tuple[Threshold, ...]
    others: tuple[str, ...]


def n_minus_one(selection: Selection, region: Region) -> list[NMinusOne]:
    """Return the quantities of all cuts of a region that compare one with numbers."""
    found = []
    for place, cut in enumerate(region.cuts):
        before = [one.expression for one in region.cuts[:place]]
        after = [one.expression for one in region.cuts[place + 1 :]]
        for number, (axis, thresholds, rest) in enumerate(_quantities(selection, cut), start=1):
            name = cut.name if number == 1 else f"{cut.name}_{number}"
            found.append(NMinusOne(name, cut.name, axis, thresholds, (*before, *rest, *after)))
    return found


def without_quantity(region: Region) -> list[str]:
    """Return the names of the cuts of a region that compare no quantity with a number."""
    return [
        cut.name
        for cut in region.cuts
        if cut.axis is None and not any(one.quantity for one in requirements(cut.expression))
    ]


def _quantities(
    selection: Selection, cut: Cut
) -> Iterator[tuple[Axis, tuple[Threshold, ...], list[str]]]:
    """Yield the quantities of a cut: bins, thresholds, and its other requirements.

    An axis of the cut itself, or a histogram of the quantity, gives the label.
    """
    parts = requirements(cut.expression)
    by_quantity: dict[str, list[Requirement]] = {}
    for part in parts:
        if part.quantity is not None:
            by_quantity.setdefault(part.quantity, []).append(part)
    if cut.axis is not None:
        quantity = cut.axis.expression
        compared = by_quantity.get(quantity, [])
        rest = [part.text for part in parts if part not in compared] if compared else []
        yield cut.axis, _thresholds(compared, cut.axis), rest
        return
    for quantity, compared in by_quantity.items():
        rest = [part.text for part in parts if part not in compared]
        axis = _axis(selection, quantity, compared)
        yield axis, _thresholds(compared, axis), rest


def _thresholds(compared: list[Requirement], axis: Axis) -> tuple[Threshold, ...]:
    counts = all(edge % 1 == 0.5 for edge in axis.edges)
    found: list[Threshold] = []
    for one in compared:
        if one.value is not None:
            found += _of_counts(one) if counts and one.value % 1 == 0 else [_threshold(one)]
    return tuple(found)


def _threshold(one: Requirement) -> Threshold:
    above = {">": True, ">=": True, "<": False, "<=": False}
    assert one.value is not None
    return Threshold(one.value, above.get(one.operator or ""))


def _of_counts(one: Requirement) -> list[Threshold]:
    """Return the thresholds between whole numbers, in whose middle a bin ends."""
    assert one.value is not None
    below, above = one.value - 0.5, one.value + 0.5
    return {
        ">": [Threshold(above, True)],
        ">=": [Threshold(below, True)],
        "<": [Threshold(below, False)],
        "<=": [Threshold(above, False)],
        "==": [Threshold(below, True), Threshold(above, False)],
    }.get(one.operator or "", [Threshold(one.value, None)])


def _axis(selection: Selection, quantity: str, compared: list[Requirement]) -> Axis:
    """Return the bins of a quantity: its label from a histogram of it, the range from its
    thresholds."""
    axes = (axis for one in selection.histograms.values() for axis in one.axes)
    label = next((axis.label for axis in axes if axis.expression == quantity and axis.label), "")
    label = label or selection.labels.get(quantity, quantity)
    values = [one.value for one in compared if one.value is not None]
    largest = max(map(abs, values))
    if quantity.startswith("n_") or any(one.operator in ("==", "!=") for one in compared):
        return Axis(quantity, tuple(i - 0.5 for i in range(int(largest) + 9)), label)
    upper = any("<" in (one.operator or "") for one in compared)
    high = (2.0 if upper else 4.0) * (largest or 1.0)
    low = -high if min(values) <= 0 else 0.0
    return Axis(quantity, tuple(low + (high - low) * i / BINS for i in range(BINS + 1)), label)

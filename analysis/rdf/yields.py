"""Weighted event yields: exact sums, rounded once at the end.

Exact yields merge to the same bits for any partition of the events into tasks, files and threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from analysis.event_loop.events import Booked, Events
from analysis.formats.columns import own
from common.runtime.errors import InputError
from common.stats.normalisation import statistical_error
from cpp_helpers import calls

_LEAST = Fraction(1, 2**1074)  # the smallest double; every double is a multiple of it


@dataclass(frozen=True)
class Yield:
    """Events: number of entries, sum of weights, sum of squared weights."""

    entries: int = 0
    sumw: float = 0.0
    sumw2: float = 0.0

    def __add__(self, other: Yield) -> Yield:
        return Yield(self.entries + other.entries, self.sumw + other.sumw, self.sumw2 + other.sumw2)

    def scaled(self, factor: float) -> Yield:
        """Return the yield with all weights scaled by ``factor``."""
        return Yield(self.entries, self.sumw * factor, self.sumw2 * factor**2)

    @property
    def stat_error(self) -> float:
        """Return the statistical error of the sum of weights."""
        return float(self.sumw2**0.5)

    @property
    def sums(self) -> tuple[float, float]:
        """Return the sums of weights and of squared weights."""
        return self.sumw, self.sumw2


@dataclass(frozen=True)
class Expected:
    """Expected events of simulated samples: entries, events and the errors of the events, from the
    simulated efficiency and from the cross-sections. Samples are independent."""

    entries: int = 0
    events: float = 0.0
    statistical: float = 0.0
    cross_section: float = 0.0

    def __add__(self, other: Expected) -> Expected:
        return Expected(
            self.entries + other.entries,
            self.events + other.events,
            math.hypot(self.statistical, other.statistical),
            math.hypot(self.cross_section, other.cross_section),
        )

    @property
    def error(self) -> float:
        """Return both errors in quadrature."""
        return math.hypot(self.statistical, self.cross_section)


def expected(
    y: Yield,
    normalisation: float,
    sum_of_weights: float | None,
    sum_of_weights_squared: float | None,
    cross_section_error: float,
) -> Expected:
    """Return the expected events of a yield, given the sums of weights before any cut.

    ``normalisation`` is the factor from weights to events; ``cross_section_error`` is relative.
    """
    events = normalisation * y.sumw + 0.0  # not -0
    error = statistical_error(*y.sums, sum_of_weights, sum_of_weights_squared)
    return Expected(
        y.entries, events, abs(normalisation) * error, abs(events) * cross_section_error
    )


@dataclass(frozen=True)
class ExactYield:
    """A `Yield` with exact sums of doubles."""

    entries: int = 0
    sumw: Fraction = Fraction(0)
    sumw2: Fraction = Fraction(0)

    def __add__(self, other: ExactYield) -> ExactYield:
        return ExactYield(
            self.entries + other.entries, self.sumw + other.sumw, self.sumw2 + other.sumw2
        )

    def rounded(self) -> Yield:
        """Return the yield rounded to the nearest doubles.

        Raises:
            InputError: a sum is beyond the largest double.
        """
        try:
            return Yield(self.entries, float(self.sumw), float(self.sumw2))
        except OverflowError as error:
            raise InputError("column 'weight': a sum is beyond the largest double") from error

    def to_json(self) -> dict[str, Any]:
        """Return plain data; a sum of 5/8 is ``0x5p-3``."""
        return {"entries": self.entries, "sumw": _to_text(self.sumw), "sumw2": _to_text(self.sumw2)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ExactYield:
        """Return the yield from the plain data of `to_json`."""
        return cls(data["entries"], _from_text(data["sumw"]), _from_text(data["sumw2"]))


def book(events: Events, quantity: str, weight: str, edges: Sequence[float] = ()) -> Booked:
    """Book the weighted yield of events in bins of a quantity, for `read_out`.

    ``quantity`` is a column of floats, ``weight`` one of doubles; n edges make n + 1 bins, the
    first and the last of which are open.
    """
    columns = {quantity: "float", weight: "double"}
    numbers = np.array(edges, np.float64)
    return events.book(
        lambda node: calls.make("book_yields", node, own(quantity), own(weight), numbers), columns
    )


def n_not_finite(booked: Booked) -> int:
    """Return the number of weights that are not finite, or whose squares are not."""
    return int(booked.result.array("n_not_finite")[0])


def read_out(booked: Booked) -> list[ExactYield]:
    """Return the yields of all bins.

    Raises:
        InputError: some weights, or their squares, are not finite.
    """
    if n := n_not_finite(booked):
        raise InputError(f"column 'weight': not finite, or too large to square (events: {n})")
    found = booked.result
    entries = found.array("entries").tolist()
    limbs = found.array("limbs").reshape(2, len(entries), -1).tolist()
    sums = [[_value(one) for one in quantity] for quantity in limbs]
    return [ExactYield(n, *both) for n, *both in zip(entries, *sums, strict=True)]


def _value(limbs: list[int]) -> Fraction:
    """Return the value of a C++ ``ExactSum``."""
    return _LEAST * sum(limb << 32 * i for i, limb in enumerate(limbs) if limb)


def _to_text(x: Fraction) -> str:
    exponent = x.denominator.bit_length() - 1
    if x.denominator != 1 << exponent:
        raise ValueError(f"{x} is not a sum of doubles")
    return f"{x.numerator:#x}p-{exponent}"


def _from_text(text: str) -> Fraction:
    numerator, exponent = text.split("p-")
    return Fraction(int(numerator, 16), 1 << int(exponent))

"""Weighted event yields: exact while they are added, rounded once.

Exact yields merge to the same bits whatever the partition of events in tasks, files and threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from common.runtime.errors import InputError
from common.stats.normalisation import statistical_error

_LEAST = Fraction(1, 2**1074)  # the least double, of which every double is a multiple


@dataclass(frozen=True)
class Yield:
    """Events: raw count, sum of weights, sum of squared weights."""

    raw: int = 0
    sumw: float = 0.0
    sumw2: float = 0.0

    def __add__(self, other: Yield) -> Yield:
        return Yield(self.raw + other.raw, self.sumw + other.sumw, self.sumw2 + other.sumw2)

    def scaled(self, factor: float) -> Yield:
        """The same events with all weights times ``factor``."""
        return Yield(self.raw, self.sumw * factor, self.sumw2 * factor**2)

    @property
    def error(self) -> float:
        """Statistical error of the sum of weights."""
        return float(self.sumw2**0.5)

    @property
    def sums(self) -> tuple[float, float]:
        """The sums of weights and of squared weights."""
        return self.sumw, self.sumw2


@dataclass(frozen=True)
class Expected:
    """Events expected of simulated samples: the raw count, their number, and its errors: of the
    efficiency in the simulation, and of the cross-sections. Samples are independent."""

    raw: int = 0
    events: float = 0.0
    statistical: float = 0.0
    cross_section: float = 0.0

    def __add__(self, other: Expected) -> Expected:
        return Expected(
            self.raw + other.raw,
            self.events + other.events,
            math.hypot(self.statistical, other.statistical),
            math.hypot(self.cross_section, other.cross_section),
        )

    @property
    def error(self) -> float:
        """Both errors in quadrature."""
        return math.hypot(self.statistical, self.cross_section)


def expected(
    y: Yield,
    normalisation: float,
    sum_of_weights: float | None,
    sum_of_weights_squared: float | None,
    cross_section_error: float,
) -> Expected:
    """Events expected of some events of a sample, whose sums of weights before any cut are given.

    ``normalisation`` is the factor from weights to events, ``cross_section_error`` relative.
    """
    events = normalisation * y.sumw + 0.0  # not -0
    error = statistical_error(*y.sums, sum_of_weights, sum_of_weights_squared)
    return Expected(y.raw, events, abs(normalisation) * error, abs(events) * cross_section_error)


@dataclass(frozen=True)
class ExactYield:
    """A `Yield` of exact sums of doubles."""

    raw: int = 0
    sumw: Fraction = Fraction(0)
    sumw2: Fraction = Fraction(0)

    def __add__(self, other: ExactYield) -> ExactYield:
        return ExactYield(self.raw + other.raw, self.sumw + other.sumw, self.sumw2 + other.sumw2)

    def rounded(self) -> Yield:
        """The yield of the nearest doubles.

        Raises:
            InputError: a sum is beyond the largest double.
        """
        try:
            return Yield(self.raw, float(self.sumw), float(self.sumw2))
        except OverflowError as error:
            raise InputError("column 'weight': a sum is beyond the largest double") from error

    def to_json(self) -> dict[str, Any]:
        """Plain data; a sum of 5/8 is ``0x5p-3``."""
        return {"raw": self.raw, "sumw": _to_text(self.sumw), "sumw2": _to_text(self.sumw2)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ExactYield:
        """From the plain data of `to_json`."""
        return cls(data["raw"], _from_text(data["sumw"]), _from_text(data["sumw2"]))


def read_out(found: Any) -> list[ExactYield]:
    """The bins of a C++ ``Yields``.

    Raises:
        InputError: there are weights that are not finite, or whose squares are not.
    """
    if n := int(found.n_not_finite()):
        raise InputError(f"column 'weight': not finite, or too large to square (events: {n})")
    n_bins = found.raw.size()
    limbs = np.array(found.limbs(), np.int64).reshape(2, n_bins, -1).tolist()
    sums = [[_value(one) for one in quantity] for quantity in limbs]
    return [ExactYield(int(raw), *both) for raw, *both in zip(found.raw, *sums, strict=True)]


def _value(limbs: list[int]) -> Fraction:
    """The value of a C++ ``ExactSum``."""
    return _LEAST * sum(limb << 32 * i for i, limb in enumerate(limbs) if limb)


def _to_text(x: Fraction) -> str:
    exponent = x.denominator.bit_length() - 1
    if x.denominator != 1 << exponent:
        raise ValueError(f"{x} is no sum of doubles")
    return f"{x.numerator:#x}p-{exponent}"


def _from_text(text: str) -> Fraction:
    numerator, exponent = text.split("p-")
    return Fraction(int(numerator, 16), 1 << int(exponent))

"""Weighted histograms of the events of a node: exact sums, rounded once at the end.

Exact histograms merge to the same bits for any partition of the events into tasks, files and
threads. The quantities of all histograms of a sample are the values of one column, and their bins
those of another, both found once per event; a region then fills its histograms without compiling
anything::

    quantities = histograms.quantities(all_histograms)
    df = histograms.define_values(df, quantities)
    get = histograms.book(region, histograms_of_region, quantities, "weight")
"""

from __future__ import annotations

import base64
import functools
import itertools
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boost_histogram as bh
import numpy as np
import numpy.typing as npt

from analysis.event_loop.columns import Computed, Part, gathered, refused
from analysis.event_loop.events import Events
from analysis.formats.columns import own
from common.runtime.errors import InputError
from common.schema.templates import weighted
from cpp_helpers import calls
from cpp_helpers.calls import Handle
from selections.cuts import Axis
from selections.selection import Histogram

_VALUES, _BINS = "histogram_values", "histogram_bins"
_BITS, _MASK = 32, 0xFFFFFFFF  # of a limb
_LEAST = 1074  # the smallest double is 2^-1074; every double is a multiple of it


@dataclass(frozen=True)
class RoundedHistogram:
    """Entries, sums of weights and of squared weights of all bins, as `ExactHistogram` has them."""

    entries: npt.NDArray[np.uint64]
    sumw: npt.NDArray[np.float64]
    sumw2: npt.NDArray[np.float64]
    n_without_value: int


@dataclass(frozen=True, eq=False)
class ExactSums:
    """Exact sums of doubles, one a bin.

    The value of a bin is the sum over i of ``limbs[bin, i] * 2**(32 * (base + i) - 1074)``. All
    limbs but the last of a bin are in [0, 2^32); the last has a sign and 32 bits. There are no more
    limbs than some bin needs, so that equal sums have equal limbs.
    """

    limbs: npt.NDArray[np.int64]
    base: int = 0

    @classmethod
    def of(cls, limbs: npt.NDArray[np.int64], base: int) -> ExactSums:
        """Return the sums with these limbs, which may be any integers below 2^62."""
        n_bins, n_limbs = limbs.shape
        wide = np.zeros((n_bins, n_limbs + 2), np.int64)
        wide[:, :n_limbs] = limbs
        for i in range(n_limbs + 1):
            wide[:, i + 1] += wide[:, i] >> _BITS
            wide[:, i] &= _MASK
        end = n_limbs + 1  # what is carried out of it is the sign
        while end and _is_redundant(wide[:, :end]):
            end -= 1
        used = wide[:, :end].any(axis=0)
        begin = int(used.argmax()) if end else 0
        return cls(_signed(wide[:, begin:end]), base + begin if end else 0)

    def __add__(self, other: ExactSums) -> ExactSums:
        if len(self.limbs) != len(other.limbs):
            raise ValueError(f"{len(self.limbs)} bins and {len(other.limbs)} bins")
        parts = [one for one in (self, other) if one.limbs.size]
        base = min((one.base for one in parts), default=0)
        end = max((one.base + one.limbs.shape[1] for one in parts), default=0)
        total = np.zeros((len(self.limbs), end - base), np.int64)
        for one in parts:
            begin = one.base - base
            total[:, begin : begin + one.limbs.shape[1]] += one.limbs
        return ExactSums.of(total, base)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ExactSums)
            and self.base == other.base
            and np.array_equal(self.limbs, other.limbs)
        )

    def rounded(self) -> npt.NDArray[np.float64]:
        """Return the sums rounded to the nearest doubles.

        Raises:
            InputError: a sum is beyond the largest double.
        """
        found = np.zeros(len(self.limbs))
        numbers = (self.limbs & _MASK).astype("<u4")
        scale = 1 << _LEAST
        for i in np.flatnonzero(self.limbs.any(axis=1)).tolist():
            number = int.from_bytes(numbers[i].tobytes(), "little", signed=True)
            try:
                found[i] = (number << _BITS * self.base) / scale  # rounded correctly
            except OverflowError as error:
                raise InputError("column 'weight': a sum is beyond the largest double") from error
        return found

    def to_json(self) -> dict[str, Any]:
        """Return plain data: the limbs as integers of 32 bits."""
        return {"base": self.base, "limbs": _to_text(self.limbs & _MASK, "<u4")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], n_bins: int) -> ExactSums:
        """Return the sums of some bins from the plain data of `to_json`."""
        limbs = _from_text(data["limbs"], "<u4").astype(np.int64)
        return cls(_signed(limbs.reshape(n_bins, len(limbs) // n_bins)), int(data["base"]))


def _is_redundant(limbs: npt.NDArray[np.int64]) -> bool:
    """Return whether the last of some limbs only repeats the sign of those before it."""
    sign = limbs[:, -2] >> _BITS - 1 if limbs.shape[1] > 1 else 0
    return bool((limbs[:, -1] == sign * _MASK).all())


def _signed(limbs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return limbs in [0, 2^32) such that the last has the sign that is its highest bit."""
    signed = limbs.copy()
    signed[:, -1:] -= (limbs[:, -1:] >> _BITS - 1) << _BITS
    return signed


@dataclass(frozen=True, eq=False)
class ExactHistogram:
    """A weighted histogram with exact sums of doubles.

    Bins are flat and include underflow and overflow: n bins of an axis have the indices 1 to n, 0
    is underflow and n + 1 overflow. In two dimensions the second axis runs fastest.

    Attributes:
        entries: number of entries of each bin.
        sumw: sums of weights.
        sumw2: sums of squared weights, each a rounded double.
        n_without_value: number of entries that are not filled, as a value is NaN.
    """

    entries: npt.NDArray[np.uint64]
    sumw: ExactSums
    sumw2: ExactSums
    n_without_value: int = 0

    def __add__(self, other: ExactHistogram) -> ExactHistogram:
        return ExactHistogram(
            self.entries + other.entries,
            self.sumw + other.sumw,
            self.sumw2 + other.sumw2,
            self.n_without_value + other.n_without_value,
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ExactHistogram)
            and np.array_equal(self.entries, other.entries)
            and self.sumw == other.sumw
            and self.sumw2 == other.sumw2
            and self.n_without_value == other.n_without_value
        )

    def rounded(self) -> RoundedHistogram:
        """Return the histogram with each sum rounded to the nearest double.

        Raises:
            InputError: a sum is beyond the largest double.
        """
        return RoundedHistogram(
            self.entries, self.sumw.rounded(), self.sumw2.rounded(), self.n_without_value
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data, the same for equal histograms; arrays are compressed, in base64."""
        return {
            "entries": _to_text(self.entries, "<u8"),
            "sumw": self.sumw.to_json(),
            "sumw2": self.sumw2.to_json(),
            "n_without_value": self.n_without_value,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ExactHistogram:
        """Return the histogram from the plain data of `to_json`."""
        entries = _from_text(data["entries"], "<u8").astype(np.uint64)
        sumw, sumw2 = (ExactSums.from_json(data[x], len(entries)) for x in ("sumw", "sumw2"))
        return cls(entries, sumw, sumw2, int(data["n_without_value"]))


def _to_text(array: npt.NDArray[Any], kind: str) -> str:
    return base64.b64encode(zlib.compress(array.astype(kind).tobytes())).decode()


def _from_text(text: str, kind: str) -> npt.NDArray[Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind)


def to_boost(histogram: RoundedHistogram, axes: Sequence[Axis]) -> bh.Histogram[bh.storage.Weight]:
    """Return a histogram as one of boost-histogram, with underflow and overflow."""
    shape = [len(axis.edges) + 1 for axis in axes]
    return weighted(
        [axis.edges for axis in axes],
        [axis.label for axis in axes],
        histogram.sumw.reshape(shape),
        histogram.sumw2.reshape(shape),
    )


# --- In a graph -----------------------------------------------------------------------------------

_Bins = tuple[tuple[str, tuple[float, ...]], ...]


@dataclass(frozen=True)
class Quantities:
    """All that the histograms of a sample show.

    Attributes:
        expressions: the distinct quantities, as C++ expressions.
        names: of each the name of a histogram that shows it, for messages.
        bins: the quantities and edges of the axes of each distinct histogram.
    """

    expressions: tuple[str, ...]
    names: tuple[str, ...]
    bins: tuple[_Bins, ...]

    def __bool__(self) -> bool:
        return bool(self.bins)


def quantities(histograms: Iterable[Histogram]) -> Quantities:
    """Return what histograms show, to define it with `define_values`."""
    names: dict[str, str] = {}
    bins: dict[_Bins, None] = {}
    for histogram in histograms:
        bins[_bins(histogram)] = None
        for axis in histogram.axes:
            names.setdefault(axis.expression, histogram.name)
    return Quantities(tuple(names), tuple(names.values()), tuple(bins))


def _bins(histogram: Histogram) -> _Bins:
    return tuple((axis.expression, tuple(map(float, axis.edges))) for axis in histogram.axes)


def define_values(events: Events, quantities: Quantities) -> Events:
    """Return the events with the bins of all histograms, which are found in events that some of its
    nodes fill.

    All quantities are evaluated in each event that fills a histogram, and must be valid in it: an
    expression such as ``jet_pt[0]`` is not if there may be no jet.
    """
    parts = tuple(
        Part(expression, refused(name, expression))
        for name, expression in zip(quantities.names, quantities.expressions, strict=True)
    )
    text = gathered(quantities.expressions)
    words = events.words_in(text)
    column = Computed(text, words, refused("histograms", text), configured=True, parts=parts)
    events = events.define_column(_VALUES, column)

    def action(node: Handle) -> Handle:
        return calls.make("define_bins", node, own(_BINS), own(_VALUES), _specification(quantities))

    events.loop.extend(events, action, {_VALUES: "monojet::Gathered"})
    return events


@functools.lru_cache(maxsize=4)
def _specification(quantities: Quantities) -> Handle:
    numbers = {expression: i for i, expression in enumerate(quantities.expressions)}
    made = calls.make("histogram_specification")
    for bins in quantities.bins:
        axes = [(numbers[name], np.array(edges, np.float64)) for name, edges in bins]
        (first, edges), (second, second_edges) = axes[0], (*axes[1:], (0, np.empty(0)))[0]
        calls.call("add_histogram", made, first, edges, second, second_edges)
    return made


def book(
    events: Events, histograms: Sequence[Histogram], quantities: Quantities, weight: str
) -> Callable[[], dict[str, ExactHistogram]]:
    """Book histograms of some events and return a function that returns them, by name, after the
    event loop.

    Args:
        events: events after `define_values` with the same ``quantities``.
        histograms: what to fill; ``regions`` are ignored.
        quantities: what all histograms of the sample show.
        weight: column of the weight, a double.

    The returned function raises an `InputError` if some weights, or their squares, are not finite.
    """
    numbers = {bins: i for i, bins in enumerate(quantities.bins)}
    chosen = np.array([numbers[_bins(histogram)] for histogram in histograms], np.uint64)
    names = [histogram.name for histogram in histograms]
    sizes = [_n_bins(histogram) for histogram in histograms]

    def action(node: Handle) -> Handle:
        specification = _specification(quantities)
        return calls.make("book_histograms", node, own(_BINS), own(weight), specification, chosen)

    booked = events.book(action, {weight: "double"})

    def get() -> dict[str, ExactHistogram]:
        return dict(zip(names, read_out(booked.result, sizes), strict=True))

    return get


def _n_bins(histogram: Histogram) -> int:
    return math.prod(len(axis.edges) + 1 for axis in histogram.axes)


def read_out(found: Handle, sizes: Sequence[int]) -> list[ExactHistogram]:
    """Return the content of C++ ``Histograms`` of given numbers of bins, with underflow and
    overflow.

    Raises:
        InputError: some weights, or their squares, are not finite.
    """
    base, n_limbs, base2, n_limbs2, n_not_finite = found.array("shape").tolist()
    if n_not_finite:
        raise InputError(
            f"column 'weight': not finite, or too large to square (events: {n_not_finite})"
        )
    entries = found.array("entries")
    sumw = found.array("sumw").reshape(len(entries), n_limbs)
    sumw2 = found.array("sumw2").reshape(len(entries), n_limbs2)
    ends = itertools.accumulate(sizes)
    ranges = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return [
        ExactHistogram(
            entries[bins].copy(),
            ExactSums.of(sumw[bins], base),
            ExactSums.of(sumw2[bins], base2),
            n_without,
        )
        for bins, n_without in zip(ranges, found.array("n_without_value").tolist(), strict=True)
    ]

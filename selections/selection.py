"""A selection: columns, definitions, weights, regions, signal bins and histograms, as frozen data.

Built-in selections are modules of this package with a constant ``SELECTION``; a user's Python file
has the same, and a configuration in YAML is turned into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from selections.cuts import Axis, Definition, Region


@dataclass(frozen=True)
class Bin:
    """A range of the binned quantity; ``high`` is None without upper edge."""

    name: str
    low: float
    high: float | None


@dataclass(frozen=True)
class Binning:
    """Signal bins of a region: inclusive ones above each edge, exclusive ones between edges.

    The last exclusive bin has no upper edge. Values equal to an edge belong to the bin below it.
    Names are a prefix and a number from ``first``.
    """

    axis: Axis
    inclusive_prefix: str = "IM"
    exclusive_prefix: str = "EM"
    first: int = 1

    @property
    def edges(self) -> tuple[float, ...]:
        """Return the lower edges of the bins."""
        return self.axis.edges

    @property
    def inclusive(self) -> tuple[Bin, ...]:
        """Return the bins without upper edges."""
        return tuple(
            Bin(f"{self.inclusive_prefix}{i}", low, None)
            for i, low in enumerate(self.edges, start=self.first)
        )

    @property
    def exclusive(self) -> tuple[Bin, ...]:
        """Return the bins between neighbouring edges, and that above the last."""
        highs = (*(high for _, high in pairwise(self.edges)), None)
        return tuple(
            Bin(f"{self.exclusive_prefix}{i}", low, high)
            for i, (low, high) in enumerate(zip(self.edges, highs, strict=True), start=self.first)
        )


@dataclass(frozen=True)
class Histogram:
    """A weighted histogram in one or two quantities, in some regions (None: in all that are used).

    A bin holds low <= value < high; underflow and overflow are kept. A quantity that is a vector
    enters with each of its elements.
    """

    name: str
    axes: tuple[Axis, ...]
    regions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Correction:
    """A factor of the weight that correctionlib evaluates: file, name in it, and inputs.

    An input is a C++ expression or, for a variable of type string, its text. Of inputs that are
    vectors, the product over their elements is taken.
    """

    file: str
    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """All that is applied to the events of the samples. Expressions are C++, in GeV and radians.

    Attributes:
        name: its name.
        title: one line on what it selects, and its source.
        columns: columns that extend or override those of the input format: name -> expression of
            what the file stores or the format gives.
        definitions: further columns, in order.
        weights: factors of the weight of a simulated event.
        regions: all regions, by name.
        used: names of the regions whose events are counted.
        binning: the signal bins in which the events of each region are counted.
        histograms: histograms, by name.
        quantities: quantities that are stored with images: name -> expression.
        blind: regions in which collision data are hidden.
        labels: titles of the axes of quantities that no histogram shows.
    """

    name: str
    title: str
    definitions: tuple[Definition, ...]
    regions: Mapping[str, Region]
    binning: Binning
    used: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    weights: tuple[str | Correction, ...] = ("weight",)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    quantities: Mapping[str, str] = field(default_factory=dict)
    blind: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def histograms_in(self, region: str) -> tuple[Histogram, ...]:
        """Return the histograms of a region."""
        return tuple(
            one for one in self.histograms.values() if one.regions is None or region in one.regions
        )

    def hidden(self, region: str) -> bool:
        """Return whether collision data are hidden in a region: it is blind, or it has all cuts of
        one that is, or only some of them, so that it has its events."""
        cuts = {cut.expression for cut in self.regions[region].cuts}
        blind = [{cut.expression for cut in self.regions[name].cuts} for name in self.blind]
        return any(cuts >= one or cuts <= one for one in blind)

    @property
    def has_factors(self) -> bool:
        """Return whether simulated events have further factors of their weight."""
        return self.weights != ("weight",)

    @property
    def not_blind(self) -> str | None:
        """Return the expression of events outside of all blind regions; None if none is blind."""
        if not self.blind:
            return None
        return " && ".join(f"!({self.regions[name].expression})" for name in self.blind)


def weight_inputs(selection: Selection) -> list[str]:
    """Return the expressions that the factors of the weight are made from."""
    return [
        text
        for one in selection.weights
        for text in ((one,) if isinstance(one, str) else one.inputs)
    ]

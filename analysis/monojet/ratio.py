"""The sensitivity ratio as a function of pass rates and of regions' shares, with its errors.

S = efficiency(signal) x sqrt(B0 / B1), relative to no network (Praderio 2018, section 5.3). Dark
matter is assumed to pass as Znunu does. Of the backgrounds only Znunu, Wtaunu and Wmunu are scaled
by their pass rates; the others stay. The backgrounds before the network are those of ATLAS
(arXiv:1711.03301, table 5 of the thesis): 245466 events in IM1. If Wenu is simulated, a variant
scales it as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analysis.monojet import published
from analysis.monojet.pass_rates import Share
from analysis.monojet.sensitivity_model import REJECTED
from analysis.processes import IRREDUCIBLE
from common.stats.measured import Measured

Rates = Mapping[str, float]
"""Pass rates, or shares of a region, by process."""


def im1_background() -> dict[str, float]:
    """Return the expected events of ATLAS in IM1 by process, without the non-collision background
    of 360."""
    return dict(published.atlas_36ifb().im1_background)


def ratio_of(rates: Rates, background: Mapping[str, float]) -> float:
    """Return the sensitivity after a network relative to before."""
    before = sum(background.values())
    after = before - sum(background[p] * (1 - rates[p]) for p in rates)
    return rates[IRREDUCIBLE] * math.sqrt(before / after)


def sensitivity_ratio(
    rates: Mapping[str, Measured], background: Mapping[str, float]
) -> tuple[float, float]:
    """Return `ratio_of` and its error, propagated from the errors of the rates."""
    values = {process: rate.value for process, rate in rates.items()}
    slopes = gradient(lambda at: ratio_of(at, background), values)
    return ratio_of(values, background), math.hypot(*(slopes[p] * rates[p].error for p in rates))


def largest_ratio(background: Mapping[str, float], rejected: Sequence[str] = REJECTED) -> float:
    """Return the ratio of a perfect network, which keeps all Znunu and rejects ``rejected``."""
    before = sum(background.values())
    return math.sqrt(before / (before - sum(background[p] for p in rejected)))


def gradient(function: Callable[[Rates], float], at: Rates) -> dict[str, float]:
    """Return the partial derivatives of a function, by central differences."""
    step = 1e-5

    def moved(name: str, by: float) -> float:
        return function({**at, name: at[name] + by})

    return {name: (moved(name, step) - moved(name, -step)) / (2 * step) for name in at}


def background_in(shares: Rates) -> dict[str, float]:
    """Return the background by process in an inclusive region, from its shares of IM1.

    ATLAS publishes the composition in IM1 only. Each simulated process follows its simulated
    spectrum from there, the others follow the mean of the simulated ones; only shares matter.
    """
    published = im1_background()
    if not shares:
        return published
    simulated = sum(published[p] for p in shares)
    mean = sum(published[p] * share for p, share in shares.items()) / simulated
    return {process: events * shares.get(process, mean) for process, events in published.items()}


@dataclass(frozen=True)
class Result:
    """A ratio with its statistical error and its error from the cross-sections."""

    value: float
    statistical: float
    cross_section: float


def propagate(
    function: Callable[[Rates, Rates], float],
    rates: Mapping[str, Share],
    shares: Mapping[str, Share],
) -> Result:
    """Return the value and errors of a function of pass rates and of shares of a region.

    Statistical errors are independent. The cross-section of a sample changes a rate and a share of
    its process coherently.
    """
    at_rates = {p: rate.measured.value for p, rate in rates.items()}
    at_shares = {p: share.measured.value for p, share in shares.items()}
    slopes = (
        (gradient(lambda at: function(at, at_shares), at_rates), rates),
        (gradient(lambda at: function(at_rates, at), at_shares), shares),
    )
    statistical: list[float] = []
    moved: dict[str, float] = {}
    for slope, inputs in slopes:
        for process, one in inputs.items():
            statistical.append(slope[process] * one.measured.error)
            for sample, change in one.changes.items():
                moved[sample] = moved.get(sample, 0.0) + slope[process] * change
    return Result(
        function(at_rates, at_shares), math.hypot(*statistical), math.hypot(*moved.values())
    )

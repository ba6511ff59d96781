"""Pass rates of networks and shares of regions, from the cut-flows of a process, with errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from analysis.rdf.yields import Yield
from analysis.yields.cutflow_model import ProcessCutflow, SampleCutflow
from common.stats.measured import Measured, measured_share


@dataclass(frozen=True)
class Share:
    """A fraction of the events of a process: with its statistical error, and its change if the
    cross-section of a sample rises by one standard error, by sample."""

    measured: Measured
    changes: Mapping[str, float]

    @property
    def error(self) -> float:
        """Return the error from statistics and cross-sections."""
        return math.hypot(self.measured.error, *self.changes.values())

    @property
    def with_total_error(self) -> Measured:
        """Return the value with the error from statistics and cross-sections."""
        return Measured(self.measured.value, self.error)


def pass_rate(passing: Yield, total: Yield, *, prior: bool = True) -> Measured:
    """Return the weighted efficiency with its statistical error."""
    return measured_share(passing.sums, total.sums, prior=prior)


def share_of(
    process: ProcessCutflow,
    part: Callable[[SampleCutflow], Yield],
    whole: Callable[[SampleCutflow], Yield],
    *,
    prior: bool = True,
) -> Share:
    """Return the share of a part in the whole of a process; both are normalised yields of a sample.

    With sums P of the part and W of the whole over samples with factors k, the share e has
    de / d ln k_s = (P_s - e W_s) / W.
    """
    samples = process.samples
    parts, wholes = ([get(sample) for sample in samples] for get in (part, whole))
    total = sum(wholes, Yield())
    measured = pass_rate(sum(parts, Yield()), total, prior=prior)
    return Share(
        measured,
        {
            s.name: s.cross_section_error * (p.sumw - measured.value * w.sumw) / total.sumw
            for s, p, w in zip(samples, parts, wholes, strict=True)
        },
    )


def region_share(process: ProcessCutflow, region: str) -> Share:
    """Return the share of an inclusive region in IM1.

    The region has events, so that no prior is needed. A prior would add one event of the lowest
    slice to regions that this slice does not reach.
    """
    return share_of(
        process,
        lambda s: s.normalised.bins[region],
        lambda s: s.normalised.bins["IM1"],
        prior=False,
    )


def network_share(process: ProcessCutflow, network: str, region: str) -> Share:
    """Return the pass rate of a network in a region."""
    return share_of(
        process,
        lambda s: s.normalised.networks[network][region],
        lambda s: s.normalised.bins[region],
    )

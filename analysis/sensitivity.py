"""The gain in sensitivity to dark matter from a cut on a network's score.

S = efficiency(signal) x sqrt(B0 / B1), relative to no network (Praderio 2018, section 5.3). Dark
matter is taken to pass as Znunu does; of the backgrounds only Znunu, Wtaunu and Wmunu are scaled by
their pass rates, the others stay. The backgrounds before the network are those of ATLAS
(arXiv:1711.03301, table 5 of the thesis): 245466 events in IM1.

The thesis cuts at the threshold of the largest precision x recall in the high slice. A network's
own threshold in a region is the one of the largest ratio there: chosen by the events of even number
for those of odd number and the other way round, so that no event is measured with a threshold that
it has chosen.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.cutflow import Flow, by_process
from analysis.pipeline import Done, Run, Target
from analysis.scored import Scored, read_selected
from analysis.yields import Yield
from common import files
from common.measured import Measured, measured_efficiency
from common.tables import Table, with_error
from selections import monojet

REFERENCE = Path(__file__).parent / "reference"
IRREDUCIBLE = "Znunu"
REJECTED = ("Wtaunu", "Wmunu")
SCALED = (IRREDUCIBLE, *REJECTED)

# How the pass rates are measured: selection applied before the network.
VERSIONS = {
    "as published": monojet.SR_NO_VETO.name,
    "consistent": monojet.SR.name,
}
# As published, and the background of each region made up as that of IM1, which alone is known.
IM1_SPLIT = "as published, split of IM1"
OWN_THRESHOLD = ", own threshold"  # added to the name of a version

THRESHOLDS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Ratio:
    """The sensitivity ratio of one region, with the rates it comes from."""

    network: str
    version: str
    region: str
    ratio: float
    error: float
    largest: float
    rates: dict[str, Measured]
    raw: dict[str, int]
    thresholds: tuple[float, ...]  # the least score; of two, for even and odd event numbers


def im1_background() -> dict[str, float]:
    """ATLAS's expected events in IM1 by process, without the non-collision background of 360."""
    data = json.loads((REFERENCE / "atlas_monojet_36ifb.json").read_text())
    return {name: float(value) for name, value in data["im1_background"].items()}


def sensitivity_ratio(
    rates: Mapping[str, Measured], background: Mapping[str, float]
) -> tuple[float, float]:
    """Sensitivity after a network relative to before, and its error from those of the rates."""
    before = sum(background.values())
    after = before - sum(background[p] * (1 - rates[p].value) for p in rates)
    signal = rates[IRREDUCIBLE].value
    ratio = signal * math.sqrt(before / after)
    variance = 0.0
    for process, rate in rates.items():
        slope = -0.5 * background[process] / after
        if process == IRREDUCIBLE:
            slope += 1 / signal if signal else 0.0
        variance += (slope * rate.error) ** 2
    return ratio, ratio * math.sqrt(variance)


def largest_ratio(background: Mapping[str, float]) -> float:
    """The ratio of a perfect network: all Znunu kept, all Wtaunu and Wmunu rejected."""
    before = sum(background.values())
    return math.sqrt(before / (before - sum(background[p] for p in REJECTED)))


def pass_rate(passing: Yield, total: Yield) -> Measured:
    """Weighted efficiency and its error."""
    rate = passing.sumw / total.sumw
    return measured_efficiency(rate, total.sumw**2 / total.sumw2)


def background_in(region: str, flows: Mapping[str, Flow[Yield]]) -> dict[str, float]:
    """Background by process in an inclusive region.

    ATLAS publishes the split in IM1 alone. Each simulated process follows its own simulated
    spectrum from there, the others the mean of the simulated ones: only the shares matter.
    """
    published = im1_background()
    scale = {
        process: flows[process].bins[region].sumw / flows[process].bins["IM1"].sumw
        for process in published
        if process in flows and flows[process].bins["IM1"].raw
    }
    simulated = sum(published[p] for p in scale)
    mean = sum(published[p] * s for p, s in scale.items()) / simulated
    return {process: events * scale.get(process, mean) for process, events in published.items()}


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Ratios of all networks in all inclusive regions that have events."""
    data = json.loads(run.table("cutflow").read_text())
    ratios = [*measure(data), *measure_own(run, data)]
    (target,) = targets
    table(ratios, data["luminosity"]).write_beside(target.output)
    files.write_json(target.output, [asdict(ratio) for ratio in ratios])
    done(target)


def measure(data: Mapping[str, Any]) -> list[Ratio]:
    """All ratios from the numbers of the cut-flow file."""
    consistent = by_process(data, monojet.SR.name)
    ratios = []
    for network, threshold in data["networks"].items():
        for version, selection in VERSIONS.items():
            flows = by_process(data, selection)
            for met_bin in monojet.INCLUSIVE:
                name = met_bin.name
                totals = {p: flows[p].bins[name] for p in SCALED if p in flows}
                if len(totals) < len(SCALED) or not all(y.raw for y in totals.values()):
                    continue
                rates = {
                    p: pass_rate(flows[p].networks[network][name], y) for p, y in totals.items()
                }
                raw = {p: y.raw for p, y in totals.items()}
                for of_split, background in _splits(version, name, consistent).items():
                    ratios.append(
                        _ratio(network, of_split, name, rates, raw, background, (threshold,))
                    )
    return ratios


def measure_own(run: Run, data: Mapping[str, Any]) -> list[Ratio]:
    """The ratios with each network's own threshold, from the scores of the selected events.

    Raises:
        InputError: an image or score file is damaged, or they do not belong together.
    """
    consistent = by_process(data, monojet.SR.name)
    networks = list(data["networks"])
    ratios = []
    for version, selection in VERSIONS.items():
        normalisation = {
            process: {
                name: sample["normalisation"]
                for name, sample in data["samples"].items()
                if sample["process"] == process
            }
            for process in SCALED
        }
        if not all(normalisation.values()):
            return []
        events = {
            process: read_selected(run, factors, selection, networks)
            for process, factors in normalisation.items()
        }
        for met_bin in monojet.INCLUSIVE:
            name = met_bin.name
            inside = {p: e.take(e.met > met_bin.low) for p, e in events.items()}
            halves = [
                {p: e.take(e.event_number % 2 == odd) for p, e in inside.items()} for odd in (0, 1)
            ]
            if not all(len(e) for half in halves for e in half.values()):
                continue
            raw = {p: len(e) for p, e in inside.items()}
            for of_split, background in _splits(version, name, consistent).items():
                for network in networks:
                    thresholds = tuple(
                        best_threshold(network, half, background) for half in reversed(halves)
                    )
                    rates = _rates(network, halves, thresholds)
                    own = of_split + OWN_THRESHOLD
                    ratios.append(_ratio(network, own, name, rates, raw, background, thresholds))
    return ratios


def best_threshold(
    network: str, events: Mapping[str, Scored], background: Mapping[str, float]
) -> float:
    """The least score of the largest ratio, of `THRESHOLDS`."""
    rates: dict[str, npt.NDArray[np.float64]] = {
        process: np.array([y.sumw for y in scored.passing(network, THRESHOLDS)]) / scored.total.sumw
        for process, scored in events.items()
    }
    after = sum(background.values()) - sum(background[p] * (1 - rates[p]) for p in rates)
    return float(THRESHOLDS[np.argmax(rates[IRREDUCIBLE] / np.sqrt(after))])


def _rates(
    network: str, halves: Sequence[Mapping[str, Scored]], thresholds: Sequence[float]
) -> dict[str, Measured]:
    """Pass rates of both halves together, each with its threshold."""
    rates = {}
    for process in SCALED:
        parts = [half[process] for half in halves]
        passing = (
            part.passing(network, np.array([t]))[0]
            for part, t in zip(parts, thresholds, strict=True)
        )
        total = sum((part.total for part in parts), Yield())
        rates[process] = pass_rate(sum(passing, Yield()), total)
    return rates


def _splits(
    version: str, region: str, flows: Mapping[str, Flow[Yield]]
) -> dict[str, dict[str, float]]:
    """The background of a region, by how it is made up."""
    splits = {version: background_in(region, flows)}
    if version == "as published" and region != "IM1":
        splits[IM1_SPLIT] = im1_background()
    return splits


def _ratio(
    network: str,
    version: str,
    region: str,
    rates: dict[str, Measured],
    raw: dict[str, int],
    background: Mapping[str, float],
    thresholds: tuple[float, ...],
) -> Ratio:
    ratio, error = sensitivity_ratio(rates, background)
    largest = largest_ratio(background)
    return Ratio(network, version, region, ratio, error, largest, rates, raw, thresholds)


def table(ratios: Sequence[Ratio], luminosity: float) -> Table:
    """The ratios as a table."""
    return Table(
        name="sensitivity",
        title=f"Sensitivity with a network relative to without, {luminosity:g} fb⁻¹",
        columns=(
            "region",
            "network",
            "version",
            "threshold",
            "ratio",
            "largest",
            "Znunu kept",
            "Wtaunu rejected",
            "Wmunu rejected",
            "raw events",
        ),
        rows=[
            [
                r.region,
                r.network,
                r.version,
                " / ".join(f"{t:.2f}" for t in r.thresholds),
                with_error(r.ratio, r.error),
                f"{r.largest:.3f}",
                str(r.rates[IRREDUCIBLE]),
                *(with_error(1 - r.rates[p].value, r.rates[p].error) for p in REJECTED),
                " / ".join(str(n) for n in r.raw.values()),
            ]
            for r in ratios
        ],
        notes=(
            "As published: pass rates before the lepton veto, as in the thesis (cell + strides "
            "there: 1.118 in IM1). Consistent: pass rates of events after the whole selection, to "
            "which the background counts belong. Split of IM1: as published, and each region's "
            "background made up as that of IM1, whose make-up alone is published; else it follows "
            "the simulated spectra from there. Largest: all Znunu kept, all Wtaunu and Wmunu "
            "rejected. Own threshold: that of the largest ratio, chosen by the events of even "
            "number for those of odd number and the other way round; else, as in the thesis, that "
            "of the largest precision × recall in the high slice. Errors are statistical.",
        ),
    )

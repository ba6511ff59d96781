"""Notes of tables on the origin of their samples and on where generated events begin."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator

from analysis.config import Config, Sample
from analysis.processes import PROCESSES
from analysis.yields.cutflow_model import (
    BosonPt,
    CutflowSample,
    CutflowTable,
    Origin,
    ProcessCutflow,
)
from common.stats.measured import measured_share

NEAR = 1.1  # times the lowest generated boson pT: events below are at the edge

EDGE_NOTE = (
    f"At the edge: share of the events whose boson pT is less than {NEAR:g} times the lowest that "
    "was generated; without such an event, the share that a single one would have. Events of lower "
    "boson pT are missing: a region is complete if the share is small; if a single event would be "
    "a large share, the sample cannot tell."
)

_ERRORS = (
    "The error of the events is the sum in quadrature of two: statistical, of the efficiency in "
    "the simulation, 0 where nothing is cut, as the cross-section fixes the number of all events; "
    "and that of the cross-section, one factor for all lines of a sample."
)

_NOTES: dict[Origin, str] = {
    "generated": "Cross-sections of events generated here are of leading order, their errors those "
    "of the integration alone.",
    "files": "Cross-sections of events from files are those of the files or of the configuration.",
    "measured": "Data are counted, not normalised, with the errors of counting.",
}


def origin(sample: Sample) -> Origin:
    """Return the origin of a sample."""
    if sample.data:
        return "measured"
    return "generated" if sample.generated else "files"


def boson_pt(config: Config, sample: Sample) -> BosonPt | None:
    """Return the limits of the boson pT of a generated slice in GeV; None for other samples."""
    limits = config.generation.slices.get(sample.slice or "") if sample.generated else None
    return (limits.low, limits.high) if limits else None


def edge(config: Config, sample: Sample) -> float | None:
    """Return the boson pT in GeV below which events are at the edge: `NEAR` times the lowest of the
    process; None for samples that are not generated in slices of a boson's pT."""
    process = PROCESSES.get(sample.process)
    if not sample.generated or process is None or not process.boson or not sample.slice:
        return None
    slices = config.generation.slices
    same = [s for s in config.analysis_samples() if s.process == sample.process and s.generated]
    return NEAR * min(slices[s.slice].low for s in same if s.slice)


def all_events(slices: Collection[BosonPt | None]) -> str:
    """Return the name of the first row of a cut-flow, with the boson pT of generated slices."""
    limits = [one for one in slices if one]
    if not limits or len(limits) < len(slices):
        return "all events"
    texts = [f"> {low:g}" if high is None else f"{low:g}–{high:g}" for low, high in _merged(limits)]
    return rf"all events, boson $p_\mathrm{{T}}$ {' and '.join(texts)} GeV"


def gaps(process: str, slices: Collection[BosonPt | None]) -> list[str]:
    """Return a sentence on the boson pT above the lowest that no slice of a process covers; empty
    without such a gap."""
    limits = [one for one in slices if one]
    if not limits or len(limits) < len(slices):
        return []
    spans = _merged(limits)
    missing = [f"{a[1]:g}–{b[0]:g}" for a, b in itertools.pairwise(spans)]
    highest = spans[-1][1]
    missing += [] if highest is None else [f"above {highest:g}"]
    if not missing:
        return []
    return [
        f"{process}: no event of boson pT {' or '.join(missing)} GeV was generated: regions that "
        "hold such events are incomplete, whatever the share at the edge."
    ]


def _merged(ranges: Iterable[BosonPt]) -> list[BosonPt]:
    """Return the ranges in ascending order, with those that touch merged."""
    found: list[BosonPt] = []
    for low, high in sorted(
        ranges, key=lambda one: (one[0], math.inf if one[1] is None else one[1])
    ):
        if found and (found[-1][1] is None or found[-1][1] >= low):
            start, end = found.pop()
            found.append((start, None if end is None or high is None else max(end, high)))
        else:
            found.append((low, high))
    return found


def notes(samples: Iterable[CutflowSample]) -> list[str]:
    """Return the notes on errors and cross-sections that apply to the origins of the samples."""
    origins = {sample.origin for sample in samples}
    errors = [_ERRORS] * bool(origins & {"generated", "files"})
    return errors + [text for one, text in _NOTES.items() if one in origins]


def all_gaps(table: CutflowTable) -> Iterator[str]:
    """Yield `gaps` of all processes of a cut-flow."""
    slices: dict[str, list[BosonPt | None]] = {}
    for sample in table.samples.values():
        slices.setdefault(sample.process, []).append(sample.boson_pt)
    for process, of_process in slices.items():
        yield from gaps(process, of_process)


def edge_share(near: ProcessCutflow, whole: ProcessCutflow, region: str) -> str:
    """Return the share of a region's events at the edge, as text; if no event is, with the share
    that one event of the lowest slice would have."""
    at_edge, total = near.total(region), whole.total(region)
    if not total.entries or not total.sumw:
        return "-"
    if at_edge.entries:
        return str(measured_share(at_edge.sums, total.sums))
    begins = (one.normalised.steps["all events"] for one in near.samples)
    lowest = max(begins, key=lambda y: y.entries)
    one = lowest.sumw / lowest.entries / total.sumw if lowest.entries else 1.0
    return f"0 (one event: {one:.1g})" if one < 1 else "0 (one event: all)"


def completeness(table: CutflowTable) -> str:
    """Return what tables of other stages note on events that are missing in the widest bin of the
    first region: the shares at the edge by process, and the gaps between slices."""
    if not table.regions:
        return ""
    near, whole = table.at_edge(), table.processes(table.regions[0])
    widest = next((name for one in near.values() for name in one.bins if name != "all"), "")
    shares = ", ".join(f"{p} {edge_share(near[p], whole[p], widest)}" for p in near)
    edges = f"At the edge of what was generated in {widest} (all: cutflow_regions): {shares}."
    return "".join(f" {sentence}" for sentence in (*([edges] if shares else []), *all_gaps(table)))


def simulated_alone(table: CutflowTable, what: str) -> str:
    """Return a sentence that ``what`` leaves out collision data; empty without any."""
    processes = table.data_processes
    return f" {what} without data ({', '.join(processes)})." if processes else ""

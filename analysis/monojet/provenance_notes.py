"""What tables say of the samples that they are made from: generated here, simulated elsewhere or
measured, and where generated events begin."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from analysis.config import Config, Sample
from analysis.processes import PROCESSES

NEAR = 1.1  # times the lowest generated boson pT: events below count as at the edge

EDGE_NOTE = (
    f"At the edge: share of the events whose boson pT is less than {NEAR:g} times the lowest that "
    "was generated; where no event is, with the share that one would have. Events of lower boson "
    "pT are missing: towards them a region is complete where the share is small, and unknown to be "
    "where one event would have much of it."
)

_ERRORS = (
    "The error of the events is the sum in quadrature of two: statistical, of the efficiency in "
    "the simulation, 0 where nothing is cut, as the cross-section fixes the number of all events; "
    "and that of the cross-section, one factor for all lines of a sample."
)

_NOTES = {
    "generated": "Cross-sections of events generated here are of leading order, their errors those "
    "of the integration alone.",
    "files": "Cross-sections of events from files are those of the files or of the configuration.",
    "measured": "Measured events are counted, not normalised; their errors are those of counting.",
}


def describe(config: Config, sample: Sample) -> dict[str, Any]:
    """Return what `all_events` and `notes` need of a sample, as plain data."""
    origin = "measured" if sample.data else "generated" if sample.generated else "files"
    limits = config.generation.slices.get(sample.slice or "") if sample.generated else None
    return {"origin": origin, "boson_pt": limits and [limits.low, limits.high]}


def edge(config: Config, sample: Sample) -> float | None:
    """Return where events of a sample are near the lowest boson pT of its process: 10 % above it;
    None where it is not simulated here in slices, or no boson pT is known."""
    process = PROCESSES.get(sample.process)
    if not sample.generated or process is None or not process.boson or not sample.slice:
        return None
    slices = config.generation.slices
    same = [s for s in config.analysis_samples() if s.process == sample.process and s.generated]
    return NEAR * min(slices[s.slice].low for s in same if s.slice)


def all_events(samples: Collection[Mapping[str, Any]]) -> str:
    """Return the name of the first row of a cut-flow, with the boson pT of generated events."""
    if not samples or not all(sample["boson_pt"] for sample in samples):
        return "all events"
    spans = _joined([sample["boson_pt"] for sample in samples])
    texts = [f"> {low:g}" if high is None else f"{low:g}–{high:g}" for low, high in spans]
    return rf"all events, boson $p_\mathrm{{T}}$ {' and '.join(texts)} GeV"


def gaps(process: str, samples: Collection[Mapping[str, Any]]) -> list[str]:
    """Return a sentence on the boson pT of a process that no slice holds above the lowest, if
    there is any."""
    if not samples or not all(sample["boson_pt"] for sample in samples):
        return []
    spans = _joined([sample["boson_pt"] for sample in samples])
    lacking = [f"{a[1]:g}–{b[0]:g}" for a, b in itertools.pairwise(spans)]
    highest = spans[-1][1]
    lacking += [] if highest is None else [f"above {highest:g}"]
    if not lacking:
        return []
    return [
        f"{process}: no event of boson pT {' or '.join(lacking)} GeV was generated: regions that "
        "hold such events are incomplete, whatever the share at the edge."
    ]


def _joined(ranges: Iterable[Sequence[float | None]]) -> list[tuple[float, float | None]]:
    """The ranges in order, those that touch as one; an upper end of None is open."""
    found: list[tuple[float, float | None]] = []
    for low, high in sorted((float(low or 0), high) for low, high in ranges):
        if found and (found[-1][1] is None or found[-1][1] >= low):
            start, end = found.pop()
            found.append((start, None if end is None or high is None else max(end, high)))
        else:
            found.append((low, high))
    return found


def notes(samples: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what is to be said of errors and cross-sections, by where the samples come from."""
    origins = {sample["origin"] for sample in samples}
    errors = [_ERRORS] * bool(origins & {"generated", "files"})
    return errors + [text for origin, text in _NOTES.items() if origin in origins]

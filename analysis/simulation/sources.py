"""Sources of the events of a sample, for targets."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.config import Sample
from analysis.formats.registry import FORMATS, MODULE_OF
from analysis.inputs.paths import expand
from analysis.simulation.convert_stage import convert_target
from analysis.simulation.generate_stage import generate_target
from analysis.workflow.run import Run
from analysis.workflow.target import Target, shared

NATIVE = "analysis.formats.native"
CUSTOM = "analysis.formats.custom"


@dataclass(frozen=True)
class EventSource:
    """The target that makes the events of a sample, or the files with them, and the modules of the
    possible formats."""

    modules: tuple[str, ...]
    upstream: tuple[Target, ...] = ()
    input_files: tuple[str, ...] = ()


@shared
def event_source(run: Run, sample: Sample) -> EventSource:
    """Return the source of the events of a sample."""
    if sample.generated:
        return EventSource((NATIVE,), upstream=(generate_target(run, sample),))
    if sample.converted:
        return EventSource((NATIVE,), upstream=(convert_target(run, sample),))
    return EventSource(format_modules(sample), input_files=tuple(expand(sample.files)))


def format_modules(sample: Sample) -> tuple[str, ...]:
    """Return the modules of the formats that the files of a sample may have."""
    if sample.own_layout:
        return (CUSTOM,)
    return tuple(MODULE_OF[name] for name in ([sample.format] if sample.format else FORMATS))

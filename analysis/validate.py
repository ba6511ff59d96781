"""Check all input files before anything is run; every problem in one go."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from analysis.config import Sample
from analysis.inputs import native, paths
from analysis.pipeline import Done, Run, Target
from analysis.samples import SampleInfo, configured
from common import files
from common.errors import InputError
from common.tables import Table

log = logging.getLogger("monojet")


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Inspect each file of each external sample and write the report.

    Raises:
        InputError: a file is not as it should be; the message holds one line a problem.
    """
    rows: list[list[str]] = []
    report: list[dict[str, object]] = []
    problems: list[str] = []
    for sample in run.config.samples:
        for path in paths.expand(sample.files):
            events, state = 0, "good"
            try:
                file = native.inspect(path)
                events = file.n_events
                unknown = _unknown_normalisation(sample, file)
                if unknown:
                    state = f"good, but no {unknown}: the cut-flow will need it"
                    log.warning("%s: %s", path, state)
            except InputError as error:
                state = str(error).removeprefix(f"{path}: ")
                problems.append(str(error))
            rows.append([sample.name, path, f"{events}", state])
            report.append({"sample": sample.name, "file": path, "events": events, "state": state})
    (target,) = targets
    table = Table("validation", "Input files", ("sample", "file", "events", "state"), rows)
    if problems:
        raise InputError("\n".join(problems))
    table.write_beside(target.output)
    files.write_json(target.output, report)
    done(target)


def _unknown_normalisation(sample: Sample, file: native.File) -> str:
    """What neither the configuration nor the file says of the normalisation."""
    info = configured(file.info or SampleInfo(sample.name, sample.process), sample)
    values = {"cross_section": info.cross_section, "sum_of_weights": info.sum_of_weights}
    return " and no ".join(name for name, value in values.items() if not value)

"""Check all input files before anything is run; every problem in one go."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from analysis.config import Sample
from analysis.inputs import hepmc, paths, reader
from analysis.inputs.sources import inspected
from analysis.pipeline import Done, Run, Target
from analysis.samples import SampleInfo, configured
from common import files
from common.errors import InputError
from common.tables import Table

log = logging.getLogger("monojet")


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Inspect the files of each external sample and write the report. Of a sample with more than
    ``batch.open_files`` none is opened: each is checked by the task that reads it.

    Raises:
        InputError: a file is not as it should be; the message holds one line a problem. Not with
            ``skip_bad_files``: then it is a warning, and the check is done again by the next run.
    """
    rows: list[list[str]] = []
    report: list[dict[str, object]] = []
    problems: list[str] = []

    def add(sample: Sample, file: str, events: int | None, state: str) -> None:
        rows.append([sample.name, file, "-" if events is None else f"{events}", state])
        report.append({"sample": sample.name, "file": file, "events": events, "state": state})

    for sample in run.config.samples:
        files_of_sample = paths.expand(sample.files)
        if len(files_of_sample) > run.config.batch.open_files:
            add(sample, f"{len(files_of_sample)} files", None, "checked when they are read")
            continue
        for path in files_of_sample:
            try:
                if sample.converted:
                    next(hepmc.events(path))
                    add(sample, path, None, "good so far: the rest is checked by 'convert'")
                    continue
                file = inspected(path, sample)
                state = "good"
                unknown = _unknown_normalisation(sample, file)
                if unknown:
                    state = f"good, but no {unknown}: the cut-flow will need it"
                    log.warning("%s: %s", path, state)
                add(sample, path, file.n_events, state)
            except InputError as error:
                problems.append(str(error))
                add(sample, path, 0, str(error).removeprefix(f"{path}: "))
    (target,) = targets
    table = Table("validation", "Input files", ("sample", "file", "events", "state"), rows)
    if problems and not run.skip_bad_files:
        raise InputError("\n".join(problems))
    for problem in problems:
        log.warning("%s", problem)
    table.write_beside(target.output)
    files.write_json(target.output, report)
    if not problems:
        done(target)


def _unknown_normalisation(sample: Sample, file: reader.File) -> str:
    """What neither the configuration nor the file says of the normalisation; data have none."""
    if sample.data:
        return ""
    info = configured(file.info or SampleInfo(sample.name, sample.process), sample)
    values = {"cross_section": info.cross_section, "sum_of_weights": info.sum_of_weights}
    return " and no ".join(name for name, value in values.items() if not value)

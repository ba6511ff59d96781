"""Check all input files before anything is run; every problem in one go."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.config import Sample
from analysis.inputs import hepmc, paths, reader
from analysis.inputs.cluster_ranges import info_of, inspected
from analysis.inputs.invisible import set_invisible, unknown_particles
from analysis.inputs.sample_info import SampleInfo, configured, require_one_dataset
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.runtime.child import Child
from common.runtime.errors import InputError, WorkerError
from common.tables import Table
from cpp_helpers import declare
from cpp_helpers.arrays import as_array
from cpp_helpers.errors import failure_of

log = logging.getLogger("monojet")

LOOKED_AT = 1000
"""Events of a file whose momenta are looked at."""

NEEDS = reader.Needs(frozenset({"run_number", "event_number", "weight"}), "every stage")

LARGEST_MOMENTUM = 14_000.0
"""GeV: no event of the LHC has as much. In MeV all with a jet have."""


@dataclass
class _Checked:
    """A file of the report: its problems, what is worth knowing of it, and its events."""

    sample: str
    path: str
    format: str = "-"
    n_events: int | None = None
    problems: list[str] = field(default_factory=list)
    state: str = "good"
    numbers_events: bool = True
    info: SampleInfo | None = None
    events: pd.DataFrame | None = None

    @property
    def row(self) -> list[str]:
        events = "-" if self.n_events is None else f"{self.n_events}"
        state = "bad" if self.problems else self.state
        return [self.sample, self.path, self.format, events, state]


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Look at the files of each external sample and, of those on disk, at the numbers and weights
    of their events; write the report. Of a sample with more than ``batch.open_files`` none is
    opened: each is checked by the task that reads it.

    Raises:
        InputError: a file is not as it should be; the message holds one line a problem. Not with
            ``skip_bad_files``: then it is a warning, and the check is done again by the next run.
    """
    checked: list[_Checked] = []
    of_samples: list[str] = []
    with Child() as child:
        for sample in run.config.samples:
            names = paths.expand(sample.files)
            if len(names) > run.config.batch.open_files:
                state = "checked when they are read"
                checked.append(_Checked(sample.name, f"{len(names)} files", state=state))
                continue
            of_sample = [_check(child, run, sample, path) for path in names]
            if any(one.events is not None for one in of_sample):
                _find_repeated(of_sample)
            checked += of_sample
            of_samples += _of_sample(sample, of_sample)
    (target,) = targets
    columns = ("sample", "file", "format", "events", "state")
    table = Table("validation", "Input files", columns, [one.row for one in checked])
    problems = [f"{one.path}: {problem}" for one in checked for problem in one.problems]
    problems += of_samples
    if problems:
        log.info("%s", table.text())
    if problems and not run.skip_bad_files:
        raise InputError("\n".join(problems))
    for problem in problems:
        log.warning("%s", problem)
    table.write_beside(target.output)
    files.write_json(target.output, [dict(zip(columns, one.row, strict=True)) for one in checked])
    if not problems:
        done(target)


def _of_sample(sample: Sample, files_of_sample: Sequence[_Checked]) -> list[str]:
    """What is wrong with the files of a sample together, so far as they could be read."""
    said = [(one.path, one.info) for one in files_of_sample if one.info is not None]
    try:
        if said:
            require_one_dataset(sample.name, said)
    except InputError as error:
        return [str(error)]
    return []


def _check(child: Child, run: Run, sample: Sample, path: str) -> _Checked:
    """A file, looked at in another process: ROOT dies of some damages, and of others it keeps wrong
    descriptions of classes, by which it cannot read good files any more."""
    try:
        found = child.call(_look_at, run, sample, path)
    except WorkerError as error:
        return _Checked(sample.name, path, problems=[f"damaged, or not readable by ROOT: {error}"])
    if found.problems:
        child.end()
    return found


def _look_at(run: Run, sample: Sample, path: str) -> _Checked:
    found = _Checked(sample.name, path)
    try:
        if sample.converted:
            next(hepmc.events(path))
            found.state = "good so far: the rest is checked by 'convert'"
            return found
        set_invisible(run.config.invisible)
        file = inspected(path, sample)
        found.format, found.n_events = file.format.name, file.n_events
        for column in file.columns.values():
            if column.warning:
                log.warning("%s: %s", path, column.warning)
        found.info = info_of(run, sample.name, file)
        reader.require_columns(file, NEEDS)
        if "://" in path:  # to read events from a server may take as long as to analyse them
            found.state = "good, its events not looked at"
        else:
            _look_at_events(file, found)
    except InputError as error:
        found.problems.append(str(error).removeprefix(f"{path}: "))
        return found
    if not file.n_events:
        found.state = "good, without events"
        return found
    unknown = _unknown_normalisation(sample, file)
    if unknown:
        found.state += f", but no {unknown}: the cut-flow will need it"
        log.warning("%s: %s", path, found.state)
    return found


def _look_at_events(file: reader.File, found: _Checked) -> None:
    """Enter what is wrong with the events of a file, and which they are."""
    helpers = declare()
    try:
        checks = helpers.check_events(reader.open_range(file, 0, file.n_events))
        few = reader.open_range(file, 0, min(LOOKED_AT, file.n_events))
        largest = {
            name: helpers.largest(few, name, name == "jet_pt")
            for name in ("met", "jet_pt")
            if name in file.columns
        }
        unknown = (
            {str(one.first): int(one.second) for one in helpers.unknown_particles(few)}
            if "particle_pdg_id" in file.columns
            else {}
        )
    except InputError:
        raise
    except Exception as error:  # whatever cppyy makes of a C++ exception
        raise InputError(f"{file.path}: the event loop failed: {failure_of(error)}") from error
    if unknown:
        log.warning("%s: its first events have %s", file.path, unknown_particles(unknown))
    found.numbers_events = file.format.numbers_events
    found.events = pd.DataFrame(
        {
            "run": as_array(checks.run_number, np.uint32).copy(),
            "event": as_array(checks.event_number, np.uint64).copy(),
        }
    )
    if len(found.events) != file.n_events:
        found.problems.append(f"{len(found.events)} of {file.n_events} events can be read")
    if checks.n_weights_not_finite:
        found.problems.append(f"{checks.n_weights_not_finite} weights are not finite")
    if len(found.events) and checks.n_weights_zero == len(found.events):
        found.problems.append(
            "all weights are 0: of measured events say so, by --data or 'data: true' of the sample"
        )
    for name, value in largest.items():
        if value > LARGEST_MOMENTUM:
            found.problems.append(f"'{name}' is up to {value:.3g} GeV: is it in MeV?")
        elif name == "jet_pt" and 0 < value < 1:
            found.problems.append(f"'{name}' is at most {value:.3g} GeV: is it in TeV?")


def _find_repeated(files_of_sample: Sequence[_Checked]) -> None:
    """Enter the events of a sample that are there more than once, at the file that repeats them."""
    events = pd.concat(
        one.events.assign(file=number, scope=0 if one.numbers_events else number)
        for number, one in enumerate(files_of_sample)
        if one.events is not None
    )
    key = ["scope", "run", "event"]
    repeats = events[events.duplicated(key)]
    if repeats.empty:
        return
    first = events[events.duplicated(key, keep=False)].drop_duplicates(key)
    both = repeats.merge(first, on=key, suffixes=("", "_of_first"))
    for (number, number_of_first), some in both.groupby(["file", "file_of_first"]):
        place = "it" if number == number_of_first else files_of_sample[number_of_first].path
        files_of_sample[number].problems.append(
            f"{len(some)} of its events are in {place} before, event {some.event.iloc[0]} of run "
            f"{some.run.iloc[0]} first: each must be given once"
        )


def _unknown_normalisation(sample: Sample, file: reader.File) -> str:
    """What neither the configuration nor the file says of the normalisation; data have none."""
    if sample.data:
        return ""
    info = configured(file.info or SampleInfo(sample.name, sample.process), sample)
    values = {"cross_section": info.cross_section, "sum_of_weights": info.sum_of_weights}
    return " and no ".join(name for name, value in values.items() if not value)

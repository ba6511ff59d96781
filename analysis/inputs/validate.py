"""Check all input files before anything runs, and report all problems at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analysis.config import Sample
from analysis.event_loop.events import Action
from analysis.formats.columns import CANONICAL, RVEC_FLOAT, RVEC_INT
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
from cpp_helpers import calls
from cpp_helpers.errors import event_loop_errors
from selections.cuts import Cut

log = logging.getLogger("monojet")

N_MOMENTA_CHECKED = 1000
"""Number of events of a file whose momenta are checked."""

NEEDS = reader.Needs(frozenset({"run_number", "event_number", "weight"}), "every stage")

_EVENT = np.dtype([("run", np.uint32), ("event", np.uint64)])
_IDENTITY = {name: CANONICAL[name] for name in ("run_number", "event_number", "weight")}

LARGEST_MOMENTUM = 14_000.0
"""GeV; no LHC event reaches it, but in MeV every event with a jet does."""


@dataclass
class _Checked:
    """A row of the report: a file with its problems, state and events."""

    sample: str
    path: str
    format: str = "-"
    n_events: int | None = None
    problems: list[str] = field(default_factory=list)
    state: str = "good"
    unique_event_ids: bool = True
    info: SampleInfo | None = None
    events: npt.NDArray[np.void] | None = None

    @property
    def row(self) -> list[str]:
        """Return the cells of the report."""
        events = "-" if self.n_events is None else f"{self.n_events}"
        state = "bad" if self.problems else self.state
        return [self.sample, self.path, self.format, events, state]


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Check the files of all external samples and the events of local files; write the report.

    Files of a sample with more than ``batch.open_files`` files are not opened: the task that reads
    a file checks it.

    Raises:
        InputError: some files have problems; the message has one line per problem. With
            ``skip_bad_files`` these are warnings, and the next run repeats the check.
    """
    checked: list[_Checked] = []
    of_samples: list[str] = []
    with Child() as child:
        for sample in run.config.samples:
            names = paths.expand(sample.files)
            if len(names) > run.config.batch.open_files:
                state = "checked when read"
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
    """Return the problems of the readable files of a sample as a whole."""
    infos = [(one.path, one.info) for one in files_of_sample if one.info is not None]
    try:
        if infos:
            require_one_dataset(sample.name, infos)
    except InputError as error:
        return [str(error)]
    return []


def _check(child: Child, run: Run, sample: Sample, path: str) -> _Checked:
    """Check a file in another process: damaged files may crash ROOT, or leave wrong descriptions of
    classes with which it cannot read good files."""
    try:
        found = child.call(_check_file, run, sample, path)
    except WorkerError as error:
        return _Checked(sample.name, path, problems=[f"damaged, or not readable by ROOT: {error}"])
    if found.problems:
        child.end()
    return found


def _check_file(run: Run, sample: Sample, path: str) -> _Checked:
    """Check a file in this process."""
    found = _Checked(sample.name, path)
    try:
        if sample.converted:
            next(hepmc.events(path))
            found.state = "good so far: 'convert' checks the rest"
            return found
        set_invisible(run.config.invisible)
        file = inspected(path, run.config, sample)
        found.format, found.n_events = file.format.name, file.n_events
        for column in file.columns.values():
            if column.warning:
                log.warning("%s: %s", path, column.warning)
        found.info = info_of(run, sample.name, file)
        reader.require_columns(file, NEEDS)
        if "://" in path:  # reading all events from a server may take as long as the analysis
            found.state = "good, events not checked"
        else:
            _check_events(file, found)
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


def _check_events(file: reader.File, found: _Checked) -> None:
    """Add the problems of the events of a file and their identities to its row."""
    events = reader.open_events(file, 0, file.n_events)
    checks = events.book(lambda node: calls.make("book_checks", node), _IDENTITY)
    few = events.passing(Cut("first", f"rdfentry_ < {N_MOMENTA_CHECKED}", ""))
    names = [n for n in ("met_no_muons", "met", "jet_pt") if n in file.columns]
    largest = {
        name: few.book(_largest(name), {name: RVEC_FLOAT if name == "jet_pt" else "float"})
        for name in names
    }
    particles = [
        few.book(lambda node: calls.make("book_unknown_particles", node), {name: RVEC_INT})
        for name in ("particle_pdg_id",)
        if name in file.columns
    ]
    with event_loop_errors(file.path):
        events.loop.run()
    codes = [n for one in particles for n in one.result.array("numbers").tolist()]
    unknown = {str(code): n for code, n in zip(codes[::2], codes[1::2], strict=True)}
    if unknown:
        log.warning("%s: its first events have %s", file.path, unknown_particles(unknown))
    found.unique_event_ids = file.format.unique_event_ids
    run, event = (checks.result.array(name) for name in ("run_number", "event_number"))
    found.events = np.empty(len(run), _EVENT)
    found.events["run"], found.events["event"] = run, event
    if len(found.events) != file.n_events:
        found.problems.append(f"{len(found.events)} of {file.n_events} events can be read")
    n_not_finite, n_zero = checks.result.array("weights").tolist()
    if n_not_finite:
        found.problems.append(f"{n_not_finite} weights are not finite")
    if len(found.events) and n_zero == len(found.events):
        found.problems.append(
            "all weights are 0: mark collision data with --data or 'data: true' of the sample"
        )
    for name, booked in largest.items():
        (value,) = booked.result.array("largest").tolist()
        if value > LARGEST_MOMENTUM:
            found.problems.append(f"'{name}' is up to {value:.3g} GeV: is it in MeV?")
        elif name == "jet_pt" and 0 < value < 1:
            found.problems.append(f"'{name}' is at most {value:.3g} GeV: is it in TeV?")


def _largest(name: str) -> Action:
    return lambda node: calls.make("book_largest", node, name, name == "jet_pt")


def _find_repeated(files_of_sample: Sequence[_Checked]) -> None:
    """Add repeated events of a sample to the problems of the files that repeat them."""
    scopes: dict[int, list[tuple[int, npt.NDArray[np.void]]]] = {}
    for number, one in enumerate(files_of_sample):
        if one.events is not None:
            scope = 0 if one.unique_event_ids else number
            scopes.setdefault(scope, []).append((number, one.events))
    keys = [np.concatenate([events for _, events in found]) for found in scopes.values()]
    if all(len(np.unique(one)) == len(one) for one in keys):
        return

    import pandas as pd  # its import takes as long as a small analysis

    events = pd.concat(
        pd.DataFrame({"run": some["run"], "event": some["event"]}).assign(file=number, scope=scope)
        for scope, found in scopes.items()
        for number, some in found
    )
    key = ["scope", "run", "event"]
    repeats = events[events.duplicated(key)]
    if repeats.empty:
        return
    first = events[events.duplicated(key, keep=False)].drop_duplicates(key)
    both = repeats.merge(first, on=key, suffixes=("", "_of_first"))
    for (number, number_of_first), some in both.groupby(["file", "file_of_first"]):
        same = number == number_of_first
        place = "the same file" if same else files_of_sample[number_of_first].path
        files_of_sample[number].problems.append(
            f"{len(some)} of its events duplicate events in {place} (first: run "
            f"{some.run.iloc[0]}, event {some.event.iloc[0]}): give each event once"
        )


def _unknown_normalisation(sample: Sample, file: reader.File) -> str:
    """Return the missing facts of the normalisation in words; empty for collision data."""
    if sample.data:
        return ""
    info = configured(file.info or SampleInfo(sample.name, sample.process), sample)
    values = {"cross_section": info.cross_section, "sum_of_weights": info.sum_of_weights}
    return " and no ".join(name for name, value in values.items() if not value)

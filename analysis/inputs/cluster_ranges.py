"""Where the events of a sample come from: its checked files, and how they are cut into tasks."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from analysis.config import Sample
from analysis.formats.format import Layout
from analysis.inputs import reader
from analysis.inputs.invisible import set_invisible
from analysis.inputs.paths import Listed, listed
from analysis.inputs.sample_info import SampleInfo
from analysis.workflow.run import Run
from common.runtime.child import Child
from common.runtime.errors import InputError, WorkerError
from common.tasks import Range, Task


def input_ranges(run: Run, name: str, needs: reader.Needs) -> Iterator[Range]:
    """The events of a sample in ranges of about ``batch.task_size``, which end where a cluster
    does; with more than ``batch.open_files`` files each is a range, and none is opened.

    Raises:
        InputError: one of those that are opened lacks a column that is needed. (Of the others, and
            with ``skip_bad_files``, their tasks say so.)
    """
    batch, sample = run.config.batch, run.config.sample(name)
    if sample.made_here:
        files = [Listed(str(run.sample(name).relative_to(run.output)))]
    else:
        files = listed(sample.files)
    for file in files:
        known_small = file.n_events is not None and file.n_events <= batch.task_size
        if known_small or len(files) > batch.open_files:
            yield Range(name, file.path)
            continue
        try:
            opened = input_of(run, name, file.path)
        except InputError:
            yield Range(name, file.path)  # whose task fails and says why
            continue
        if not run.skip_bad_files:
            reader.require_columns(opened, needs)
        if not opened.n_events:
            yield Range(name, file.path)  # for what it says of the events that were dropped
        for begin, end in ranges(opened.cluster_ends, batch.task_size):
            yield Range(name, file.path, begin, end)


def ranges(
    cluster_ends: Sequence[int], size: int, begin: int = 0, end: int | None = None
) -> Iterator[tuple[int, int]]:
    """Ranges of about ``size`` entries that end where a cluster does: one read from two sides is
    read twice. Only a cluster of more than ``size`` entries is cut. They cover [begin, end), or
    the whole."""
    if end is not None:
        cluster_ends = [*(e for e in cluster_ends if e < end), end]
    cluster_ends = [e for e in cluster_ends if e > begin]
    for last, following in itertools.zip_longest(cluster_ends, cluster_ends[1:]):
        while last - begin > size:
            yield begin, begin + size
            begin += size
        if begin < last and (following is None or following - begin > size):
            yield begin, last
            begin = last


def _path(run: Run, sample: str, file: str) -> str:
    return str(run.output / file) if run.config.sample(sample).made_here else file


def inspected(path: str, sample: Sample, apart: bool = False) -> reader.File:
    """`reader.inspect`, which is not done again as long as a local file is the same; ``apart``, by
    another process, so that a bad file can be left out and does no harm to this one."""
    layout = Layout() if sample.made_here else sample.layout
    inspect = _inspected_apart if apart else reader.inspect
    try:
        status = Path(path).stat()
    except OSError:  # remote; or missing, which it says
        return inspect(path, layout, sample.data)
    return _inspected(inspect, path, layout, sample.data, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _inspected(
    inspect: Callable[[str, Layout, bool], reader.File],
    path: str,
    layout: Layout,
    data: bool,
    size: int,
    changed: int,
) -> reader.File:
    return inspect(path, layout, data)


_child = Child()
atexit.register(_child.end)


def _inspected_apart(path: str, layout: Layout, data: bool) -> reader.File:
    try:
        return _child.call(reader.inspect, path, layout, data)
    except InputError:  # ROOT may keep wrong descriptions of classes
        _child.end()
        raise
    except WorkerError as error:
        raise InputError(f"{path}: damaged, or not readable by ROOT: {error}") from error


def input_of(run: Run, sample: str, file: str) -> reader.File:
    """The checked file of a range, whose particles are seen as the configuration says.

    Raises:
        InputError: it cannot be read.
    """
    set_invisible(run.config.invisible)
    config = run.config.sample(sample)
    apart = run.skip_bad_files and not config.made_here
    return inspected(_path(run, sample, file), config, apart)


def task_input(run: Run, task: Task) -> reader.File:
    """The checked file of a task.

    Raises:
        InputError: it cannot be read, or is shorter than it was when the plan was made.
    """
    file = input_of(run, task.range.sample, task.range.file)
    if task.range.end is not None and task.range.end > file.n_events:
        raise InputError(
            f"{file.path}: {file.n_events} events, fewer than when the plan was made "
            f"({task.range.end}): run the same command again"
        )
    return file


def info_of(run: Run, sample: str, file: reader.File) -> SampleInfo:
    """What a file says of its sample, without what the configuration does."""
    said = file.info or SampleInfo("", "", n_events=file.n_events)
    config = run.config.sample(sample)
    if not said.name:
        return dataclasses.replace(said, name=sample, process=config.process)
    if config.made_here or said.dataset is not None:
        return said
    return dataclasses.replace(said, dataset=_dataset(said))


def _dataset(said: SampleInfo) -> str:
    """The dataset of a file that another run has made: its events were generated as those of
    another file if name and settings are the same."""
    settings = hashlib.blake2b("\n".join(said.settings).encode(), digest_size=4).hexdigest()
    return f"{said.name} (settings {settings})"

"""The checked files of a sample and the ranges of entries that tasks read."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from analysis.config import Config, Sample
from analysis.formats.format import Layout
from analysis.inputs import reader
from analysis.inputs.invisible import set_invisible
from analysis.inputs.paths import Listed, listed
from analysis.inputs.sample_info import SampleInfo
from analysis.workflow.run import Run
from common.runtime.child import Child, ignore_present_threads
from common.runtime.errors import InputError, WorkerError
from common.tasks import Range, Task


def input_ranges(run: Run, name: str, needs: reader.Needs) -> Iterator[Range]:
    """Yield the events of a sample in ranges of about ``batch.task_size`` that end with a cluster.

    With more than ``batch.open_files`` files, each file is one range and none is opened.

    Raises:
        InputError: an opened file lacks a required column. For the other files, and with
            ``skip_bad_files``, the task reports it.
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
            yield Range(name, file.path)  # its task reports the error
            continue
        if not run.skip_bad_files:
            reader.require_columns(opened, needs)
        if not opened.n_events:
            yield Range(name, file.path)  # for its sums of weights before any event was dropped
        for begin, end in ranges(opened.cluster_ends, batch.task_size):
            yield Range(name, file.path, begin, end)


def ranges(
    cluster_ends: Sequence[int], size: int, begin: int = 0, end: int | None = None
) -> Iterator[tuple[int, int]]:
    """Yield ranges of about ``size`` entries that cover [begin, end) or all entries.

    They end with a cluster, as a cluster shared by two ranges would be read twice. Only clusters of
    more than ``size`` entries are divided.
    """
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


def inspected(path: str, config: Config, sample: Sample, apart: bool = False) -> reader.File:
    """Return the result of `reader.inspect`, cached until a local file changes.

    With ``apart`` another process opens the file, so that a bad file can be skipped and cannot harm
    this process.
    """
    layout = config.layout_of(sample)
    if sample.made_here:
        layout = Layout(extra=layout.extra)
    inspect = _inspected_apart if apart else reader.inspect
    try:
        status = Path(path).stat()
    except OSError:  # remote; or missing, which it reports
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


ignore_present_threads()  # numpy is imported, and ROOT not started
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
    """Return the checked file of a range; set the invisible particles of the configuration.

    Raises:
        InputError: it cannot be read.
    """
    set_invisible(run.config.invisible)
    settings = run.config.sample(sample)
    apart = run.skip_bad_files and not settings.made_here
    return inspected(_path(run, sample, file), run.config, settings, apart)


def task_input(run: Run, task: Task) -> reader.File:
    """Return the checked file of a task.

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
    """Return the facts that a file states about its sample, without the configuration's."""
    stated = file.info or SampleInfo("", "", n_events=file.n_events)
    config = run.config.sample(sample)
    if not stated.name:
        return dataclasses.replace(stated, name=sample, process=config.process)
    if config.made_here or stated.dataset is not None:
        return stated
    return dataclasses.replace(stated, dataset=_dataset(stated))


def _dataset(stated: SampleInfo) -> str:
    """Return the dataset of a file made by another run, identified by name and settings."""
    settings = hashlib.blake2b("\n".join(stated.settings).encode(), digest_size=4).hexdigest()
    return f"{stated.name} (settings {settings})"

"""ROOT files of skims: events as an RNTuple or a TTree, and texts beside them."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.formats.native import TREE
from common.runtime import files
from common.runtime.errors import InputError, OutputError
from cpp_helpers import declare, load_root
from cpp_helpers.errors import event_loop_errors, forget_errors, quiet

log = logging.getLogger("monojet")

MARGIN = 1_000_000
"""Bytes of a file beside its events."""

_CLUSTER = 64_000_000  # bytes of a cluster in memory
_OF_WRITING = re.compile("writ|fill|no space", re.IGNORECASE)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let data frames made in this context use one thread: several would mix the order of
    events."""
    root = load_root()
    threads = int(root.GetThreadPoolSize()) if root.IsImplicitMTEnabled() else 0
    if threads:
        root.DisableImplicitMT()
    try:
        yield
    finally:
        if threads:
            root.EnableImplicitMT(threads)


def write_events(
    df: Any,
    path: Path,
    columns: Sequence[str],
    *,
    ttree: bool,
    source: str,
    others: Sequence[Any] = (),
) -> int:
    """Write columns of all events and return their number, in one event loop, which also fills
    ``others``. ``source`` names what is read, for messages.

    Raises:
        InputError: the events cannot be read.
        OutputError: they cannot be written.
    """
    root, helpers = load_root(), declare()
    written = df.Snapshot(TREE, str(path), list(columns), _options(ttree))
    count = df.Count()
    helpers.opened(f"{source} (to write {path})")  # ROOT ends the process if a disk is full
    forget_errors()
    root.RDF.RunGraphs.__release_gil__ = True  # Python's other threads run during the event loop
    try:
        with quiet(), event_loop_errors(source):
            root.RDF.RunGraphs([written, count, *others])
    except InputError:
        files.require_space(path, MARGIN)  # if it is not sufficient, this is the cause
        raise
    n_events = int(count.GetValue())
    reported = str(helpers.take_first_error()).strip().split("\n")[0]
    if _OF_WRITING.search(reported) or n_events_in(path) != n_events:
        raise OutputError(f"{path}: cannot write all events: {reported or 'is the disk full?'}")
    if reported:
        log.warning("%s: %s", source, reported)
    return n_events


def _options(ttree: bool) -> Any:
    root = load_root()
    options = root.RDF.RSnapshotOptions()
    formats = root.RDF.ESnapshotOutputFormat
    options.fOutputFormat = formats.kTTree if ttree else formats.kRNTuple
    options.fCompressionAlgorithm = root.RCompressionSetting.EAlgorithm.kZSTD
    options.fCompressionLevel = 5
    if not ttree:
        options.fApproxZippedClusterSize = _CLUSTER // 4
        options.fMaxUnzippedClusterSize = _CLUSTER
    options.fLazy = True
    return options


def clusters_of(path: Path) -> Iterator[tuple[int, int]]:
    """Yield the first entry of each cluster, and that after the last."""
    begin = 0
    for end in declare().cluster_ends(TREE, str(path)):
        yield begin, int(end)
        begin = int(end)


def n_events_in(path: Path) -> int:
    """Return the number of events."""
    return max((end for _, end in clusters_of(path)), default=0)


def without_events(types: Mapping[str, str]) -> Any:
    """Return a data frame without events that has columns of these types."""
    helpers = declare()
    df = helpers.no_events()
    for name, kind in types.items():
        df = helpers.define(df, name, f"{kind}{{}}" if "<" in kind else f"({kind})0")
    return df

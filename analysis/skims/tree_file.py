"""ROOT files of skims: events as an RNTuple or a TTree, and texts beside them."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from analysis.event_loop.events import Events
from analysis.formats.native import TREE
from analysis.inputs import root_file
from common.runtime import files
from common.runtime.errors import InputError, OutputError
from cpp_helpers import calls
from cpp_helpers.calls import Handle
from cpp_helpers.errors import event_loop_errors, forget_errors

log = logging.getLogger("monojet")

MARGIN = 1_000_000
"""Bytes of a file beside its events."""

_CLUSTER = 64_000_000  # bytes of a cluster in memory
_OF_WRITING = re.compile("writ|fill|no space", re.IGNORECASE)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let event loops in this context use one thread: several would mix the order of events."""
    threads = int(calls.text("disable_threads"))
    try:
        yield
    finally:
        if threads:
            calls.call("enable_threads", threads)


def write_events(
    events: Events, path: Path, columns: Mapping[str, str], *, ttree: bool, source: str
) -> int:
    """Write columns of events and return the number of events, in one event loop, which also fills
    what else is booked. ``columns`` maps the names in the file to those in expressions; ``source``
    names what is read, for messages.

    Raises:
        InputError: the events cannot be read.
        OutputError: they cannot be written.
    """

    def write_columns(node: Handle) -> Handle:
        names = list(columns)
        return calls.make("book_snapshot", node, TREE, str(path), names, ttree, _CLUSTER)

    events.book_columns(write_columns, columns)
    count = events.book(lambda node: calls.make("book_count", node), {})
    calls.call("opened", f"{source} (to write {path})")  # ROOT ends the process if a disk is full
    forget_errors()
    try:
        with calls.quiet(), event_loop_errors(source):
            events.loop.run()
    except InputError:
        files.require_space(path, MARGIN)  # if it is not sufficient, this is the cause
        raise
    (n_events,) = count.result.array("count").tolist()
    reported = calls.text("take_first_error").strip().split("\n")[0]
    if _OF_WRITING.search(reported) or n_events_in(path) != n_events:
        raise OutputError(f"{path}: cannot write all events: {reported or 'is the disk full?'}")
    if reported:
        log.warning("%s: %s", source, reported)
    return int(n_events)


def clusters_of(path: Path) -> Iterator[tuple[int, int]]:
    """Yield the first entry of each cluster, and that after the last."""
    begin = 0
    with root_file.open_file(str(path)) as file:
        ends = file.cluster_ends(TREE)
    for end in ends:
        yield begin, end
        begin = end


def n_events_in(path: Path) -> int:
    """Return the number of events."""
    return max((end for _, end in clusters_of(path)), default=0)

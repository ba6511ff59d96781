"""Our own files: an RNTuple or a TTree ``events`` with the canonical columns.

Everything that can be wrong with a file is found here, before an event loop is booked: a failure
inside a loop would leave the process unusable.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.columns import CANONICAL, OPTIONAL, same_type
from analysis.samples import SampleInfo
from common.errors import InputError
from cpp_helpers import declare, load_root
from cpp_helpers.errors import cause_of

TREE = "events"
INFO = "sample_info"


@dataclass(frozen=True)
class File:
    """A checked input file."""

    path: str
    cluster_ends: tuple[int, ...]
    info: SampleInfo | None
    columns: frozenset[str]

    @property
    def n_events(self) -> int:
        """Number of events."""
        return self.cluster_ends[-1] if self.cluster_ends else 0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep ROOT's own messages from the user while our checks look at a file."""
    root = load_root()
    level = root.gErrorIgnoreLevel
    root.gErrorIgnoreLevel = root.kFatal
    try:
        yield
    finally:
        root.gErrorIgnoreLevel = level


def inspect(path: str) -> File:
    """Open a file and check what a stage will need of it.

    Raises:
        InputError: the file is missing, not a ROOT file, truncated, has no events, or a canonical
            column is missing or has another type.
    """
    root = load_root()
    if "://" not in path and not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    with quiet():
        try:
            handle = root.TFile.Open(path)
        except OSError as error:
            raise InputError(f"{path}: not a ROOT file, or truncated") from error
        if not handle or handle.IsZombie():
            raise InputError(f"{path}: not a ROOT file, or truncated")
        with handle:
            if handle.TestBit(root.TFile.kRecovered):
                raise InputError(f"{path}: truncated: the file was not closed when it was written")
            keys = {str(key.GetName()): str(key.GetClassName()) for key in handle.GetListOfKeys()}
            if keys.get(TREE) not in ("TTree", "ROOT::RNTuple"):
                raise InputError(
                    f"{path}: no tree or ntuple '{TREE}' (the file holds: "
                    f"{', '.join(sorted(keys)) or 'nothing'})"
                )
            info = None
            if INFO in keys:
                info = SampleInfo.from_json(str(handle.Get(INFO).GetTitle()))
        types, cluster_ends = _contents(root, path)
    for column, wanted in CANONICAL.items():
        if column not in types:
            if column not in OPTIONAL:
                raise InputError(f"{path}: column '{column}' is missing")
        elif not same_type(types[column], wanted):
            raise InputError(f"{path}: column '{column}' is {types[column]}, not {wanted}")
    if not cluster_ends:
        raise InputError(f"{path}: '{TREE}' has no events")
    return File(path, cluster_ends, info, frozenset(types))


def _contents(root: Any, path: str) -> tuple[dict[str, str], tuple[int, ...]]:
    """Types of the columns, and the entry after the last of each cluster."""
    try:
        cluster_ends = tuple(int(end) for end in declare().cluster_ends(TREE, path))
        df = root.RDataFrame(TREE, path)
        return {str(c): str(df.GetColumnType(c)) for c in df.GetColumnNames()}, cluster_ends
    except Exception as error:  # whatever cppyy makes of a C++ exception
        cause = cause_of(error)
        raise InputError(f"{path}: cannot read '{TREE}': {cause}") from error


def open_range(paths: Sequence[str], begin: int, end: int) -> Any:
    """An RDataFrame over entries [begin, end) of the files, one after another."""
    return declare().open_range(TREE, list(paths), begin, end)

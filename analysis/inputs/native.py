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

TREE = "events"
INFO = "sample_info"


@dataclass(frozen=True)
class File:
    """A checked input file."""

    path: str
    n_events: int
    info: SampleInfo | None
    columns: frozenset[str]


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
        types, n_events = _columns(root, path, keys[TREE] == "ROOT::RNTuple")
    for column, wanted in CANONICAL.items():
        if column not in types:
            if column not in OPTIONAL:
                raise InputError(f"{path}: column '{column}' is missing")
        elif not same_type(types[column], wanted):
            raise InputError(f"{path}: column '{column}' is {types[column]}, not {wanted}")
    if n_events == 0:
        raise InputError(f"{path}: '{TREE}' has no events")
    return File(path, n_events, info, frozenset(types))


def _columns(root: Any, path: str, rntuple: bool) -> tuple[dict[str, str], int]:
    try:
        if rntuple:
            n_events = int(root.RNTupleReader.Open(TREE, path).GetNEntries())
        else:
            with root.TFile.Open(path) as handle:
                n_events = int(handle.Get(TREE).GetEntries())
        df = root.RDataFrame(TREE, path)
        return {str(c): str(df.GetColumnType(c)) for c in df.GetColumnNames()}, n_events
    except Exception as error:  # whatever cppyy makes of a C++ exception
        cause = str(error).strip().splitlines()[-1]
        raise InputError(f"{path}: cannot read '{TREE}': {cause}") from error


def open_range(paths: Sequence[str], begin: int, end: int) -> Any:
    """An RDataFrame over entries [begin, end) of the files, one after another."""
    root = load_root()
    spec = root.RDF.Experimental.RDatasetSpec()
    spec.AddSample(("sample", TREE, list(paths)))
    spec.WithGlobalRange((begin, end))
    return declare().as_node(root.RDataFrame(spec))

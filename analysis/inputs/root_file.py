"""ROOT files and what they hold, whatever their format.

Everything that can be wrong with a file is found before an event loop is booked: a failure inside a
loop would leave the process unusable.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from common.runtime.errors import InputError
from cpp_helpers import declare, load_root
from cpp_helpers.errors import cause_of, failure_of, forget_errors, quiet

log = logging.getLogger("monojet")

_sleep = time.sleep
RETRY_AFTER = (1, 4, 16)
"""Waiting times in seconds before further attempts to reach a server."""

TREE_CLASSES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")
_CONNECTION = re.compile("connection|socket|time-?out|expired|stream error", re.IGNORECASE)
_FOLDER = "TDirectoryFile"
_OLD_NTUPLE = "ROOT::Experimental::RNTuple"
"""Class of ntuples of ROOT before 6.34, whose format was not final."""


@contextlib.contextmanager
def damage_named(path: str) -> Iterator[None]:
    """Turn exceptions other than `InputError` into an `InputError` that calls the file damaged."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # of Python, or what cppyy makes of a C++ exception
        raise InputError(f"{path}: damaged: {cause_of(error)}") from error


def open_file(path: str) -> Any:
    """Return an open ROOT file; try again later if a server does not answer.

    Raises:
        InputError: the file is missing, not a ROOT file, truncated or out of reach.
    """
    remote = "://" in path
    if not remote and Path(path).is_dir():
        raise InputError(f"{path}: a directory: name its files, '{path}/*.root'")
    if not remote and not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    if not remote and Path(path).stat().st_size == 0:
        raise InputError(f"{path}: empty: it has 0 bytes")
    for wait in (*RETRY_AFTER, None) if remote else (None,):
        forget_errors()
        try:
            handle = load_root().TFile.Open(path)
        except OSError as error:
            cause = failure_of(error) if remote else _why_not_opened(path)
            if wait is None or not _CONNECTION.search(cause):
                raise InputError(f"{path}: {cause}") from error
            log.warning("%s: %s: trying again in %d s", path, cause, wait)
            _sleep(wait)
            continue
        if not handle or handle.IsZombie():
            raise InputError(f"{path}: {_why_not_opened(path)}")
        if handle.TestBit(load_root().TFile.kRecovered):
            raise InputError(f"{path}: truncated: the file was not closed when it was written")
        return handle
    raise AssertionError


def _why_not_opened(path: str) -> str:
    """Explain why ROOT cannot open a file."""
    if "://" not in path:
        with Path(path).open("rb") as file:
            if file.read(4) != b"root":
                return "not a ROOT file"
    return "a ROOT file that is truncated or damaged"


def refuse_old_ntuples(path: str, handle: Any, tree: str | None) -> None:
    """Stop if the tree to read is an RNTuple that no ROOT since 6.34 can read.

    Raises:
        InputError: ``tree`` is one or, without a name, the file has such ntuples only.
    """
    if tree is None and any(kind in TREE_CLASSES for kind in keys(handle).values()):
        return  # without listing its folders, each of which is a request to a server
    classes = dict(_all_keys(handle))
    old = sorted(name for name, kind in classes.items() if kind == _OLD_NTUPLE)
    if old and (tree in old or not any(kind in TREE_CLASSES for kind in classes.values())):
        raise InputError(
            f"{path}: '{old[0]}' is an RNTuple of a format before 1.0, which no ROOT since 6.34 "
            "can read: copy it to a TTree with the ROOT that wrote it (RDataFrame::Snapshot), or "
            "make it again with a newer one"
        )


def keys(folder: Any) -> dict[str, str]:
    """Return the names of the objects in a file or one of its folders, with their classes."""
    return {str(key.GetName()): str(key.GetClassName()) for key in folder.GetListOfKeys()}


def _all_keys(handle: Any, within: str = "") -> Iterator[tuple[str, str]]:
    """Yield the paths of the objects in a file and its folders, with their classes."""
    for name, kind in keys(handle.GetDirectory(within) if within else handle).items():
        if kind == _FOLDER:
            yield from _all_keys(handle, f"{within}{name}/")
        else:
            yield f"{within}{name}", kind


def chosen_tree(path: str, handle: Any, wanted: str | None) -> str:
    """Return the path of the wanted or, without a name, the only tree or ntuple of a file.

    Raises:
        InputError: there is no such tree, or not exactly one.
    """
    trees = sorted(name for name, kind in _all_keys(handle) if kind in TREE_CLASSES)
    if wanted is None:
        if len(trees) != 1:
            raise InputError(
                f"{path}: {len(trees)} trees or ntuples instead of one ({content(handle)}): choose "
                "one with 'tree' beside 'columns' of the sample"
            )
        return trees[0]
    if wanted not in trees:
        raise InputError(f"{path}: no tree or ntuple '{wanted}' ({content(handle)})")
    return wanted


def content(handle: Any) -> str:
    """Return the names of the first objects of a file, for messages."""
    shown = sorted(" ".join(name.split()) for name in dict(_all_keys(handle)))
    more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
    return f"the file holds: {', '.join(shown[:10]) or 'nothing'}{more}"


def columns_of(path: str, tree: str, typed: Collection[str]) -> dict[str, str]:
    """Return the columns of a tree. Only those in ``typed`` come with their types, as others may
    have a type that ROOT does not know.

    Raises:
        InputError: the tree cannot be read.
    """
    try:
        df = load_root().RDataFrame(tree, path)
        names = [str(name) for name in df.GetColumnNames()]
        return {name: str(df.GetColumnType(name)) if name in typed else "" for name in names}
    except Exception as error:  # whatever cppyy makes of a C++ exception
        raise InputError(f"{path}: cannot read '{tree}': {cause_of(error)}") from error


def cluster_ends_of(path: str, tree: str) -> tuple[int, ...]:
    """Return the entry after the last of each cluster.

    Raises:
        InputError: the tree cannot be read.
    """
    try:
        return tuple(int(end) for end in declare().cluster_ends(tree, path))
    except Exception as error:  # whatever cppyy makes of a C++ exception
        raise InputError(f"{path}: cannot read '{tree}': {cause_of(error)}") from error


def require_filled(path: str, tree: str, columns: Collection[str]) -> None:
    """Stop if a branch and its tree differ in their numbers of entries: ROOT would repeat the last
    value of the branch.

    Raises:
        InputError: it names the branch.
    """
    one = declare().misfilled(tree, path, list(columns))
    if one.branch:
        raise InputError(
            f"{path}: branch '{one.branch}' was filled for {one.entries} of the {one.of_tree} "
            f"entries of '{tree}': its values belong to no event: write the file again"
        )


def first_value(tree: Any, column: str | None) -> float | None:
    """Return the first entry of a column of a tree; None unless it is positive and finite."""
    leaf = tree.GetLeaf(column) if column else None
    if not leaf or leaf.GetBranch().GetEntry(0) <= 0:
        return None
    value = float(leaf.GetValue())
    return value if 0 < value < math.inf else None


def write_texts(path: Path, texts: Mapping[str, str]) -> None:
    """Add texts to a file, each as the title of a ``TNamed``."""
    root = load_root()
    with root.TFile.Open(str(path), "UPDATE") as handle:
        for name, text in texts.items():
            handle.WriteObject(root.TNamed(name, text), name)


def read_text(path: Path, name: str, problem: str) -> str:
    """Return a text that `write_texts` stored in a file.

    Raises:
        InputError: the text is missing, or the file is damaged; it says the ``problem``.
    """
    with quiet():
        try:
            with load_root().TFile.Open(str(path)) as handle:
                return str(handle.Get(name).GetTitle())
        except (OSError, AttributeError, ReferenceError) as error:
            raise InputError(f"{path}: {problem}") from error

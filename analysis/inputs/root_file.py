"""ROOT files and what they hold, whatever their format.

Everything that can be wrong with a file is found before an event loop is booked: a failure inside a
loop would leave the process unusable.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.runtime.errors import InputError
from cpp_helpers import calls
from cpp_helpers.errors import cause_of, failure_of, forget_errors

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
    except Exception as error:  # of Python, or a C++ exception
        raise InputError(f"{path}: damaged: {cause_of(error)}") from error


class RootFile:
    """An open ROOT file. A context, which closes it."""

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            CppError: ROOT cannot.
        """
        self.path = path
        self._handle: calls.Handle | None = calls.make("open_file", path)

    def __enter__(self) -> RootFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle = None

    def _text(self, name: str, *arguments: Any) -> str:
        return calls.text(name, self._handle, *arguments)

    def _json(self, name: str, *arguments: Any) -> Any:
        return _decoded(json.loads(self._text(name, *arguments)))

    @property
    def is_truncated(self) -> bool:
        """Return whether it was not closed when it was written."""
        return self._text("is_recovered") == "1"

    @property
    def size(self) -> int:
        """Return the number of bytes."""
        return int(self._text("size_of_file"))

    def bytes_at(self, position: int, size: int) -> bytes:
        """Return some bytes of the file.

        Raises:
            CppError: they cannot be read.
        """
        found = np.empty(size, np.uint8)
        calls.call("read_bytes", self._handle, position, found)
        return found.tobytes()

    def keys_in(self, folder: str = "") -> dict[str, str]:
        """Return the names of the objects in the file or one of its folders, with their classes."""
        return dict(self._json("keys", folder))

    def _all_objects(self, within: str = "") -> Iterator[tuple[str, str]]:
        """Yield the paths of the objects in the file and its folders, with their classes."""
        for name, kind in self.keys_in(within).items():
            if kind == _FOLDER:
                yield from self._all_objects(f"{within}{name}/")
            else:
                yield f"{within}{name}", kind

    def content(self) -> str:
        """Return the names of the first objects, for messages."""
        shown = sorted(" ".join(name.split()) for name in dict(self._all_objects()))
        more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
        return f"the file holds: {', '.join(shown[:10]) or 'nothing'}{more}"

    def refuse_old_ntuples(self, tree: str | None) -> None:
        """Stop if the tree to read is an RNTuple that no ROOT since 6.34 can read.

        Raises:
            InputError: ``tree`` is one or, without a name, the file has such ntuples only.
        """
        if tree is None and any(kind in TREE_CLASSES for kind in self.keys_in().values()):
            return  # without listing its folders, each of which is a request to a server
        classes = dict(self._all_objects())
        old = sorted(name for name, kind in classes.items() if kind == _OLD_NTUPLE)
        if old and (tree in old or not any(kind in TREE_CLASSES for kind in classes.values())):
            raise InputError(
                f"{self.path}: '{old[0]}' is an RNTuple of a format before 1.0, which no ROOT "
                "since 6.34 can read: copy it to a TTree with the ROOT that wrote it "
                "(RDataFrame::Snapshot), or make it again with a newer one"
            )

    def chosen_tree(self, wanted: str | None) -> str:
        """Return the path of the wanted or, without a name, the only tree or ntuple.

        Raises:
            InputError: there is no such tree, or not exactly one.
        """
        trees = sorted(name for name, kind in self._all_objects() if kind in TREE_CLASSES)
        if wanted is None:
            if len(trees) != 1:
                raise InputError(
                    f"{self.path}: {len(trees)} trees or ntuples instead of one "
                    f"({self.content()}): choose one with 'tree' beside 'columns' of the sample"
                )
            return trees[0]
        if wanted not in trees:
            raise InputError(f"{self.path}: no tree or ntuple '{wanted}' ({self.content()})")
        return wanted

    def columns(self, tree: str, typed: Collection[str]) -> dict[str, str]:
        """Return the columns of a tree. Only those in ``typed`` come with their types, as others
        may have a type that ROOT does not know.

        Raises:
            InputError: the tree cannot be read.
        """
        with self._reading(tree):
            return dict(self._json("columns", tree, list(typed)))

    def cluster_ends(self, tree: str) -> tuple[int, ...]:
        """Return the entry after the last of each cluster.

        Raises:
            InputError: the tree cannot be read.
        """
        with self._reading(tree):
            return tuple(self._json("cluster_ends", tree))

    @contextlib.contextmanager
    def _reading(self, tree: str) -> Iterator[None]:
        try:
            yield
        except calls.CppError as error:
            raise InputError(f"{self.path}: cannot read '{tree}': {cause_of(error)}") from error

    def require_filled(self, tree: str, columns: Collection[str]) -> None:
        """Stop if a branch and its tree differ in their numbers of entries: ROOT would repeat the
        last value of the branch.

        Raises:
            InputError: it names the branch.
        """
        branch, entries, of_tree = self._json("misfilled", tree, list(columns))
        if branch:
            raise InputError(
                f"{self.path}: branch '{branch}' was filled for {entries} of the {of_tree} "
                f"entries of '{tree}': its values belong to no event: write the file again"
            )

    def first_number(self, tree: str, column: str) -> int:
        """Return the first value of a column of 32-bit integers, taken as unsigned."""
        return int(self._text("first_number", tree, column))

    def first_value(self, tree: str, column: str | None) -> float | None:
        """Return the first entry of a column of a tree; None unless it is positive and finite."""
        value = float(self._json("first_value", tree, column)) if column else 0.0
        return value if 0 < value < math.inf else None

    def stored_values(self, tree: str, names: Sequence[str]) -> list[Any] | None:
        """Return the entries of the first existing column of some, decoded without ROOT's classes:
        numbers or lists of numbers or texts; None without such a tree or column.

        Raises:
            CppError: it is of another type or layout.
        """
        found: list[Any] | None = self._json("stored_values", tree, list(names))
        return found

    def title(self, name: str) -> str:
        """Return the title of an object.

        Raises:
            CppError: there is none of this name.
        """
        return self._text("title", name)


def _decoded(found: Any) -> Any:
    """Return values with their texts as Unicode, which come as the bytes of it."""
    if isinstance(found, list):
        return [_decoded(one) for one in found]
    if isinstance(found, str) and not found.isascii():
        return found.encode("latin-1").decode(errors="replace")
    return found


def open_file(path: str) -> RootFile:
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
            file = RootFile(path)
        except calls.CppError as error:
            cause = failure_of(error) if remote else _why_not_opened(path)
            if wait is None or not _CONNECTION.search(cause):
                raise InputError(f"{path}: {cause}") from error
            log.warning("%s: %s: trying again in %d s", path, cause, wait)
            _sleep(wait)
            continue
        if file.is_truncated:
            raise InputError(f"{path}: truncated: the file was not closed when it was written")
        return file
    raise AssertionError


def _why_not_opened(path: str) -> str:
    """Explain why ROOT cannot open a local file."""
    with Path(path).open("rb") as file:
        if file.read(4) != b"root":
            return "not a ROOT file"
    return "a ROOT file that is truncated or damaged"


def write_texts(path: Path, texts: Mapping[str, str]) -> None:
    """Add texts to a file, each as the title of a ``TNamed``."""
    calls.call("write_texts", str(path), list(texts), list(texts.values()))


def read_text(path: Path, name: str, problem: str) -> str:
    """Return a text that `write_texts` stored in a file.

    Raises:
        InputError: the text is missing, or the file is damaged; it says the ``problem``.
    """
    with calls.quiet():
        try:
            with RootFile(str(path)) as file:
                return file.title(name)
        except calls.CppError as error:
            raise InputError(f"{path}: {problem}") from error

"""Sums of weights before any event was dropped, from the bookkeeping of a file.

The values are decoded without ROOT's classes (see ``cpp_helpers/rdf/stored_values.hxx``), or read
with uproot where they are stored in another layout than is known there.
"""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.formats.format import Bookkeeping
from analysis.inputs.root_file import RootFile
from cpp_helpers.calls import CppError

_HEADER = struct.Struct(">IH")
"""Header of a ROOT object: number of bytes that follow, and version of the class."""
_COUNTED = 0x40000000

log = logging.getLogger("monojet")


class _RawFile(io.RawIOBase):
    """Raw bytes of an open file."""

    def __init__(self, file: RootFile) -> None:
        self._file, self._size = file, file.size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        self._position = start[whence] + offset
        return self._position

    def readinto(self, target: Any) -> int:
        size: int = max(0, min(len(target), self._size - self._position))
        if size:
            target[:size] = self._file.bytes_at(self._position, size)
        self._position += size
        return size


def read(file: RootFile, book: Bookkeeping) -> tuple[float, float] | None:
    """Return the sums of weights and of squared weights; None without readable bookkeeping."""
    try:
        entries = _decoded(file, book)
    except Exception as error:  # a damaged file or another layout may cause any
        log.debug("%s: no bookkeeping: %s", file.path, error)
        return None
    sums = book.sums(entries) if entries else None
    return (float(sums[0]), float(sums[1])) if sums else None


def _decoded(file: RootFile, book: Bookkeeping) -> dict[str, list[Any]] | None:
    """Return the entries of the columns; None if one is missing."""
    entries = {}
    for name, names in book.columns.items():
        try:
            found = file.stored_values(book.tree, names)
        except CppError as error:
            log.debug("%s: %s: decoding the bookkeeping with uproot", file.path, error)
            return _by_uproot(file, book)
        if found is None:
            return None
        entries[name] = found
    return entries


def _by_uproot(opened: RootFile, book: Bookkeeping) -> dict[str, list[Any]]:
    """Return the entries of the columns, in any layout that uproot knows; this is slow."""
    import uproot

    with _RawFile(opened) as raw, uproot.open(raw) as file:
        tree = file[book.tree]
        return {name: _entries(tree, names) for name, names in book.columns.items()}


def _entries(tree: Any, names: Sequence[str]) -> list[Any]:
    """Return the entries of the first existing column."""
    import awkward as ak

    stored = tree.keys(recursive=True, full_paths=False)
    for name in names:
        if name in stored:
            entries: list[Any] = ak.to_list(tree[name].array())
            return entries
        whole, dot, member = name.rpartition(".")
        if whole + dot in stored and not tree[whole + dot].branches:
            return _of_objects(tree[whole + dot], member)
    raise KeyError(f"none of {', '.join(names)}")


def _of_objects(branch: Any, member: str) -> list[Any]:
    """Return a vector member of the objects of a branch that is not split.

    uproot does not know the base classes, which have a checksum for a version; they are skipped, as
    each base class and member stores its number of bytes.
    """
    import uproot

    elements = branch.file.streamer_named(branch.typename).elements
    position = [element.name for element in elements].index(member)
    values = uproot.interpretation.identify.parse_typename(elements[position].typename)
    entries = []
    for raw in branch.array(uproot.AsJagged(uproot.AsDtype("u1")), library="np"):
        chunk = uproot.source.chunk.Chunk.wrap(None, np.asarray(raw))
        cursor = uproot.source.cursor.Cursor(0)
        for _ in range(position):
            n_bytes, _ = cursor.fields(chunk, _HEADER, {})
            cursor.skip((n_bytes & ~_COUNTED) - 2)  # the version was read already
        found = values.read(chunk, cursor, {}, branch.file, branch.file, None)
        entries.append(found.tolist())
    return entries

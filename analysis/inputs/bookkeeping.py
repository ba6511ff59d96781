"""Sums of weights before any event was dropped, from the bookkeeping of a file.

The bookkeeping is read with uproot, through ROOT's access to local and remote files: its classes
differ between the releases of experiments, and ROOT without their dictionaries may crash on two
layouts of a class in one process.
"""

from __future__ import annotations

import ctypes
import io
import logging
import struct
from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np

from analysis.formats.format import Bookkeeping
from cpp_helpers import load_root

_HEADER = struct.Struct(">IH")
"""Header of a ROOT object: number of bytes that follow, and version of the class."""
_COUNTED = 0x40000000

log = logging.getLogger("monojet")


class _RawFile(io.RawIOBase):
    """Raw bytes of a file that ROOT can open."""

    def __init__(self, path: str) -> None:
        separator = "&" if "?" in path else "?"
        self._file = load_root().TFile.Open(f"{path}{separator}filetype=raw")
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.GetSize()}
        self._position = start[whence] + offset
        return self._position

    def readinto(self, target: Any) -> int:
        size: int = max(0, min(len(target), self._file.GetSize() - self._position))
        if size == 0:
            return 0
        content = ctypes.create_string_buffer(size)
        if self._file.ReadBuffer(content, self._position, size):
            raise OSError("cannot read")
        target[:size] = content.raw
        self._position += size
        return size

    def close(self) -> None:
        self._file.Close()
        super().close()


def read(path: str, book: Bookkeeping) -> tuple[float, float] | None:
    """Return the sums of weights and of squared weights; None without readable bookkeeping."""
    import uproot

    try:
        with _RawFile(path) as raw, uproot.open(raw) as file:
            tree = file[book.tree]
            entries = {name: _entries(tree, names) for name, names in book.columns.items()}
    except Exception as error:  # a damaged file or another layout may cause any
        log.debug("%s: no bookkeeping: %s", path, error)
        return None
    return book.sums(entries)


def _entries(tree: Any, names: Sequence[str]) -> list[Any]:
    """Return the entries of the first existing column."""
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

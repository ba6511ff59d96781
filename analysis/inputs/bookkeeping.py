"""What a file says of all events it was made of, those dropped on the way too.

Read with uproot, through ROOT's access to files, which may be remote: the classes of bookkeeping
differ between the releases of experiments, and ROOT without their dictionaries may crash where it
meets two layouts of a class in one process.
"""

from __future__ import annotations

import ctypes
import io
import logging
from typing import Any

import awkward as ak

from analysis.inputs.format import Bookkeeping
from cpp_helpers import load_root

log = logging.getLogger("monojet")


class _RawFile(io.RawIOBase):
    """The bytes of a file that ROOT can open."""

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
    """The sums of weights and of their squares; None where a file has no such bookkeeping, or one
    that cannot be read."""
    import uproot

    try:
        with _RawFile(path) as raw, uproot.open(raw) as file:
            tree = file[book.tree]
            stored = {
                name: next(
                    one for one in names if one in tree.keys(recursive=True, full_paths=False)
                )
                for name, names in book.columns.items()
            }
            entries = {name: ak.to_list(tree[one].array()) for name, one in stored.items()}
    except Exception as error:  # whatever a file that is damaged, or of another layout, leads to
        log.debug("%s: no bookkeeping: %s", path, error)
        return None
    return book.sums(entries)

"""Merge image files by reference: virtual datasets over the parts, which stay in place."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from analysis.images.image_file import datasets_of, write_metadata
from analysis.images.losses import Losses
from analysis.inputs.sample_info import InputRange
from common.runtime import files
from common.runtime.errors import OutputError
from common.schema.hdf5 import create_file
from common.schema.images import GROUPS, INPUT_FILES, OFFSETS

_EVENTS_PER_CHUNK = 8192


@dataclass
class _LinkedDataset:
    """One dataset over all parts: the path and the length of each piece.

    ``shape`` is without the first dimension.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    pieces: list[tuple[str, int]] = field(default_factory=list)

    def layout(self, name: str) -> h5py.VirtualLayout:
        """Return the virtual dataset ``name``."""
        layout = h5py.VirtualLayout(
            (sum(length for _, length in self.pieces), *self.shape), self.dtype
        )
        begin = 0
        for path, length in self.pieces:
            if length:
                source = h5py.VirtualSource(path, name, (length, *self.shape), self.dtype)
                layout[begin : begin + length] = source
            begin += length
        return layout


class ImageLinker:
    """Like `ImageWriter`, but cells and events stay in the appended files.

    These must keep their places relative to the new file as long as it is used. Only
    ``/cells/offsets`` is copied.
    """

    def __init__(self, path: Path) -> None:
        self._whole = files.whole(path)
        self._path = path
        self._linked: dict[str, _LinkedDataset] = {}
        self.attributes: dict[str, Any] = {}
        self.sources: list[InputRange] = []
        self.losses = Losses()

    def __enter__(self) -> ImageLinker:
        self._file = create_file(self._whole.__enter__(), GROUPS)
        self._offsets = self._file.create_dataset(
            OFFSETS,
            data=np.zeros(1, np.uint64),
            maxshape=(None,),
            chunks=(_EVENTS_PER_CHUNK,),
            fletcher32=True,
        )
        return self

    def append_file(self, file: h5py.File) -> None:
        """Append references to the images of another file, and add its losses."""
        path = os.path.relpath(file.filename, self._path.parent)
        for name in datasets_of(file):
            if name in (INPUT_FILES, OFFSETS):
                continue
            dataset = file[name]
            linked = self._linked.setdefault(name, _LinkedDataset(dataset.dtype, dataset.shape[1:]))
            linked.pieces.append((path, len(dataset)))
        offsets, end = file[OFFSETS][1:], len(self._offsets)
        self._offsets.resize(end + len(offsets), axis=0)
        self._offsets[end:] = offsets + self._offsets[end - 1]
        self.losses.add(Losses.from_attributes(file.attrs))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            with self._file as file:
                if error is None:
                    for name, linked in sorted(self._linked.items()):
                        file.create_virtual_dataset(name, linked.layout(name))
                    write_metadata(file, self.attributes, self.sources, self.losses)
        except (OSError, RuntimeError) as failure:
            wrapped = OutputError(f"{self._path}: cannot write: {failure}")
            self._whole.__exit__(type(wrapped), wrapped, wrapped.__traceback__)
            raise wrapped from failure
        self._whole.__exit__(kind, error, traceback)

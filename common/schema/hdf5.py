"""Open HDF5 files without locks, and create them without time stamps.

Equal content gives identical bytes. Files appear only when complete (`common.runtime.files`), so
that no reader meets a writer and locks could only do harm: a child process started while a file is
open holds its lock a moment longer, and file systems without locks refuse to open any file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (registers the LZ4 codec of the image files)
from h5py import h5f, h5g, h5p

_CACHE = 4 << 20  # bytes of incomplete chunks per dataset: eight channels of images fit


def open_file(path: Path | str) -> h5py.File:
    """Open a file for reading."""
    return h5py.File(path, locking=False)


def create_file(path: Path, groups: Iterable[str]) -> h5py.File:
    """Create a file with empty groups; h5py's own calls would store the time of creation."""
    creation, access, group = (
        h5p.create(kind) for kind in (h5p.FILE_CREATE, h5p.FILE_ACCESS, h5p.GROUP_CREATE)
    )
    creation.set_obj_track_times(False)
    group.set_obj_track_times(False)
    access.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    _, slots, _, preemption = access.get_cache()
    access.set_cache(0, slots, _CACHE, preemption)
    access.set_file_locking(False, True)
    file = h5f.create(bytes(path), h5f.ACC_TRUNC, fcpl=creation, fapl=access)
    for name in groups:
        h5g.create(file, name.encode(), gcpl=group)
    return h5py.File(file)

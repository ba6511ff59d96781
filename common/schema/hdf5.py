"""HDF5 files without times and locks.

Equal content makes files that are equal byte by byte. Files appear whole (`common.runtime.files`), so no
reader meets a writer and HDF5's locks can only do harm: a child process that starts while a file is
open holds its lock a moment longer, and file systems without locks refuse to open any file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import h5py
from h5py import h5f, h5g, h5p

_CACHE = 4 << 20  # bytes of unfinished chunks a dataset: eight channels of images fit


def open_file(path: Path | str) -> h5py.File:
    """Open a file for reading."""
    return h5py.File(path, locking=False)


def create_file(path: Path, groups: Iterable[str]) -> h5py.File:
    """An empty file with some groups; h5py's own calls would note the time they are made."""
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

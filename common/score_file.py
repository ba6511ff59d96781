"""The score file (HDF5): where networks and event loops meet. Described in docs/formats.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from common import files
from common.errors import InputError

SCHEMA = 1


def write_scores(
    path: Path, identity: dict[str, npt.NDArray[Any]], scores: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write ``run_number``, ``event_number`` and ``fold`` of ``identity``, and ``score/<network>``.

    Raises:
        InputError: two events have the same key.
    """
    keys = np.stack([identity["run_number"].astype(np.uint64), identity["event_number"]], axis=1)
    unique, counts = np.unique(keys, axis=0, return_counts=True)
    if len(unique) != len(keys):
        run, event = unique[counts > 1][0]
        raise InputError(f"{path.stem}: event {event} of run {run} is there twice")
    with files.whole(path) as partial, h5py.File(partial, "w", libver="v110") as file:
        file.attrs["schema"] = SCHEMA
        columns = {f"score/{name}": values for name, values in scores.items()}
        for name, values in (identity | columns).items():
            file.create_dataset(name, data=values, chunks=True, fletcher32=True)


def read_scores(path: Path, networks: Sequence[str]) -> dict[str, Any]:
    """The columns of a score file: ``run_number``, ``event_number``, and one a network.

    Raises:
        InputError: the file is missing, damaged, of another version, or lacks a network.
    """
    try:
        with h5py.File(path) as file:
            if file.attrs.get("schema") != SCHEMA:
                raise InputError(f"{path}: score file of another version: make it again")
            columns = {name: file[name][:] for name in ("run_number", "event_number")}
            return columns | {name: file[f"score/{name}"][:] for name in networks}
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: not a whole score file: {error}") from error

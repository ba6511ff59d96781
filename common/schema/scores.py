"""The score file (HDF5): where networks and event loops meet. Described in docs/formats.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.runtime import files
from common.runtime.errors import BatchError, InputError
from common.schema import hdf5
from common.schema.hdf5 import create_file
from common.tasks import Provenance

SCHEMA = 1
IDENTITY = ("run_number", "event_number", "fold", "weight")  # of events scored by networks


def write_scores(
    path: Path, identity: Mapping[str, npt.NDArray[Any]], scores: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write the columns of ``identity``, ``run_number`` and ``event_number`` among them, and
    ``score/<network>``.

    Raises:
        InputError: two events have the same key.
    """
    keys = np.stack([identity["run_number"].astype(np.uint64), identity["event_number"]], axis=1)
    unique, counts = np.unique(keys, axis=0, return_counts=True)
    if len(unique) != len(keys):
        run, event = unique[counts > 1][0]
        raise InputError(f"{path.stem}: event {event} of run {run} is there twice")
    _write(path, identity, scores, {})


def write_part(
    path: Path,
    identity: Mapping[str, npt.NDArray[Any]],
    scores: Mapping[str, npt.NDArray[Any]],
    origin: Provenance,
) -> None:
    """Write the same for some events of a sample, and where they are from."""
    _write(path, identity, scores, asdict(origin))


def _write(
    path: Path,
    identity: Mapping[str, npt.NDArray[Any]],
    scores: Mapping[str, npt.NDArray[Any]],
    attributes: Mapping[str, Any],
) -> None:
    files.require_space(path, 1_000_000 + 32 * len(identity["run_number"]) * (1 + len(scores)))
    with files.whole(path) as partial, create_file(partial, ["score"]) as file:
        file.attrs["schema"] = SCHEMA
        for name, value in attributes.items():
            file.attrs[name] = value
        for name, values in identity.items():
            file.create_dataset(name, data=values, chunks=True, fletcher32=True)
        for name, values in scores.items():
            file.create_dataset(f"score/{name}", data=values, chunks=True, fletcher32=True)


def read_part(path: Path) -> tuple[dict[str, npt.NDArray[Any]], Provenance]:
    """The columns of a part, named as in the file, and where they are from.

    Raises:
        BatchError: it is damaged, or not a part.
    """
    try:
        with hdf5.open_file(path) as file:
            origin = Provenance(
                **{f.name: np.asarray(file.attrs[f.name]).item() for f in fields(Provenance)}
            )
            columns = {name: file[name][:] for name in IDENTITY}
            return columns | {f"score/{n}": file["score"][n][:] for n in file["score"]}, origin
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise BatchError(f"{path}: a damaged part: remove it and run again ({error})") from error


ALL = slice(None)


def read_scores(
    path: Path,
    networks: Sequence[str],
    rows: slice = ALL,
    identity: Sequence[str] = ("run_number", "event_number"),
) -> dict[str, Any]:
    """The columns of a score file, or some rows of them: those of ``identity``, and one a network.

    Raises:
        InputError: the file is missing, damaged, of another version, or lacks a network.
    """
    try:
        with hdf5.open_file(path) as file:
            if file.attrs.get("schema") != SCHEMA:
                raise InputError(f"{path}: score file of another version: make it again")
            columns = {name: file[name][rows] for name in identity}
            return columns | {name: file[f"score/{name}"][rows] for name in networks}
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: not a whole score file: {error}") from error


def read_scores_of(
    events: Mapping[str, npt.NDArray[Any]],
    source: Path,
    path: Path,
    networks: Sequence[str],
    stage: str,
) -> dict[str, Any]:
    """All of a score file that ``stage`` made of ``events``, read from ``source``: in their order.

    Raises:
        InputError: as `read_scores`, or the events are others.
    """
    scored = read_scores(path, networks)
    for key in ("run_number", "event_number"):
        if not np.array_equal(events[key], scored[key]):
            raise InputError(
                f"{path}: its events are not those of {source}: make it with --stage {stage}"
            )
    return scored

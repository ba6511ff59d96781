"""The score file (HDF5), by which event loops use networks. See docs/formats.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.runtime import files
from common.runtime.errors import InputError, ScoreError
from common.schema import hdf5
from common.schema.hdf5 import create_file
from common.schema.parts import damaged_part
from common.tasks import Provenance

SCHEMA = 1
KEYS = ("run_number", "event_number")  # of an event within its sample
IDENTITY = (*KEYS, "fold", "weight")  # columns of events scored by networks
ALL = slice(None)

Array = npt.NDArray[Any]


def write_scores(path: Path, identity: Mapping[str, Array], scores: Mapping[str, Array]) -> None:
    """Write the columns of ``identity``, which include `KEYS`, and ``score/<network>``.

    Raises:
        InputError: two events have the same key.
    """
    keys = np.stack([identity["run_number"].astype(np.uint64), identity["event_number"]], axis=1)
    unique, counts = np.unique(keys, axis=0, return_counts=True)
    if len(unique) != len(keys):
        run, event = unique[counts > 1][0]
        raise InputError(f"{path.stem}: event {event} of run {run} occurs twice")
    _write(path, identity, scores, {})


def write_part(
    path: Path,
    identity: Mapping[str, Array],
    scores: Mapping[str, Array],
    origin: Provenance,
) -> None:
    """Write the scores of some events of a sample, with their origin."""
    _write(path, identity, scores, asdict(origin))


def _write(
    path: Path,
    identity: Mapping[str, Array],
    scores: Mapping[str, Array],
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


def read_part(path: Path) -> tuple[dict[str, Array], Provenance]:
    """Return the columns of a part, named as in the file, and the origin of its events.

    Raises:
        BatchError: the part is damaged or not a score file.
    """
    with damaged_part(path), hdf5.open_file(path) as file:
        origin = Provenance(
            **{f.name: np.asarray(file.attrs[f.name]).item() for f in fields(Provenance)}
        )
        columns = {name: file[name][:] for name in IDENTITY}
        return columns | {f"score/{n}": file["score"][n][:] for n in file["score"]}, origin


def read_scores(
    path: Path,
    networks: Sequence[str],
    rows: slice = ALL,
    identity: Sequence[str] = KEYS,
) -> dict[str, Any]:
    """Return the columns of ``identity`` and one per network, of some rows of a score file.

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


def read_paired_scores(
    events: Mapping[str, Array], source: Path, path: Path, networks: Sequence[str], stage: str
) -> dict[str, Array]:
    """Return one column per network from a score file, in the order of some events.

    Scores and events are paired by `KEYS`, columns of ``events``, which were read from ``source``.
    ``stage`` makes the score file.

    Raises:
        InputError: as `read_scores`.
        ScoreError: the score file does not have exactly these events, each once.
    """
    scored = read_scores(path, networks)
    keys, scored_keys = ([columns[key] for key in KEYS] for columns in (events, scored))
    if all(map(np.array_equal, keys, scored_keys)):
        return {name: scored[name] for name in networks}
    order, scored_order = np.lexsort(keys), np.lexsort(scored_keys)
    ordered = [key[order] for key in keys]
    if not all(
        np.array_equal(key, other[scored_order])
        for key, other in zip(ordered, scored_keys, strict=True)
    ):
        raise ScoreError(
            f"{path}: its events are not those of {source}: make it with --stage {stage}"
        )
    if np.any(np.logical_and.reduce([key[1:] == key[:-1] for key in ordered])):
        raise ScoreError(f"{path}: two events have the same key: make {source} again")
    rows = np.empty_like(order)
    rows[order] = scored_order
    return {name: scored[name][rows] for name in networks}

"""The input files of an image file: what was read from each, and which were skipped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from analysis.inputs.sample_info import InputRange
from common.schema import hdf5
from common.schema import images as schema
from common.tasks import Skipped

_TEXTS = ("file", "input_version", "dataset")
_INTEGERS = ("begin", "end", "n_events")
_REALS = ("cross_section", "cross_section_error", "sum_of_weights", "sum_of_weights_squared")


def write_sources(file: h5py.File, sources: Sequence[InputRange]) -> None:
    """Write one row per input file; unknown numbers are NaN, unknown texts empty."""
    text = {name: [(getattr(s, name) or "").encode() for s in sources] for name in _TEXTS}
    columns = [(name, f"S{max(map(len, rows), default=0) or 1}") for name, rows in text.items()]
    columns += [(name, "<u8") for name in _INTEGERS] + [(name, "<f8") for name in _REALS]
    table: npt.NDArray[Any] = np.zeros(len(sources), columns)
    for name, rows in text.items():
        table[name] = rows
    for name in (*_INTEGERS, *_REALS):
        values = [getattr(source, name) for source in sources]
        table[name] = [np.nan if value is None else value for value in values]
    file.create_dataset(schema.INPUT_FILES, data=table, fletcher32=True, chunks=True)


def read_sources(file: h5py.File) -> list[InputRange]:
    """Return the input files of an image file."""
    return [InputRange(**_fields(row)) for row in file[schema.INPUT_FILES][:]]


def _fields(row: Any) -> dict[str, Any]:
    values: dict[str, Any] = {name: row[name].decode() or None for name in _TEXTS}
    values |= {name: int(row[name]) for name in _INTEGERS}
    return values | {n: None if np.isnan(row[n]) else float(row[n]) for n in _REALS}


def skipped_files(path: Path) -> list[Skipped]:
    """Return the input files skipped when an image file was made; none if it does not exist."""
    if not path.exists():
        return []
    with hdf5.open_file(path) as file:
        return [Skipped(**one) for one in json.loads(file.attrs[schema.SKIPPED_FILES])]

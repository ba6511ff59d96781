"""Parquet files of skims, written block by block, so that memory does not grow with the number of
events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import uproot
from pyarrow import parquet

from analysis.config.skim import EXPECTED, WEIGHT
from analysis.formats.native import TREE
from analysis.skims.column_types import element_of
from analysis.skims.tree_file import clusters_of

ROWS = 50_000
"""Events in each group of rows but the last."""

_ARROW = {
    "bool": pa.bool_(),
    "unsigned char": pa.uint8(),
    "short": pa.int16(),
    "unsigned short": pa.uint16(),
    "int": pa.int32(),
    "unsigned int": pa.uint32(),
    "long long": pa.int64(),
    "unsigned long long": pa.uint64(),
    "float": pa.float32(),
    "double": pa.float64(),
}


def write(
    path: Path,
    parts: Iterable[Path],
    types: Mapping[str, str],
    facts: Mapping[str, str],
    factor: float | None,
) -> int:
    """Write the events of some ROOT files, one after another, and return their number.

    ``types`` are the C++ types of all columns, ``facts`` the metadata; ``factor`` is that from the
    weight to `EXPECTED`. Groups of rows have a fixed size, so that the same events give the same
    bytes whatever the files.
    """
    schema = pa.schema(
        [pa.field(name, _arrow(kind), nullable=False) for name, kind in types.items()],
        metadata=dict(facts),
    )
    n_events = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(_tables(parts, schema, factor)):
            writer.write_table(group.combine_chunks(), row_group_size=ROWS)
            n_events += len(group)
    return n_events


def _arrow(kind: str) -> Any:
    element = element_of(kind)
    if element is None:
        return _ARROW[kind]
    return pa.list_(pa.field("element", _ARROW[element], nullable=False))


def _groups(tables: Iterable[Any]) -> Iterator[Any]:
    """Yield the rows of some tables in groups of `ROWS`."""
    waiting: list[Any] = []
    for table in tables:
        while len(table):
            free = ROWS - sum(map(len, waiting))
            waiting.append(table.slice(0, free))
            table = table.slice(free)
            if len(waiting[-1]) == free:
                yield pa.concat_tables(waiting)
                waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _tables(parts: Iterable[Path], schema: Any, factor: float | None) -> Iterator[Any]:
    stored = [name for name in schema.names if name != EXPECTED]
    for part in parts:
        with uproot.open(part) as file:
            for begin, end in clusters_of(part):
                events = file[TREE].arrays(stored, entry_start=begin, entry_stop=end)
                arrays = {name: _array(events[name], schema.field(name).type) for name in stored}
                if factor is not None:
                    weight = np.asarray(events[WEIGHT], np.float64)
                    arrays[EXPECTED] = pa.array(weight * factor)
                yield pa.table([arrays[name] for name in schema.names], schema=schema)


def _array(values: Any, kind: Any) -> Any:
    if not pa.types.is_list(kind):
        return pa.array(np.asarray(values), kind)
    offsets = np.concatenate([[0], np.cumsum(np.asarray(ak.num(values)))]).astype(np.int32)
    content = pa.array(np.asarray(ak.flatten(values)), kind.value_type)
    return pa.ListArray.from_arrays(pa.array(offsets), content, type=kind)

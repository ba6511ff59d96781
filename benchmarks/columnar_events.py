"""Events as flat arrays, read with uproot from an RNTuple or a TTree (`benchmarks.columnar`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
import uproot

OBJECTS = {
    "particle": ("pt", "eta", "phi", "energy", "pdg_id", "charge"),
    "jet": ("pt", "eta", "phi", "width", "n_tracks"),
    "electron": ("pt", "eta", "phi"),
    "muon": ("pt", "eta", "phi"),
}
SCALARS = ("run_number", "event_number", "weight", "met_no_muons", "met_no_muons_phi")

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Keys = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]


# --- Jagged arrays ---------------------------------------------------------------------


@dataclass(frozen=True)
class Objects:
    """Objects of consecutive events as flat arrays: event i has those from ``offsets[i]`` up to
    ``offsets[i + 1]``."""

    offsets: Indices
    quantities: dict[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.quantities[name]

    @property
    def event(self) -> Indices:
        """Return the event of each object."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def of_events(self, first: int, last: int) -> Objects:
        """Return the objects of events [first, last); only offsets are copied."""
        offsets = self.offsets[first : last + 1]
        flat = slice(offsets[0], offsets[-1])
        return Objects(offsets - offsets[0], {k: q[flat] for k, q in self.quantities.items()})


def sums(values: Doubles, offsets: Indices) -> Doubles:
    """Return the sum of the values of each event.

    In double precision, sums of transverse momenta, floats of similar size, are exact in any order.
    """
    some = np.flatnonzero(np.diff(offsets))
    result = np.zeros(len(offsets) - 1)
    result[some] = np.add.reduceat(values, offsets[some])
    return result


def count(chosen: Bools) -> int:
    """Return the number of true elements."""
    return int(np.count_nonzero(chosen))


def kev(pt: Doubles) -> int:
    """Return the sum of transverse momenta per event, in GeV, each rounded to keV."""
    return int((np.clip(pt, 0, 1e9) * 1e6 + 0.5).astype(np.uint64).sum())


# --- Reading ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Events:
    """The columns of consecutive events."""

    scalars: dict[str, Array]
    objects: dict[str, Objects]

    def __len__(self) -> int:
        return len(self.scalars["weight"])

    def blocks(self, size: int) -> Iterator[Events]:
        """Yield the events in blocks of equal size, at most ``size`` events each."""
        n_blocks = -(-len(self) // size)
        edges = [len(self) * i // n_blocks for i in range(n_blocks + 1)]
        for begin, end in pairwise(edges):
            yield Events(
                {name: column[begin:end] for name, column in self.scalars.items()},
                {kind: some.of_events(begin, end) for kind, some in self.objects.items()},
            )


def read(source: Path, step: int) -> Iterator[Events]:
    """Yield the events of an RNTuple or a TTree, about ``step`` at a time."""
    # Map the file and cache nothing: each page is read once, so copies and threads do not help.
    options = {"handler": uproot.MemmapSource, "array_cache": None, "object_cache": None}
    with uproot.open(source, **options) as file:
        events = file["events"]
        is_ntuple = hasattr(events, "read_cluster_range")
        yield from (read_ntuple if is_ntuple else read_tree)(events, step)


def read_tree(tree: Any, step: int) -> Iterator[Events]:
    """Yield the events of a TTree."""
    jagged = [f"{kind}_{name}" for kind, names in OBJECTS.items() for name in names]
    for chunk in tree.iterate(filter_name=[*SCALARS, *jagged], step_size=step):
        objects = {}
        for kind, names in OBJECTS.items():
            columns = {name: chunk[f"{kind}_{name}"] for name in names}
            offsets = np.append(0, np.cumsum(ak.num(columns["pt"]).to_numpy()))
            flat = {name: ak.flatten(column).to_numpy() for name, column in columns.items()}
            objects[kind] = Objects(offsets, flat)
        yield Events({name: chunk[name].to_numpy() for name in SCALARS}, objects)


def read_ntuple(ntuple: Any, step: int) -> Iterator[Events]:
    """Yield the events of an RNTuple in whole clusters, about ``step`` events at a time.

    ``iterate`` takes 1.5 times as long: it reads the offsets of every jagged column, although one
    per kind of object suffices, and reads the clusters at the ends of a step twice.
    """
    fields = list(enumerate(ntuple.field_records))
    field = {record.field_name: i for i, record in fields if record.parent_field_id == i}
    item = {record.parent_field_id: i for i, record in fields if record.parent_field_id != i}
    column = {record.field_id: record.idx for record in reversed(ntuple.column_records)}

    ends = np.cumsum([cluster.num_entries for cluster in ntuple.cluster_summaries])
    steps = np.searchsorted(ends, np.arange(step, ends[-1] + step, step), side="right")
    for clusters in pairwise(np.unique([0, *steps, len(ends)])):

        def values(i: int, clusters: tuple[int, int] = clusters) -> Array:
            flat: Array = ntuple.read_cluster_range(column[i], *clusters)
            return flat

        yield Events(
            {name: values(field[name]) for name in SCALARS},
            {
                kind: Objects(
                    values(field[f"{kind}_pt"]).astype(np.int64),
                    {name: values(item[field[f"{kind}_{name}"]]) for name in names},
                )
                for kind, names in OBJECTS.items()
            },
        )

"""Common parts of ATLAS analysis files of any kind and release (xAOD; MeV).

Each variable of a container is a column, ``<container>AuxDyn.<variable>`` or, in older files and
for a fixed set, ``<container>Aux.<variable>``; an RNTuple has a colon in place of the dot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.formats.columns import RVEC_FLOAT
from analysis.formats.format import IS_DATA, Bookkeeping, Column, ColumnGroup, SourceColumn

TREES = ("CollectionTree", "EventData")
MC_ONLY = frozenset({"EventInfo_mcEventWeights"})

_SEPARATORS = ("AuxDyn.", "Aux.", "AuxDyn:", "Aux:.")
_STRINGS = ("ROOT::VecOps::RVec<std::string>", "ROOT::VecOps::RVec<string>")


def container(name: str, variables: Iterable[str], *types: str) -> dict[str, SourceColumn]:
    """Return variables of a container, ``<container>_<variable>`` in expressions."""
    return {
        f"{name}_{one}": SourceColumn(
            types, tuple(f"{name}{separator}{one}" for separator in _SEPARATORS)
        )
        for one in variables
    }


def link(name: str, variable: str) -> dict[str, SourceColumn]:
    """Return the column of links from the objects of one container to those of another."""
    stored = (f"{name}AuxDyn.{variable}.m_persIndex", f"{name}AuxDyn:{variable}.:_0.m_persIndex")
    return {f"{name}_{variable}": SourceColumn(("ROOT::VecOps::RVec<unsigned int>",), stored)}


def met_container(name: str) -> dict[str, SourceColumn]:
    """Return the columns of the components of a missing transverse momentum."""
    return container(name, ("name",), *_STRINGS) | container(name, ("mpx", "mpy"), RVEC_FLOAT)


EVENT_SOURCES = {
    **container("EventInfo", ("runNumber", "mcChannelNumber"), "unsigned int"),
    **container("EventInfo", ("eventNumber",), "unsigned long long", "unsigned int"),
    **container("EventInfo", ("mcEventWeights",), RVEC_FLOAT),
}

EVENT = (
    ColumnGroup(
        {
            "run_number": Column(
                "EventInfo_mcChannelNumber > 0 ? EventInfo_mcChannelNumber : EventInfo_runNumber",
                "derived",
                "the number of the simulated dataset; in data the run number",
            )
        },
        needs=frozenset({"EventInfo_mcChannelNumber"}),
    ),
    ColumnGroup(
        {
            "run_number": Column(
                "EventInfo_runNumber", note="without the number of a simulated dataset"
            ),
        }
    ),
    ColumnGroup(
        {
            "event_number": Column("EventInfo_eventNumber"),
            "weight": Column(
                f"monojet::nominal_weight({IS_DATA}, EventInfo_mcEventWeights)",
                "derived",
                "the first; 1 with `data: true` in the configuration",
            ),
        }
    ),
)
"""Needs `EVENT_SOURCES`."""

# Streams of reconstructed and of generated events, in order of preference.
_STREAMS = ("StreamAOD", "StreamEVGEN")


def _all_executed(entries: Mapping[str, list[Any]]) -> tuple[float, float] | None:
    """Return the sums over all events before any cut, ``AllExecutedEvents``, for the highest cycle
    (last processing step) of a stream; merged files have several of these."""
    books = ("name", "inputStream", "cycle", "weights", "squares")
    counted = [
        (stream, cycle, weights, squares)
        for entry in zip(*(entries[book] for book in books), strict=True)
        for name, stream, cycle, weights, squares in zip(*entry, strict=True)
        if name == "AllExecutedEvents" and stream in _STREAMS
    ]
    if not counted:
        return None
    stream = min((one[0] for one in counted), key=_STREAMS.index)
    last = max(one[1] for one in counted if one[0] == stream)
    sums = [one[2:] for one in counted if one[:2] == (stream, last)]
    return sum(weights for weights, _ in sums), sum(squares for _, squares in sums)


BOOKKEEPING = Bookkeeping(
    tree="MetaData",
    columns={
        book: tuple(f"CutBookkeepers{separator}{stored}" for separator in ("Aux.", "AuxDyn."))
        for book, stored in (
            ("name", "name"),
            ("inputStream", "inputStream"),
            ("cycle", "cycle"),
            ("weights", "sumOfEventWeights"),
            ("squares", "sumOfEventWeightsSquared"),
        )
    },
    sums=_all_executed,
)

"""What ATLAS's analysis files have in common, of whatever kind and release (xAOD; MeV).

A container's variables are columns of their own, ``<container>AuxDyn.<variable>`` or, older or of a
fixed set, ``<container>Aux.<variable>``; in an RNTuple with a colon for the dot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.formats.columns import RVEC_FLOAT
from analysis.formats.format import IS_DATA, Block, Bookkeeping, Column, Source

TREES = ("CollectionTree", "EventData")
ONLY_SIMULATED = frozenset({"EventInfo_mcEventWeights"})

_SEPARATORS = ("AuxDyn.", "Aux.", "AuxDyn:", "Aux:.")
_STRINGS = ("ROOT::VecOps::RVec<std::string>", "ROOT::VecOps::RVec<string>")


def container(name: str, variables: Iterable[str], *types: str) -> dict[str, Source]:
    """Variables of a container, ``<container>_<variable>`` in expressions."""
    return {
        f"{name}_{one}": Source(
            types, tuple(f"{name}{separator}{one}" for separator in _SEPARATORS)
        )
        for one in variables
    }


def link(name: str, variable: str) -> dict[str, Source]:
    """Where in another container the objects of one link to."""
    stored = (f"{name}AuxDyn.{variable}.m_persIndex", f"{name}AuxDyn:{variable}.:_0.m_persIndex")
    return {f"{name}_{variable}": Source(("ROOT::VecOps::RVec<unsigned int>",), stored)}


def met_container(name: str) -> dict[str, Source]:
    """Components of a missing transverse momentum."""
    return container(name, ("name",), *_STRINGS) | container(name, ("mpx", "mpy"), RVEC_FLOAT)


EVENT_SOURCES = {
    **container("EventInfo", ("runNumber", "mcChannelNumber"), "unsigned int"),
    **container("EventInfo", ("eventNumber",), "unsigned long long", "unsigned int"),
    **container("EventInfo", ("mcEventWeights",), RVEC_FLOAT),
}

EVENT = (
    Block(
        {
            "run_number": Column(
                "EventInfo_mcChannelNumber > 0 ? EventInfo_mcChannelNumber : EventInfo_runNumber",
                "derived",
                "the number of the simulated dataset; in data the run's",
            )
        },
        needs=frozenset({"EventInfo_mcChannelNumber"}),
    ),
    Block(
        {
            "run_number": Column("EventInfo_runNumber", note="where the file has no other"),
        }
    ),
    Block(
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

# The streams of simulation: of reconstructed events or else of generated ones.
_STREAMS = ("StreamAOD", "StreamEVGEN")


def _all_executed(entries: Mapping[str, list[Any]]) -> tuple[float, float] | None:
    """The sums over all events before any cut, ``AllExecutedEvents``, of the last processing, the
    highest cycle, of a stream; several of these are of files that were joined."""
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

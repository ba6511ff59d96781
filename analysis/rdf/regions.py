"""Selections applied to events: blind regions, the summary of an event."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.event_loop.events import Events
from selections.cuts import Cut, Definition, Region
from selections.selection import Selection


def without_blind(events: Events, selection: Selection, *, data: bool) -> Events:
    """Return the events that may be shown: of data, those outside of all blind regions."""
    if not data or selection.not_blind is None:
        return events
    return events.passing(Cut("blind", selection.not_blind, ""), "selection.blind")


def define_summary(
    events: Events,
    definitions: Iterable[Definition],
    regions: Iterable[Region],
    quantities: Iterable[str],
    weight: str = "weight",
) -> Events:
    """Return the events with column ``event_summary``, a ``monojet::EventSummary``, with the weight
    of this expression.

    Bit i of its ``regions`` is set if the event passes the i-th region.

    The definitions become local variables of one expression: where ROOT compiles them, a column for
    each takes ten times as long.
    """
    lines = [f"const auto {d.name} = {d.expression};" for d in definitions]
    bits = [f"((unsigned long long)({r.expression}) << {i})" for i, r in enumerate(regions)]
    floats = ", ".join(f"float({quantity})" for quantity in quantities)
    lines.append(
        "return monojet::EventSummary{(unsigned int)run_number, (unsigned long long)event_number,"
        f" double({weight}), {' | '.join(bits) or '0ull'}, {{{floats}}}}};"
    )
    return events.define([Definition("event_summary", "\n".join(lines))])


def apply_region(events: Events, regions: Iterable[str], name: str) -> Events:
    """Return the events that pass one of the regions given to `define_summary`."""
    bit = list(regions).index(name)
    return events.passing(Cut(name, f"bool(event_summary.regions >> {bit} & 1)", name))

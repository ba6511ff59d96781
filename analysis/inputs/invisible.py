"""Which stable particles escape a detector: those known to, and what the configuration adds.

The codes that are known are in ``cpp_helpers/objects/particles.hxx``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cpp_helpers import declare

_SHOWN = 5  # codes that are named


def set_invisible(codes: Iterable[int]) -> None:
    """Have particles of these PDG codes escape too, in this process, until it is said anew."""
    declare().set_invisible(list(codes))


def unknown_particles(counts: Mapping[str, int]) -> str:
    """Return the warning of particles that no list knows, by their numbers per PDG code."""
    by_number = sorted(counts, key=lambda code: (-counts[code], code))
    shown = ", ".join(f"{code} ({counts[code]})" for code in by_number[:_SHOWN])
    more = f" and {len(counts) - _SHOWN} other codes" if len(counts) > _SHOWN else ""
    return (
        f"{sum(counts.values())} stable particles of unknown PDG codes, {shown}{more}, are taken "
        "as visible: list those that escape under 'invisible' of the configuration"
    )

"""Invisible stable particles: known ones and those of the configuration.

The known codes are in ``cpp_helpers/objects/particles.hxx``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from cpp_helpers import calls

_SHOWN = 5  # codes in the message


def set_invisible(codes: Iterable[int]) -> None:
    """Treat particles of these PDG codes as invisible too, in this process, until the next call."""
    calls.call("set_invisible", np.array([*codes], np.int32))


def unknown_particles(counts: Mapping[str, int]) -> str:
    """Return the warning for unknown particles, given their numbers by PDG code."""
    by_number = sorted(counts, key=lambda code: (-counts[code], code))
    shown = ", ".join(f"{code} ({counts[code]})" for code in by_number[:_SHOWN])
    more = f" and {len(counts) - _SHOWN} other codes" if len(counts) > _SHOWN else ""
    return (
        f"{sum(counts.values())} stable particles of unknown PDG codes, {shown}{more}, are taken "
        "as visible: list invisible ones under 'invisible' of the configuration"
    )

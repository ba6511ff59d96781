"""Particles, jets and cells that images do not contain, as counted by the image action."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.schema import images as schema


@dataclass
class Losses:
    """Counts and sums of transverse momenta over all events.

    Transverse momenta are summed in whole keV, so that the sums do not depend on how the events are
    grouped.
    """

    particles: int = 0
    particles_below_threshold: int = 0
    particles_outside_grid: int = 0
    objects_not_finite: int = 0
    jets_outside_grid: int = 0
    pt_particles_kev: int = 0
    pt_below_threshold_kev: int = 0
    pt_outside_grid_kev: int = 0
    cells: int = 0
    pt_cells_kev: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    """Particles counted as visible because their PDG code, the key, is unknown."""
    # For each crop "<compression>_<size>": lost cells, their pT, and the events that lose any.
    cells_lost: dict[str, int] = field(default_factory=dict)
    pt_lost_kev: dict[str, int] = field(default_factory=dict)
    events_cropped: dict[str, int] = field(default_factory=dict)

    def add(self, other: Losses) -> None:
        """Add the losses of further events."""
        for item in dataclasses.fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            if isinstance(mine, dict):
                for key, value in theirs.items():
                    mine[key] = mine.get(key, 0) + value
            else:
                setattr(self, item.name, mine + theirs)

    def to_attributes(self) -> dict[str, int]:
        """Return attributes of a file: ``losses/<count>`` or ``losses/<count>/<key>``."""
        attributes: dict[str, int] = {}
        for key, value in dataclasses.asdict(self).items():
            if isinstance(value, dict):
                for name, number in sorted(value.items()):
                    attributes[f"{schema.LOSSES}{key}/{name}"] = number
            else:
                attributes[f"{schema.LOSSES}{key}"] = value
        return attributes

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> Losses:
        """Return the losses stored in a file."""
        losses = cls()
        for key, value in attributes.items():
            if not key.startswith(schema.LOSSES):
                continue
            name, _, item = key.removeprefix(schema.LOSSES).partition("/")
            if item:
                getattr(losses, name)[item] = int(value)
            else:
                setattr(losses, name, int(value))
        return losses

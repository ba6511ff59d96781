"""Section ``generation``: how events are simulated."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    model_validator,
)

from analysis.config.base import Model, Name


class Slice(Model):
    """A range of the hard process's transverse momentum."""

    low: float = Field(gt=0)
    high: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Slice:
        if self.high is not None and self.high <= self.low:
            raise ValueError("'high' must be above 'low'")
        return self


class Generation(Model):
    """How events are simulated."""

    block_size: int = Field(500, gt=0, description="events a block: one seed, one file")
    particle_threshold: float = Field(0.5, ge=0, description="pT of stored particles")
    file_format: Literal["rntuple", "ttree"] = "rntuple"
    slices: dict[Name, Slice] = {  # the thesis's are the last three
        "lowest": Slice(low=100, high=200),
        "lower": Slice(low=200, high=280),
        "low": Slice(low=280, high=500),
        "medium": Slice(low=500, high=1000),
        "high": Slice(low=1000),
    }

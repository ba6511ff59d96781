"""Section ``generation``: how events are simulated."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from analysis.config.base import Model, Name


class Slice(Model):
    """A range of the transverse momentum of the hard process."""

    low: float = Field(gt=0, description="GeV")
    high: float | None = Field(None, description="GeV; null: unlimited")

    @model_validator(mode="after")
    def _ordered(self) -> Slice:
        if self.high is not None and self.high <= self.low:
            raise ValueError("'high' must be above 'low'")
        return self


class Generation(Model):
    """How events are simulated and stored."""

    block_size: int = Field(500, gt=0, description="events per seed and temporary file")
    stored_particle_min_pt: float = Field(
        0.5, ge=0, description="GeV; minimum pT of the particles that are stored"
    )
    file_format: Literal["rntuple", "ttree"] = Field("rntuple", description="ROOT format of files")
    slices: dict[Name, Slice] = Field(
        {
            "lowest": Slice(low=100, high=200),
            "lower": Slice(low=200, high=280),
            "low": Slice(low=280, high=500),
            "medium": Slice(low=500, high=1000),
            "high": Slice(low=1000),
        },
        description="pT slices; those of the 2018 thesis are the last three",
    )

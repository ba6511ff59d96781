"""Cross-sections of simulated datasets by their number; each with its source in the YAML file."""

from __future__ import annotations

import functools
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

PATH = Path(__file__).with_suffix(".yaml")


class Dataset(BaseModel):
    """What is known of a dataset; pb."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cross_section: float = Field(gt=0)
    filter_efficiency: float = Field(1.0, gt=0, le=1)
    source: str = Field(min_length=10)


@functools.cache
def datasets() -> dict[int, Dataset]:
    """All that are known."""
    return TypeAdapter(dict[int, Dataset]).validate_python(yaml.safe_load(PATH.read_text()))


def cross_section_of(number: int) -> float | None:
    """In pb, of the events of a dataset, if it is known."""
    found = datasets().get(number)
    return None if found is None else found.cross_section * found.filter_efficiency

"""Cross-sections of simulated datasets by their number; each with its source in the YAML file."""

from __future__ import annotations

import functools

import yaml
from pydantic import BaseModel, ConfigDict, Field

from common.repository import REPOSITORY

DATA_FILES = ("analysis/inputs/cross_sections.yaml",)
PATH = REPOSITORY / DATA_FILES[0]


class Dataset(BaseModel):
    """What is known of a dataset: the cross-section of its events, in pb."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    cross_section: float = Field(gt=0)
    source: str


class Datasets(BaseModel):
    """All that are known, by number, and their sources in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[str, str]
    datasets: dict[int, Dataset]


@functools.cache
def known() -> Datasets:
    """As the file has them."""
    return Datasets.model_validate(yaml.load(PATH.read_text(), yaml.CSafeLoader))


def cross_section_of(number: int) -> float | None:
    """In pb, of the events of a dataset, if it is known."""
    found = known().datasets.get(number)
    return None if found is None else found.cross_section

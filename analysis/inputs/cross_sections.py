"""Cross-sections of simulated datasets by number, with their sources, from the YAML file."""

from __future__ import annotations

import functools

import yaml
from pydantic import BaseModel, ConfigDict, Field

from common.repository import REPOSITORY

DATA_FILES = ("analysis/inputs/cross_sections.yaml",)
PATH = REPOSITORY / DATA_FILES[0]


class Dataset(BaseModel):
    """A dataset: name, cross-section of its events in pb, and source of that."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    cross_section: float = Field(gt=0)
    source: str


class Datasets(BaseModel):
    """All known datasets by number, and the descriptions of the sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[str, str]
    datasets: dict[int, Dataset]


@functools.cache
def known() -> Datasets:
    """Return the content of the file."""
    return Datasets.model_validate(yaml.load(PATH.read_text(), yaml.CSafeLoader))


def cross_section_of(number: int) -> float | None:
    """Return the cross-section of a dataset in pb; None if unknown."""
    found = known().datasets.get(number)
    return None if found is None else found.cross_section

"""The part of the yields that a task makes: exact sums of a range of a file, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from analysis.inputs.sample_info import InputRange, SampleInfo
from analysis.rdf.histograms import ExactHistogram
from analysis.rdf.yields import ExactYield
from analysis.yields.cutflow_model import Cutflow
from common.runtime import files
from common.schema.parts import damaged_part
from common.tasks import Provenance

NETWORK = "networks/"  # prefix of the sections of networks

ExactCutflow = dict[str, dict[str, ExactYield]]
"""Exact yields by section and name; the sections are those of `Cutflow`: ``steps``, ``bins`` and
one per network, with the prefix `NETWORK`."""


def add(one: ExactCutflow, other: ExactCutflow) -> ExactCutflow:
    """Return the sum of two cut-flows of the same region."""
    return {
        section: {name: y + other[section][name] for name, y in yields.items()}
        for section, yields in one.items()
    }


@dataclass(frozen=True)
class ExactRegion:
    """The exact yields and histograms of a region."""

    cutflow: ExactCutflow
    histograms: dict[str, ExactHistogram]

    def __add__(self, other: ExactRegion) -> ExactRegion:
        return ExactRegion(
            add(self.cutflow, other.cutflow),
            {name: one + other.histograms[name] for name, one in self.histograms.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "cutflow": {
                section: {name: y.to_json() for name, y in yields.items()}
                for section, yields in self.cutflow.items()
            },
            "histograms": {name: one.to_json() for name, one in self.histograms.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ExactRegion:
        """Return the region from the plain data of `to_json`."""
        return cls(
            {
                section: {name: ExactYield.from_json(y) for name, y in yields.items()}
                for section, yields in data["cutflow"].items()
            },
            {name: ExactHistogram.from_json(one) for name, one in data["histograms"].items()},
        )


def without_step(cutflow: Cutflow, name: str) -> Cutflow:
    """Return a cut-flow of which the events after one of its cuts are all."""
    steps = dict(cutflow.steps)
    steps["all events"] = steps.pop(name)
    return replace(cutflow, steps=steps)


def rounded(exact: ExactCutflow) -> Cutflow:
    """Return the cut-flow with each sum rounded to the nearest double.

    Raises:
        InputError: a sum is beyond the largest double.
    """
    found = {
        section: {name: y.rounded() for name, y in yields.items()}
        for section, yields in exact.items()
    }
    steps, bins = found.pop("steps"), found.pop("bins")
    return Cutflow(steps, bins, {name.removeprefix(NETWORK): y for name, y in found.items()})


@dataclass(frozen=True)
class CutflowPart:
    """The content of a part: its origin, and the yields and histograms of the range by region."""

    code_settings_hash: str
    source: InputRange
    info: SampleInfo
    regions: dict[str, ExactRegion]

    def write(self, path: Path) -> None:
        """Write the part."""
        files.write_json(
            path,
            {
                "code_settings_hash": self.code_settings_hash,
                "source": asdict(self.source),
                "info": self.info.to_json(),
                "regions": {name: region.to_json() for name, region in self.regions.items()},
            },
        )

    @classmethod
    def read(cls, path: Path) -> CutflowPart:
        """Read a part.

        Raises:
            BatchError: the part is missing or damaged.
        """
        with damaged_part(path):
            data = json.loads(path.read_text())
            regions = {
                name: ExactRegion.from_json(region) for name, region in data["regions"].items()
            }
            return cls(
                data["code_settings_hash"],
                InputRange(**data["source"]),
                SampleInfo.from_json(data["info"]),
                regions,
            )

    @property
    def provenance(self) -> Provenance:
        """Return the origin of the part, by which it is recognised as that of a task."""
        source = self.source
        return Provenance(
            self.code_settings_hash, source.input_version, source.file, source.begin, source.end
        )

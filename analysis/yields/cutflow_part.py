"""The part of a cut-flow that a task makes: exact yields of a range of a file, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from analysis.inputs.sample_info import InputRange, SampleInfo
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
    """The content of a part: its origin and the cut-flows of the range by region."""

    code_settings_hash: str
    source: InputRange
    info: SampleInfo
    regions: dict[str, ExactCutflow]

    def write(self, path: Path) -> None:
        """Write the part."""
        regions = {
            region: {
                section: {name: y.to_json() for name, y in yields.items()}
                for section, yields in exact.items()
            }
            for region, exact in self.regions.items()
        }
        files.write_json(
            path,
            {
                "code_settings_hash": self.code_settings_hash,
                "source": asdict(self.source),
                "info": self.info.to_json(),
                "regions": regions,
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
                region: {
                    section: {name: ExactYield.from_json(y) for name, y in yields.items()}
                    for section, yields in exact.items()
                }
                for region, exact in data["regions"].items()
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

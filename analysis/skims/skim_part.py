"""The part of a skim that a task makes: the events of a range of a file that pass, and facts."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from analysis.inputs.root_file import read_text, write_texts
from analysis.inputs.sample_info import InputRange, SampleInfo
from common.runtime.errors import InputError
from common.schema.parts import damaged_part
from common.tasks import Provenance

_NAME = "skim_part"


@dataclass(frozen=True)
class SkimPart:
    """Facts about the events of a part: what they were made from, the C++ types of the columns by
    name, and their number."""

    code_settings_hash: str
    source: InputRange
    info: SampleInfo
    types: dict[str, str]
    n_events: int

    def write(self, path: Path) -> None:
        """Add the facts to the file with the events."""
        text = json.dumps(
            {
                "code_settings_hash": self.code_settings_hash,
                "source": dataclasses.asdict(self.source),
                "info": self.info.to_json(),
                "types": self.types,
                "n_events": self.n_events,
            }
        )
        write_texts(path, {_NAME: text})

    @classmethod
    def read(cls, path: Path) -> SkimPart:
        """Read the facts about a part.

        Raises:
            BatchError: the part is missing or damaged.
        """
        with damaged_part(path, InputError):
            data = json.loads(
                read_text(path, _NAME, f"no '{_NAME}': not a complete file of events")
            )
            return cls(
                data["code_settings_hash"],
                InputRange(**data["source"]),
                SampleInfo.from_json(data["info"]),
                data["types"],
                data["n_events"],
            )

    @property
    def provenance(self) -> Provenance:
        """Return the origin of the part, by which it is recognised as that of a task."""
        source = self.source
        return Provenance(
            self.code_settings_hash, source.input_version, source.file, source.begin, source.end
        )

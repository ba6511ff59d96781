"""Section ``samples``: where events come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from analysis.config.base import Model, Name
from analysis.formats.columns import CANONICAL
from analysis.formats.format import Layout
from analysis.formats.hepmc import HEPMC, is_hepmc
from analysis.formats.registry import FORMATS
from analysis.processes import PROCESSES
from common.runtime.errors import did_you_mean


def _expression(value: Any) -> Any:
    """A number is a C++ expression, too."""
    return str(value) if type(value) in (int, float) else value


class Sample(Model):
    """One sample: generated here (``events``) or of the user's files (``files``)."""

    process: Name
    slice: Name | None = None
    role: Literal["analysis", "training"] = Field(
        "analysis", description="'training': networks learn from it, and it is used for no more"
    )
    events: int | None = Field(None, gt=0, description="events to generate")
    files: tuple[str, ...] = ()
    format: str | None = Field(None, description="of the files; default: found from what they hold")
    columns: dict[str, Annotated[str, BeforeValidator(_expression)]] = Field(
        {}, description="files of another layout: canonical columns and their expressions"
    )
    tree: str | None = Field(None, description="the tree or ntuple of 'columns', if not the only")
    weight: int | str = Field(
        0, description="of HepMC files: index or name of the weight that events count by"
    )
    cross_section: float | None = Field(None, gt=0, description="pb")
    sum_of_weights: float | None = Field(None, gt=0, description="before any cut")
    k_factor: float = Field(1.0, gt=0)
    data: bool = Field(
        False,
        description="measured: not normalised, no fake leptons added, no weights of simulation",
    )

    def __hash__(self) -> int:
        return hash((self.name, self.files))

    @property
    def name(self) -> str:
        """Name of the sample's files: ``<process>``, with ``_<slice>`` and ``_training``."""
        parts = (self.process, self.slice, "training" if self.role == "training" else None)
        return "_".join(part for part in parts if part)

    @property
    def generated(self) -> bool:
        """Whether the events are simulated by this run."""
        return not self.files

    @property
    def converted(self) -> bool:
        """Whether the files are HepMC ascii files, which this run converts to one of its own."""
        return self.format == HEPMC or any(map(is_hepmc, self.files))

    @property
    def made_here(self) -> bool:
        """Whether the events are read from a file that this run makes."""
        return self.generated or self.converted

    @property
    def layout(self) -> Layout:
        """What is said of the layout of its files."""
        return Layout(self.format, self.tree, tuple(self.columns.items()))

    @field_validator("columns")
    @classmethod
    def _canonical(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in CANONICAL:
                raise ValueError(
                    f"'{name}' is no canonical column{did_you_mean(name, CANONICAL)} "
                    "(docs/inputs.md has their list)"
                )
        missing = [n for n in ("run_number", "event_number", "weight") if n not in value]
        if value and missing:
            raise ValueError(
                f"'{missing[0]}' is missing: every event has one (a constant '1' is an expression)"
            )
        return value

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        known = (*FORMATS, HEPMC)
        if value is not None and value not in known:
            raise ValueError(f"unknown format '{value}'{did_you_mean(value, known)}")
        return value

    @field_validator("weight")
    @classmethod
    def _index(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 0:
            raise ValueError("an index of weights counts from 0")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Sample:
        if bool(self.files) == (self.events is not None):
            raise ValueError(
                f"sample '{self.name}' needs either 'events' (to generate) or 'files', not both"
            )
        if self.generated and self.data:
            raise ValueError(f"sample '{self.name}' is generated: it cannot be 'data'")
        if self.generated and self.layout != Layout():
            raise ValueError(
                f"sample '{self.name}' is generated: it has no 'format', 'columns' or 'tree' of "
                "files"
            )
        if self.columns and self.format is not None:
            raise ValueError(f"sample '{self.name}' has 'columns': they are its 'format'")
        if self.tree is not None and not self.columns:
            raise ValueError(f"sample '{self.name}': 'tree' is that of 'columns', and has none")
        if self.converted and (self.format not in (None, HEPMC) or self.columns):
            raise ValueError(f"sample '{self.name}': HepMC files are not of another format")
        if self.converted and self.format is None and not all(map(is_hepmc, self.files)):
            raise ValueError(
                f"sample '{self.name}' has HepMC files and others: make them two samples "
                f"or, if all are, give 'format: {HEPMC}'"
            )
        if self.converted and self.data:
            raise ValueError(f"sample '{self.name}' is of HepMC files: it cannot be 'data'")
        if self.weight != 0 and not self.converted:
            raise ValueError(f"sample '{self.name}': 'weight' is of HepMC files")
        if self.generated and self.process not in PROCESSES:
            hint = did_you_mean(self.process, PROCESSES)
            raise ValueError(f"no generator settings for process '{self.process}'{hint}")
        return self

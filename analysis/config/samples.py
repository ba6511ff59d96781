"""Section ``samples``: simulated or recorded events, generated here or read from files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    field_validator,
    model_validator,
)

from analysis.config.base import Model, Name
from analysis.formats.columns import CANONICAL, FORMER
from analysis.formats.format import Layout
from analysis.formats.hepmc import HEPMC, is_hepmc
from analysis.formats.registry import FORMATS
from analysis.processes import PROCESSES
from common.runtime.errors import did_you_mean


def _expression(value: Any) -> Any:
    """Return a number as a C++ expression."""
    return str(value) if type(value) in (int, float) else value


class BaseSample(Model):
    """Keys of every sample."""

    process: Name = Field(description="physics process; generated samples: one that is known")
    slice: Name | None = Field(None, description="pT slice of the process, see generation.slices")
    role: Literal["analysis", "training"] = Field(
        "analysis", description="'training': train networks on these events, and do nothing else"
    )
    cross_section: float | None = Field(None, gt=0, description="pb")
    sum_of_weights: float | None = Field(None, gt=0, description="before any cut")
    k_factor: float = Field(1.0, gt=0, description="factor on the cross-section")

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def name(self) -> str:
        """Return the name of the sample's files: ``<process>[_<slice>][_training]``."""
        return _name(self.process, self.slice, self.role)

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, data: Any) -> Any:
        """Refuse a sample without source or with two; a misspelt key is reported as such."""
        if isinstance(data, Mapping) and data.keys() <= _KEYS:
            sources = bool(data.get("files")), data.get("events") is not None
            if sum(sources) != 1:
                name = _name(data.get("process"), data.get("slice"), data.get("role"))
                raise ValueError(
                    f"sample '{name}' needs either 'events' (to generate) or 'files', not both"
                )
        return data


class GeneratedSample(BaseSample):
    """A sample that this run simulates."""

    label: ClassVar[str] = "a generated sample ('events')"
    generated: ClassVar[bool] = True
    converted: ClassVar[bool] = False
    made_here: ClassVar[bool] = True
    data: ClassVar[bool] = False
    files: ClassVar[tuple[str, ...]] = ()
    format: ClassVar[str | None] = None
    columns: ClassVar[Mapping[str, str]] = {}
    layout: ClassVar[Layout] = Layout()

    events: int = Field(gt=0, description="number of events to generate")

    @model_validator(mode="after")
    def _known_process(self) -> GeneratedSample:
        if self.process not in PROCESSES:
            hint = did_you_mean(self.process, PROCESSES)
            raise ValueError(f"no generator settings for process '{self.process}'{hint}")
        return self


class FileSample(BaseSample):
    """A sample of ROOT files that are read as they are."""

    label: ClassVar[str] = "a sample of ROOT files"
    generated: ClassVar[bool] = False
    converted: ClassVar[bool] = False
    made_here: ClassVar[bool] = False
    events: ClassVar[int | None] = None

    files: tuple[str, ...] = Field(min_length=1, description="paths, URLs, globs or lists of them")
    format: str | None = Field(None, description="format of the files; default: detected")
    columns: dict[str, Annotated[str, BeforeValidator(_expression)]] = Field(
        {}, description="files of another layout: C++ expressions of the canonical columns"
    )
    tree: str | None = Field(None, description="tree or ntuple of 'columns'; default: the only one")
    data: bool = Field(
        False,
        description="collision data: not normalised, no fake leptons, no simulation weights",
    )

    @property
    def layout(self) -> Layout:
        """Return the configured layout of the files."""
        return Layout(self.format, self.tree, tuple(self.columns.items()))

    @field_validator("columns")
    @classmethod
    def _canonical(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name in FORMER:
                raise ValueError(f"'{name}' is now called '{FORMER[name]}'")
            if name not in CANONICAL:
                raise ValueError(
                    f"'{name}' is not a canonical column{did_you_mean(name, CANONICAL)} "
                    "(see the list in docs/inputs.md)"
                )
        missing = [n for n in ("run_number", "event_number", "weight") if n not in value]
        if value and missing:
            raise ValueError(
                f"'{missing[0]}' is missing: every event needs it (a constant '1' is an expression)"
            )
        return value

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        return _known_format(value)

    @model_validator(mode="after")
    def _one_layout(self) -> FileSample:
        if self.columns and self.format is not None:
            raise ValueError(f"sample '{self.name}' has 'columns': remove 'format'")
        if self.tree is not None and not self.columns:
            raise ValueError(f"sample '{self.name}': 'tree' requires 'columns'")
        return self


class HepMCSample(BaseSample):
    """A sample of HepMC ascii files, which this run converts to its own format."""

    label: ClassVar[str] = "a sample of HepMC files"
    generated: ClassVar[bool] = False
    converted: ClassVar[bool] = True
    made_here: ClassVar[bool] = True
    data: ClassVar[bool] = False
    events: ClassVar[int | None] = None
    columns: ClassVar[Mapping[str, str]] = {}

    files: tuple[str, ...] = Field(min_length=1, description="paths, URLs, globs or lists of them")
    format: str | None = Field(None, description="'hepmc', for files of other names than *.hepmc*")
    hepmc_weight: int | str = Field(0, description="index or name of the event weight to use")

    @property
    def layout(self) -> Layout:
        """Return the configured layout of the files."""
        return Layout(self.format)

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        return _known_format(value)

    @field_validator("hepmc_weight")
    @classmethod
    def _index(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 0:
            raise ValueError("the index of a weight is 0 or larger")
        return value

    @model_validator(mode="after")
    def _hepmc_alone(self) -> HepMCSample:
        if self.format not in (None, HEPMC):
            raise ValueError(
                f"sample '{self.name}': HepMC files cannot have the format '{self.format}'"
            )
        if self.format is None and not all(map(is_hepmc, self.files)):
            raise ValueError(
                f"sample '{self.name}' has HepMC files and others: make them two samples "
                f"or, if all are HepMC, set 'format: {HEPMC}'"
            )
        return self


Sample = GeneratedSample | FileSample | HepMCSample

_OF_FILES = {*FileSample.model_fields, *HepMCSample.model_fields} - {*BaseSample.model_fields}
_KEYS = {*BaseSample.model_fields, *_OF_FILES, *GeneratedSample.model_fields}


def _kind(value: Any) -> str:
    """Return the tag of a sample: HepMC files by their format or names."""
    if not isinstance(value, Mapping):
        return next((tag for tag, model in _KINDS.items() if isinstance(value, model)), "files")
    files = value.get("files") or ()
    names = (files,) if isinstance(files, str) else files
    if value.get("format") == HEPMC or any(isinstance(f, str) and is_hepmc(f) for f in names):
        return "hepmc"
    if files or ("events" not in value and value.keys() & _OF_FILES):
        return "files"
    return "generated"


_KINDS = {"generated": GeneratedSample, "files": FileSample, "hepmc": HepMCSample}

AnySample = Annotated[
    Annotated[GeneratedSample, Tag("generated")]
    | Annotated[FileSample, Tag("files")]
    | Annotated[HepMCSample, Tag("hepmc")],
    Discriminator(_kind),
]


def parse_sample(settings: Mapping[str, Any]) -> Sample:
    """Return a sample from its keys.

    Raises:
        ValidationError: a key is unknown, missing, mistyped or without effect.
    """
    return TypeAdapter[Sample](AnySample).validate_python(settings)


def _name(process: Any, slice_: Any, role: Any) -> str:
    parts = (process, slice_, "training" if role == "training" else None)
    return "_".join(str(part) for part in parts if part)


def _known_format(value: str | None) -> str | None:
    known = (*FORMATS, HEPMC)
    if value is not None and value not in known:
        raise ValueError(f"unknown format '{value}'{did_you_mean(value, known)}")
    return value

"""Section ``samples``: simulated or recorded events, generated here or read from files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    TypeAdapter,
    field_validator,
    model_serializer,
    model_validator,
)

from analysis.config.base import KeyedError, Model, Name
from analysis.config.column_names import require_column_name
from analysis.config.looks import colour_code, require_label
from analysis.config.selection import Expression
from analysis.formats.columns import CANONICAL
from analysis.formats.format import Layout
from analysis.formats.hepmc import HEPMC, is_hepmc
from analysis.formats.registry import FORMATS
from analysis.processes import PROCESSES
from common.runtime.errors import did_you_mean


def _number_as_text(value: Any) -> Any:
    """Return the number of a dataset as a name."""
    return str(value) if type(value) is int else value


Dataset = Annotated[str, BeforeValidator(_number_as_text), Field(pattern=r"^[A-Za-z0-9_]+$")]

EVENT = ("run_number", "event_number", "weight")
"""Columns that a description of files of an unknown format must have."""


class BaseSample(Model):
    """Keys of every sample."""

    process: Name = Field(description="physics process; generated samples: one that is known")
    slice: Name | None = Field(
        None, description="pT slice of the process, see generation.slices and training.slices"
    )
    dataset: Dataset | None = Field(
        None, description="number or name that distinguishes the datasets of a process"
    )
    role: Literal["analysis", "training"] = Field(
        "analysis", description="'training': train networks on these events, and do nothing else"
    )
    cross_section: float | None = Field(None, gt=0, description="pb")
    sum_of_weights: float | None = Field(None, gt=0, description="before any cut")
    k_factor: float = Field(1.0, gt=0, description="factor on the cross-section")
    signal: bool | None = Field(
        None, description="whether the process is a signal; default: of known processes, no others"
    )
    label: str | None = Field(None, description="name of the process in figures; $...$ is mathtext")
    colour: str | None = Field(
        None, description="colour of the process in figures: '#rrggbb' or a name of CSS"
    )
    columns: dict[str, Expression] = Field(
        {},
        description="C++ expressions of columns, beside or in place of those of the format; with "
        "run_number, event_number and weight, and without 'format', of files of another layout",
    )

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def name(self) -> str:
        """Return the name of its files: ``<process>[_<slice>][_<dataset>][_training]``."""
        return _name(self.process, self.slice, self.dataset, self.role)

    @property
    def own_layout(self) -> bool:
        """Return whether ``columns`` describe the whole layout of the files, of no known format."""
        return False

    @property
    def layout(self) -> Layout:
        """Return the layout of the files of events, in the format of this program or another."""
        return Layout(extra=tuple(self.columns.items()))

    @field_validator("columns")
    @classmethod
    def _names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            require_column_name(name)
        return value

    @field_validator("label")
    @classmethod
    def _drawable(cls, value: str | None) -> str | None:
        if value is not None:
            require_label(value)
        return value

    @field_validator("colour", mode="before")
    @classmethod
    def _code(cls, value: Any) -> Any:
        return colour_code(value)

    @model_serializer(mode="wrap")
    def _without_unset_colour(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # which is refused where it is written: in YAML, the rest of the line was a comment
        written: dict[str, Any] = handler(self)
        return {key: value for key, value in written.items() if key != "colour" or value}

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, data: Any) -> Any:
        """Refuse a sample without source or with two; a misspelt key is reported as such."""
        if isinstance(data, Mapping) and data.keys() <= _KEYS:
            sources = bool(data.get("files")), data.get("events") is not None
            if sum(sources) != 1:
                name = _name(*map(data.get, ("process", "slice", "dataset", "role")))
                raise ValueError(
                    f"sample '{name}' needs either 'events' (to generate) or 'files', not both"
                )
        return data


class GeneratedSample(BaseSample):
    """A sample that this run simulates."""

    described_as: ClassVar[str] = "a generated sample ('events')"
    generated: ClassVar[bool] = True
    converted: ClassVar[bool] = False
    made_here: ClassVar[bool] = True
    data: ClassVar[bool] = False
    files: ClassVar[tuple[str, ...]] = ()
    format: ClassVar[str | None] = None

    events: int = Field(gt=0, description="number of events to generate")

    @model_validator(mode="after")
    def _known_process(self) -> GeneratedSample:
        if self.process not in PROCESSES:
            hint = did_you_mean(self.process, PROCESSES)
            raise ValueError(f"no generator settings for process '{self.process}'{hint}")
        return self


class FileSample(BaseSample):
    """A sample of ROOT files that are read as they are."""

    described_as: ClassVar[str] = "a sample of ROOT files"
    generated: ClassVar[bool] = False
    converted: ClassVar[bool] = False
    made_here: ClassVar[bool] = False
    events: ClassVar[int | None] = None

    files: tuple[str, ...] = Field(min_length=1, description="paths, URLs, globs or lists of them")
    format: str | None = Field(None, description="format of the files; default: detected")
    tree: str | None = Field(
        None, description="tree or ntuple of files that 'columns' describe; default: the only one"
    )
    data: bool = Field(
        False,
        description="collision data: not normalised, no fake leptons, no simulation weights",
    )

    @property
    def own_layout(self) -> bool:
        """Return whether ``columns`` describe the whole layout of the files, of no known format."""
        return self.format is None and self.columns.keys() >= set(EVENT)

    @property
    def layout(self) -> Layout:
        """Return the configured layout of the files."""
        columns = tuple(self.columns.items())
        if not self.own_layout:
            return Layout(self.format, None, (), extra=columns)
        canonical, extra = (
            tuple(one for one in columns if (one[0] in CANONICAL) == known)
            for known in (True, False)
        )
        return Layout(None, self.tree, canonical, extra=extra)

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        return _known_format(value)

    @model_validator(mode="after")
    def _tree_of_own_layout(self) -> FileSample:
        if self.tree is not None and not self.own_layout:
            missing = [name for name in EVENT if name not in self.columns]
            needed = f" with {', '.join(missing)}" if missing else ", but no 'format'"
            raise ValueError(f"sample '{self.name}': 'tree' requires 'columns'{needed}")
        return self

    @model_validator(mode="after")
    def _data_is_no_signal(self) -> FileSample:
        if self.data and self.signal:
            raise KeyedError("signal", f"sample '{self.name}' is collision data: remove it")
        return self


class HepMCSample(BaseSample):
    """A sample of HepMC ascii files, which this run converts to its own format."""

    described_as: ClassVar[str] = "a sample of HepMC files"
    generated: ClassVar[bool] = False
    converted: ClassVar[bool] = True
    made_here: ClassVar[bool] = True
    data: ClassVar[bool] = False
    events: ClassVar[int | None] = None

    files: tuple[str, ...] = Field(min_length=1, description="paths, URLs, globs or lists of them")
    format: str | None = Field(None, description="'hepmc', for files of other names than *.hepmc*")
    hepmc_weight: int | str = Field(0, description="index or name of the event weight to use")

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


def _name(process: Any, slice_: Any, dataset: Any, role: Any) -> str:
    parts = (process, slice_, dataset, "training" if role == "training" else None)
    return "_".join(str(part) for part in parts if part is not None)


def _known_format(value: str | None) -> str | None:
    known = (*FORMATS, HEPMC)
    if value is not None and value not in known:
        raise ValueError(f"unknown format '{value}'{did_you_mean(value, known)}")
    return value

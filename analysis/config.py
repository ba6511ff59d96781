"""The typed configuration of a run, read from YAML.

Every key is checked: an unknown or mistyped one is refused with the nearest valid name.
Energies are in GeV, cross-sections in pb, luminosities in 1/fb.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from analysis.columns import CANONICAL
from analysis.inputs.format import Layout
from analysis.inputs.formats import FORMATS
from analysis.inputs.paths import HEPMC, is_hepmc
from analysis.processes import HEAVY_NEUTRINOS, PROCESSES, SIGNALS
from common.errors import ConfigError, did_you_mean
from selections import monojet, three_lepton

CONFIGS = Path(__file__).parent / "configs"
DEFAULT = CONFIGS / "quickstart.yaml"

Compression = Literal["cell", "rowcol", "stochastic", "none"]
Network = Literal[
    "strides",
    "maxpool",
    "vgg",
    "resnet",
    "dense_cells",
    "particle_flow",
    "local_flow",
    "transformer",
]

Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "tanh"]

_Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
_FolderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]


def _expression(value: Any) -> Any:
    """A number is a C++ expression, too."""
    return str(value) if type(value) in (int, float) else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _single(cls, value: Any, info: ValidationInfo) -> Any:
        """A single name or number where a list is expected is a list of one."""
        if isinstance(value, (str, int, float)) and _is_list(cls, str(info.field_name)):
            return (value,)
        return value


def _is_list(model: type[BaseModel], field: str) -> bool:
    """Whether a field takes a list of any length, and nothing else."""
    annotation = model.model_fields[field].annotation
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    kinds = [kind for kind in kinds if kind is not type(None)]
    return all(get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis for kind in kinds)


class Sample(_Model):
    """One sample: generated here (``events``) or of the user's files (``files``)."""

    process: _Name
    slice: _Name | None = None
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


class Slice(_Model):
    """A range of the hard process's transverse momentum."""

    low: float = Field(gt=0)
    high: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Slice:
        if self.high is not None and self.high <= self.low:
            raise ValueError("'high' must be above 'low'")
        return self


class Generation(_Model):
    """How events are simulated."""

    block_size: int = Field(500, gt=0, description="events a block: one seed, one file")
    particle_threshold: float = Field(0.5, ge=0, description="pT of stored particles")
    file_format: Literal["rntuple", "ttree"] = "rntuple"
    slices: dict[_Name, Slice] = {  # the thesis's are the last three
        "lowest": Slice(low=100, high=200),
        "lower": Slice(low=200, high=280),
        "low": Slice(low=280, high=500),
        "medium": Slice(low=500, high=1000),
        "high": Slice(low=1000),
    }


_Probability = Annotated[float, Field(ge=0, le=1)]


class Efficiency(_Model):
    """Probability that a particle is found; beyond |eta| = 2.5 none is."""

    barrel: _Probability = Field(description="|eta| < 1.5")
    endcap: _Probability = Field(description="1.5 < |eta| < 2.5")


class CalorimeterResolution(_Model):
    """sigma(E) / E = stochastic / sqrt(E) (+) constant."""

    stochastic: float = Field(ge=0, description="sqrt(GeV)")
    constant: float = Field(ge=0)


class TrackResolution(_Model):
    """sigma(pT) / pT = slope pT (+) constant."""

    slope: float = Field(ge=0, description="1/GeV")
    constant: float = Field(ge=0)


class Detector(_Model):
    """A simple detector, whose measurements fill the images (cpp_helpers/detector.hxx).

    Resolutions are ATLAS's design (JINST 3 (2008) S08003, table 1.1), efficiencies those of
    Delphes's ATLAS card (arXiv:1307.6346, cards/delphes_card_ATLAS.tcl), of leptons and photons
    those it has above 10 GeV.
    """

    tracks: Efficiency = Field(
        Efficiency(barrel=0.95, endcap=0.85), description="of charged hadrons with pT > 1 GeV"
    )
    soft_tracks: Efficiency = Field(
        Efficiency(barrel=0.70, endcap=0.60), description="of charged hadrons below"
    )
    electrons: Efficiency = Efficiency(barrel=0.95, endcap=0.85)
    muons: Efficiency = Efficiency(barrel=0.95, endcap=0.85)
    photons: Efficiency = Efficiency(barrel=0.95, endcap=0.85)
    electromagnetic: CalorimeterResolution = CalorimeterResolution(stochastic=0.10, constant=0.007)
    hadronic: CalorimeterResolution = CalorimeterResolution(stochastic=0.50, constant=0.03)
    tracker: TrackResolution = TrackResolution(slope=5e-4, constant=0.01)
    muon_tracks: TrackResolution = Field(
        TrackResolution(slope=1e-4, constant=0.01),
        description="of muons: 10 % at 1 TeV by their spectrometer, the tracker's constant",
    )


class Imaging(_Model):
    """How images are filled."""

    particle_threshold: float = Field(1.0, ge=0, description="pT of imaged particles")
    jet_threshold: float = Field(20.0, ge=0, description="pT of imaged jets")
    block_size: int = Field(20000, gt=0, description="events a task and thread")
    select: str | None = Field(None, description="keep only events of this region")
    detector: Detector | None = Field(
        None, description="null: an ideal detector; {}: `Detector` as it stands"
    )

    @property
    def detector_json(self) -> str:
        """The detector's settings as stored in image files; empty for an ideal one."""
        return "" if self.detector is None else self.detector.model_dump_json()

    @field_validator("select")
    @classmethod
    def _known_region(cls, value: str | None) -> str | None:
        return _region(value)


def _region(name: str | None) -> str | None:
    if name is not None and name not in monojet.REGIONS:
        raise ValueError(f"unknown region '{name}'{did_you_mean(name, monojet.REGIONS)}")
    return name


class Watch(_Model):
    """How a training with a budget of ``steps`` is watched, and when it ends early.

    It ends when, over the last ``window`` looks, the accuracy in training rose and that in the
    test fell, against as many before them, each by more than ``sigmas`` statistical errors.
    """

    sample: Literal["validation", "test"] = Field(
        "validation", description="the thesis watches the events that it tests by"
    )
    every: int = Field(200, gt=0, description="steps between two looks")
    events: int = Field(2000, gt=0, description="drawn anew for each look, in training and test")
    window: int = Field(10, gt=0, description="looks that are averaged")
    sigmas: float = Field(2.0, ge=0)


class NetworkTraining(_Model):
    """One network on one compression, and how it is trained."""

    network: Network
    compression: Compression = "none"
    variant: str = Field(
        "", pattern=r"^[A-Za-z0-9_]*$", description="tells networks of one name from another"
    )
    coordinates: bool = Field(True, description="give image networks the two coordinate channels")
    signal: _Name | None = Field(None, description="process; default: that of 'training'")
    background: _Name | tuple[_Name, ...] | None = Field(None, description="processes; likewise")
    slices: tuple[str, ...] | None = Field(None, description="likewise")
    multiclass: bool = Field(False, description="each background process is a class of its own")
    select: str | None = Field(None, description="learn from events of this region only")
    angles: tuple[Literal["hardest_cell", "leading_jet", "met"], ...] = Field(
        ("hardest_cell",),
        min_length=1,
        description="set networks: azimuths are given relative to these",
    )
    size: int = Field(60, ge=4, le=126, description="rows and columns kept of a compressed image")
    width: float = Field(1.0, gt=0, description="factor on the numbers of filters and nodes")
    initial: Literal["thesis", "he"] = Field(
        "thesis", description="initial weights of the thesis's networks"
    )
    l2: float = Field(0.01, ge=0, description="on the squared weights of the thesis's convolutions")
    max_cells: int = Field(256, gt=0, description="cells kept by a set network, hardest first")
    epochs: int = Field(10, gt=0)
    steps: int | None = Field(
        None, gt=0, description="budget of a training, instead of epochs: batches"
    )
    watch: Watch = Watch()
    batch_size: int = Field(128, gt=0)
    learning_rate: float = Field(1e-4, gt=0)
    decay: Literal["none", "cosine"] = Field(
        "none", description="of the learning rate, to 0 at the end of the epochs or steps"
    )
    xla: bool = Field(True, description="compile the steps: slower to start, then faster")
    patience: int = Field(5, gt=0, description="epochs without improvement before stopping")

    @field_validator("select")
    @classmethod
    def _known_region(cls, value: str | None) -> str | None:
        return _region(value)

    @property
    def name(self) -> str:
        """``<network>+<compression>[+<variant>]``: its folder, and the column of its scores."""
        name = f"{self.network}+{self.compression}"
        return f"{name}+{self.variant}" if self.variant else name

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns of the score file: the score and, of many classes, the most probable one."""
        return (self.name, f"{self.name}:class") if self.multiclass else (self.name,)

    @property
    def watches_test(self) -> bool:
        """Whether it is watched, while it trains, on the events that it is tested by."""
        return self.steps is not None and self.watch.sample == "test"


_Variant = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]*$")]
_Width = Annotated[int, Field(gt=0)]
_Layers = Annotated[int, Field(ge=0, le=10)]


class Tuning(_Model):
    """The search for an autoencoder by Hyperband (Li et al., arXiv:1603.06560): many are trained
    for few epochs, and the best 1 of ``factor`` of them for ``factor`` times as many, again and
    again."""

    max_epochs: int = Field(30, ge=2, description="of those that are trained longest")
    factor: int = Field(3, ge=2, description="of epochs from round to round")
    hyperband_iterations: int = Field(1, gt=0, description="repetitions of the whole search")
    layers: tuple[_Layers, ...] = Field(
        (0, 1, 2), min_length=1, description="numbers of hidden layers on either side"
    )
    nodes: tuple[_Width, ...] = Field(
        (100, 200, 400), min_length=1, description="of each of them, chosen one by one"
    )
    latent: tuple[_Width, ...] = Field((50, 100, 150, 200), min_length=1)
    activation: tuple[Activation, ...] = Field(("relu", "elu", "tanh", "leaky_relu"), min_length=1)
    learning_rate: tuple[float, float] = Field(
        (1e-4, 1e-2), description="the least and the greatest, between which its logarithm is drawn"
    )

    @field_validator("layers", "nodes", "latent", "activation")
    @classmethod
    def _different(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a choice is listed twice")
        return value

    @field_validator("learning_rate")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] < value[1]:
            raise ValueError("two numbers above 0 are needed, the lower one first")
        return value


class Autoencoder(_Model):
    """One autoencoder on rapidity-mass matrices, and how it is trained."""

    kind: Literal["dense", "variational"] = "dense"
    variant: _Variant = Field("", description="tells autoencoders of one kind from another")
    layers: tuple[_Width, ...] = Field(
        (200,), description="nodes of the encoder's hidden layers; the decoder mirrors them"
    )
    latent: int = Field(100, gt=0, description="width of the latent space, below the input's")
    activation: Activation = "relu"
    output: Literal["linear", "sigmoid"] = "linear"
    beta: float = Field(
        1e-3, ge=0, description="variational: weight of the divergence from a Gaussian"
    )
    scaling: Literal["min_max", "standard"] = "min_max"
    learning_rate: float = Field(1.5e-3, gt=0)
    batch_size: int = Field(256, gt=0)
    epochs: int = Field(50, gt=0)
    patience: int = Field(5, gt=0, description="epochs without improvement before stopping")
    tuning: Tuning | None = Field(
        None, description="search for layers, latent space, activation and learning rate first"
    )

    @property
    def name(self) -> str:
        """``<kind>[+<variant>]``: its folder, and the column of its scores."""
        return f"{self.kind}+{self.variant}" if self.variant else self.kind

    @model_validator(mode="after")
    def _reachable(self) -> Autoencoder:
        if self.output == "sigmoid" and self.scaling != "min_max":
            raise ValueError(
                f"autoencoder '{self.name}': a sigmoid ends at 0 and 1, where only 'scaling: "
                "min_max' puts the input; take 'output: linear'"
            )
        return self


class Denoising(_Model):
    """A convolutional autoencoder that takes noise out of pictures of events, and how it is
    trained.

    A picture is the transverse momentum in each cell of an image.
    """

    variant: _Variant = Field("", description="tells autoencoders of one compression from another")
    compression: Compression = "cell"
    size: int = Field(30, ge=4, le=126, description="rows and columns kept of a compressed image")
    pooling: int = Field(1, ge=1, le=25, description="rows and columns that are summed to one")
    select: str | None = Field(None, description="learn from events of this region only")
    emptied: float = Field(0.1, ge=0, lt=1, description="probability that noise empties a cell")
    added: float = Field(0.02, ge=0, le=1, description="probability that noise is added to a cell")
    added_pt: float = Field(2.0, gt=0, description="its mean; it falls exponentially")
    filters: tuple[_Width, ...] = Field(
        (16, 32), min_length=1, description="of convolutions that halve the picture one by one"
    )
    latent: int = Field(64, gt=0, description="width of the latent space, below the input's")
    learning_rate: float = Field(1e-3, gt=0)
    batch_size: int = Field(128, gt=0)
    epochs: int = Field(20, gt=0)
    patience: int = Field(5, gt=0, description="epochs without improvement before stopping")

    @property
    def name(self) -> str:
        """``denoising+<compression>[+<variant>]``: its folder, and the column of its scores."""
        name = f"denoising+{self.compression}"
        return f"{name}+{self.variant}" if self.variant else name

    @field_validator("select")
    @classmethod
    def _known_region(cls, value: str | None) -> str | None:
        return _region(value)


class Training(_Model):
    """What the networks learn, unless they say otherwise, and what they are judged by."""

    signal: _Name = "Znunu"
    background: _Name | tuple[_Name, ...] = "Wtaunu"
    slices: tuple[str, ...] = ("high",)
    folds: int = Field(2, ge=1, le=100, description="each is scored by the network of the others")
    models: str | None = Field(
        None, description="a finished run, whose networks score these events: none is trained"
    )
    validation_fraction: float = Field(0.1, gt=0, lt=0.5)
    networks: tuple[NetworkTraining, ...] = ()

    @model_validator(mode="after")
    def _left_out_of_training(self) -> Training:
        if self.folds == 1 and self.models is None:
            raise ValueError(
                "'folds' is at least 2, so that no network scores what it learned from; 1 is for "
                "networks of another run, 'models'"
            )
        return self

    @model_validator(mode="after")
    def _unique_names(self) -> Training:
        repeated = [n for n, k in Counter(net.name for net in self.networks).items() if k > 1]
        if repeated:
            raise ValueError(
                f"network '{repeated[0]}' is listed twice: give one of them a 'variant'"
            )
        return self


class Evaluation(_Model):
    """How the networks are judged."""

    thresholds: int = Field(21, ge=2, description="uniform in [0, 1], both ends included")
    bootstrap: int = Field(200, ge=2, description="replicas for the errors")


class Split(_Model):
    """Shares of the simulated events by what they are for, drawn by a hash of their identity."""

    training: float = Field(0.5, gt=0, lt=1, description="autoencoders learn from them")
    validation: float = Field(0.1, gt=0, lt=1, description="they watch the training")
    pseudo_data: float = Field(
        0.0, ge=0, lt=1, description="pseudo-data are drawn from them; the rest predicts yields"
    )

    @model_validator(mode="after")
    def _room_for_the_rest(self) -> Split:
        if self.training + self.validation + self.pseudo_data >= 1:
            raise ValueError("no events are left to predict yields: the shares add up to 1 or more")
        return self


class Fakes(_Model):
    """Probabilities that a jet is taken for a lepton, in simulation."""

    electron: float = Field(5e-4, ge=0, lt=0.1)
    muon: float = Field(2e-4, ge=0, lt=0.1)


class Rmm(_Model):
    """Rapidity-mass matrices (Chekanov, arXiv:1805.11650) of events with three leptons."""

    objects: dict[str, Annotated[int, Field(gt=0, le=20)]] = Field(
        {"jet": 6, "bjet": 6, "electron": 5, "muon": 5}, description="slots of each type, in order"
    )
    sqrt_s: float = Field(13000.0, gt=0, description="GeV")
    c: float = Field(0.15, gt=0, description="scale of the rapidities")
    split: Split = Split()
    fakes: Fakes = Fakes()

    @field_validator("objects")
    @classmethod
    def _known_objects(cls, value: dict[str, int]) -> dict[str, int]:
        for name in value:
            if name not in three_lepton.OBJECTS:
                hint = did_you_mean(name, three_lepton.OBJECTS)
                raise ValueError(f"unknown type of objects '{name}'{hint}")
        if not value:
            raise ValueError("at least one type of objects is needed")
        return value


_Share = Annotated[float, Field(gt=0, lt=1)]


class PseudoData(_Model):
    """Events as data would have them: each simulated background event of the part set apart
    (`Split.pseudo_data`) comes as often as a Poisson number says."""

    variant: _Variant = Field("", description="tells sets of pseudo-data from one another")
    inject: dict[_Name, Annotated[float, Field(gt=0)]] = Field(
        {}, description="signal process: by how much its expected events are multiplied"
    )

    @property
    def name(self) -> str:
        """``pseudo_data[_<variant>]``, as a sample is named."""
        return f"pseudo_data_{self.variant}" if self.variant else "pseudo_data"


class Anomaly(_Model):
    """The search for what does not look like the background, in events with three leptons."""

    signals: tuple[_Name, ...] = Field(
        HEAVY_NEUTRINOS, description="processes that autoencoders never learn from"
    )
    rmm: Rmm = Rmm()
    autoencoders: tuple[Autoencoder, ...] = Field((Autoencoder(),), min_length=1)
    quantiles: tuple[_Share, ...] = Field(
        (0.5, 0.8, 0.9, 0.95, 0.99),
        min_length=1,
        description="shares of the background below the scores that regions begin at",
    )
    background_error: float = Field(0.2, ge=0, description="systematic, relative")
    pseudo_data: tuple[PseudoData, ...] = ()
    left_out: tuple[Literal["process", "channel"], ...] = Field(
        (),
        description="train the first autoencoder again without each background process, or "
        "channel of lepton flavours",
    )
    denoising: tuple[Denoising, ...] = Field(
        (), description="autoencoders of pictures; they learn from all events of the backgrounds"
    )

    @field_validator("quantiles")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("quantiles are given in rising order, each once")
        return value

    @model_validator(mode="after")
    def _unique_names(self) -> Anomaly:
        specs: tuple[Autoencoder | Denoising, ...] = (*self.autoencoders, *self.denoising)
        repeated = [n for n, k in Counter(spec.name for spec in specs).items() if k > 1]
        if repeated:
            raise ValueError(
                f"autoencoder '{repeated[0]}' is listed twice: give one of them a 'variant'"
            )
        return self

    @model_validator(mode="after")
    def _drawn_from_what_is_set_apart(self) -> Anomaly:
        names = Counter(p.name for p in self.pseudo_data)
        repeated = [name for name, n in names.items() if n > 1]
        if repeated:
            raise ValueError(f"'{repeated[0]}' is listed twice: give one of them a 'variant'")
        if self.pseudo_data and not self.rmm.split.pseudo_data:
            raise ValueError(
                "pseudo-data need events that are used for nothing else: set "
                "rmm.split.pseudo_data to their share"
            )
        for process in (p for one in self.pseudo_data for p in one.inject):
            if process not in self.signals:
                hint = did_you_mean(process, self.signals)
                raise ValueError(f"pseudo-data: '{process}' is not among the 'signals'{hint}")
        return self


class Batch(_Model):
    """How work is cut into tasks, and what a batch system is asked for. Changes no result."""

    task_size: int = Field(100_000, gt=0, description="events a task, cut where a cluster ends")
    open_files: int = Field(
        200, ge=0, description="with more files a sample, each is a task and none is opened to plan"
    )
    retries: int = Field(2, ge=0, description="further attempts at a task that fails")
    memory: str = Field("3 GB", description="a worker")
    disk: str = Field("5 GB", description="a worker (HTCondor)")
    walltime: str = Field("02:00:00", description="of a worker (Slurm)")
    job_flavour: str | None = Field(None, description="HTCondor at CERN: espresso to nextweek")
    output_destination: str | None = Field(
        None, description="URL, root://..., to which HTCondor sends the parts of --submit"
    )
    send_credential: bool = Field(
        False,
        description="MY.SendCredential = True (HTCondor): for a site that asks for it. "
        "condor_submit adds it where it stores your ticket; where nothing does so, jobs with it "
        "start again for ever",
    )
    submit_options: tuple[str, ...] = Field(
        (), description="further options of condor_submit for --submit: '-spool', say"
    )
    queue: str | None = Field(None, description="partition (Slurm)")
    account: str | None = Field(None, description="account (Slurm)")
    interface: str | None = Field(
        None,
        description="network interface of Dask's scheduler and workers; default: that which leads "
        "out of this machine",
    )
    port: int = Field(0, ge=0, le=65535, description="of Dask's scheduler; 0: any that is free")
    dashboard_port: int = Field(
        0, ge=0, le=65535, description="of Dask's dashboard, on 127.0.0.1; 0: any that is free"
    )
    scratch: str | None = Field(None, description="directory on the workers, for Dask")
    directives: tuple[str, ...] = Field(
        (), description="further lines of the job: '--qos=long' (Slurm), 'name = value' (HTCondor)"
    )


class Config(_Model):
    """A whole run."""

    name: _FolderName
    seed: int = Field(1, ge=0)
    luminosity: float = Field(36.1, gt=0, description="1/fb")
    invisible: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (),
        max_length=64,
        description="PDG codes of stable particles that escape, beside those known to "
        "(cpp_helpers/particles.hxx); each with its antiparticle",
    )
    samples: tuple[Sample, ...] = Field(min_length=1)
    generation: Generation = Generation()
    imaging: Imaging = Imaging()
    training: Training = Training()
    anomaly: Anomaly | None = None
    evaluation: Evaluation = Evaluation()
    batch: Batch = Batch()

    @model_validator(mode="after")
    def _consistent_samples(self) -> Config:
        repeated = [n for n, k in Counter(s.name for s in self.samples).items() if k > 1]
        if repeated:
            raise ValueError(f"sample '{repeated[0]}' is listed twice")
        for sample in self.samples:
            if not sample.generated:
                continue
            if not PROCESSES[sample.process].sliced:
                if sample.slice is not None:
                    raise ValueError(
                        f"sample '{sample.name}': process '{sample.process}' is simulated as a "
                        "whole: leave out 'slice'"
                    )
            elif sample.slice not in self.generation.slices:
                hint = did_you_mean(sample.slice, self.generation.slices)
                raise ValueError(f"sample '{sample.name}' has no known slice{hint}")
        return self

    @model_validator(mode="after")
    def _selecting(self) -> Config:
        if not self.training.networks:
            return self
        for network in self.training.networks:
            if 0 not in self.classes_of(network).values():
                signal = network.signal or self.training.signal
                raise ValueError(
                    f"network '{network.name}' has '{signal}' as signal and as background"
                )
        if not self.selecting_networks():
            raise ValueError(
                f"no network has the signal '{self.training.signal}', by which to select events"
            )
        return self

    @model_validator(mode="after")
    def _samples_of_the_search(self) -> Config:
        if self.anomaly is None:
            return self
        if self.own_training_samples:
            raise ValueError(
                "'role: training' is for networks on images: a search for anomalies divides its "
                "samples by 'rmm.split'"
            )
        processes = {s.process for s in self.samples}
        for process in self.anomaly.signals:
            if process not in {*processes, *HEAVY_NEUTRINOS}:  # which are named by default
                hint = did_you_mean(process, processes)
                raise ValueError(f"anomaly.signals: no sample of '{process}' is configured{hint}")
        unlisted = sorted(processes & {*SIGNALS, *HEAVY_NEUTRINOS} - {*self.anomaly.signals})
        if unlisted:
            raise ValueError(
                f"'{unlisted[0]}' is a signal, which autoencoders would learn as background: name "
                "it in 'anomaly.signals'"
            )
        return self

    @model_validator(mode="after")
    def _measured_apart(self) -> Config:
        simulated = {*PROCESSES, *(s.process for s in self.samples if not s.data)}
        for sample in self.samples:
            if sample.data and sample.process in simulated:
                raise ValueError(
                    f"sample '{sample.name}' is measured, but '{sample.process}' is a simulated "
                    "process: give measured events a process of their own, as 'measured'"
                )
        return self

    @model_validator(mode="after")
    def _pseudo_data_of_samples(self) -> Config:
        for pseudo in self.anomaly.pseudo_data if self.anomaly else ():
            if any(s.name == pseudo.name for s in self.samples):
                raise ValueError(f"a sample has the name of pseudo-data, '{pseudo.name}'")
            for process in pseudo.inject:
                if not any(s.process == process for s in self.samples):
                    raise ValueError(f"{pseudo.name}: no sample of '{process}' is configured")
        return self

    @model_validator(mode="after")
    def _test_apart(self) -> Config:
        watching = [n.name for n in self.training.networks if n.watches_test]
        if watching and not self.own_training_samples:
            raise ValueError(
                f"network '{watching[0]}' is to watch the test, which needs samples to learn from "
                "apart: give them 'role: training'"
            )
        return self

    @property
    def studies(self) -> frozenset[str]:
        """The parts of the configuration that stages belong to and that are there."""
        there = {
            "scoring": self.training.networks,
            "training": self.training.networks and not self.training.models,
            "anomaly": self.anomaly,
            "denoising": self.anomaly and self.anomaly.denoising,
        }
        return frozenset(name for name, settings in there.items() if settings)

    @property
    def search(self) -> Anomaly:
        """The settings of the search for anomalies.

        Raises:
            ConfigError: there are none.
        """
        if self.anomaly is None:
            raise ConfigError("the configuration has no 'anomaly', which this stage is about")
        return self.anomaly

    def normal_samples(self) -> tuple[Sample, ...]:
        """The simulated samples that autoencoders learn from: all but signals.

        Raises:
            ConfigError: there is none.
        """
        signals = self.search.signals
        normal = tuple(s for s in self.samples if not s.data and s.process not in signals)
        if not normal:
            raise ConfigError(
                "autoencoders need a simulated sample that is no signal to learn from"
            )
        return normal

    def signal_samples(self) -> tuple[Sample, ...]:
        """The samples that autoencoders never learn from, and are to find."""
        return tuple(s for s in self.samples if not s.data and s.process in self.search.signals)

    @property
    def own_training_samples(self) -> bool:
        """Whether networks learn from samples that are used for no more.

        Then there is one of each, for all other events. Else networks learn from the samples of
        the analysis, and each event is scored by the network of folds it does not lie in.
        """
        return any(s.role == "training" for s in self.samples)

    @property
    def folds(self) -> int:
        """How many networks of each kind are trained."""
        return 1 if self.own_training_samples else self.training.folds

    def analysed(self) -> tuple[Sample, ...]:
        """The samples that are scored and selected."""
        return tuple(s for s in self.samples if s.role == "analysis")

    def sample(self, name: str) -> Sample:
        """The sample of that name."""
        return next(s for s in self.samples if s.name == name)

    def training_samples(self, network: NetworkTraining) -> dict[str, int]:
        """Samples the network learns from: name -> class, 0 being the signal."""
        return self._learned(network, "training" if self.own_training_samples else "analysis")

    def watched_samples(self, network: NetworkTraining) -> dict[str, int]:
        """The same of the samples that are analysed."""
        return self._learned(network, "analysis")

    def _learned(self, network: NetworkTraining, role: str) -> dict[str, int]:
        slices = network.slices or self.training.slices
        return self._samples_of(self.classes_of(network), slices, role)

    def can_train(self) -> bool:
        """Whether the samples have all that the networks learn from."""
        try:
            for network in self.training.networks:
                self.training_samples(network)
        except ConfigError:
            return False
        return True

    def test_samples(self, network: NetworkTraining) -> dict[str, int]:
        """Samples the network is judged by, on events it did not see: name -> class, 0 being the
        signal and 1 the background.

        They are the same for all networks of one signal, whatever else these learn from.
        """
        return self._judging(network, "analysis")

    def choosing_samples(self, network: NetworkTraining) -> dict[str, int]:
        """The same of the samples that networks learn from: some of their events choose where the
        network cuts."""
        return self._judging(network, "training" if self.own_training_samples else "analysis")

    def _judging(self, network: NetworkTraining, role: str) -> dict[str, int]:
        usual = network.signal in (None, self.training.signal)
        task = network.model_copy(
            update={"multiclass": False} | ({"background": None} if usual else {})
        )
        return self._samples_of(self.classes_of(task), self.training.slices, role)

    def classes_of(self, network: NetworkTraining) -> dict[str, int]:
        """Processes the network learns from: name -> class, 0 being the signal."""
        background = network.background or self.training.background
        backgrounds = (background,) if isinstance(background, str) else background
        signal = network.signal or self.training.signal
        numbered = enumerate(backgrounds, start=1)
        return {signal: 0} | {p: i if network.multiclass else 1 for i, p in numbered}

    def selecting_networks(self) -> tuple[NetworkTraining, ...]:
        """The networks that know the analysis's signal, by which events are selected."""
        signal = self.training.signal
        return tuple(n for n in self.training.networks if n.signal in (None, signal))

    def _samples_of(
        self, classes: Mapping[str, int], slices: tuple[str, ...], role: str
    ) -> dict[str, int]:
        chosen = {
            s.name: classes[s.process]
            for s in self.samples
            if s.role == role and s.process in classes and (s.slice is None or s.slice in slices)
        }
        for process in classes:
            if not any(self.sample(name).process == process for name in chosen):
                raise ConfigError(
                    f"training needs a sample of process '{process}' in slice "
                    f"{' or '.join(slices)}, of role '{role}': none is configured (images and a "
                    "cut-flow need none: --config analysis/configs/selection.yaml)"
                )
        return chosen


def load(path: Path, **overrides: Any) -> Config:
    """Read a configuration file; ``overrides`` replace top-level keys.

    Raises:
        ConfigError: the file is missing, is not YAML, or a key is unknown or mistyped.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror}") from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        line = re.sub(r"\s+", " ", str(error))
        raise ConfigError(f"{path}: not valid YAML: {line}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a configuration is a mapping of keys, this is not one")
    try:
        return Config.model_validate(data | overrides)
    except ValidationError as error:
        lines = [
            f"{'command line' if where in overrides else path}: {line}"
            for where, line in _explain(error)
        ]
        raise ConfigError("\n".join(lines)) from error


def _explain(error: ValidationError) -> list[tuple[int | str, str]]:
    """The problems of a validation error, the key of the configuration that each lies in and a
    line, with the nearest valid names."""
    problems = error.errors()
    # A misspelt key is also a missing one, and a list whose members are wrong is too short.
    misspelt = {one["loc"][:-1] for one in problems if one["type"] == "extra_forbidden"}
    problems = [
        one for one in problems if one["type"] != "missing" or one["loc"][:-1] not in misspelt
    ]
    short = [one for one in problems if one["type"] == "too_short"]
    others = [one for one in problems if one not in short]
    return [(one["loc"][0] if one["loc"] else "", _explained(one)) for one in others or short]


def _explained(problem: Any) -> str:
    location, kind = problem["loc"], problem["type"]
    key = ".".join(str(part) for part in location) or "configuration"
    if kind == "extra_forbidden":
        return f"unknown key '{key}'{did_you_mean(location[-1], _fields_at(Config, location[:-1]))}"
    if kind == "literal_error":
        model = _model_at(Config, location[:-1])
        valid = get_args(model.model_fields[str(location[-1])].annotation) if model else ()
        return f"'{key}': unknown name '{problem['input']}'{did_you_mean(problem['input'], valid)}"
    if kind == "missing":
        return f"key '{key}' is missing"
    if kind == "string_pattern_mismatch":
        allowed = r"\w.-" if "." in problem["ctx"]["pattern"] else r"\w"
        proposed = re.sub(f"[^{allowed}]+", "_", problem["input"], flags=re.ASCII)
        proposed = proposed if re.match("[A-Za-z]", proposed) else f"x{proposed}"
        characters = "letters, digits, _, - and ." if "." in allowed else "letters, digits and _"
        return (
            f"'{key}': '{problem['input']}': only {characters}, a letter first: '{proposed}', say"
        )
    if kind == "tuple_type":
        return f"'{key}': a list is expected: [...], or a line with '- ' for each"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"'{key}': {message}" if location else message


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    found = _model_at(model, location)
    return list(found.model_fields) if found else []


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model that a path of keys and indices leads to."""
    for part in location:
        if isinstance(part, int) or part not in model.model_fields:
            continue  # an index in a list, or a key in a mapping of models
        inner = _inner_model(model.model_fields[part].annotation)
        if inner is None:
            return None
        model = inner
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _inner_model(a))), None)

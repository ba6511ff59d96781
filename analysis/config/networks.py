"""Sections ``training`` and ``evaluation``: the networks."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from analysis.config.base import Model, Name, known_region

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


class Watch(Model):
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


class NetworkTraining(Model):
    """One network on one compression, and how it is trained."""

    network: Network
    compression: Compression = "none"
    variant: str = Field(
        "", pattern=r"^[A-Za-z0-9_]*$", description="tells networks of one name from another"
    )
    coordinates: bool = Field(True, description="give image networks the two coordinate channels")
    signal: Name | None = Field(None, description="process; default: that of 'training'")
    background: Name | tuple[Name, ...] | None = Field(None, description="processes; likewise")
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
        return known_region(value)

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


class Training(Model):
    """What the networks learn, unless they say otherwise, and what they are judged by."""

    signal: Name = "Znunu"
    background: Name | tuple[Name, ...] = "Wtaunu"
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

    def classes_of(self, network: NetworkTraining) -> dict[str, int]:
        """Return the processes that a network learns from, each with its class: 0 is the signal."""
        background = network.background or self.background
        backgrounds = (background,) if isinstance(background, str) else background
        signal = network.signal or self.signal
        numbered = enumerate(backgrounds, start=1)
        return {signal: 0} | {p: i if network.multiclass else 1 for i, p in numbered}

    def signal_networks(self) -> tuple[NetworkTraining, ...]:
        """Return the networks that learn the signal of the analysis, by which events are selected."""
        return tuple(n for n in self.networks if n.signal in (None, self.signal))


class Evaluation(Model):
    """How the networks are judged."""

    thresholds: int = Field(21, ge=2, description="uniform in [0, 1], both ends included")
    bootstrap: int = Field(200, ge=2, description="replicas for the errors")

"""Sections ``training`` and ``evaluation``: the networks on images and lists of cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    TypeAdapter,
    field_validator,
    model_validator,
)

from analysis.config.base import ConditionalModel, Model, Name, Variant

Compression = Literal["cell", "rowcol", "stochastic", "none"]
Network = Literal[
    "strides",
    "maxpool",
    "vgg",
    "resnet",
    "dense_cells",
    "pfn",
    "local_pfn",
    "transformer",
]


class EarlyStopping(Model):
    """When a training with a budget of ``max_steps`` ends early.

    It ends when, over the last ``window`` evaluations, the training accuracy rose and the monitored
    accuracy fell with respect to as many evaluations before, each by more than ``sigmas``
    statistical errors.
    """

    sample: Literal["validation", "test"] = Field(
        "validation", description="monitored events; 'test': as in the thesis"
    )
    interval: int = Field(200, gt=0, description="steps between two evaluations")
    events: int = Field(
        2000, gt=0, description="events drawn for each evaluation, both training and monitored"
    )
    window: int = Field(10, gt=0, description="evaluations that are averaged")
    sigmas: float = Field(2.0, ge=0, description="significance of the rise and of the fall")


class NetworkTraining(ConditionalModel):
    """Keys of every network: its input, the classes and the training."""

    network: Network = Field(description="architecture")
    compression: Compression = Field("none", description="compression of the images")
    variant: Variant = Field("", description="suffix that distinguishes networks of one name")
    signal: Name | None = Field(None, description="process; default: training.signal")
    background: Name | tuple[Name, ...] | None = Field(
        None, description="processes; default: training.background"
    )
    slices: tuple[str, ...] | None = Field(
        None, description="pT slices to train on; default: training.slices"
    )
    multiclass: bool = Field(False, description="make each background process a class")
    region: str | None = Field(None, description="train only on events in this region")
    width: float = Field(1.0, gt=0, description="factor on the numbers of filters and nodes")
    epochs: int = Field(10, gt=0, description="maximum; without 'max_steps'")
    patience: int = Field(
        5, gt=0, description="epochs without improvement before stopping; without 'max_steps'"
    )
    max_steps: int | None = Field(
        None, gt=0, description="maximum number of batches, in place of 'epochs' and 'patience'"
    )
    early_stopping: EarlyStopping = Field(
        EarlyStopping(), description="stopping criterion with 'max_steps'"
    )
    batch_size: int = Field(128, gt=0, description="events per batch")
    learning_rate: float = Field(1e-4, gt=0, description="initial learning rate of Adam")
    lr_schedule: Literal["none", "cosine"] = Field(
        "none", description="'cosine': decay to 0 at the last epoch or step"
    )
    xla: bool = Field(True, description="compile the steps: slower to start, faster to run")

    def switched_off(self) -> Mapping[str, str]:
        """Return the keys that the kind of budget makes ineffective."""
        if self.max_steps is None:
            return {"early_stopping": "without 'max_steps'"}
        return dict.fromkeys(("epochs", "patience"), "with 'max_steps'")

    @property
    def name(self) -> str:
        """Return ``<network>+<compression>[+<variant>]``, its folder and its score column."""
        name = f"{self.network}+{self.compression}"
        return f"{name}+{self.variant}" if self.variant else name

    @property
    def columns(self) -> tuple[str, ...]:
        """Return its columns of score files: the score and, if multiclass, the likeliest class."""
        return (self.name, f"{self.name}:class") if self.multiclass else (self.name,)

    @property
    def watches_test(self) -> bool:
        """Return whether the events that it is tested on are monitored during the training."""
        return self.max_steps is not None and self.early_stopping.sample == "test"


class ImageNetwork(NetworkTraining):
    """Keys of the networks on dense images."""

    coordinates: bool = Field(True, description="add two channels with the cell coordinates")
    crop_size: int = Field(
        60, ge=4, le=126, description="rows and columns kept of a compressed image"
    )

    def switched_off(self) -> Mapping[str, str]:
        """Return the keys without effect: uncompressed images are not cropped."""
        uncompressed = {"crop_size": "with 'compression: none'"}
        return {**super().switched_off(), **(uncompressed if self.compression == "none" else {})}


class ThesisNetwork(ImageNetwork):
    """A network of the 2018 thesis."""

    network: Literal["strides", "maxpool"] = Field(description="architecture")
    initializer: Literal["thesis", "he"] = Field(
        "thesis", description="distribution of the initial weights"
    )
    l2: float = Field(0.01, ge=0, description="L2 regularisation of the convolutions")


class DeepNetwork(ImageNetwork):
    """A deeper convolutional network."""

    network: Literal["vgg", "resnet"] = Field(description="architecture")


class SetNetwork(NetworkTraining):
    """A network on the list of non-empty cells."""

    network: Literal["dense_cells", "pfn", "local_pfn", "transformer"] = Field(
        description="architecture"
    )
    max_cells: int = Field(256, gt=0, description="number of cells kept, those of highest pT")
    phi_reference: tuple[Literal["hardest_cell", "leading_jet", "met"], ...] = Field(
        ("hardest_cell",), min_length=1, description="azimuths are given relative to each of these"
    )

    @field_validator("compression")
    @classmethod
    def _not_compressed(cls, value: Compression) -> Compression:
        if value != "none":
            raise ValueError(f"'{value}' has no effect on a network of cells: remove 'compression'")
        return value


AnyNetwork = Annotated[ThesisNetwork | DeepNetwork | SetNetwork, Field(discriminator="network")]


def parse_network(settings: Mapping[str, Any]) -> ThesisNetwork | DeepNetwork | SetNetwork:
    """Return a network from its keys.

    Raises:
        ValidationError: a key is unknown, missing, mistyped or without effect.
    """
    adapter = TypeAdapter[ThesisNetwork | DeepNetwork | SetNetwork](AnyNetwork)
    return adapter.validate_python(settings)


class Training(Model):
    """The networks, and the processes and slices that they train on unless they set their own."""

    signal: Name = Field("Znunu", description="signal process, also for the evaluation")
    background: Name | tuple[Name, ...] = Field("Wtaunu", description="background processes")
    slices: tuple[str, ...] = Field(("high",), description="pT slices, also for the evaluation")
    folds: int = Field(
        2,
        ge=1,
        le=100,
        description="number of folds; each is scored by a network trained on the others",
    )
    models: str | None = Field(
        None, description="finished run whose networks score these events; none is trained"
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=0.5, description="share of the training events kept for the validation"
    )
    networks: tuple[AnyNetwork, ...] = Field((), description="networks to train")

    @model_validator(mode="after")
    def _left_out_of_training(self) -> Training:
        if self.folds == 1 and self.models is None:
            raise ValueError(
                "'folds' is at least 2, so that no network scores its training events; 1 is only "
                "for networks of another run ('models')"
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
        """Return the processes that a network is trained on, with their classes (signal: 0)."""
        background = network.background or self.background
        backgrounds = (background,) if isinstance(background, str) else background
        signal = network.signal or self.signal
        numbered = enumerate(backgrounds, start=1)
        return {signal: 0} | {p: i if network.multiclass else 1 for i, p in numbered}

    def signal_networks(self) -> tuple[NetworkTraining, ...]:
        """Return the networks of the analysis's signal, which select events."""
        return tuple(n for n in self.networks if n.signal in (None, self.signal))


class Evaluation(Model):
    """How the networks are evaluated."""

    thresholds: int = Field(21, ge=2, description="number of thresholds, uniform in [0, 1]")
    bootstrap: int = Field(200, ge=2, description="replicas for the statistical errors")

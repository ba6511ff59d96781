"""Autoencoders of section ``anomaly``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    field_validator,
    model_validator,
)

from analysis.config.base import ConditionalModel, Layers, Model, Variant, Width
from analysis.config.networks import Compression

Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "tanh"]


class Tuning(Model):
    """Hyperparameter search by Hyperband (Li et al., arXiv:1603.06560).

    Many autoencoders are trained for few epochs, and repeatedly the best 1 of ``factor`` of them
    for ``factor`` times as many.
    """

    max_epochs: int = Field(30, ge=2, description="epochs of the longest trainings")
    factor: int = Field(3, ge=2, description="ratio of the epochs of successive rounds")
    hyperband_iterations: int = Field(1, gt=0, description="repetitions of the whole search")
    layers: tuple[Layers, ...] = Field(
        (0, 1, 2), min_length=1, description="numbers of hidden layers of the encoder"
    )
    nodes: tuple[Width, ...] = Field(
        (100, 200, 400), min_length=1, description="numbers of nodes, chosen for each layer"
    )
    latent: tuple[Width, ...] = Field(
        (50, 100, 150, 200), min_length=1, description="widths of the latent space"
    )
    activation: tuple[Activation, ...] = Field(
        ("relu", "elu", "tanh", "leaky_relu"), min_length=1, description="activation functions"
    )
    learning_rate: tuple[float, float] = Field(
        (1e-4, 1e-2), description="minimum and maximum, drawn logarithmically"
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


TUNED = ("layers", "latent", "activation", "learning_rate")
"""Keys of an autoencoder that a search chooses."""


class Autoencoder(ConditionalModel):
    """Keys of every autoencoder of rapidity-mass matrices."""

    kind: Literal["dense", "variational"] = Field("dense", description="type of autoencoder")
    variant: Variant = Field("", description="suffix that distinguishes autoencoders of one kind")
    layers: tuple[Width, ...] = Field(
        (200,), description="nodes of the encoder's hidden layers; the decoder mirrors them"
    )
    latent: int = Field(
        100, gt=0, description="width of the latent space, smaller than that of the input"
    )
    activation: Activation = Field("relu", description="activation function of the hidden layers")
    output: Literal["linear", "sigmoid"] = Field("linear", description="activation of the output")
    scaling: Literal["min_max", "standard"] = Field("min_max", description="scaling of the input")
    learning_rate: float = Field(1.5e-3, gt=0, description="learning rate of Adam")
    batch_size: int = Field(256, gt=0, description="events per batch")
    epochs: int = Field(50, gt=0, description="maximum")
    patience: int = Field(5, gt=0, description="epochs without improvement before stopping")
    tuning: Tuning | None = Field(
        None, description="search for layers, latent space, activation and learning rate first"
    )

    def switched_off(self) -> Mapping[str, str]:
        """Return the keys without effect: those that a search chooses."""
        return {} if self.tuning is None else dict.fromkeys(TUNED, "with 'tuning'")

    @property
    def name(self) -> str:
        """Return ``<kind>[+<variant>]``, its folder and its score column."""
        return f"{self.kind}+{self.variant}" if self.variant else self.kind

    @model_validator(mode="after")
    def _reachable(self) -> Autoencoder:
        if self.output == "sigmoid" and self.scaling != "min_max":
            raise ValueError(
                f"autoencoder '{self.name}': a sigmoid output needs inputs in [0, 1]: set "
                "'scaling: min_max' or 'output: linear'"
            )
        return self


class DenseAutoencoder(Autoencoder):
    """A deterministic autoencoder."""

    kind: Literal["dense"] = Field("dense", description="type of autoencoder")


class VariationalAutoencoder(Autoencoder):
    """A variational autoencoder."""

    kind: Literal["variational"] = Field("variational", description="type of autoencoder")
    beta: float = Field(
        1e-3, ge=0, description="weight of the Kullback-Leibler divergence from a Gaussian"
    )


def _kind(value: Any) -> Any:
    if isinstance(value, Mapping):
        return str(value.get("kind", "dense"))
    return getattr(value, "kind", "dense")


AnyAutoencoder = Annotated[
    Annotated[DenseAutoencoder, Tag("dense")]
    | Annotated[VariationalAutoencoder, Tag("variational")],
    Discriminator(_kind),
]


def parse_autoencoder(settings: Mapping[str, Any]) -> DenseAutoencoder | VariationalAutoencoder:
    """Return an autoencoder from its keys.

    Raises:
        ValidationError: a key is unknown, missing, mistyped or without effect.
    """
    adapter = TypeAdapter[DenseAutoencoder | VariationalAutoencoder](AnyAutoencoder)
    return adapter.validate_python(settings)


class Denoising(ConditionalModel):
    """A convolutional autoencoder that removes noise from pictures of events.

    A picture is the transverse momentum in each cell of an image.
    """

    variant: Variant = Field(
        "", description="suffix that distinguishes autoencoders of one compression"
    )
    compression: Compression = Field("cell", description="compression of the images")
    crop_size: int = Field(
        30, ge=4, le=126, description="rows and columns kept of a compressed image"
    )
    pooling: int = Field(
        1, ge=1, le=25, description="rows and columns that are summed into one cell"
    )
    region: str | None = Field(None, description="train only on events in this region")
    drop_probability: float = Field(
        0.1, ge=0, lt=1, description="probability that noise empties a cell"
    )
    noise_probability: float = Field(
        0.02, ge=0, le=1, description="probability that noise is added to a cell"
    )
    noise_mean_pt: float = Field(
        2.0, gt=0, description="GeV; mean of the exponentially distributed noise"
    )
    filters: tuple[Width, ...] = Field(
        (16, 32), min_length=1, description="filters of convolutions, each of which halves the size"
    )
    latent: int = Field(
        64, gt=0, description="width of the latent space, smaller than that of the input"
    )
    learning_rate: float = Field(1e-3, gt=0, description="learning rate of Adam")
    batch_size: int = Field(128, gt=0, description="events per batch")
    epochs: int = Field(20, gt=0, description="maximum")
    patience: int = Field(5, gt=0, description="epochs without improvement before stopping")

    def switched_off(self) -> Mapping[str, str]:
        """Return the keys without effect: uncompressed images are not cropped."""
        return {"crop_size": "with 'compression: none'"} if self.compression == "none" else {}

    @property
    def name(self) -> str:
        """Return ``denoising+<compression>[+<variant>]``, its folder and its score column."""
        name = f"denoising+{self.compression}"
        return f"{name}+{self.variant}" if self.variant else name

"""Autoencoders of section ``anomaly``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from analysis.config.base import Layers, Model, Variant, Width, known_region
from analysis.config.networks import Compression

Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "tanh"]


class Tuning(Model):
    """The search for an autoencoder by Hyperband (Li et al., arXiv:1603.06560): many are trained
    for few epochs, and the best 1 of ``factor`` of them for ``factor`` times as many, again and
    again."""

    max_epochs: int = Field(30, ge=2, description="of those that are trained longest")
    factor: int = Field(3, ge=2, description="of epochs from round to round")
    hyperband_iterations: int = Field(1, gt=0, description="repetitions of the whole search")
    layers: tuple[Layers, ...] = Field(
        (0, 1, 2), min_length=1, description="numbers of hidden layers on either side"
    )
    nodes: tuple[Width, ...] = Field(
        (100, 200, 400), min_length=1, description="of each of them, chosen one by one"
    )
    latent: tuple[Width, ...] = Field((50, 100, 150, 200), min_length=1)
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


class Autoencoder(Model):
    """One autoencoder on rapidity-mass matrices, and how it is trained."""

    kind: Literal["dense", "variational"] = "dense"
    variant: Variant = Field("", description="tells autoencoders of one kind from another")
    layers: tuple[Width, ...] = Field(
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


class Denoising(Model):
    """A convolutional autoencoder that takes noise out of pictures of events, and how it is
    trained.

    A picture is the transverse momentum in each cell of an image.
    """

    variant: Variant = Field("", description="tells autoencoders of one compression from another")
    compression: Compression = "cell"
    size: int = Field(30, ge=4, le=126, description="rows and columns kept of a compressed image")
    pooling: int = Field(1, ge=1, le=25, description="rows and columns that are summed to one")
    select: str | None = Field(None, description="learn from events of this region only")
    emptied: float = Field(0.1, ge=0, lt=1, description="probability that noise empties a cell")
    added: float = Field(0.02, ge=0, le=1, description="probability that noise is added to a cell")
    added_pt: float = Field(2.0, gt=0, description="its mean; it falls exponentially")
    filters: tuple[Width, ...] = Field(
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
        return known_region(value)

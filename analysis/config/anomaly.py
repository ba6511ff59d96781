"""Section ``anomaly``: the search in events with three leptons."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from analysis.config.autoencoders import (
    AnyAutoencoder,
    Autoencoder,
    Denoising,
    DenseAutoencoder,
)
from analysis.config.base import Model, Name, Share, Variant
from analysis.processes import HEAVY_NEUTRINOS
from common.runtime.errors import did_you_mean
from selections import three_lepton


class Split(Model):
    """Shares of the simulated events by use, drawn by a hash of run and event number.

    The remaining events predict yields.
    """

    training: float = Field(0.5, gt=0, lt=1, description="share that trains autoencoders")
    validation: float = Field(0.1, gt=0, lt=1, description="share that monitors the training")
    pseudo_data: float = Field(
        0.0, ge=0, lt=1, description="share from which pseudo-data are drawn"
    )

    @model_validator(mode="after")
    def _room_for_the_rest(self) -> Split:
        if self.training + self.validation + self.pseudo_data >= 1:
            raise ValueError("no events are left to predict yields: the shares add up to 1 or more")
        return self


class Fakes(Model):
    """Probabilities that a simulated jet is reconstructed as a lepton."""

    electron: float = Field(5e-4, ge=0, lt=0.1, description="as an electron")
    muon: float = Field(2e-4, ge=0, lt=0.1, description="as a muon")


class Rmm(Model):
    """Rapidity-mass matrices (Chekanov, arXiv:1805.11650) of events with three leptons."""

    objects: dict[str, Annotated[int, Field(gt=0, le=20)]] = Field(
        {"jet": 6, "bjet": 6, "electron": 5, "muon": 5},
        description="maximum number of objects of each type, in order",
    )
    sqrt_s: float = Field(13000.0, gt=0, description="GeV; centre-of-mass energy")
    rapidity_scale: float = Field(0.15, gt=0, description="factor on the rapidity entries")
    split: Split = Field(Split(), description="use of the simulated events")
    fakes: Fakes = Field(Fakes(), description="fake leptons")

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


class PseudoData(Model):
    """A set of pseudo-data: simulated background events with Poisson-distributed multiplicities.

    They are drawn from the share of events `Split.pseudo_data`.
    """

    variant: Variant = Field("", description="suffix that distinguishes sets of pseudo-data")
    signal_strength: dict[Name, Annotated[float, Field(gt=0)]] = Field(
        {}, description="injected signal processes, with factors on their expected events"
    )

    @property
    def name(self) -> str:
        """Return ``pseudo_data[_<variant>]``, its name as a sample."""
        return f"pseudo_data_{self.variant}" if self.variant else "pseudo_data"


class Anomaly(Model):
    """The search for anomalies in events with three leptons."""

    signals: tuple[Name, ...] = Field(
        HEAVY_NEUTRINOS, description="processes that no autoencoder is trained on"
    )
    rmm: Rmm = Field(Rmm(), description="input of the autoencoders")
    autoencoders: tuple[AnyAutoencoder, ...] = Field(
        (DenseAutoencoder(),), min_length=1, description="autoencoders of the matrices"
    )
    background_quantiles: tuple[Share, ...] = Field(
        (0.5, 0.8, 0.9, 0.95, 0.99),
        min_length=1,
        description="shares of the background below the threshold of each anomaly region",
    )
    background_systematic: float = Field(
        0.2, ge=0, description="relative systematic uncertainty of the background"
    )
    pseudo_data: tuple[PseudoData, ...] = Field((), description="sets of pseudo-data")
    leave_one_out: tuple[Literal["process", "channel"], ...] = Field(
        (),
        description="train the first autoencoder again without each background process, or "
        "without each channel of lepton flavours",
    )
    denoising: tuple[Denoising, ...] = Field(
        (), description="autoencoders of pictures, trained on all background events"
    )

    @field_validator("background_quantiles")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("quantiles must be in rising order, each once")
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
        for process in (p for one in self.pseudo_data for p in one.signal_strength):
            if process not in self.signals:
                hint = did_you_mean(process, self.signals)
                raise ValueError(f"pseudo-data: '{process}' is not among the 'signals'{hint}")
        return self

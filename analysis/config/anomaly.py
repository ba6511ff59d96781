"""Section ``anomaly``: the search in events with three leptons."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from analysis.config.autoencoders import Autoencoder, Denoising
from analysis.config.base import Model, Name, Share, Variant
from analysis.processes import HEAVY_NEUTRINOS
from common.runtime.errors import did_you_mean
from selections import three_lepton


class Split(Model):
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


class Fakes(Model):
    """Probabilities that a jet is taken for a lepton, in simulation."""

    electron: float = Field(5e-4, ge=0, lt=0.1)
    muon: float = Field(2e-4, ge=0, lt=0.1)


class Rmm(Model):
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


class PseudoData(Model):
    """Events as data would have them: each simulated background event of the part set apart
    (`Split.pseudo_data`) comes as often as a Poisson number says."""

    variant: Variant = Field("", description="tells sets of pseudo-data from one another")
    inject: dict[Name, Annotated[float, Field(gt=0)]] = Field(
        {}, description="signal process: by how much its expected events are multiplied"
    )

    @property
    def name(self) -> str:
        """``pseudo_data[_<variant>]``, as a sample is named."""
        return f"pseudo_data_{self.variant}" if self.variant else "pseudo_data"


class Anomaly(Model):
    """The search for what does not look like the background, in events with three leptons."""

    signals: tuple[Name, ...] = Field(
        HEAVY_NEUTRINOS, description="processes that autoencoders never learn from"
    )
    rmm: Rmm = Rmm()
    autoencoders: tuple[Autoencoder, ...] = Field((Autoencoder(),), min_length=1)
    quantiles: tuple[Share, ...] = Field(
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

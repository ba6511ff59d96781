"""Section ``imaging``: how images are filled."""

from __future__ import annotations

from pydantic import (
    Field,
    field_validator,
)

from analysis.config.base import Model, Probability, known_region


class Efficiency(Model):
    """Probability that a particle is found; beyond |eta| = 2.5 none is."""

    barrel: Probability = Field(description="|eta| < 1.5")
    endcap: Probability = Field(description="1.5 < |eta| < 2.5")


class CalorimeterResolution(Model):
    """sigma(E) / E = stochastic / sqrt(E) (+) constant."""

    stochastic: float = Field(ge=0, description="sqrt(GeV)")
    constant: float = Field(ge=0)


class TrackResolution(Model):
    """sigma(pT) / pT = slope pT (+) constant."""

    slope: float = Field(ge=0, description="1/GeV")
    constant: float = Field(ge=0)


class Detector(Model):
    """A simple detector, whose measurements fill the images (cpp_helpers/imaging/detector.hxx).

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


class Imaging(Model):
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
        return known_region(value)

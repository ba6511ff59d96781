"""Section ``imaging``: how images are filled."""

from __future__ import annotations

from pydantic import Field

from analysis.config.base import Model, Probability


class Efficiency(Model):
    """Probability that a particle is reconstructed; it is 0 beyond |eta| = 2.5."""

    barrel: Probability = Field(description="|eta| < 1.5")
    endcap: Probability = Field(description="1.5 < |eta| < 2.5")


class CalorimeterResolution(Model):
    """Energy resolution: sigma(E) / E = stochastic / sqrt(E) (+) constant."""

    stochastic: float = Field(ge=0, description="sqrt(GeV)")
    constant: float = Field(ge=0, description="relative")


class TrackResolution(Model):
    """Momentum resolution: sigma(pT) / pT = slope pT (+) constant."""

    slope: float = Field(ge=0, description="1/GeV")
    constant: float = Field(ge=0, description="relative")


class Detector(Model):
    """A simple detector simulation for the images (cpp_helpers/imaging/detector.hxx).

    Resolutions are the design values of ATLAS (JINST 3 (2008) S08003, table 1.1), efficiencies
    those of Delphes's ATLAS card (arXiv:1307.6346, cards/delphes_card_ATLAS.tcl), of leptons and
    photons those above 10 GeV.
    """

    tracks: Efficiency = Field(
        Efficiency(barrel=0.95, endcap=0.85), description="charged hadrons with pT > 1 GeV"
    )
    soft_tracks: Efficiency = Field(
        Efficiency(barrel=0.70, endcap=0.60), description="charged hadrons with pT < 1 GeV"
    )
    electrons: Efficiency = Field(Efficiency(barrel=0.95, endcap=0.85), description="electrons")
    muons: Efficiency = Field(Efficiency(barrel=0.95, endcap=0.85), description="muons")
    photons: Efficiency = Field(Efficiency(barrel=0.95, endcap=0.85), description="photons")
    electromagnetic: CalorimeterResolution = Field(
        CalorimeterResolution(stochastic=0.10, constant=0.007),
        description="electromagnetic calorimeter",
    )
    hadronic: CalorimeterResolution = Field(
        CalorimeterResolution(stochastic=0.50, constant=0.03), description="hadronic calorimeter"
    )
    tracker: TrackResolution = Field(
        TrackResolution(slope=5e-4, constant=0.01), description="charged hadrons and electrons"
    )
    muon_tracks: TrackResolution = Field(
        TrackResolution(slope=1e-4, constant=0.01),
        description="muons: 10 % at 1 TeV by the spectrometer, the constant of the tracker",
    )


class Imaging(Model):
    """How images are filled."""

    particle_threshold: float = Field(
        1.0, ge=0, description="GeV; minimum pT of the particles in the images"
    )
    jet_threshold: float = Field(
        20.0, ge=0, description="GeV; minimum pT of the jets in the images"
    )
    block_size: int = Field(20000, gt=0, description="events per task and thread")
    region: str | None = Field(None, description="keep only events in this region")
    detector: Detector | None = Field(
        None, description="null: an ideal detector; {}: the default values of `Detector`"
    )

    @property
    def detector_json(self) -> str:
        """Return the detector settings as stored in image files, empty for an ideal one."""
        return "" if self.detector is None else self.detector.model_dump_json()

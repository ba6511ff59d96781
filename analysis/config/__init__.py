"""The typed configuration of a run, read from YAML: one module a section.

Every key is checked: an unknown or mistyped one is refused with the nearest valid name. Energies are
in GeV, cross-sections in pb, luminosities in 1/fb.
"""

from analysis.config.anomaly import Anomaly, Fakes, PseudoData, Rmm, Split
from analysis.config.autoencoders import Activation, Autoencoder, Denoising, Tuning
from analysis.config.batch import Batch
from analysis.config.imaging import (
    CalorimeterResolution,
    Detector,
    Efficiency,
    Imaging,
    TrackResolution,
)
from analysis.config.load import CONFIGS, DEFAULT, load
from analysis.config.networks import (
    Compression,
    Evaluation,
    Network,
    NetworkTraining,
    Training,
    Watch,
)
from analysis.config.samples import Sample
from analysis.config.simulation import Generation, Slice
from analysis.config.study import Config

__all__ = [
    "CONFIGS",
    "DEFAULT",
    "Activation",
    "Anomaly",
    "Autoencoder",
    "Batch",
    "CalorimeterResolution",
    "Compression",
    "Config",
    "Denoising",
    "Detector",
    "Efficiency",
    "Evaluation",
    "Fakes",
    "Generation",
    "Imaging",
    "Network",
    "NetworkTraining",
    "PseudoData",
    "Rmm",
    "Sample",
    "Slice",
    "Split",
    "TrackResolution",
    "Training",
    "Tuning",
    "Watch",
    "load",
]

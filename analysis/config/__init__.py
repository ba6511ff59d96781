"""The typed configuration of a run, read from YAML: one module for each section.

Every key is checked: an unknown, mistyped or ineffective key is refused with the nearest valid
name. Energies are in GeV, cross-sections in pb, luminosities in 1/fb.
"""

from analysis.config.anomaly import Anomaly, Fakes, PseudoData, Rmm, Split
from analysis.config.autoencoders import (
    Activation,
    Autoencoder,
    Denoising,
    DenseAutoencoder,
    Tuning,
    VariationalAutoencoder,
    parse_autoencoder,
)
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
    DeepNetwork,
    EarlyStopping,
    Evaluation,
    ImageNetwork,
    Network,
    NetworkTraining,
    SetNetwork,
    ThesisNetwork,
    Training,
    parse_network,
)
from analysis.config.samples import (
    FileSample,
    GeneratedSample,
    HepMCSample,
    Sample,
    parse_sample,
)
from analysis.config.simulation import Generation, Slice
from analysis.config.skim import Skim
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
    "DeepNetwork",
    "Denoising",
    "DenseAutoencoder",
    "Detector",
    "EarlyStopping",
    "Efficiency",
    "Evaluation",
    "Fakes",
    "FileSample",
    "GeneratedSample",
    "Generation",
    "HepMCSample",
    "ImageNetwork",
    "Imaging",
    "Network",
    "NetworkTraining",
    "PseudoData",
    "Rmm",
    "Sample",
    "SetNetwork",
    "Skim",
    "Slice",
    "Split",
    "ThesisNetwork",
    "TrackResolution",
    "Training",
    "Tuning",
    "VariationalAutoencoder",
    "load",
    "parse_autoencoder",
    "parse_network",
    "parse_sample",
]

"""A run: its configuration, its output folder, and options of its execution."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from analysis.config import Config


@dataclass(frozen=True)
class Run:
    """A configuration and the folder of its outputs.

    The other fields set the cluster, its worker processes and their threads, how parts are merged,
    and whether unreadable files are skipped; only the last can change results.
    """

    config: Config
    output: Path
    workers: int = 1
    threads: int = 1
    cluster: str = "local"
    merge: Literal["copy", "link"] = "copy"
    skip_bad_files: bool = False

    def sample(self, name: str) -> Path:
        """Return the file of a generated or converted sample."""
        return self.output / "samples" / f"{name}.root"

    def images(self, name: str) -> Path:
        """Return the image file of a sample."""
        return self.output / "images" / f"{name}.h5"

    def matrices(self, name: str) -> Path:
        """Return the file of a sample's rapidity-mass matrices."""
        return self.output / "rmm" / f"{name}.h5"

    def skim(self, name: str, suffix: str) -> Path:
        """Return the file with the skimmed events of a sample."""
        return self.output / "skims" / f"{name}{suffix}"

    def model(self, network: str) -> Path:
        """Return the folder of a trained network, which may belong to another run."""
        return self._trained_in(network) / "models" / network

    def _trained_in(self, network: str) -> Path:
        training = self.config.training
        taken = training.models and network in {spec.name for spec in training.networks}
        return Path(training.models or "") if taken else self.output

    @property
    def evaluation(self) -> Path:
        """Return the table of the networks and their thresholds."""
        return Path(self.config.training.models or self.output) / "tables" / "evaluation.json"

    def scores(self, name: str) -> Path:
        """Return the file of a sample's network scores."""
        return self.output / "scores" / f"{name}.h5"

    def anomaly_scores(self, name: str) -> Path:
        """Return the file of a sample's autoencoder scores."""
        return self.output / "anomaly_scores" / f"{name}.h5"

    def inspection(self, autoencoder: str) -> Path:
        """Return the inspection file of an autoencoder."""
        return self.output / "inspection" / f"{autoencoder}.h5"

    def table(self, name: str) -> Path:
        """Return the JSON file of a table; Markdown, LaTeX and text lie beside it."""
        return self.output / "tables" / f"{name}.json"

    @property
    def histograms(self) -> Path:
        """Return the file of all histograms; one that ROOT reads lies beside it."""
        return self.output / "histograms.h5"

    def parts(self, stage: str) -> Path:
        """Return the folder of a stage's parts."""
        return self.output / "parts" / stage

    def denoised(self, name: str) -> Path:
        """Return the file with images before and after a denoising autoencoder."""
        return self.output / "denoising" / f"{name}.h5"

    @property
    def plots(self) -> Path:
        """Return the folder of the figures."""
        return self.output / "plots"

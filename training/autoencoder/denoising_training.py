"""Train a denoising autoencoder of a run."""

from __future__ import annotations

from analysis.config import Denoising
from analysis.sample_roles import background_samples
from analysis.workflow.run import Run
from training.autoencoder.denoising import fit_denoising
from training.data.image_settings import image_settings


def train(run: Run, spec: Denoising, fingerprint: str) -> None:
    """Train an autoencoder on the images of all simulated backgrounds; ``fingerprint`` names the
    folder of unfinished work."""
    config = run.config
    fit_denoising(
        spec,
        [run.images(sample.name) for sample in background_samples(config)],
        run.model(spec.name),
        validation_fraction=config.training.validation_fraction,
        seed=config.seed,
        fingerprint=fingerprint,
        settings=image_settings(run),
    )

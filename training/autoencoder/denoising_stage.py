"""Stage ``denoising``: train autoencoders that remove noise from pictures of events."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from analysis.by_value import dump
from analysis.images.imaging_stage import image_target, imaging_targets
from analysis.sample_roles import autoencoder_note, background_samples
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared

log = logging.getLogger("monojet")

TRAINING = "training.autoencoder.denoising_training"


@shared
def denoising_targets(run: Run) -> list[Target]:
    """Return one folder for each denoising autoencoder, and one table of all of them, with pictures
    from each.

    Raises:
        ConfigError: the configuration has no anomaly search, or nothing to learn from.
    """
    config = run.config
    specs = config.anomaly_search.denoising
    denoisers = tuple(
        Target(
            "denoising",
            spec.name,
            run.model(spec.name) / "training.json",
            (TRAINING,),  # without the code of the table
            settings={
                "denoising": dump(spec),
                "validation_fraction": config.training.validation_fraction,
                "seed": config.seed,
            },
            upstream=tuple(image_target(run, sample) for sample in background_samples(config)),
        )
        for spec in specs
    )
    table = Target(
        "denoising",
        "denoising",
        run.table("denoising"),
        (__name__,),
        settings={
            "signals": config.anomaly_search.signals,
            "luminosity": config.luminosity,
            "samples": [dump(sample, "k_factor", "data") for sample in config.samples],
        },
        upstream=(*imaging_targets(run), *denoisers),
        extra_outputs=tuple(run.denoised(spec.name) for spec in specs),
    )
    return [*denoisers, table] if denoisers else []


def denoise(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Train the denoising autoencoders of the targets, and write the table of all of them."""
    from training.autoencoder.denoised import evaluate
    from training.autoencoder.denoising_training import train

    specs = {spec.name: spec for spec in run.config.anomaly_search.denoising}
    if any(target.name in specs for target in targets):
        log.info("%s", autoencoder_note(run.config))
    for target in targets:
        if target.name in specs:
            train(run, specs[target.name], target.fingerprint[:12])
        else:
            evaluate(run, target.output)
        done(target)


STAGE = Stage(
    name="denoising",
    summary="train autoencoders that take noise out of pictures of backgrounds",
    reads="images",
    writes="models/<denoiser>/, denoising/<denoiser>.h5",
    targets=denoising_targets,
    run=denoise,
    study="denoising",
    tables=("denoising",),
)

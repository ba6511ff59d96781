"""Stage ``autoencoders``: train autoencoders on the matrices of simulated backgrounds."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from analysis.by_value import dump
from analysis.config import Autoencoder
from analysis.matrices.rmm_stage import rmm_target
from analysis.sample_roles import autoencoder_note, background_samples
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared

log = logging.getLogger("monojet")


@shared
def autoencoder_targets(run: Run) -> list[Target]:
    """Return one folder for each autoencoder.

    Raises:
        ConfigError: the configuration has no anomaly search, or nothing to learn from.
    """
    config = run.config
    backgrounds = background_samples(config)
    return [
        Target(
            "autoencoders",
            spec.name,
            run.model(spec.name) / "training.json",
            (__name__,),
            settings={"autoencoder": dump(spec), "seed": config.seed},
            upstream=tuple(rmm_target(run, sample) for sample in backgrounds),
        )
        for spec in config.anomaly_search.autoencoders
    ]


def train(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Train the autoencoders of the targets; tune their settings first if configured."""
    from training.autoencoder import fit, tuning

    config = run.config
    log.info("%s", autoencoder_note(run.config))
    paths = [run.matrices(sample.name) for sample in background_samples(config)]
    specs: dict[str, Autoencoder] = {spec.name: spec for spec in config.anomaly_search.autoencoders}
    for target in targets:
        spec, folder, fingerprint = (
            specs[target.name],
            run.model(target.name),
            target.fingerprint[:12],
        )
        if spec.tuning is not None:
            spec = tuning.tune(spec, paths, folder, seed=config.seed, fingerprint=fingerprint)
        fit.fit(spec, paths, folder, seed=config.seed, fingerprint=fingerprint)
        done(target)


STAGE = Stage(
    name="autoencoders",
    summary="train autoencoders on the matrices of simulated backgrounds",
    reads="rmm",
    writes="models/<autoencoder>/",
    targets=autoencoder_targets,
    run=train,
    study="anomaly",
)

"""Stage ``inspection``: which elements autoencoders fail on, their latent space, single events."""

from __future__ import annotations

import json
from collections.abc import Sequence

from analysis.datasets import background_samples
from analysis.three_lepton.anomaly_stage import anomaly_targets
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target


def inspection_targets(run: Run) -> list[Target]:
    """Return one file for each autoencoder.

    Raises:
        ConfigError: the configuration has no anomaly search.
    """
    return [
        Target(
            "inspection",
            spec.name,
            run.inspection(spec.name),
            (__name__,),
            upstream=tuple(anomaly_targets(run)),
        )
        for spec in run.config.anomaly_search.autoencoders
    ]


def inspect(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Inspect what the autoencoders of the targets do to the test events of all samples."""
    from training.autoencoder.autoencoder import Autoencoder
    from training.autoencoder.inspection import inspect as inspect_one

    config = run.config
    findings = json.loads(run.table("anomaly").read_text())
    thresholds = {one["autoencoder"]: one["regions"][-1]["threshold"] for one in findings}
    samples = {s.name: (s.process, run.matrices(s.name)) for s in config.samples}
    backgrounds = {sample.name for sample in background_samples(config)}
    for target in targets:
        name = target.name
        autoencoder = Autoencoder(run.model(name))
        inspect_one(autoencoder, samples, backgrounds, thresholds[name], target.output)
        done(target)


STAGE = Stage(
    name="inspection",
    summary="which elements autoencoders fail on, their latent space, single events",
    reads="rmm, models, tables",
    writes="inspection/<autoencoder>.h5",
    targets=inspection_targets,
    run=inspect,
    study="anomaly",
)

"""Stage ``inspection``: errors by matrix element, latent space, single events."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.sample_roles import background_samples
from analysis.three_lepton.anomaly_stage import anomaly_targets
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared


@shared
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
    """Inspect the autoencoders of the targets on the test events of all samples."""
    from analysis.three_lepton.search_model import read_search_results
    from training.autoencoder.autoencoder import TrainedAutoencoder
    from training.autoencoder.inspection import inspect as inspect_one

    config = run.config
    findings = read_search_results(run.table("anomaly"))
    thresholds = {one.autoencoder: one.regions[-1].threshold for one in findings}
    samples = {s.name: (s.process, run.matrices(s.name)) for s in config.samples}
    backgrounds = {sample.name for sample in background_samples(config)}
    for target in targets:
        name = target.name
        autoencoder = TrainedAutoencoder(run.model(name))
        inspect_one(autoencoder, samples, backgrounds, thresholds[name], target.output)
        done(target)


STAGE = Stage(
    name="inspection",
    summary="inspect autoencoders: errors by matrix element, latent space, single events",
    reads="rmm, models, tables",
    writes="inspection/<autoencoder>.h5",
    targets=inspection_targets,
    run=inspect,
    study="anomaly",
)

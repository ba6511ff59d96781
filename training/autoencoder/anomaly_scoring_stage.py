"""Stage ``anomaly_scoring``: score events by the error of their reconstruction."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.matrices.pseudo_data_stage import pseudo_data_targets
from analysis.matrices.rmm_stage import rmm_targets
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared
from training.autoencoder.autoencoders_stage import autoencoder_targets


@shared
def anomaly_scoring_targets(run: Run) -> list[Target]:
    """Return one file of scores for each sample and each set of pseudo-data.

    Raises:
        ConfigError: the configuration has no anomaly search.
    """
    autoencoders = tuple(autoencoder_targets(run))
    return [
        Target(
            "anomaly_scoring",
            matrices.name,
            run.anomaly_scores(matrices.name),
            (__name__,),
            upstream=(matrices, *autoencoders),
        )
        for matrices in (*rmm_targets(run), *pseudo_data_targets(run))
    ]


def score(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Score the events of the targets' samples by all autoencoders."""
    import numpy as np

    from common.schema.scores import write_scores
    from training.autoencoder.autoencoder import TrainedAutoencoder
    from training.data.features import feature_blocks, read_identity

    names = [spec.name for spec in run.config.anomaly_search.autoencoders]
    autoencoders = {name: TrainedAutoencoder(run.model(name)) for name in names}
    for target in targets:
        path = run.matrices(target.name)
        blocks = [
            {name: encoder.score(block) for name, encoder in autoencoders.items()}
            for block in feature_blocks(path)
        ]
        scores = {name: np.concatenate([block[name] for block in blocks]) for name in names}
        write_scores(target.output, read_identity(path), scores)
        done(target)


STAGE = Stage(
    name="anomaly_scoring",
    summary="score events with three leptons by the error of their reconstruction",
    reads="rmm, models",
    writes="anomaly_scores/<sample>.h5",
    targets=anomaly_scoring_targets,
    run=score,
    study="anomaly",
)

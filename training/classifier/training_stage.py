"""Stage ``training``: train the networks on the images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.by_value import dump
from analysis.config import Config, NetworkTraining
from analysis.datasets import monitored_samples, training_samples
from analysis.images.imaging_stage import image_target
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import LAYOUT, Done, Target, differences
from common.runtime.errors import ConfigError

if TYPE_CHECKING:
    from training.data.dataset import Labelled


def training_targets(run: Run) -> list[Target]:
    """Return one folder for each network.

    Raises:
        ConfigError: a process that a network learns from has no sample.
    """
    config = run.config
    targets = []
    for network in config.training.networks:
        learned = training_samples(config, network)
        watched = monitored_samples(config, network) if network.watches_test else {}
        targets.append(
            Target(
                "training",
                network.name,
                run.model(network.name) / "training.json",
                (__name__,),
                settings={
                    **_seen_by(config, network),
                    "validation_fraction": config.training.validation_fraction,
                    "samples": learned,
                    "watched": watched,
                    "seed": config.seed,
                },
                upstream=tuple(
                    image_target(run, config.sample(name)) for name in learned | watched
                ),
            )
        )
    return targets


def networks_of_another_run(run: Run) -> dict[str, str]:
    """Return the networks of another run that score the events of this one, each with the
    fingerprint of its training.

    Raises:
        ConfigError: one is missing, or has another configuration.
    """
    config = run.config
    found = {}
    for network in config.training.networks:
        folder = run.model(network.name)
        try:
            record = json.loads((folder / "training.manifest.json").read_text())
            settings, found[network.name] = record["settings"], str(record["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{folder}: no trained network: train it first, with the same --config and without "
                "--input, or name another run that has it with --models"
            ) from error
        if record.get("layout") != LAYOUT:
            raise ConfigError(
                f"{folder}: an older version of this program trained this network: train it again"
            )
        own = _seen_by(config, network)
        other = {key: settings[key] for key in own if key in settings}
        for change in differences(other, {key: own[key] for key in other}):
            raise ConfigError(
                f"{folder}: the network has another configuration ({change}): give the --config "
                "that it was trained with"
            )
    return found


def _seen_by(config: Config, network: NetworkTraining) -> dict[str, Any]:
    """Return the settings of a network and of the images that it learns from."""
    return {
        "network": dump(network),
        "folds": config.folds,
        "imaging": dump(config.imaging, "particle_threshold", "jet_threshold", "detector"),
    }


def train(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Train the networks of the targets."""
    from training.classifier import fit
    from training.classifier.score import image_settings

    config = run.config
    specs = {spec.name: spec for spec in config.training.networks}
    for target in targets:
        spec = specs[target.name]
        fit.train(
            spec,
            _labelled(run, training_samples(config, spec)),
            run.model(target.name),
            folds=config.folds,
            validation_fraction=config.training.validation_fraction,
            seed=config.seed,
            fingerprint=target.fingerprint[:12],
            settings=image_settings(run),
            test=_labelled(run, monitored_samples(config, spec))
            if config.own_training_samples
            else None,
        )
        done(target)


def _labelled(run: Run, labels: Mapping[str, int]) -> Labelled:
    from training.data.dataset import Labelled

    return Labelled([run.images(name) for name in labels], list(labels.values()))


STAGE = Stage(
    name="training",
    summary="train the networks on the images",
    reads="images",
    writes="models/<network>+<compression>/",
    targets=training_targets,
    run=train,
    study="training",
)

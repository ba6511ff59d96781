"""Stage ``training``: train the networks on the images."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.by_value import dump
from analysis.config import Config, NetworkTraining
from analysis.images.imaging_stage import image_target
from analysis.sample_roles import monitored_samples, training_notes, training_samples
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import LAYOUT, Done, Target, differences, shared
from common.runtime.errors import ConfigError
from training.classifier.records import TRAINING
from training.networks.registry import module_of

if TYPE_CHECKING:
    from training.data.image_reader import LabelledFiles


log = logging.getLogger("monojet")


@shared
def training_targets(run: Run) -> list[Target]:
    """Return one folder per network.

    Raises:
        ConfigError: a process that a network is trained on has no sample.
    """
    config = run.config
    targets = []
    for network in config.training.networks:
        trained_on = training_samples(config, network)
        monitored = monitored_samples(config, network) if network.watches_test else {}
        targets.append(
            Target(
                "training",
                network.name,
                run.model(network.name) / TRAINING,
                (__name__, module_of(network.network)),
                settings={
                    **_network_settings(config, network),
                    "validation_fraction": config.training.validation_fraction,
                    "samples": trained_on,
                    "monitored": monitored,
                    "seed": config.seed,
                },
                upstream=tuple(
                    image_target(run, config.sample(name)) for name in trained_on | monitored
                ),
            )
        )
    return targets


@shared
def networks_of_another_run(run: Run) -> dict[str, str]:
    """Return the networks of another run that score this one, with fingerprints of their trainings.

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
        own = _network_settings(config, network)
        other = {key: settings[key] for key in own if key in settings}
        for change in differences(other, {key: own[key] for key in other}):
            raise ConfigError(
                f"{folder}: the network has another configuration ({change}): give the --config "
                "that it was trained with"
            )
    return found


def _network_settings(config: Config, network: NetworkTraining) -> dict[str, Any]:
    """Return the settings of a network and of the images that it is trained on."""
    return {
        "network": dump(network),
        "folds": config.folds,
        "imaging": dump(config.imaging, "particle_threshold", "jet_threshold", "detector"),
    }


def train(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Train the networks of the targets."""
    from training.classifier import fit
    from training.data.image_settings import image_settings

    config = run.config
    specs = {spec.name: spec for spec in config.training.networks}
    for line in training_notes(config, [specs[target.name] for target in targets]):
        log.info("%s", line)
    for target in targets:
        spec = specs[target.name]
        test = monitored_samples(config, spec) if config.own_training_samples else None
        inputs = fit.TrainingInputs(
            samples=_labelled_files(run, training_samples(config, spec)),
            folds=config.folds,
            validation_fraction=config.training.validation_fraction,
            seed=config.seed,
            fingerprint=target.fingerprint[:12],
            settings=image_settings(run),
            test=None if test is None else _labelled_files(run, test),
        )
        fit.train(spec, inputs, run.model(target.name))
        done(target)


def _labelled_files(run: Run, labels: Mapping[str, int]) -> LabelledFiles:
    from training.data.image_reader import LabelledFiles

    return LabelledFiles([run.images(name) for name in labels], list(labels.values()))


STAGE = Stage(
    name="training",
    summary="train the networks on the images",
    reads="images",
    writes="models/<network>+<compression>/",
    targets=training_targets,
    run=train,
    study="training",
)

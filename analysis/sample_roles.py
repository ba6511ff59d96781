"""Which samples networks and autoencoders learn from, which judge them, and which regions images
record."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.config import Config, NetworkTraining, Sample
from common.runtime.errors import ConfigError
from selections import monojet36
from selections.cuts import Region


def background_samples(config: Config) -> tuple[Sample, ...]:
    """Return the simulated samples that autoencoders learn from: all but signals.

    Raises:
        ConfigError: none is configured.
    """
    signals = config.anomaly_search.signals
    found = tuple(s for s in config.samples if not s.data and s.process not in signals)
    if not found:
        raise ConfigError("autoencoders need a simulated sample that is no signal to learn from")
    return found


def signal_samples(config: Config) -> tuple[Sample, ...]:
    """Return the samples of signals, which autoencoders never learn from."""
    signals = config.anomaly_search.signals
    return tuple(s for s in config.samples if not s.data and s.process in signals)


def training_samples(config: Config, network: NetworkTraining) -> dict[str, int]:
    """Return the samples that a network learns from, each with its class: 0 is the signal.

    Raises:
        ConfigError: a process of the network has no sample.
    """
    return _learned(config, network, _learning_role(config))


def monitored_samples(config: Config, network: NetworkTraining) -> dict[str, int]:
    """Return the samples of the analysis that a network's training may watch, likewise."""
    return _learned(config, network, "analysis")


def evaluation_samples(config: Config, network: NetworkTraining) -> dict[str, int]:
    """Return the samples that judge a network, on events that it has not seen: 0 is the signal, 1
    the background.

    All networks of one signal have the same, whatever else they learn from.

    Raises:
        ConfigError: a process has no sample.
    """
    return _judging(config, network, "analysis")


def threshold_samples(config: Config, network: NetworkTraining) -> dict[str, int]:
    """Return the same among the samples that networks learn from: some of their events choose the
    threshold."""
    return _judging(config, network, _learning_role(config))


def can_train(config: Config) -> bool:
    """Return whether the samples have all that the networks learn from."""
    try:
        for network in config.training.networks:
            training_samples(config, network)
    except ConfigError:
        return False
    return True


def _learning_role(config: Config) -> str:
    return "training" if config.own_training_samples else "analysis"


def _learned(config: Config, network: NetworkTraining, role: str) -> dict[str, int]:
    slices = network.slices or config.training.slices
    return _samples_of(config, config.training.classes_of(network), slices, role)


def _judging(config: Config, network: NetworkTraining, role: str) -> dict[str, int]:
    usual = network.signal in (None, config.training.signal)
    task = network.model_copy(
        update={"multiclass": False} | ({"background": None} if usual else {})
    )
    return _samples_of(config, config.training.classes_of(task), config.training.slices, role)


def _samples_of(
    config: Config, classes: Mapping[str, int], slices: tuple[str, ...], role: str
) -> dict[str, int]:
    chosen = {
        s.name: classes[s.process]
        for s in config.samples
        if s.role == role and s.process in classes and (s.slice is None or s.slice in slices)
    }
    for process in classes:
        if not any(config.sample(name).process == process for name in chosen):
            raise ConfigError(
                f"training needs a sample of process '{process}' in slice {' or '.join(slices)}, "
                f"of role '{role}': none is configured (images and a cut-flow need none: --config "
                "analysis/configs/selection.yaml)"
            )
    return chosen


def image_regions(config: Config) -> dict[str, Region]:
    """Return the regions of which images record whether an event passes: those that they always
    do, and those that the configuration names."""
    denoising = config.anomaly.denoising if config.anomaly else ()
    named = {
        *monojet36.IMAGE_REGIONS,
        config.imaging.region,
        *(network.region for network in config.training.networks),
        *(one.region for one in denoising),
    }
    return {name: region for name, region in monojet36.REGIONS.items() if name in named}

"""Which samples networks and autoencoders learn from, which judge them, which are left out of that,
and which regions images record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from analysis.config import Config, NetworkTraining, Sample
from analysis.processes import PROCESSES
from common.runtime.errors import ConfigError
from selections import monojet36
from selections.cuts import Region, used_definitions
from selections.selection import weight_inputs


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


def in_slices(slice_: str | None, slices: Collection[str]) -> bool:
    """Return whether a sample of a slice, or of none, is among the samples of some slices."""
    return slice_ is None or slice_ in slices


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
    return _samples_of(config, *_learning(config, network), role)


def _learning(config: Config, network: NetworkTraining) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the processes that a network learns from, with their classes, and the slices."""
    return config.training.classes_of(network), network.slices or config.training.slices


def _judging(config: Config, network: NetworkTraining, role: str) -> dict[str, int]:
    return _samples_of(config, *_judges(config, network), role)


def _judges(config: Config, network: NetworkTraining) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the processes that judge a network, with their classes, and the slices."""
    usual = network.signal in (None, config.training.signal)
    task = network.model_copy(
        update={"multiclass": False} | ({"background": None} if usual else {})
    )
    return config.training.classes_of(task), config.training.slices


def _samples_of(
    config: Config, classes: Mapping[str, int], slices: tuple[str, ...], role: str
) -> dict[str, int]:
    chosen = {
        s.name: classes[s.process]
        for s in config.samples
        if s.role == role and s.process in classes and in_slices(s.slice, slices)
    }
    for process in classes:
        if not any(config.sample(name).process == process for name in chosen):
            raise ConfigError(
                f"training needs a sample of process '{process}' in slice {' or '.join(slices)}, "
                f"of role '{role}': none is configured (images and a cut-flow need none: --config "
                "analysis/configs/selection.yaml)"
            )
    return chosen


# --- What is left out -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """Names of the samples that are used for something, and of those that are left out, with the
    reason."""

    used: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]

    def text(self, verb: str, preposition: str) -> str:
        """Return it in words, such as "learn from A, B; not from C (signal)"."""
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.left_out:
            by_reason.setdefault(reason, []).append(name)
        others = ", ".join(f"{', '.join(n)} ({reason})" for reason, n in by_reason.items())
        used = f"{verb} {preposition} {', '.join(self.used)}"
        return f"{used}; not {preposition} {others}" if others else used


def training_notes(config: Config, networks: Sequence[NetworkTraining]) -> list[str]:
    """Return a line for each set of samples that networks learn from, if it lacks samples of the
    same processes.

    Raises:
        ConfigError: a process of a network has no sample.
    """
    role = _learning_role(config)

    def choice(network: NetworkTraining) -> Choice:
        own = "the network's slices" if network.slices else "training.slices"
        used = tuple(training_samples(config, network))
        return _choice(config, used, *_learning(config, network), role, own)

    return _notes(networks, choice, ("learns", "learn"), "from")


def evaluation_notes(config: Config, networks: Sequence[NetworkTraining]) -> list[str]:
    """Return a line for each set of samples that judge networks, and for each that chooses their
    thresholds if that is another, likewise.

    Raises:
        ConfigError: a process has no sample.
    """

    def judging(network: NetworkTraining) -> Choice:
        used = tuple(evaluation_samples(config, network))
        return _choice(config, used, *_judges(config, network), "analysis", "training.slices")

    def choosing(network: NetworkTraining) -> Choice:
        used = tuple(threshold_samples(config, network))
        role = _learning_role(config)
        return _choice(config, used, *_judges(config, network), role, "training.slices")

    lines = _notes(networks, judging, ("is judged", "are judged"), "by")
    if config.own_training_samples:
        lines += _notes(networks, choosing, ("has its threshold", "have their thresholds"), "from")
    return lines


def autoencoder_note(config: Config) -> str:
    """Return a line on the samples that autoencoders learn from, and on those that they do not.

    Raises:
        ConfigError: there is none to learn from.
    """
    used = tuple(s.name for s in background_samples(config))
    others = (s for s in config.samples if s.name not in used)
    left_out = tuple((s.name, "data" if s.data else "signal") for s in others)
    return f"autoencoders {Choice(used, left_out).text('learn', 'from')}"


def unknown_processes(config: Config) -> tuple[str, ...]:
    """Return the processes that count as backgrounds only because nothing says what they are."""
    named = {s.process for s in config.samples if s.data or s.signal is not None}
    return tuple(
        name
        for name, process in config.processes.items()
        if not process.signal and name not in named and name not in PROCESSES
    )


def _choice(
    config: Config,
    used: tuple[str, ...],
    processes: Collection[str],
    slices: Collection[str],
    role: str,
    key: str,
) -> Choice:
    """Return the samples of some processes that are used, and why others are not; ``key`` is what
    names the slices."""

    def reason(sample: Sample) -> str:
        if sample.role != role:
            return f"role '{sample.role}'"
        return f"slice '{sample.slice}' is not in {key}"

    others = (s for s in config.samples if s.process in processes and s.name not in used)
    return Choice(used, tuple((s.name, reason(s)) for s in others))


def _notes(
    networks: Sequence[NetworkTraining],
    choice: Callable[[NetworkTraining], Choice],
    verbs: tuple[str, str],
    preposition: str,
) -> list[str]:
    """Return a line for each different choice that leaves samples out."""
    choices: dict[Choice, list[str]] = {}
    for network in networks:
        choices.setdefault(choice(network), []).append(network.name)
    lines = []
    for found, names in choices.items():
        if found.left_out:
            every, one = len(names) == len(networks), len(names) == 1
            who = "networks" if every else f"network{'' if one else 's'} {', '.join(names)}"
            lines.append(f"{who} {found.text(verbs[every or not one], preposition)}")
    return lines


def image_regions(config: Config) -> dict[str, Region]:
    """Return the regions of which images record whether an event passes: those that they always
    do, as far as the selection has them, and those that the configuration names."""
    denoising = config.anomaly.denoising if config.anomaly else ()
    named = {
        *monojet36.IMAGE_REGIONS,
        config.imaging.region,
        *(network.region for network in config.training.networks),
        *(one.region for one in denoising),
    }
    regions = config.selection.resolved.regions
    return {name: region for name, region in regions.items() if name in named}


def image_expressions(config: Config) -> list[str]:
    """Return the expressions that image files are made with, besides those of the images."""
    selection = config.selection.resolved
    expressions = [
        *(cut.expression for region in image_regions(config).values() for cut in region.cuts),
        *selection.quantities.values(),
        *weight_inputs(selection),
    ]
    used = used_definitions(selection.definitions, expressions)
    return [*expressions, *(one.expression for one in used)]

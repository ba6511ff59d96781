"""From options to a run: the configuration with the changes of the command line, and its stages."""

from __future__ import annotations

import argparse
import difflib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.batch.engines import check_cluster
from analysis.config import Config, load
from analysis.processes import PROCESSES
from analysis.sample_roles import can_train
from analysis.workflow.execute import require_inputs, with_needs
from analysis.workflow.registry import stages as all_stages
from analysis.workflow.run import Run
from analysis.workflow.run_folder import RUNS, Origin, default_folder
from analysis.workflow.stage import AnyStage, PartitionedStage
from common.runtime import machine
from common.runtime.errors import ConfigError, did_you_mean

log = logging.getLogger("monojet")

# What a study needs in the configuration.
_STUDIES = {
    "training": "'training' with 'networks'",
    "scoring": "'training' with 'networks'",
    "anomaly": "'anomaly'",
    "denoising": "'denoising' in 'anomaly'",
    "skim": "'skim'",
}


@dataclass(frozen=True)
class Request:
    """A run, where its settings come from, and the names of the chosen stages."""

    options: argparse.Namespace
    run: Run
    origin: Origin
    names: tuple[str, ...]

    def stages(self) -> list[AnyStage]:
        """Return the chosen stages and, without ``--only``, the stages that they need.

        Raises:
            ConfigError: the configuration lacks an input of a stage.
            InputError: with ``--only``, an input is missing or out of date.
        """
        found = with_needs(self.names, all_stages(), self.run)
        if self.options.only:
            found = [stage for stage in found if stage.name in self.names]
            require_inputs(found, self.run)
        return found

    @property
    def forced(self) -> tuple[str, ...]:
        """Return the names of the stages to run even if they are up to date."""
        return self.names if self.options.force else ()


def request(options: argparse.Namespace) -> Request:
    """Return what the command line asks for.

    Raises:
        ConfigError: options or configuration cannot be carried out.
        EngineError: the cluster's programs are missing.
    """
    config = configuration(options)
    names = chosen_stages(options.stage, config)
    _check_numbers(options)
    check_cluster(options.cluster)
    origin = origin_of(options)
    run = Run(
        config,
        options.output or default_folder(config, origin.options),
        machine.cores() if options.workers is None else options.workers,
        options.threads,
        options.cluster,
        options.merge,
        options.skip_bad_files,
    )
    return Request(options, run, origin, tuple(names))


def _check_numbers(options: argparse.Namespace) -> None:
    for name in ("workers", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ConfigError(f"--{name} {value}: must be at least 1")
    if options.jobs is not None and not options.submit:
        raise ConfigError("--jobs requires --submit")
    if options.jobs is not None and options.jobs < 1:
        raise ConfigError(f"--jobs {options.jobs}: must be at least 1")


def configuration(options: argparse.Namespace) -> Config:
    """Return the configuration with the changes of the command line.

    Raises:
        ConfigError: the configuration is wrong, or an option does not fit it.
    """
    overrides: dict[str, object] = {}
    if options.seed is not None:
        overrides["seed"] = options.seed
    configured = config = load(options.config, **overrides)
    overrides |= _overrides(options, configured)
    if overrides:
        config = load(options.config, **overrides)
    models = options.models
    if models is None and options.input and not can_train(config):
        models = RUNS / configured.name
    if models is not None:
        overrides["training"] = config.training.model_dump() | {
            "models": str(models.absolute()),
            "folds": configured.folds,
        }
        config = load(options.config, **overrides)
    return config


def _overrides(options: argparse.Namespace, config: Config) -> dict[str, object]:
    """Return the sections of the configuration that options change."""
    changed: dict[str, object] = {}
    if options.input and options.events is not None:
        raise ConfigError("--events limits generated samples, not --input: omit one of them")
    if options.input:
        changed["samples"] = _input_samples(options, config)
    elif options.process or options.format or options.data:
        raise ConfigError("--process, --format and --data require --input")
    elif options.events is not None:
        if options.events < 1:
            raise ConfigError(f"--events {options.events}: must be at least 1")
        changed["samples"] = [
            sample.model_dump()
            | ({"events": min(sample.events, options.events)} if sample.events else {})
            for sample in config.samples
        ]
    if options.task_size is not None:
        if options.task_size < 1:
            raise ConfigError(f"--task-size {options.task_size}: must be at least 1")
        changed["batch"] = config.batch.model_dump() | {"task_size": options.task_size}
    if options.select:
        changed["imaging"] = config.imaging.model_dump() | {"region": options.select}
    return changed


def _input_samples(options: argparse.Namespace, config: Config) -> list[dict[str, Any]]:
    """Return the samples of the ``--input`` files, as a configuration lists them."""
    groups: Sequence[Sequence[str]] = options.input
    processes: Sequence[str] = options.process or []
    if len(processes) not in (1, len(groups)):
        raise ConfigError(
            f"--process given {len(processes)} times: give it once, or once for each of the "
            f"{len(groups)} --input"
        )
    if len(processes) == 1:
        processes = list(processes) * len(groups)
    files: dict[str, list[str]] = {}
    for process, group in zip(processes, groups, strict=True):
        files.setdefault(process, []).extend(group)
    for process in files:
        near = difflib.get_close_matches(process, PROCESSES, cutoff=0.75)
        if near and process not in PROCESSES:
            log.warning("--process %s: unknown process (did you mean '%s'?)", process, near[0])
    changed: dict[str, Any] = {"format": options.format} if options.format else {}
    changed |= {"data": True} if options.data else {}
    return [
        {"process": process} | _known_of(config, process) | {"files": paths} | changed
        for process, paths in files.items()
    ]


def _known_of(config: Config, process: str) -> dict[str, Any]:
    """Return what a configuration says of the samples of a process: all if it has one of files, of
    several only what concerns the process."""
    of_files = [s for s in config.samples if s.process == process and not s.generated]
    if len(of_files) == 1:
        return of_files[0].model_dump(exclude_defaults=True)
    if of_files:
        log.warning(
            "--process %s: the configuration has several datasets, whose cross-sections and other "
            "keys do not apply to --input",
            process,
        )
    samples = [s for s in config.samples if s.process == process]
    given = ((key, getattr(s, key)) for s in samples for key in ("signal", "label", "colour"))
    return {key: value for key, value in given if value is not None}


def origin_of(options: argparse.Namespace) -> Origin:
    """Return where the settings come from: the file, and the options that change its settings."""
    names = ("input", "process", "format", "data", "models", "events", "seed", "select")
    given = {name: getattr(options, name) for name in names if getattr(options, name)}
    if options.seed is not None:
        given["seed"] = options.seed
    if options.input:
        given["input"] = [file for group in options.input for file in group]
    if options.models:
        given["models"] = str(options.models)
    return Origin(options.config.name, given)


def chosen_stages(names: Sequence[str] | None, config: Config) -> list[str]:
    """Return the named stages or, without names, all stages of the configured studies.

    Raises:
        ConfigError: a stage is unknown, or its study is not configured.
    """
    if names is None:
        if not config.studies:
            raise ConfigError(
                "neither 'training' with 'networks' nor 'anomaly' is configured: choose a stage, "
                "such as --stage imaging or --stage cutflow"
            )
        return [stage.name for stage in all_stages() if stage.study in config.studies]
    by_name = {stage.name: stage for stage in all_stages()}
    for name in names:
        if name not in by_name:
            raise ConfigError(f"unknown stage '{name}'{did_you_mean(name, by_name)}")
        study = by_name[name].study
        if study is not None and study not in config.studies:
            if study == "training" and config.training.models:
                raise ConfigError(
                    f"stage '{name}' needs networks trained in the same run, and the samples lack "
                    "a process that they learn from: only the stages scoring and cutflow can use "
                    f"the networks of {config.training.models} (--models)"
                )
            raise ConfigError(f"stage '{name}' needs {_STUDIES[study]} in the configuration")
    return list(names)


def require_partitioned_stage(names: Sequence[str] | None) -> PartitionedStage:
    """Return the one stage to work on in parts.

    Raises:
        ConfigError: not exactly one stage is named, or it does not work in parts.
    """
    in_parts = {s.name: s for s in all_stages() if isinstance(s, PartitionedStage)}
    if names is None or len(names) != 1:
        raise ConfigError(f"give exactly one --stage that works in parts: {', '.join(in_parts)}")
    if names[0] not in in_parts:
        raise ConfigError(f"stage '{names[0]}' does not work in parts: run it without batch jobs")
    return in_parts[names[0]]

"""Stages, their targets, and what is up to date.

A stage makes *targets*: files with one recipe each. The fingerprint of a target is a hash of its
settings, of the code that makes it and of the fingerprints of what it is made from, all known
without opening a data file; a manifest beside the output records the fingerprint it was made
with. A target is current when both agree and its files are there with their recorded sizes.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import hashlib
import importlib.util
import json
import logging
import os
import platform
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from analysis import __version__
from analysis.config import Config
from common import files
from common.errors import InputError

log = logging.getLogger("monojet")

ROOT_DIRECTORY = Path(__file__).parent.parent


@dataclass(frozen=True)
class Run:
    """Where a run writes, with what configuration, and how the work is done: on which cluster, by
    how many worker processes with how many threads each, how parts are merged, and whether files
    that cannot be read are left out."""

    config: Config
    output: Path
    workers: int = 1
    threads: int = 1
    cluster: str = "local"
    merge: Literal["copy", "link"] = "copy"
    skip_bad_files: bool = False

    def sample(self, name: str) -> Path:
        """Events of a sample that is generated or converted."""
        return self.output / "samples" / f"{name}.root"

    def images(self, name: str) -> Path:
        """Images of a sample."""
        return self.output / "images" / f"{name}.h5"

    def matrices(self, name: str) -> Path:
        """Rapidity-mass matrices of a sample."""
        return self.output / "rmm" / f"{name}.h5"

    def model(self, network: str) -> Path:
        """Folder of a trained network, which may be of another run."""
        return self._trained_in(network) / "models" / network

    def _trained_in(self, network: str) -> Path:
        training = self.config.training
        taken = training.models and network in {spec.name for spec in training.networks}
        return Path(training.models or "") if taken else self.output

    @property
    def evaluation(self) -> Path:
        """Table of the networks, with their thresholds."""
        return Path(self.config.training.models or self.output) / "tables" / "evaluation.json"

    def scores(self, name: str) -> Path:
        """Network scores of a sample."""
        return self.output / "scores" / f"{name}.h5"

    def anomaly_scores(self, name: str) -> Path:
        """Scores of a sample by the autoencoders."""
        return self.output / "anomaly_scores" / f"{name}.h5"

    def inspection(self, autoencoder: str) -> Path:
        """What an autoencoder does to events."""
        return self.output / "inspection" / f"{autoencoder}.h5"

    def table(self, name: str) -> Path:
        """A table as JSON; Markdown and LaTeX lie beside it."""
        return self.output / "tables" / f"{name}.json"

    def parts(self, stage: str) -> Path:
        """Folder of a stage's parts."""
        return self.output / "parts" / stage

    def denoised(self, name: str) -> Path:
        """Pictures of some events before and after a denoising autoencoder."""
        return self.output / "denoising" / f"{name}.h5"

    @property
    def plots(self) -> Path:
        """Folder of the figures."""
        return self.output / "plots"


@dataclass(frozen=True)
class Target:
    """One output of a stage and its recipe."""

    stage: str
    name: str
    output: Path
    settings: Any = None
    made_from: tuple[Target, ...] = ()
    external: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    also: tuple[Path, ...] = field(default=(), compare=False)

    @property
    def manifest(self) -> Path:
        """The manifest beside the output."""
        return self.output.with_name(self.output.name.split(".")[0] + ".manifest.json")

    @functools.cached_property
    def recipe(self) -> str:
        """Hash of the settings and the code."""
        return _hash([self.stage, self.name, self.settings, hash_of_code(self.code)])

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of the recipe, and of the recipes and files it is made from."""
        return _hash(
            [
                self.recipe,
                [target.fingerprint for target in self.made_from],
                [_identity_of_file(path) for path in self.external],
            ]
        )

    def identity_of(self, file: str) -> str:
        """Hash of the version of one of the target's inputs, a name in one of its ranges."""
        version = _identity_of_file(file) if file in self._external else file
        return hashlib.sha256(f"{self._versions_made_from}\0{version}".encode()).hexdigest()

    @functools.cached_property
    def _versions_made_from(self) -> str:
        return _hash([target.fingerprint for target in self.made_from])

    @functools.cached_property
    def _external(self) -> frozenset[str]:
        return frozenset(self.external)

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files of the target."""
        return (self.output, *self.also)

    def state(self) -> str:
        """``current``, ``missing`` or ``stale``."""
        try:
            recorded = json.loads(self.manifest.read_text())
            if recorded["fingerprint"] != self.fingerprint:
                return "stale"
            for path in self.outputs:
                if path.stat().st_size != recorded["outputs"][path.name]:
                    return "stale"
        except (OSError, ValueError, KeyError, TypeError):
            return "stale" if self.output.exists() else "missing"
        return "current"

    def reason(self) -> str:
        """Return why the target is to be made: what has changed, or that it is to be (--force)."""
        state = self.state()
        if state != "stale":
            return NOT_THERE if state == "missing" else "--force"
        try:
            recorded = json.loads(self.manifest.read_text())
            if recorded["fingerprint"] == self.fingerprint:
                return "its files are not those that were made"
            found = [*self._changes(recorded)] or ["changed: its record does not say how"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "no record of how it was made"
        shown = found if len(found) <= _SHOWN else [*found[:_SHOWN], f"{len(found) - _SHOWN} more"]
        return "; ".join(shown)

    def _changes(self, recorded: Mapping[str, Any]) -> Iterator[str]:
        """Say what differs from the recorded recipe, as far as the record holds it."""
        yield from differences(recorded["settings"], json.loads(json.dumps(self.settings)))
        current = self._contents()
        for what, says in _CONTENTS.items():
            old, new = recorded.get(what), current[what]
            if isinstance(old, dict):  # records of before hold names alone, or nothing
                for name in sorted(old.keys() | new.keys()):
                    if name not in new:
                        yield f"without {name}"
                    elif name not in old:
                        yield f"with {name}"
                    elif old[name] != new[name]:
                        yield f"{name} {says}"

    def _contents(self) -> dict[str, dict[str, Any]]:
        """Return what the target is made by and from, each with what tells its versions apart."""
        return {
            "code": code_of(self.code),
            "external": {path: _identity_of_file(path)[1:] for path in self.external},
            "made_from": {f"{t.stage} {t.name}": t.fingerprint[:12] for t in self.made_from},
        }

    def write_manifest(self, seconds: float) -> None:
        """Record that the outputs were made by this recipe. The last thing a target writes."""
        files.write_json(
            self.manifest,
            {
                "stage": self.stage,
                "name": self.name,
                "fingerprint": self.fingerprint,
                "settings": self.settings,
                **self._contents(),
                "outputs": {path.name: path.stat().st_size for path in self.outputs},
                "seconds": round(seconds, 1),
                "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "versions": versions(),
            },
        )


NOT_THERE = "not there yet"

# Of what a target is made by and from: what is said where a version differs.
_CONTENTS = {"code": "changed", "external": "changed", "made_from": "is another"}
_SHOWN = 4  # changes that are named one by one
_WIDTH = 60  # characters of a value that is shown

Done = Callable[[Target], None]


@dataclass(frozen=True)
class Stage:
    """A step of the study.

    It is made as a whole by ``function(run, targets, done)`` of ``module``, where ``done(target)``
    is called as each is finished; or, without a function, in parts: then the module is a
    `common.tasks.Product`. It is imported only when the stage runs. ``uses_all_cores`` says that on
    this machine one process does as well as several. ``tables`` names those that are shown to the
    user at the end. ``study`` is the part of the configuration that it belongs to, if any.
    """

    name: str
    summary: str
    reads: str
    writes: str
    module: str
    function: str | None
    needs: tuple[str, ...]
    tables: tuple[str, ...]
    targets: Callable[[Run], list[Target]]
    uses_all_cores: bool = False
    study: str | None = None

    @property
    def in_parts(self) -> bool:
        """Whether the stage works in parts."""
        return self.function is None


@functools.cache
def hash_of_code(patterns: tuple[str, ...]) -> str:
    """Hash of the source files (globs relative to the repository) that make a target."""
    return _hash(code_of(patterns))


def code_of(patterns: Iterable[str]) -> dict[str, str]:
    """Return the source files that match these globs, each with the hash of its content."""
    paths = (path for p in patterns for path in glob.glob(p, root_dir=ROOT_DIRECTORY))
    return {path: _hash_of_source(path) for path in sorted(paths)}


@functools.cache
def _hash_of_source(path: str) -> str:
    return hashlib.sha256((ROOT_DIRECTORY / path).read_bytes()).hexdigest()[:16]


def differences(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """Say which keys of plain data differ, with both values: ``imaging.jet_threshold: 20 → 30``."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*old, *new)):
            inner = f"{key}.{name}" if key else name
            if name in old and name in new:
                yield from differences(old[name], new[name], inner)
            else:
                yield f"{'with' if name in new else 'without'} {inner}"
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{key}[{number}]")
    elif old != new:
        yield f"{key or 'settings'}: {_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def reasons(targets: Iterable[Target]) -> dict[str, list[str]]:
    """Return why these targets are to be made: the names of those of each reason."""
    found: dict[str, list[str]] = {}
    for target in targets:
        found.setdefault(target.reason(), []).append(target.name)
    return found


def _hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _identity_of_file(path: str) -> list[Any]:
    """What tells a version of the user's file from another: path, size, time of change."""
    if "://" in path:
        return [path]
    try:
        status = os.stat(path)  # noqa: PTH116 (there may be a million)
    except FileNotFoundError:  # which is an error once it is read
        return [path, None]
    except OSError as error:
        raise InputError(f"{path}: cannot read the file: {error.strerror}") from error
    return [path, status.st_size, status.st_mtime_ns]


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what makes the numbers."""
    found = {"monojet": __version__, "python": platform.python_version()}
    if root := _root_version():
        found["root"] = root
    for package in (
        "pythia8mc",
        "pyhepmc",
        "fastjet",
        "numpy",
        "h5py",
        "keras",
        "tensorflow_cpu",
    ):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _root_version() -> str | None:
    """Return the version of ROOT, as ``6.40.00``, from its headers, without importing it: the wheel
    has a version of its own, and a view none."""
    found = importlib.util.find_spec("ROOT")
    for folder in (found and found.submodule_search_locations) or ():
        for include in (Path(folder) / "include", Path(folder).parent.parent / "include"):
            with contextlib.suppress(OSError):
                text = (include / "ROOT" / "RVersion.hxx").read_text()
                numbers = re.findall(r"define ROOT_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text)
                if len(numbers) == 3:
                    return "{}.{:>02}.{:>02}".format(*numbers)
    return None


def with_needs(
    names: Iterable[str], stages: Sequence[Stage], studies: Collection[str]
) -> list[Stage]:
    """The named stages and all they need, in the order of the data; but what belongs to none of
    these studies is not there to be needed."""
    by_name = {stage.name: stage for stage in stages}
    wanted: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in wanted:
            wanted.add(name)
            needs = (by_name[need] for need in by_name[name].needs)
            queue.extend(need.name for need in needs if need.study in (None, *studies))
    return [stage for stage in stages if stage.name in wanted]


def require_inputs(stages: Sequence[Stage], run: Run) -> None:
    """Make sure that all that these stages need of others is there and current.

    Raises:
        InputError: something is not.
    """
    targets = [target for stage in stages for target in stage.targets(run)]
    own = {target.output for target in targets}
    for needed in (needed for target in targets for needed in target.made_from):
        state = "current" if needed.output in own else needed.state()
        if state != "current":
            why = "there is none" if state == "missing" else "of other settings or code"
            raise InputError(f"{needed.output}: {why}: make it with --stage {needed.stage}")


def to_make(stage: Stage, run: Run, force: bool) -> list[Target]:
    """The targets of a stage that are not current."""
    return [t for t in stage.targets(run) if force or t.state() != "current"]


Parallel = Callable[[Stage, Run, Sequence[Target], Done, bool], None]


def execute(stages: Sequence[Stage], run: Run, force: Sequence[str], in_parts: Parallel) -> None:
    """Make what is not current, stage by stage; ``force`` names stages made again regardless,
    ``in_parts`` carries out those that work in parts, whose last argument tells whether parts that
    are there are to be made again."""
    for stage in stages:
        stage.targets(run)  # what cannot be carried out is refused before anything is run
    for stage in stages:
        targets = to_make(stage, run, stage.name in force)
        if not targets:
            log.info("%s: up to date", stage.name)
            continue
        for reason, names in reasons(targets).items():
            why = "" if reason == NOT_THERE else f" ({reason})"
            log.info("%s: %s%s", stage.name, some(names), why)
        start = last = time.monotonic()

        def done(target: Target) -> None:
            nonlocal last
            now = time.monotonic()
            target.write_manifest(now - last)
            last = now

        for target in targets:  # from here on the old outputs are no longer vouched for
            target.manifest.unlink(missing_ok=True)
        if stage.function is None:
            in_parts(stage, run, targets, done, stage.name in force)
        else:
            getattr(importlib.import_module(stage.module), stage.function)(run, targets, done)
        log.info("%s: done in %.1f s", stage.name, time.monotonic() - start)


def some(names: Sequence[str]) -> str:
    """Return the names as a list for people, shortened."""
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])}, … {len(names)} in all"

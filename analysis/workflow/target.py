"""Targets: the outputs of a stage, and the question of what is up to date.

The fingerprint of a target is a hash of its settings, of the code that makes it
(`analysis.workflow.fingerprint`), of its input files and of the fingerprints of the targets it is
made from: all known without opening a data file. A manifest beside the output records the
fingerprint it was made with. A target is current when both agree and its files have their recorded
sizes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.workflow.fingerprint import code_of
from analysis.workflow.versions import versions
from common.runtime import files
from common.runtime.errors import InputError

LAYOUT = 2
"""Version of what outputs hold and how they are recorded; an older one is not read."""

NOT_THERE = "not there yet"
OLDER = "an older version of this program made it"

# What a manifest records beside the settings, and how a difference is said.
_RECORDED = {"code": "changed", "input_files": "changed", "upstream": "differs"}
_SHOWN = 4  # changes that are named one by one
_WIDTH = 60  # characters of a value that is shown


@dataclass(frozen=True)
class Target:
    """One output of a stage, with all that decides its content.

    ``modules`` are those whose code makes it: that of the stage and, where it reads files of
    events, those of the input formats that these may have.
    """

    stage: str
    name: str
    output: Path
    modules: tuple[str, ...]
    settings: Any = None
    upstream: tuple[Target, ...] = ()
    input_files: tuple[str, ...] = ()
    extra_outputs: tuple[Path, ...] = field(default=(), compare=False)

    @property
    def manifest(self) -> Path:
        """Return the manifest beside the output."""
        return self.output.with_name(self.output.name.split(".")[0] + ".manifest.json")

    @functools.cached_property
    def code(self) -> dict[str, str]:
        """Return the source files that make the target, each with the hash of its code."""
        return code_of(self.modules, json.dumps(self.settings))

    @functools.cached_property
    def code_settings_hash(self) -> str:
        """Return a hash of the code and the settings."""
        return _hash([self.stage, self.name, self.settings, self.code])

    @functools.cached_property
    def fingerprint(self) -> str:
        """Return a hash of all that decides the content of the target."""
        return _hash(
            [
                self.code_settings_hash,
                [target.fingerprint for target in self.upstream],
                [_version_of_file(path) for path in self.input_files],
            ]
        )

    def input_version(self, file: str) -> str:
        """Return a hash of the version of one of the target's inputs, as its ranges name it."""
        version = _version_of_file(file) if file in self._input_files else file
        return hashlib.sha256(f"{self._upstream_version}\0{version}".encode()).hexdigest()

    @functools.cached_property
    def _upstream_version(self) -> str:
        return _hash([target.fingerprint for target in self.upstream])

    @functools.cached_property
    def _input_files(self) -> frozenset[str]:
        return frozenset(self.input_files)

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Return all files of the target."""
        return (self.output, *self.extra_outputs)

    def state(self) -> str:
        """Return ``current``, ``missing`` or ``stale``."""
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
        """Return why the target is to be made: what has changed, or ``--force``."""
        state = self.state()
        if state != "stale":
            return NOT_THERE if state == "missing" else "--force"
        try:
            recorded = json.loads(self.manifest.read_text())
            if recorded.get("layout") != LAYOUT:
                return OLDER
            if recorded["fingerprint"] == self.fingerprint:
                return "its files are not those that were made"
            found = [*self._changes(recorded)] or ["changed: its record does not say how"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "no record of how it was made"
        shown = found if len(found) <= _SHOWN else [*found[:_SHOWN], f"{len(found) - _SHOWN} more"]
        return "; ".join(shown)

    def _changes(self, recorded: Mapping[str, Any]) -> Iterator[str]:
        """Yield what differs from the record."""
        yield from differences(recorded["settings"], json.loads(json.dumps(self.settings)))
        current = self._contents()
        for what, says in _RECORDED.items():
            old, new = recorded[what], current[what]
            for name in sorted(old.keys() | new.keys()):
                if name not in new:
                    yield f"without {name}"
                elif name not in old:
                    yield f"with {name}"
                elif old[name] != new[name]:
                    yield f"{name} {says}"

    def _contents(self) -> dict[str, dict[str, Any]]:
        """Return code, inputs and upstream targets, each with its version."""
        return {
            "code": self.code,
            "input_files": {path: _version_of_file(path)[1:] for path in self.input_files},
            "upstream": {f"{t.stage} {t.name}": t.fingerprint[:12] for t in self.upstream},
        }

    def write_manifest(self, seconds: float) -> None:
        """Record how the outputs were made. The last file that is written for a target."""
        files.write_json(
            self.manifest,
            {
                "layout": LAYOUT,
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


Done = Callable[[Target], None]


def differences(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """Yield which keys of plain data differ, with both values: ``imaging.jet_threshold: 20 → 30``."""
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
    """Return why targets are to be made: the names of the targets by reason."""
    found: dict[str, list[str]] = {}
    for target in targets:
        found.setdefault(target.reason(), []).append(target.name)
    return found


def _hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _version_of_file(path: str) -> list[Any]:
    """Return path, size and time of change of a user's file, which tell its versions apart."""
    if "://" in path:
        return [path]
    try:
        status = os.stat(path)  # noqa: PTH116 (there may be a million)
    except FileNotFoundError:  # which is an error once it is read
        return [path, None]
    except OSError as error:
        raise InputError(f"{path}: cannot read the file: {error.strerror}") from error
    return [path, status.st_size, status.st_mtime_ns]

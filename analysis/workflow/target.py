"""Targets: the outputs of a stage, and which of them are up to date.

The fingerprint of a target is a hash of its settings, of the code that makes it
(`analysis.workflow.source_code`), of its input files and of the fingerprints of the targets it is
made from: all known without opening a data file. A manifest beside the output records the
fingerprint it was made with. A target is current when both agree and its files have their recorded
sizes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from analysis.workflow.source_code import code_of
from analysis.workflow.versions import versions
from common.runtime import files
from common.runtime.errors import InputError

LAYOUT = 2
"""Version of the content of outputs and their records; those of older versions are not read."""

MISSING = "missing"
OLDER = "made by an older version of this program"

_RECORDED = ("code", "input_files", "upstream")  # in a manifest, beside the settings
_SHOWN = 4  # maximum number of changes that are shown
_WIDTH = 60  # maximum characters of a value that is shown


@dataclass(frozen=True)
class Target:
    """One output of a stage, and everything that determines its content.

    ``modules`` contain the code that makes it: the module of the stage and, if it reads event
    files, those of their possible input formats.
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
        return _hash([self.stage, self.name, self.modules, self.settings, self.code])

    @functools.cached_property
    def fingerprint(self) -> str:
        """Return a hash of everything that determines the content of the target."""
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
        """Return why the target must be made: the changes since it was made, or ``--force``."""
        state = self.state()
        if state != "stale":
            return MISSING if state == "missing" else "--force"
        try:
            recorded = json.loads(self.manifest.read_text())
            if recorded.get("layout") != LAYOUT:
                return OLDER
            if recorded["fingerprint"] == self.fingerprint:
                return "its files have changed"
            found = [*self._changes(recorded)] or ["changed in a way that its manifest lacks"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "its manifest is missing or damaged"
        shown = found if len(found) <= _SHOWN else [*found[:_SHOWN], f"{len(found) - _SHOWN} more"]
        return "; ".join(shown)

    def _changes(self, recorded: Mapping[str, Any]) -> Iterator[str]:
        """Yield the differences from the manifest."""
        yield from differences(recorded["settings"], json.loads(json.dumps(self.settings)))
        current = self._contents()
        for section in _RECORDED:
            old, new = recorded[section], current[section]
            for name in sorted(old.keys() | new.keys()):
                if name not in new:
                    yield f"{name} removed"
                elif name not in old:
                    yield f"{name} added"
                elif old[name] != new[name]:
                    yield f"{name} changed"

    def _contents(self) -> dict[str, dict[str, Any]]:
        """Return code, inputs and upstream targets, each with its version."""
        return {
            "code": self.code,
            "input_files": {path: _version_of_file(path)[1:] for path in self.input_files},
            "upstream": {f"{t.stage} {t.name}": t.fingerprint[:12] for t in self.upstream},
        }

    def write_manifest(self, seconds: float) -> None:
        """Write the manifest, which records how the outputs were made, as the last file."""
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


# --- Targets that several stages are made from --------------------------------------------------

_P = ParamSpec("_P")
_T = TypeVar("_T")
_made: ContextVar[dict[Any, Any] | None] = ContextVar("made", default=None)


@contextlib.contextmanager
def shared_targets() -> Iterator[None]:
    """Make each target only once while the context lasts."""
    token = _made.set({}) if _made.get() is None else None
    try:
        yield
    finally:
        if token is not None:
            _made.reset(token)


def shared(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Share what a function of a run returns with all who call it within `shared_targets`, or
    within one outermost call: most targets are upstream of many others."""

    @functools.wraps(function)
    def share(*arguments: _P.args, **named: _P.kwargs) -> _T:
        run, *others = arguments
        with shared_targets():
            made = _made.get()
            assert made is not None
            key = (function, id(run), *others)
            if key not in made:
                made[key] = run, function(*arguments, **named)  # the run lives as long as its id
            found: _T = made[key][1]
            return found

    return share


def differences(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """Yield the keys in which plain data differ, as ``imaging.jet_threshold: 20 → 30``."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*old, *new)):
            inner = f"{key}.{name}" if key else name
            if name in old and name in new:
                yield from differences(old[name], new[name], inner)
            else:
                yield f"{inner} {'added' if name in new else 'removed'}"
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{key}[{number}]")
    elif old != new:
        yield f"{key or 'settings'}: {_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def reasons(targets: Iterable[Target]) -> dict[str, list[str]]:
    """Return the names of targets, by the reason why they must be made."""
    found: dict[str, list[str]] = {}
    for target in targets:
        found.setdefault(target.reason(), []).append(target.name)
    return found


def _hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _version_of_file(path: str) -> list[Any]:
    """Return path, size and time of the last change of a user's file: its version."""
    if "://" in path:
        return [path]
    try:
        status = os.stat(path)  # noqa: PTH116 (there may be a million)
    except FileNotFoundError:  # an error once the file is read
        return [path, None]
    except OSError as error:
        raise InputError(f"{path}: cannot read the file: {error.strerror}") from error
    return [path, status.st_size, status.st_mtime_ns]

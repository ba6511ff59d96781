"""Files of selections: YAML, or Python with a constant ``SELECTION``."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from analysis.config.selection import as_settings
from common.runtime.errors import ConfigError
from selections.selection import Selection

SUFFIXES = (".yaml", ".yml", ".py")


def with_files(given: Any, folder: Path, key: str = "selection", via: tuple[Path, ...] = ()) -> Any:
    """Return a selection of a configuration with its files replaced by their content.

    Paths are relative to the folder of the file that names them.

    Raises:
        ConfigError: a file is missing or wrong, or files extend one another in a circle.
    """
    if isinstance(given, str) and given.endswith(SUFFIXES):
        return _content(folder / given, key, via)
    if not isinstance(given, Mapping):
        return given
    changed = dict(given)
    if "extends" in changed:
        changed["extends"] = with_files(changed["extends"], folder, f"{key}.extends", via)
    if isinstance(changed.get("weights"), list):
        changed["weights"] = [_with_path(one, folder) for one in changed["weights"]]
    return changed


def _with_path(factor: Any, folder: Path) -> Any:
    """Return a factor whose file, if it has one, is an absolute path."""
    if isinstance(factor, Mapping) and isinstance(factor.get("file"), str):
        return {**factor, "file": str((folder / factor["file"]).absolute())}
    return factor


def _content(path: Path, key: str, via: tuple[Path, ...]) -> Any:
    path = path.absolute()
    if path.resolve() in via:
        names = " extends ".join(one.name for one in (*via, path))
        raise ConfigError(f"'{key}': a circle: {names}")
    if not path.is_file():
        raise ConfigError(f"'{key}': no file {path}")
    if path.suffix == ".py":
        return _of_python(path, key)
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise ConfigError(f"'{key}': {path} is not valid YAML: {line}") from error
    if isinstance(data, Mapping) and set(data) == {"selection"}:
        data = data["selection"]
    if not isinstance(data, Mapping):
        raise ConfigError(f"'{key}': {path} is not a mapping of keys, as a selection must be")
    return with_files(data, path.parent, key, (*via, path.resolve()))


def _of_python(path: Path, key: str) -> Any:
    try:
        found = runpy.run_path(str(path))
    except Exception as error:  # whatever a user's code raises
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConfigError(f"'{key}': {path} cannot be run: {cause}") from error
    selection = found.get("SELECTION")
    if not isinstance(selection, Selection):
        raise ConfigError(
            f"'{key}': {path} must define SELECTION, a selections.selection.Selection"
        )
    return as_settings(selection)

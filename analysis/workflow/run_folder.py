"""The folder of a run: its default name, and the record of the run that it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.config import Config
from common.runtime import files
from common.runtime.errors import ConfigError

RECORD = "run.json"
RUNS = Path("runs")


@dataclass(frozen=True)
class Origin:
    """Where the settings of a run come from: the name of the configuration file, and the options of
    the command line that change its settings."""

    file: str
    options: Mapping[str, Any]

    def __str__(self) -> str:
        words = [self.file]
        for name, value in self.options.items():
            values = value if isinstance(value, list) else [value]
            words += [f"--{name}"] + [f"{one}" for one in values if one is not True]
        return " ".join(words)


def default_folder(config: Config, options: Mapping[str, Any]) -> Path:
    """Return the default folder of a run: a separate one if options change the configuration."""
    parts = [config.name]
    if "input" in options:
        parts += dict.fromkeys(sample.process for sample in config.samples)
    elif "models" in options:
        parts += ["by", Path(options["models"]).name]
    named = {"events": "{}_events", "seed": "seed{}", "select": "{}"}
    parts += [text.format(options[name]) for name, text in named.items() if name in options]
    return RUNS / "_".join(parts)


def require_own(folder: Path, origin: Origin, config: Config) -> None:
    """Make sure that a folder holds no other run.

    Runs are the same if they have the same settings, or the same options and a configuration file
    of the same name, edited or not. Settings of older versions have other keys: there only the
    second applies.

    Raises:
        ConfigError: the folder holds another run.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
        recorded = Origin(record["file"], record["options"])
        settings = record["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # a new folder, or one without a readable record
    if recorded != origin and settings != _settings(config):
        raise ConfigError(
            f"{folder}: holds another run ({recorded}), not this one ({origin}): choose another "
            "--output, or overwrite it with --force"
        )


def record(folder: Path, origin: Origin, config: Config) -> None:
    """Record which run a folder holds."""
    data = {"file": origin.file, "options": dict(origin.options), "settings": _settings(config)}
    files.write_json(folder / RECORD, data)


def _settings(config: Config) -> Any:
    return config.model_dump(mode="json", exclude={"batch"})  # batch changes no result

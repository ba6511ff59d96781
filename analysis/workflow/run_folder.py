"""The folder of a run: its name where none is given, and the run that it holds."""

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
    """Where the settings of a run come from: the name of the configuration's file, and the options
    of the command line that change what it says."""

    file: str
    options: Mapping[str, Any]

    def __str__(self) -> str:
        words = [self.file]
        for name, value in self.options.items():
            values = value if isinstance(value, list) else [value]
            words += [f"--{name}"] + [f"{one}" for one in values if one is not True]
        return " ".join(words)


def default_folder(config: Config, options: Mapping[str, Any]) -> Path:
    """Return the folder of a run, of its own where options change what the configuration says."""
    parts = [config.name]
    if "input" in options:
        parts += dict.fromkeys(sample.process for sample in config.samples)
    elif "models" in options:
        parts += ["by", Path(options["models"]).name]
    named = {"events": "{}_events", "seed": "seed{}", "select": "{}"}
    parts += [text.format(options[name]) for name, text in named.items() if name in options]
    return RUNS / "_".join(parts)


def require_own(folder: Path, origin: Origin, config: Config) -> None:
    """Make sure that a folder holds no other run. One of a configuration of the same name, edited
    or not, with the same options, or one of the same settings, is the same run.

    Raises:
        ConfigError: it does.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
        there = Origin(record["file"], record["options"])
        settings = record["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # a new folder, or of a version that kept no record
    if there != origin and settings != _settings(config):
        raise ConfigError(
            f"{folder}: holds another run ({there}), not this one ({origin}): choose another "
            "--output, or --force to write over it"
        )


def record(folder: Path, origin: Origin, config: Config) -> None:
    """Note which run a folder holds."""
    data = {"file": origin.file, "options": dict(origin.options), "settings": _settings(config)}
    files.write_json(folder / RECORD, data)


def _settings(config: Config) -> Any:
    return config.model_dump(mode="json", exclude={"batch"})  # which changes no result

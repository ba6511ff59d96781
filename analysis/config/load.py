"""Read a configuration file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from analysis.config.errors import explain
from analysis.config.selection_files import with_files
from analysis.config.study import Config
from common.runtime.errors import ConfigError

CONFIGS = Path(__file__).parent.parent / "configs"
DEFAULT = CONFIGS / "quickstart.yaml"


def load(path: Path, **overrides: Any) -> Config:
    """Read a configuration file; ``overrides`` replace its top-level keys.

    Raises:
        ConfigError: the file is missing or not YAML, or a key is unknown, missing, mistyped or
            without effect.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror}") from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        line = re.sub(r"\s+", " ", str(error))
        raise ConfigError(f"{path}: not valid YAML: {line}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: not a mapping of keys, as a configuration must be")
    if "selection" in data:
        try:
            data["selection"] = with_files(data["selection"], path.parent)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
    try:
        return Config.model_validate(data | overrides)
    except ValidationError as error:
        lines = [
            f"{'command line' if where in overrides else path}: {line}"
            for where, line in explain(error)
        ]
        raise ConfigError("\n".join(lines)) from error

"""Settings of all batch jobs: the environment of the shell, and additional submit directives."""

from __future__ import annotations

import os
import shlex
from typing import Literal

from common.runtime.errors import ConfigError

# The user's settings of env.sh that jobs inherit; on the grid, paths of this machine are useless.
_SETTINGS = {"use": ("EXTRA_CLING_ARGS",), "make": ("EXTRA_CLING_ARGS", "MONOJET_LCG_VIEW")}


def exports(environment: Literal["use", "make"]) -> list[str]:
    """Return the shell lines of a job before it sources env.sh.

    ``use``: env.sh uses the environment beside it; ``make``: it makes one, in a job with its own
    copy of the repository.
    """
    names = [name for name in _SETTINGS[environment] if name in os.environ]
    return [
        f"export MONOJET_ENV={environment}",
        *(f"export {name}={shlex.quote(os.environ[name])}" for name in names),
    ]


def directive(text: str) -> tuple[str, str]:
    """Split a line ``name = value`` of a submit file.

    Raises:
        ConfigError: the line has another form.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"batch.directives: '{text}' is not of the form 'name = value'")
    return name.strip(), value.strip()

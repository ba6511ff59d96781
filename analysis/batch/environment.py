"""What every job gets: the environment of its shell, and further lines of its description."""

from __future__ import annotations

import os
import shlex
from typing import Literal

from common.runtime.errors import ConfigError

# What the user has set for env.sh must hold in the job too; paths of here mean nothing on the grid.
_SETTINGS = {"use": ("EXTRA_CLING_ARGS",), "make": ("EXTRA_CLING_ARGS", "MONOJET_LCG_VIEW")}


def exports(environment: Literal["use", "make"]) -> list[str]:
    """Lines of a job before it sources env.sh, which is to use the environment beside it or, where
    the job has a repository of its own, to make one."""
    names = [name for name in _SETTINGS[environment] if name in os.environ]
    return [
        f"export MONOJET_ENV={environment}",
        *(f"export {name}={shlex.quote(os.environ[name])}" for name in names),
    ]


def directive(text: str) -> tuple[str, str]:
    """``name = value`` of a submit file."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"batch.directives: '{text}' is not of the form 'name = value'")
    return name.strip(), value.strip()

"""Errors of a configuration as lines for its author."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import (
    BaseModel,
    ValidationError,
)

from analysis.config.study import Config
from common.runtime.errors import did_you_mean


def explain(error: ValidationError) -> list[tuple[int | str, str]]:
    """The problems of a validation error, the key of the configuration that each lies in and a
    line, with the nearest valid names."""
    problems = error.errors()
    # A misspelt key is also a missing one, and a list whose members are wrong is too short.
    misspelt = {one["loc"][:-1] for one in problems if one["type"] == "extra_forbidden"}
    problems = [
        one for one in problems if one["type"] != "missing" or one["loc"][:-1] not in misspelt
    ]
    short = [one for one in problems if one["type"] == "too_short"]
    others = [one for one in problems if one not in short]
    return [(one["loc"][0] if one["loc"] else "", _explained(one)) for one in others or short]


def _explained(problem: Any) -> str:
    location, kind = problem["loc"], problem["type"]
    key = ".".join(str(part) for part in location) or "configuration"
    if kind == "extra_forbidden":
        return f"unknown key '{key}'{did_you_mean(location[-1], _fields_at(Config, location[:-1]))}"
    if kind == "literal_error":
        model = _model_at(Config, location[:-1])
        valid = get_args(model.model_fields[str(location[-1])].annotation) if model else ()
        return f"'{key}': unknown name '{problem['input']}'{did_you_mean(problem['input'], valid)}"
    if kind == "missing":
        return f"key '{key}' is missing"
    if kind == "string_pattern_mismatch":
        allowed = r"\w.-" if "." in problem["ctx"]["pattern"] else r"\w"
        proposed = re.sub(f"[^{allowed}]+", "_", problem["input"], flags=re.ASCII)
        proposed = proposed if re.match("[A-Za-z]", proposed) else f"x{proposed}"
        characters = "letters, digits, _, - and ." if "." in allowed else "letters, digits and _"
        return (
            f"'{key}': '{problem['input']}': only {characters}, a letter first: '{proposed}', say"
        )
    if kind == "tuple_type":
        return f"'{key}': a list is expected: [...], or a line with '- ' for each"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"'{key}': {message}" if location else message


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    found = _model_at(model, location)
    return list(found.model_fields) if found else []


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model that a path of keys and indices leads to."""
    for part in location:
        if isinstance(part, int) or part not in model.model_fields:
            continue  # an index in a list, or a key in a mapping of models
        inner = _inner_model(model.model_fields[part].annotation)
        if inner is None:
            return None
        model = inner
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _inner_model(a))), None)

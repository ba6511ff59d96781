"""Errors of a configuration as lines for its author."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    Tag,
    ValidationError,
)

from analysis.config import renamed
from analysis.config.base import KeyedError
from analysis.config.study import Config
from common.runtime.errors import did_you_mean

Location = tuple[int | str, ...]


def explain(error: ValidationError) -> list[tuple[int | str, str]]:
    """Return the top-level key and a line, with cause and remedy, for each problem."""
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
    kind = problem["type"]
    if kind == "extra_forbidden":
        return _unknown_key(problem["loc"])
    place = _place(problem["loc"])
    key = place.key or "configuration"
    if kind == "literal_error":
        return _unknown_value(place, problem["input"], _values(place.annotation))
    if kind == "union_tag_invalid":
        chosen = _choosing_key(place.members)
        return _unknown_value(
            place.at(chosen), problem["ctx"]["tag"], _valid_tags(place.members, chosen)
        )
    if kind == "union_tag_not_found":
        return _no_tag(place, problem["input"])
    if kind == "missing":
        return f"key '{key}' is missing"
    if kind == "string_pattern_mismatch":
        return f"'{key}': {_other_characters(problem)}"
    if kind == "tuple_type":
        return f"'{key}': a list is expected: [...], or a line with '- ' for each"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"'{key}': a mapping of keys is expected: {{key: value, ...}}"
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, KeyedError):
        return f"'{place.at(cause.key).key}': {cause.message}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"'{key}': {message}" if place.key else message


def _unknown_key(location: Location) -> str:
    """Explain a key that its model does not have: it is renamed, of another member, or unknown."""
    place, name = _place(location[:-1]), str(location[-1])
    unknown = place.at(name)
    if new := renamed.KEYS.get(unknown.path):
        return f"key '{unknown.key}' is now called '{new}'"
    own = list(place.model.model_fields) if place.model else []
    owners = [member for member in place.members if name in member.model_fields]
    if owners:
        found = getattr(place.model, "described_as", f"'{location[-2]}'")
        allowed = [label for member in owners for label in _labels(member, place.members)]
        listed = " or ".join([", ".join(allowed[:-1]), allowed[-1]][len(allowed) == 1 :])
        return f"'{unknown.key}' has no effect on {found}, only on {listed}: remove it"
    everywhere = dict.fromkeys(key for member in place.members for key in member.model_fields)
    near = difflib.get_close_matches(name, everywhere, n=1, cutoff=0.5)
    return f"unknown key '{unknown.key}'{did_you_mean(name, everywhere if near else own)}"


def _unknown_value(place: _Place, value: object, valid: Sequence[str]) -> str:
    if new := renamed.VALUES.get(place.path, {}).get(str(value)):
        return f"'{place.key}': '{value}' is now called '{new}'"
    return f"'{place.key}': unknown name '{value}'{did_you_mean(value, valid)}"


def _no_tag(place: _Place, given: Any) -> str:
    """Explain an entry without the key that chooses its model."""
    key = _choosing_key(place.members)
    known = {name for member in place.members for name in member.model_fields}
    near = difflib.get_close_matches(key, [name for name in given if name not in known], n=1)
    if near:
        return f"unknown key '{place.at(near[0]).key}' (did you mean '{key}'?)"
    return f"key '{place.at(key).key}' is missing"


def _other_characters(problem: Any) -> str:
    pattern = problem["ctx"]["pattern"]
    allowed = r"\w.-" if "." in pattern else r"\w"
    proposed = re.sub(f"[^{allowed}]+", "_", problem["input"], flags=re.ASCII)
    characters = "letters, digits, _, - and ." if "." in allowed else "letters, digits and _"
    if pattern.startswith("^[A-Za-z]["):
        proposed = proposed if re.match("[A-Za-z]", proposed) else f"x{proposed}"
        characters += ", a letter first"
    return f"'{problem['input']}': only {characters}: for example '{proposed or 'x'}'"


# --- Where an error lies --------------------------------------------------------------------------


class _Place(NamedTuple):
    """Where an error lies: its keys, without the tags that pydantic inserts at unions of models."""

    keys: Location
    annotation: Any
    """The type that is expected there."""
    members: tuple[type[BaseModel], ...]
    """The models that the entry may have; several for a union."""

    @property
    def key(self) -> str:
        """Return the dotted keys, with places in lists."""
        return ".".join(map(str, self.keys))

    @property
    def path(self) -> str:
        """Return the dotted keys, without places in lists."""
        return ".".join(str(key) for key in self.keys if isinstance(key, str))

    @property
    def model(self) -> type[BaseModel] | None:
        """Return the model of the entry, if it is known."""
        return self.annotation if _is_model(self.annotation) else None

    def at(self, key: str) -> _Place:
        """Return the place of a key in it."""
        return self._replace(keys=(*self.keys, key))


def _place(location: Location) -> _Place:
    """Follow a location through models, lists, mappings and unions."""
    keys: list[int | str] = []
    annotation: Any = Config
    members: tuple[type[BaseModel], ...] = (Config,)
    for part in location:
        chosen = _member(annotation, part) if len(_models(annotation)) > 1 else None
        if chosen is not None:
            annotation = chosen
            continue
        keys.append(part)
        annotation = _inside(annotation, part)
        members = tuple(_models(annotation))
    return _Place(tuple(keys), annotation, members)


def _inside(annotation: Any, part: int | str) -> Any:
    """Return the type at a key or an index, None if it has none."""
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return _bare(field.annotation) if field else None
    arguments = get_args(annotation)
    if get_origin(annotation) is tuple and isinstance(part, int):
        return _bare(arguments[0 if arguments[-1] is Ellipsis else min(part, len(arguments) - 1)])
    return _bare(arguments[1]) if get_origin(annotation) is dict else None


def _bare(annotation: Any) -> Any:
    """Return a type without metadata and None."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return _bare(kinds[0]) if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that an entry of a type may have."""
    if _is_model(annotation):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType):
        kinds = [_bare(kind) for kind in get_args(annotation)]
        return [kind for kind in kinds if _is_model(kind)]
    return []


def _member(union: Any, tag: int | str) -> type[BaseModel] | None:
    """Return the model of a union that has a tag."""
    models = _models(union)
    for kind in get_args(union):
        model = _bare(kind)
        if any(isinstance(one, Tag) and one.tag == tag for one in get_args(kind)[1:]):
            return model if _is_model(model) else None
        if model in models and tag in _values_of(model, _choosing_key(models)):
            return model if _is_model(model) else None
    return None


def _choosing_key(models: Sequence[type[BaseModel]]) -> str:
    """Return the key whose value chooses among models, empty if another property does."""
    for key in models[0].model_fields:
        values = [_values_of(model, key) for model in models]
        if all(values) and len({v for one in values for v in one}) == sum(map(len, values)):
            return key
    return ""


def _labels(model: Any, members: Sequence[type[BaseModel]]) -> list[str]:
    """Return what a model of a union describes."""
    if label := getattr(model, "described_as", None):
        return [label]
    return [f"'{value}'" for value in _values_of(model, _choosing_key(members))]


def _valid_tags(models: Sequence[type[BaseModel]], key: str) -> list[str]:
    return [value for model in models for value in _values_of(model, key)]


def _values_of(model: Any, key: str) -> tuple[str, ...]:
    field = model.model_fields.get(key)
    return _values(field.annotation) if field else ()


def _values(annotation: Any) -> tuple[str, ...]:
    annotation = _bare(annotation)
    return get_args(annotation) if get_origin(annotation) is Literal else ()

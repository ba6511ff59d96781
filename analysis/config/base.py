"""Types and rules that the models of all sections share."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]
Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Variant = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]*$")]
Width = Annotated[int, Field(gt=0)]
Layers = Annotated[int, Field(ge=0, le=10)]


class KeyedError(ValueError):
    """An error at a key below the place where it is raised."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"'{key}': {message}")
        self.key = key
        self.message = message


class Model(BaseModel):
    """A section, or an entry of one: immutable, without unknown keys, with finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _single(cls, data: Any) -> Any:
        """Replace a single name or number by a list of one where a list is expected."""
        if not isinstance(data, Mapping):
            return data
        return {
            key: (value,) if isinstance(value, (str, int, float)) and _is_list(cls, key) else value
            for key, value in data.items()
        }


class ConditionalModel(Model):
    """A model in which some keys switch off others.

    A key that is switched off is refused where it is given, and is not written.
    """

    def switched_off(self) -> Mapping[str, str]:
        """Return the keys without effect, each with the condition, such as "with 'tuning'"."""
        return {}

    @model_validator(mode="after")
    def _no_key_without_effect(self) -> ConditionalModel:
        for key, condition in self.switched_off().items():
            if key in self.model_fields_set:
                raise ValueError(f"'{key}' has no effect {condition}: remove it")
        return self

    @model_serializer(mode="wrap")
    def _without_switched_off(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        off = self.switched_off()
        return {key: value for key, value in handler(self).items() if key not in off}


def _is_list(model: type[BaseModel], field: str) -> bool:
    """Return whether a field takes a list of any length, and nothing else."""
    if field not in model.model_fields:
        return False
    annotation = model.model_fields[field].annotation
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    kinds = [kind for kind in kinds if kind is not type(None)]
    return all(get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis for kind in kinds)

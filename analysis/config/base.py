"""What the models of all sections share."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from common.runtime.errors import did_you_mean
from selections import monojet36

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


FolderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]


Probability = Annotated[float, Field(ge=0, le=1)]


Share = Annotated[float, Field(gt=0, lt=1)]


Variant = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]*$")]


Width = Annotated[int, Field(gt=0)]


Layers = Annotated[int, Field(ge=0, le=10)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _single(cls, value: Any, info: ValidationInfo) -> Any:
        """A single name or number where a list is expected is a list of one."""
        if isinstance(value, (str, int, float)) and _is_list(cls, str(info.field_name)):
            return (value,)
        return value


def _is_list(model: type[BaseModel], field: str) -> bool:
    """Whether a field takes a list of any length, and nothing else."""
    annotation = model.model_fields[field].annotation
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    kinds = [kind for kind in kinds if kind is not type(None)]
    return all(get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis for kind in kinds)


def known_region(name: str | None) -> str | None:
    if name is not None and name not in monojet36.REGIONS:
        raise ValueError(f"unknown region '{name}'{did_you_mean(name, monojet36.REGIONS)}")
    return name

"""Selections and configuration as plain data for the settings of targets.

A target then depends on their values, not on their source code: a comment in a selection, or one
more region, makes nothing out of date that does not use it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from selections import monojet36, three_lepton
from selections.cuts import used_definitions


def dump(model: BaseModel, *fields: str) -> Any:
    """Return some fields of a model as plain data; all if none is named."""
    return model.model_dump(mode="json", include=set(fields) or None)


def monojet_regions(names: Iterable[str], quantities: Iterable[str] = ()) -> dict[str, Any]:
    """Return regions of the monojet selection, with the definitions that these and some quantities
    use."""
    regions = [monojet36.REGIONS[name] for name in names]
    expressions = [cut.expression for region in regions for cut in region.cuts]
    used = used_definitions(monojet36.DEFINITIONS, (*expressions, *quantities))
    return {
        "definitions": {one.name: one.expression for one in used},
        "regions": {one.name: [cut.expression for cut in one.cuts] for one in regions},
    }


def monojet_selection() -> dict[str, Any]:
    """Return the whole monojet selection: definitions, regions, bins, labels."""
    return _constants(monojet36)


def three_lepton_selection(objects: Iterable[str]) -> dict[str, Any]:
    """Return the three-lepton selection, for matrices of these types of objects."""
    found = _constants(three_lepton)
    names = list(objects)
    found["DEFINITIONS"] = _plain(three_lepton.definitions(names))
    found["OBJECTS"] = {name: found["OBJECTS"][name] for name in names}
    return found


def _constants(module: ModuleType) -> dict[str, Any]:
    return {
        name: _plain(value)
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_")
    }


def _plain(value: Any) -> Any:
    """Return constants as JSON has them: data classes as dictionaries, tuples as lists."""
    return json.loads(json.dumps(value, default=dataclasses.asdict))

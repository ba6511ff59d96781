"""Selections and configuration as plain data for the settings of targets.

A target then depends on their values, not on their source code: a comment in a selection, or one
more region, makes nothing out of date that does not use it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import replace
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from analysis.config import Config, Sample
from analysis.formats.columns import CANONICAL, names_in
from selections import three_lepton
from selections.cuts import Axis, used_definitions
from selections.n_minus_one import n_minus_one
from selections.selection import Selection, weight_inputs


def dump(model: BaseModel, *fields: str) -> Any:
    """Return some fields of a model as plain data; all if none is named."""
    return model.model_dump(mode="json", include=set(fields) or None)


def regions_of(
    selection: Selection, names: Iterable[str], quantities: Iterable[str] = ()
) -> dict[str, Any]:
    """Return regions of a selection, with the definitions that these and some quantities use."""
    regions = [selection.regions[name] for name in names]
    expressions = [cut.expression for region in regions for cut in region.cuts]
    used = used_definitions(selection.definitions, (*expressions, *quantities))
    return {
        "definitions": {one.name: one.expression for one in used},
        "regions": {one.name: [cut.expression for cut in one.cuts] for one in regions},
    }


def counted(selection: Selection) -> dict[str, Any]:
    """Return all of a selection that decides its yields and histograms, without labels."""
    regions = [selection.regions[name] for name in selection.used]
    axis = selection.binning.axis
    found: dict[str, Any] = _plain(
        {
            **regions_of(selection, selection.used, used_columns(selection)),
            "names": {one.name: [cut.name for cut in one.cuts] for one in regions},
            "n_minus_one": {
                one.name: [
                    [found.name, found.axis.expression, found.axis.edges, found.others]
                    for found in n_minus_one(selection, one)
                ]
                for one in regions
            },
            "binned_in": {one.name: one.binned_in for one in regions},
            "binning": [axis.expression, replace(selection.binning, axis=Axis("", axis.edges))],
            "weights": selection.weights,
            "histograms": {
                one.name: {
                    "axes": [[axis.expression, axis.edges] for axis in one.axes],
                    "regions": one.regions,
                }
                for one in selection.histograms.values()
            },
            "blind": selection.blind,
        }
    )
    return found


def labels(selection: Selection) -> dict[str, Any]:
    """Return the labels of cuts, bins and histograms."""
    return {
        "cuts": {
            name: {cut.name: cut.latex for cut in selection.regions[name].cuts}
            for name in selection.used
        },
        "binning": selection.binning.axis.label,
        "histograms": {
            one.name: [axis.label for axis in one.axes] for one in selection.histograms.values()
        },
    }


def used_columns(selection: Selection, names: Iterable[str] | None = None) -> list[str]:
    """Return the expressions of all quantities that are counted or histogrammed in some regions (by
    default those used), and of weights, with the definitions that they use."""
    chosen = list(dict.fromkeys((*(selection.used if names is None else names), *selection.blind)))
    regions = [selection.regions[name] for name in chosen]
    filled = {one.name: one for name in chosen for one in selection.histograms_in(name)}
    expressions = [
        *(cut.expression for one in regions for cut in one.cuts),
        *(cut.axis.expression for one in regions for cut in one.cuts if cut.axis),
        *(axis.expression for one in filled.values() for axis in one.axes),
        selection.binning.axis.expression,
        *(one.binned_in for one in regions if one.binned_in),
        *weight_inputs(selection),
    ]
    used = used_definitions(selection.definitions, expressions)
    return [*expressions, *(one.expression for one in used)]


def weights(selection: Selection, sample: Sample) -> Any:
    """Return the factors of the weights of a sample; data have their own weight."""
    return ["weight"] if sample.data else _plain(selection.weights)


def reading(config: Config, sample: Sample, expressions: Iterable[str]) -> dict[str, Any]:
    """Return the settings of a sample that affect how its files are read for some expressions."""
    settings: dict[str, Any] = dump(sample, "format", "tree", "data")
    return {
        **settings,
        "layout": dict(config.layout_of(sample).columns),
        "columns": columns_of(config, sample, expressions),
    }


def columns_of(config: Config, sample: Sample, expressions: Iterable[str]) -> dict[str, str]:
    """Return the user's columns of a sample: canonical ones, which others may be made from, and
    those that some expressions use."""
    words = names_in(" ".join(expressions))
    found: dict[str, str] = {}
    for name, text in reversed(config.layout_of(sample).extra):
        if name in CANONICAL or name in words:
            found[name] = text
            words |= names_in(text)
    return dict(reversed(found.items()))


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
        if name.isupper() and not name.startswith("_") and name != "SELECTION"
    }


def _plain(value: Any) -> Any:
    """Return constants as JSON has them: data classes as dictionaries, tuples as lists."""
    return json.loads(json.dumps(value, default=dataclasses.asdict))

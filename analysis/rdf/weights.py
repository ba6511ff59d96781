"""The weight of an event: the product of the factors of a selection."""

from __future__ import annotations

import json
from collections.abc import Sequence

from analysis.event_loop.events import Events
from common.runtime.errors import ConfigError
from selections.cuts import Definition
from selections.selection import Correction, Selection

EVENT_WEIGHT = "event_weight"


def factor_columns(selection: Selection) -> list[str]:
    """Return the names of the columns of the factors, in their order."""
    return [f"weight_factor_{number}" for number in range(len(selection.weights))]


def factor_keys(selection: Selection) -> list[str]:
    """Return the keys of the factors in the configuration, in their order, for messages."""
    return [
        f"selection.weights.{number}" + (f" ({one})" if isinstance(one, str) else "")
        for number, one in enumerate(selection.weights)
    ]


def define_weight(
    events: Events, selection: Selection, *, data: bool, keys: Sequence[str] = ()
) -> tuple[Events, str]:
    """Return the events with the weight of each event as a double, and its column.

    Collision data are not weighted: theirs is the canonical ``weight``. ``keys`` are those of the
    factors in the configuration, for messages.

    Raises:
        ConfigError: the correction of a factor cannot be read.
    """
    if data or not selection.has_factors:
        return events, "weight"
    names = factor_columns(selection)
    for number, (name, factor) in enumerate(zip(names, selection.weights, strict=True)):
        key = keys[number] if number < len(keys) else name
        expression = factor if isinstance(factor, str) else _correction(factor, key)
        # RDataFrame takes an expression with a "return" inside for a body with one
        definition = Definition(name, f"return double({expression});")
        events = events.define([definition], {name: key})
    return events.define([Definition(EVENT_WEIGHT, " * ".join(names))]), EVENT_WEIGHT


def weight_expression(selection: Selection, *, data: bool) -> str:
    """Return the weight as one expression of the columns."""
    if data or not selection.has_factors:
        return "weight"
    factors = (
        one if isinstance(one, str) else _correction(one, "selection.weights")
        for one in selection.weights
    )
    return " * ".join(f"double({factor})" for factor in factors)


def _correction(factor: Correction, key: str) -> str:
    """Return the expression of a correction.

    Raises:
        ConfigError: it cannot be read, or takes other inputs.
    """
    import correctionlib

    try:
        found = correctionlib.CorrectionSet.from_file(factor.file)
    except Exception as error:  # of several kinds, by format and damage
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"'{key}': cannot read {factor.file}: {cause}") from error
    if factor.name not in list(found):
        raise ConfigError(
            f"'{key}': {factor.file} has no correction '{factor.name}', only "
            f"{', '.join(sorted(found))}"
        )
    variables = found[factor.name].inputs
    if len(variables) != len(factor.inputs):
        names = ", ".join(one.name for one in variables)
        raise ConfigError(
            f"'{key}': correction '{factor.name}' takes {len(variables)} inputs ({names}), not "
            f"{len(factor.inputs)}"
        )
    inputs = (
        f"std::string({json.dumps(text)})" if variable.type == "string" else text
        for variable, text in zip(variables, factor.inputs, strict=True)
    )
    where = f"{json.dumps(factor.file)}, {json.dumps(factor.name)}"
    return (
        f"[&] {{ static const auto factor = monojet::correction_of({where}); "
        f"return monojet::corrected(*factor, {', '.join(inputs)}); }}()"
    )

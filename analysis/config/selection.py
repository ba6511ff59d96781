"""Section ``selection``: a selection of one's own, on top of a built-in one or of a file.

Files that ``extends`` names are read with the configuration (`analysis.config.selection_files`), so
that the settings hold all that they need.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from analysis.config.base import KeyedError, Model, Name
from analysis.config.column_names import require_column_name
from analysis.config.looks import require_label
from analysis.formats.columns import CANONICAL, FORMER
from common.runtime.errors import did_you_mean
from selections import monojet36, monojet139, three_lepton
from selections.cuts import Axis, Cut, Definition, Region
from selections.expressions import names, safe
from selections.selection import Binning, Correction, Histogram, Selection

BUILT_IN: dict[str, Selection] = {
    one.name: one for one in (monojet36.SELECTION, monojet139.SELECTION, three_lepton.SELECTION)
}

LUMINOSITIES = {
    monojet36.SELECTION.name: monojet36.LUMINOSITY,
    monojet139.SELECTION.name: monojet139.LUMINOSITY,
}
"""Luminosities (1/fb) of built-in selections, the defaults of configurations based on them."""


def _drawable(value: str | None) -> str | None:
    if value:
        require_label(value)
    return value


Label = Annotated[str, AfterValidator(_drawable)]


def _text(value: Any) -> Any:
    """Return a number as a C++ expression."""
    return f"{value}".lower() if type(value) in (int, float, bool) else value


Expression = Annotated[str, Field(min_length=1), BeforeValidator(_text)]
MOST_BINS = 10_000
_UNIFORM = ("number", "low", "high")


def _as_edges(value: Any) -> Any:
    """Return the edges of bins that are given by number, low and high."""
    if not isinstance(value, Mapping):
        return value
    if set(value) != set(_UNIFORM):
        raise ValueError("give the edges, or all of 'number', 'low' and 'high'")
    number, low, high = (value[key] for key in _UNIFORM)
    if type(number) is not int or not 0 < number <= MOST_BINS:
        raise ValueError(f"'number' is a whole number from 1 to {MOST_BINS}")
    if not all(type(one) in (int, float) for one in (low, high)):
        raise ValueError("'low' and 'high' are numbers")
    return [*(low + i * (high - low) / number for i in range(number)), high]


def _ascending(edges: Edges) -> Edges:
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError("the edges must ascend")
    return edges


Edges = tuple[float, ...]
Bins = Annotated[Edges, Field(min_length=2), BeforeValidator(_as_edges), AfterValidator(_ascending)]


class AxisSettings(Model):
    """A quantity and its bins."""

    variable: Expression = Field(description="C++ expression")
    bins: Bins = Field(description="edges, or {number, low, high}")
    label: Label = Field("", description="title of the axis, with the unit in brackets")

    @property
    def axis(self) -> Axis:
        """Return the axis."""
        return Axis(safe(self.variable), self.bins, self.label or self.variable)


class CutSettings(Model):
    """A cut; a text alone is its expression."""

    cut: Expression = Field(description="C++ expression; the event must pass")
    label: Label | None = Field(None, description="text in tables and figures; default: the cut")
    variable: Expression | None = Field(
        None, description="quantity of the N-1 figure; default: what the cut compares with a number"
    )
    bins: Bins | None = Field(None, description="bins of this figure")

    @model_validator(mode="after")
    def _both(self) -> CutSettings:
        if (self.variable is None) != (self.bins is None):
            raise ValueError("'variable' and 'bins' of the N-1 figure belong together")
        return self

    def named(self, name: str) -> Cut:
        """Return the cut."""
        axis = None
        if self.variable is not None and self.bins is not None:
            axis = Axis(safe(self.variable), self.bins, self.variable)
        return Cut(name, safe(self.cut), self.label or _plain(self.cut), axis)


def _plain(expression: str) -> str:
    """Return an expression as text that neither LaTeX nor Markdown interprets."""
    return expression.replace("$", "")


def _cut(value: Any) -> Any:
    value = _text(value)
    return {"cut": value} if isinstance(value, str) else value


Cuts = dict[Name, Annotated[CutSettings, BeforeValidator(_cut)]]


class RegionSettings(Model):
    """A region: that which it extends, with changes, or its own cuts in order."""

    extends: Name | None = Field(None, description="region whose cuts it starts from")
    cuts: Cuts = Field({}, description="its cuts, if it extends none")
    replace_: Cuts = Field({}, alias="replace", description="cuts instead of those of these names")
    remove: tuple[Name, ...] = Field((), description="cuts to leave out")
    add: Cuts = Field({}, description="further cuts, after the others")
    binned_in: Expression | None = Field(
        None, description="quantity of the signal bins here; default: that of the selection"
    )

    model_config = Model.model_config | {"populate_by_name": True, "serialize_by_alias": True}

    @model_validator(mode="after")
    def _own_or_changed(self) -> RegionSettings:
        if self.extends is None:
            for key, given in (
                ("replace", self.replace_),
                ("remove", self.remove),
                ("add", self.add),
            ):
                if given:
                    raise ValueError(f"'{key}' requires 'extends': list all of its cuts in 'cuts'")
            if not self.cuts:
                raise ValueError("it needs 'cuts', or 'extends' and changes")
        elif self.cuts:
            raise ValueError("'cuts' are those of a region that extends none: use 'add'")
        return self

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the expressions of the region with their keys."""
        for section, cuts in (("cuts", self.cuts), ("replace", self.replace_), ("add", self.add)):
            for name, cut in cuts.items():
                yield f"{section}.{name}", cut.cut
                if cut.variable is not None:
                    yield f"{section}.{name}.variable", cut.variable
        if self.binned_in is not None:
            yield "binned_in", self.binned_in


class HistogramSettings(Model):
    """A histogram in one quantity or, with ``y``, in two."""

    variable: Expression | None = Field(None, description="C++ expression; default: the name")
    bins: Bins = Field(description="edges, or {number, low, high}")
    label: Label = Field("", description="title of the axis, with the unit in brackets")
    y: AxisSettings | None = Field(None, description="second quantity: variable, bins, label")
    regions: tuple[Name, ...] | None = Field(None, description="default: all that are used")

    def named(self, name: str) -> Histogram:
        """Return the histogram."""
        variable = self.variable or name
        x = Axis(safe(variable), self.bins, self.label or variable)
        return Histogram(name, (x, self.y.axis) if self.y else (x,), self.regions)


class BinningSettings(Model):
    """The signal bins."""

    variable: Expression = Field("met_no_muons", description="C++ expression")
    edges: Annotated[Edges, Field(min_length=1), AfterValidator(_ascending)] = Field(
        description="lower edges; the last bin has no upper edge"
    )
    label: Label = Field("", description="title of the axis, with the unit in brackets")
    inclusive: Name = Field("IM", description="prefix of the bins above an edge")
    exclusive: Name = Field("EM", description="prefix of the bins between two edges")
    first: int = Field(1, ge=0, description="number of the first bin")

    @model_validator(mode="after")
    def _ordered(self) -> BinningSettings:
        if self.inclusive == self.exclusive:
            raise ValueError("'inclusive' and 'exclusive' need different prefixes")
        return self

    @property
    def binning(self) -> Binning:
        """Return the binning."""
        axis = Axis(safe(self.variable), self.edges, self.label or self.variable)
        return Binning(axis, self.inclusive, self.exclusive, self.first)


class CorrectionSettings(Model):
    """A factor of the weight from a file of correctionlib."""

    file: str = Field(description="JSON, or compressed")
    name: str = Field(description="name of the correction in it")
    inputs: tuple[Expression, ...] = Field(
        min_length=1, description="C++ expressions; for variables of type string, texts"
    )


Factor = Expression | CorrectionSettings


def _columns(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        require_column_name(name)
    return value


class SelectionSettings(Model):
    """What is applied to all events, on top of the selection that it extends."""

    extends: str | SelectionSettings | None = Field(
        None, description=f"{', '.join(BUILT_IN)}, or a file: .yaml, or .py with SELECTION"
    )
    name: Name | None = Field(None, description="name of the selection")
    title: str | None = Field(None, description="one line on what it selects")
    columns: dict[str, Expression] = Field(
        {}, description="columns that extend or override those of the input formats"
    )
    define: dict[str, Expression] = Field({}, description="further columns, in order")
    weights: tuple[Factor, ...] | None = Field(
        None, description="factors of the weight of simulated events; default: [weight]"
    )
    regions: dict[Name, RegionSettings] = Field({}, description="further or changed regions")
    use: tuple[Name, ...] | None = Field(
        None, description="regions to count events in; default: those extended, and all listed"
    )
    bins: BinningSettings | None = Field(None, description="signal bins of all regions")
    histograms: dict[Name, HistogramSettings | None] = Field(
        {}, description="further or changed histograms; null: leave it out"
    )
    quantities: dict[Name, Expression] = Field(
        {}, description="further quantities to store with images"
    )
    blind: tuple[Name, ...] = Field((), description="regions in which data are hidden")

    _check_columns = field_validator("columns", "define")(_columns)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        return {"extends": data} if isinstance(data, str) else data

    @field_validator("extends")
    @classmethod
    def _known(cls, value: str | SelectionSettings | None) -> str | SelectionSettings | None:
        if isinstance(value, str) and value not in BUILT_IN:
            raise ValueError(
                f"unknown selection '{value}'{did_you_mean(value, BUILT_IN)} (built in: "
                f"{', '.join(BUILT_IN)}; or a file .yaml or .py)"
            )
        return value

    @field_validator("define")
    @classmethod
    def _not_canonical(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name in CANONICAL:
                raise ValueError(
                    f"'{name}' is a column of all formats: override it under 'columns'"
                )
        return value

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        given = self.model_fields_set
        return {key: value for key, value in handler(self).items() if key in given}

    @model_validator(mode="after")
    def _complete(self) -> SelectionSettings:
        _ = self.resolved  # raises errors of the whole
        return self

    @functools.cached_property
    def resolved(self) -> Selection:
        """Return the selection.

        Raises:
            KeyedError: regions, histograms or definitions do not fit together.
        """
        base = self._base()
        regions = _regions(base.regions if base else {}, self.regions)
        listed = (*(base.used if base else ()), *self.regions)
        used = tuple(dict.fromkeys(listed)) if self.use is None else self.use
        _known_names("use", used, regions, "region")
        histograms = dict(base.histograms) if base else {}
        for name, settings in self.histograms.items():
            if settings is None:
                if name not in histograms:
                    raise KeyedError(f"histograms.{name}", "no such histogram to leave out")
                del histograms[name]
            else:
                histograms[name] = settings.named(name)
        for name, one in histograms.items():
            given = self.histograms.get(name)
            if given is not None:
                _known_names(f"histograms.{name}.regions", one.regions or (), regions, "region")
                for region in one.regions or ():
                    if region not in used:
                        raise KeyedError(
                            f"histograms.{name}.regions",
                            f"region '{region}' is not used: add it to 'use'",
                        )
        _known_names("blind", self.blind, regions, "region")
        binning = self.bins.binning if self.bins else base.binning if base else None
        if binning is None:
            raise KeyedError("bins", "is missing: a selection that extends none needs its bins")
        if not used:
            raise KeyedError("regions", "is missing: a selection that extends none needs a region")
        return Selection(
            name=self.name or (base.name if base else "own"),
            title=self.title or (base.title if base else "own selection"),
            columns={**(base.columns if base else {}), **self.columns},
            definitions=_definitions(base.definitions if base else (), self.define),
            weights=_weights(self.weights) if self.weights is not None else _base_weights(base),
            regions=regions,
            used=used,
            binning=binning,
            histograms=histograms,
            quantities={
                **(base.quantities if base else {}),
                **{name: safe(text) for name, text in self.quantities.items()},
            },
            blind=tuple(dict.fromkeys((*(base.blind if base else ()), *self.blind))),
            labels=base.labels if base else {},
        )

    def _base(self) -> Selection | None:
        if self.extends is None:
            return None
        return BUILT_IN[self.extends] if isinstance(self.extends, str) else self.extends.resolved

    def replaced(self) -> list[str]:
        """Return the inherited definitions that own ones replace."""
        base = self._base()
        found = self.extends.replaced() if isinstance(self.extends, SelectionSettings) else []
        known = {one.name for one in base.definitions} if base else set()
        return [*found, *(name for name in self.define if name in known)]

    def keys(self, prefix: str = "") -> dict[str, str]:
        """Return the keys of the user's definitions, cuts, columns and weights by their names in
        messages: ``mt`` or ``CR1mu mt``."""
        found: dict[str, str] = {}
        if isinstance(self.extends, SelectionSettings):
            found = self.extends.keys(f"{prefix}extends.")
        for name in self.define:
            found[name] = f"{prefix}define.{name}"
        for region, settings in self.regions.items():
            for key, _ in settings.texts():
                section, *rest = key.split(".")
                if rest:
                    found[f"{region} {rest[0]}"] = f"{prefix}regions.{region}.{section}.{rest[0]}"
        return found

    def check_names(self, further: Mapping[str, Any], prefix: str = "") -> None:
        """Make sure that expressions use columns that a format, ``further`` or this selection
        gives.

        Raises:
            KeyedError: an expression uses another name, or a definition below it.
        """
        base = self._base()
        if isinstance(self.extends, SelectionSettings):
            self.extends.check_names(further, f"{prefix}extends.")
        known = {*CANONICAL, *further, *self.resolved.columns, "event_weight"}
        known |= {one.name for one in base.definitions} if base else set()
        later = set(self.define)
        for name, text in self.define.items():
            if name in further or name in self.resolved.columns:
                key = f"{prefix}define.{name}"
                raise KeyedError(key, f"'columns' has '{name}', too: rename one of them")
            _check(f"{prefix}define.{name}", text, known, later)
            known.add(name)
        for key, text in self._texts():
            _check(prefix + key, text, known, set())

    def texts(self, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Yield the expressions that do not define columns of files, with their keys."""
        if isinstance(self.extends, SelectionSettings):
            yield from self.extends.texts(f"{prefix}extends.")
        for name, text in self.define.items():
            yield f"{prefix}define.{name}", text
        for key, text in self._texts():
            yield prefix + key, text

    def _texts(self) -> Iterator[tuple[str, str]]:
        """Yield the expressions, besides definitions and columns, with their keys."""
        for name, region in self.regions.items():
            for key, text in region.texts():
                yield f"regions.{name}.{key}", text
        for name, one in self.histograms.items():
            if one is not None:
                yield f"histograms.{name}.variable", one.variable or name
                if one.y is not None:
                    yield f"histograms.{name}.y.variable", one.y.variable
        for number, factor in enumerate(self.weights or ()):
            if isinstance(factor, str):
                yield f"weights.{number}", factor
        if self.bins is not None:
            yield "bins.variable", self.bins.variable
        for name, text in self.quantities.items():
            yield f"quantities.{name}", text


def _check(key: str, expression: str, known: set[str], later: set[str]) -> None:
    for name in names(expression):
        if name in known:
            continue
        if name in FORMER:
            raise KeyedError(key, f"'{name}' is now called '{FORMER[name]}'")
        if name in later:
            raise KeyedError(key, f"'{name}' is defined below it: change their order")
        raise KeyedError(
            key,
            f"no column '{name}'{did_you_mean(name, known)}: define it under 'define', or a branch "
            "of the files under 'columns'",
        )


def _known_names(key: str, given: tuple[str, ...], known: Mapping[str, Any], what: str) -> None:
    for name in given:
        if name not in known:
            raise KeyedError(key, f"no {what} '{name}'{did_you_mean(name, known)}")


def _definitions(
    inherited: tuple[Definition, ...], own: Mapping[str, str]
) -> tuple[Definition, ...]:
    """Return definitions, of which own ones replace inherited ones of the same name.

    The others may then meet other values than they were written for, such as an index that is no
    longer below the length of a vector.
    """
    texts = {name: safe(text) for name, text in own.items()}
    if any(one.name in texts for one in inherited):
        inherited = tuple(replace(one, expression=safe(one.expression)) for one in inherited)
    changed = tuple(
        replace(one, expression=texts.pop(one.name)) if one.name in texts else one
        for one in inherited
    )
    return (*changed, *(Definition(name, text) for name, text in texts.items()))


def _weights(factors: tuple[Factor, ...]) -> tuple[str | Correction, ...]:
    return tuple(
        safe(one)
        if isinstance(one, str)
        else Correction(one.file, one.name, tuple(map(safe, one.inputs)))
        for one in factors
    )


def _base_weights(base: Selection | None) -> tuple[str | Correction, ...]:
    return base.weights if base else ("weight",)


def _regions(
    inherited: Mapping[str, Region], own: Mapping[str, RegionSettings]
) -> dict[str, Region]:
    """Return all regions. ``extends`` names another of the own ones or an inherited one; within a
    region of the same name, the inherited one."""
    found: dict[str, Region] = {}

    def region(name: str, via: tuple[str, ...]) -> Region:
        if name in found:
            return found[name]
        settings = own[name]
        if settings.extends is None:
            cuts = [cut.named(key) for key, cut in settings.cuts.items()]
            return Region(name, tuple(cuts), settings.binned_in and safe(settings.binned_in))
        wanted, key = settings.extends, f"regions.{name}.extends"
        if wanted == name:
            if name not in inherited:
                raise KeyedError(key, f"a circle: {name} extends {name}")
            parent = inherited[name]
        elif wanted in via:
            raise KeyedError(key, f"a circle: {' extends '.join((*via, wanted))}")
        elif wanted in own:
            parent = region(wanted, (*via, wanted))
        elif wanted in inherited:
            parent = inherited[wanted]
        else:
            hint = did_you_mean(wanted, (*inherited, *own))
            raise KeyedError(key, f"no region '{wanted}'{hint}")
        return _changed(name, parent, settings)

    for name in own:
        found[name] = region(name, (name,))
    return {**inherited, **found}


def _changed(name: str, parent: Region, settings: RegionSettings) -> Region:
    cuts = {cut.name: cut for cut in parent.cuts}
    for key, given in (("replace", settings.replace_), ("remove", settings.remove)):
        _known_names(f"regions.{name}.{key}", tuple(given), cuts, f"cut of '{parent.name}'")
    for cut in settings.add:
        if cut in cuts and cut not in settings.remove:
            raise KeyedError(
                f"regions.{name}.add.{cut}",
                f"'{parent.name}' has a cut of this name: use 'replace', or another name",
            )
    changed = [
        settings.replace_[cut].named(cut) if cut in settings.replace_ else one
        for cut, one in cuts.items()
        if cut not in settings.remove
    ]
    added = [cut.named(key) for key, cut in settings.add.items()]
    binned_in = safe(settings.binned_in) if settings.binned_in else parent.binned_in
    return Region(name, (*changed, *added), binned_in)


def as_settings(selection: Selection) -> dict[str, Any]:
    """Return a selection as a configuration would give it, without anything that it extends."""

    def axis(one: Axis) -> dict[str, Any]:
        return {"variable": one.expression, "bins": list(one.edges), "label": one.label}

    def cut(one: Cut) -> dict[str, Any]:
        found: dict[str, Any] = {"cut": one.expression, "label": one.latex}
        if one.axis is not None:
            found |= {"variable": one.axis.expression, "bins": list(one.axis.edges)}
        return found

    binning = selection.binning
    return {
        "name": selection.name,
        "title": selection.title,
        "columns": dict(selection.columns),
        "define": {one.name: one.expression for one in selection.definitions},
        "weights": [
            one
            if isinstance(one, str)
            else {"file": one.file, "name": one.name, "inputs": list(one.inputs)}
            for one in selection.weights
        ],
        "regions": {
            name: {"cuts": {one.name: cut(one) for one in region.cuts}}
            | ({"binned_in": region.binned_in} if region.binned_in else {})
            for name, region in selection.regions.items()
        },
        "use": list(selection.used),
        "bins": {
            "variable": binning.axis.expression,
            "edges": list(binning.edges),
            "label": binning.axis.label,
            "inclusive": binning.inclusive_prefix,
            "exclusive": binning.exclusive_prefix,
            "first": binning.first,
        },
        "histograms": {
            name: axis(one.axes[0])
            | ({"y": axis(one.axes[1])} if len(one.axes) > 1 else {})
            | ({} if one.regions is None else {"regions": list(one.regions)})
            for name, one in selection.histograms.items()
        },
        "quantities": dict(selection.quantities),
        "blind": list(selection.blind),
    }

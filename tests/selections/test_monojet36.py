"""The ATLAS monojet selection of 36.1 fb^-1: its published edges, and each cut on its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from analysis.event_loop.events import Events
from analysis.monojet.published import MetRegion, atlas_36ifb
from analysis.rdf.regions import define_summary
from selections import monojet36
from selections.cuts import Definition, used_definitions
from selections.monojet36 import REGIONS
from selections.selection import Bin
from tests.frames import numbered, taken

PUBLISHED = atlas_36ifb()

# --- Hand-made events -----------------------------------------------------------------------


@dataclass(frozen=True)
class Objects:
    """Jets, electrons or muons of an event."""

    pt: tuple[float, ...] = ()
    eta: tuple[float, ...] = ()
    phi: tuple[float, ...] = ()
    n_tracks: tuple[int, ...] = ()  # of jets


def jets(*pt_eta_phi: tuple[float, float, float], n_tracks: int = 10) -> Objects:
    """Jets, each with as many tracks."""
    pt, eta, phi = zip(*pt_eta_phi, strict=True)
    return Objects(pt, eta, phi, (n_tracks,) * len(pt))


def lepton(pt: float, eta: float, phi: float) -> Objects:
    """One lepton."""
    return Objects((pt,), (eta,), (phi,))


NO_OBJECT = Objects()
HARD = (300.0, 0.5, 0.0)  # of a leading jet that passes
OPPOSITE = 3.0  # the azimuth of a missing momentum that passes


@dataclass(frozen=True)
class Event:
    """One that passes all cuts, but for what is changed."""

    met: float = 400.0
    met_phi: float = OPPOSITE
    jet: Objects = field(default_factory=lambda: jets(HARD))
    electron: Objects = NO_OBJECT
    muon: Objects = NO_OBJECT


def _define(events: Events, name: str, values: Sequence[Sequence[float]]) -> Events:
    """A column of vectors, one an event: of int for integers, else of float."""
    kind = "int" if name.endswith("n_tracks") else "float"
    flat = [x for event in values for x in event]
    numbers = [str(x) if kind == "int" else _literal(float(np.float32(x))) for x in flat]
    offsets = np.cumsum([0, *map(len, values)]).tolist()
    expression = (
        f"static const {kind} all[] = {{{', '.join([*numbers, '0'])}}};"
        f" static const int offsets[] = {{{', '.join(map(str, offsets))}}};"
        f" return ROOT::RVec<{kind}>(all + offsets[rdfentry_], all + offsets[rdfentry_ + 1]);"
    )
    return events.define([Definition(name, expression)])


def _literal(x: float) -> str:
    """A float of C++; in hexadecimal it is exact."""
    return f"{x.hex()}f" if math.isfinite(x) else {"nan": "NAN", "inf": "INFINITY"}[str(x)]


def _values(events: Events, expressions: Mapping[str, str]) -> dict[str, npt.NDArray[Any]]:
    """Numbers, one an event."""
    numbers = ", ".join(f"double({expression})" for expression in expressions.values())
    events = events.define([Definition("found", f"ROOT::RVecD{{{numbers}}}")])
    rows = np.array(taken(events, {"found": "ROOT::RVecD"})["found"])
    return dict(zip(expressions, rows.T, strict=True))


TRIED = ("SR", "SR_no_veto")

QUANTITIES = (
    *("n_jets", "n_electrons", "n_muons", "min_delta_phi"),
    *("leading_jet_pt", "leading_jet_eta", "leading_jet_phi"),
)


def _tried(tried: Sequence[Event]) -> dict[str, npt.NDArray[Any]]:
    """What becomes of the events: one flag a cut, the region bits and the counts."""
    events = numbered(len(tried))
    for column, name in (("met_no_muons", "met"), ("met_no_muons_phi", "met_phi")):
        events = _define(events, f"all_{name}", [[getattr(event, name)] for event in tried])
        events = events.define([Definition(column, f"all_{name}[0]")])
    for kind in ("jet", "electron", "muon"):
        for column in ("pt", "eta", "phi", *(("n_tracks",) if kind == "jet" else ())):
            values = [getattr(getattr(event, kind), column) for event in tried]
            events = _define(events, f"{kind}_{column}", values)
    flags = {f"passes_{cut.name}": cut.expression for cut in monojet36.SR.cuts}
    regions = {name: REGIONS[name] for name in TRIED}
    expressions = [*flags.values(), *QUANTITIES]
    definitions = used_definitions(monojet36.DEFINITIONS, expressions)
    found = _values(events.define(definitions), flags | {x: x for x in QUANTITIES})
    # The same from the summary, which has all definitions in one expression.
    identity = (("run_number", "1"), ("event_number", "rdfentry_"), ("weight", "1."))
    events = events.define(Definition(*one) for one in identity)
    events = define_summary(events, definitions, regions.values(), QUANTITIES)
    again = {x: f"event_summary.quantities[{i}]" for i, x in enumerate(QUANTITIES)}
    summary = _values(events, {"region_bits": "event_summary.regions"} | again)
    for name in QUANTITIES:
        np.testing.assert_array_equal(summary[name], found[name].astype(np.float32))
    return found | {"region_bits": summary["region_bits"]}


def _boundary(x: str) -> dict[str, float]:
    """The float32 next below and next above a decimal number; neither equals it."""
    nearest = np.float32(x)
    below, above = (np.nextafter(nearest, np.float32(to)) for to in (-1e30, 1e30))
    exact, rounded = Fraction(x), Fraction(float(nearest))
    return {
        "below": float(below if rounded >= exact else nearest),
        "above": float(above if rounded <= exact else nearest),
    }


MET_250, PT_250, ETA_24 = _boundary("250"), _boundary("250"), _boundary("2.4")
DPHI_04, PT_30, ETA_28 = _boundary("0.4"), _boundary("30"), _boundary("2.8")
E_PT, E_ETA, MU_PT, MU_ETA = _boundary("20"), _boundary("2.47"), _boundary("10"), _boundary("2.5")
SOFT = (31.0, 1.0, 0.0)
FAR = (2.0, 2.0)  # in eta and phi: near no jet

# name: event, the cuts it fails
EVENTS: dict[str, tuple[Event, set[str]]] = {
    "passes all": (Event(), set()),
    # the missing momentum
    "met of 250": (Event(met=250), {"met"}),
    "met just above 250": (Event(met=MET_250["above"]), set()),
    "met just below 250": (Event(met=MET_250["below"]), {"met"}),
    # the leading jet
    "no jet": (Event(jet=NO_OBJECT), {"leading_jet"}),
    "leading jet of 250": (Event(jet=jets((250, 0, 0))), {"leading_jet"}),
    "leading jet just above 250": (Event(jet=jets((PT_250["above"], 0, 0))), set()),
    "leading jet inside 2.4": (Event(jet=jets((300, -ETA_24["below"], 0))), set()),
    "leading jet beyond 2.4": (Event(jet=jets((300, ETA_24["above"], 0))), {"leading_jet"}),
    "leading jet beyond -2.4": (Event(jet=jets((300, -ETA_24["above"], 0))), {"leading_jet"}),
    "a harder jet beyond 2.8 does not lead": (Event(jet=jets((900, 2.9, 0), HARD)), set()),
    "a jet of no number does not lead": (Event(jet=jets((math.nan, 0, 0), HARD)), set()),
    "nor one of infinite pT beyond 2.8": (Event(jet=jets((math.inf, 3, 0), HARD)), set()),
    # the number of jets
    "four jets": (Event(jet=jets(HARD, SOFT, SOFT, SOFT)), set()),
    "five jets": (Event(jet=jets(HARD, SOFT, SOFT, SOFT, SOFT)), {"n_jets"}),
    "a fifth jet of 30": (Event(jet=jets(HARD, SOFT, SOFT, SOFT, (30, 1, 0))), set()),
    "a fifth jet just above 30": (
        Event(jet=jets(HARD, SOFT, SOFT, SOFT, (PT_30["above"], 1, 0))),
        {"n_jets"},
    ),
    "a fifth jet inside 2.8": (
        Event(jet=jets(HARD, SOFT, SOFT, SOFT, (40, -ETA_28["below"], 0))),
        {"n_jets"},
    ),
    "a fifth jet beyond 2.8": (
        Event(jet=jets(HARD, SOFT, SOFT, SOFT, (40, ETA_28["above"], 0))),
        set(),
    ),
    # the angle to the missing momentum
    "leading jet along met": (Event(met_phi=0.3), {"delta_phi"}),
    "met at 0.4": (Event(met_phi=DPHI_04["below"]), {"delta_phi"}),
    "met beyond 0.4": (Event(met_phi=-DPHI_04["above"]), set()),
    "second jet along met": (Event(jet=jets(HARD, (40, 1, OPPOSITE))), {"delta_phi"}),
    "jet along met across the edge": (Event(jet=jets(HARD, (40, 1, -3.14))), {"delta_phi"}),
    "soft jet along met": (Event(jet=jets(HARD, (29, 1, OPPOSITE))), set()),
    "forward jet along met": (Event(jet=jets(HARD, (90, 2.9, OPPOSITE))), set()),
    # leptons
    "electron": (Event(electron=lepton(21, *FAR)), {"electron_veto"}),
    "electron of 20": (Event(electron=lepton(20, *FAR)), set()),
    "electron just above 20": (Event(electron=lepton(E_PT["above"], *FAR)), {"electron_veto"}),
    "electron inside 2.47": (Event(electron=lepton(50, -E_ETA["below"], 2)), {"electron_veto"}),
    "electron beyond 2.47": (Event(electron=lepton(50, E_ETA["above"], 2)), set()),
    "muon": (Event(muon=lepton(11, *FAR)), {"muon_veto"}),
    "muon of 10": (Event(muon=lepton(10, *FAR)), set()),
    "muon just above 10": (Event(muon=lepton(MU_PT["above"], *FAR)), {"muon_veto"}),
    "muon inside 2.5": (Event(muon=lepton(50, -MU_ETA["below"], 2)), {"muon_veto"}),
    "muon beyond 2.5": (Event(muon=lepton(50, MU_ETA["above"], 2)), set()),
    # their overlap with jets
    "electron in a jet's rim": (Event(electron=lepton(50, 0.5, 0.3)), set()),
    "the leading jet is an electron": (
        Event(electron=lepton(300, 0.5, 0.1)),
        {"leading_jet", "electron_veto"},
    ),
    "a jet along met is an electron": (
        Event(jet=jets(HARD, (40, 1, OPPOSITE)), electron=lepton(40, 1, OPPOSITE)),
        {"electron_veto"},
    ),
    "soft electron leaves its jet": (Event(electron=lepton(19, 0.5, 0)), set()),
    "muon in a jet of many tracks": (Event(muon=lepton(50, 0.5, 0.3)), set()),
    "muon in a jet of two tracks": (
        Event(jet=jets(HARD, n_tracks=2), muon=lepton(50, 0.5, 0.3)),
        {"leading_jet", "muon_veto"},
    ),
    "muon in a jet below 30": (
        Event(jet=jets(HARD, (25, 1, 1)), muon=lepton(50, 1, 1.1)),
        set(),
    ),
    "muon in a jet below 20": (
        Event(jet=jets(HARD, (19, 1, 1)), muon=lepton(50, 1, 1.1)),
        {"muon_veto"},
    ),
}


@pytest.fixture(scope="module")
def found() -> dict[str, npt.NDArray[Any]]:
    return _tried([event for event, _ in EVENTS.values()])


@pytest.mark.parametrize("name", EVENTS)
def test_event_fails_the_cuts_it_should_and_no_other(
    found: dict[str, npt.NDArray[Any]], name: str
) -> None:
    i = list(EVENTS).index(name)
    fails = {cut.name for cut in monojet36.SR.cuts if not found[f"passes_{cut.name}"][i]}
    assert fails == EVENTS[name][1]
    passes = {region: bool(int(found["region_bits"][i]) >> k & 1) for k, region in enumerate(TRIED)}
    without_veto = fails - {"electron_veto", "muon_veto"}
    assert passes == {"SR": not fails, "SR_no_veto": not without_veto}


def test_each_cut_has_an_event_that_fails_it_alone() -> None:
    alone = {cut for _, fails in EVENTS.values() if len(fails) == 1 for cut in fails}
    assert alone == {cut.name for cut in monojet36.SR.cuts}


def test_quantities_of_events_are_those_of_their_good_jets(
    found: dict[str, npt.NDArray[Any]],
) -> None:
    i = list(EVENTS).index("a harder jet beyond 2.8 does not lead")
    assert found["n_jets"][i] == 1
    leading = [found[f"leading_jet_{part}"][i] for part in ("pt", "eta", "phi")]
    assert leading == list(HARD)
    assert found["min_delta_phi"][i] == pytest.approx(OPPOSITE)
    i = list(EVENTS).index("no jet")
    assert (found["n_jets"][i], found["leading_jet_pt"][i]) == (0, -1)
    assert found["min_delta_phi"][i] == pytest.approx(math.pi)


# --- The description, against what is published ------------------------------------------------


def test_luminosity_and_edges_are_the_published_ones() -> None:
    assert PUBLISHED.luminosity_fb == monojet36.LUMINOSITY
    lows = [region.met_low for region in PUBLISHED.exclusive_regions]
    assert list(monojet36.MET_EDGES) == lows


@pytest.mark.parametrize(
    ("bins", "published"),
    [
        (monojet36.EXCLUSIVE, PUBLISHED.exclusive_regions),
        (monojet36.INCLUSIVE, PUBLISHED.inclusive_regions),
    ],
)
def test_regions_in_missing_momentum_are_the_published_ones(
    bins: Sequence[Bin], published: Sequence[MetRegion]
) -> None:
    expected = [(r.name, r.met_low, r.met_high) for r in published]
    assert [(b.name, b.low, b.high) for b in bins] == expected


def test_signal_region_starts_where_the_first_bin_does() -> None:
    assert monojet36.MET.expression == f"met_no_muons > {monojet36.INCLUSIVE[0].low:g}"


def test_regions_are_the_cuts_in_their_published_order() -> None:
    names = [cut.name for cut in monojet36.SR.cuts]
    assert names == ["met", "leading_jet", "n_jets", "delta_phi", "electron_veto", "muon_veto"]
    assert monojet36.SR_NO_VETO.cuts == monojet36.SR.cuts[:4]
    assert monojet36.SELECTION.used == ("SR", "SR_no_veto")
    assert all(name == region.name for name, region in REGIONS.items())

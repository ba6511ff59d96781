"""The control regions of 36.1 fb^-1 and the selection of 139 fb^-1, on hand-made events."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from common.repository import REPOSITORY
from selections import monojet36, monojet139
from selections.cuts import Definition, used_definitions
from selections.selection import Selection
from tests.frames import numbered
from tests.selections.test_monojet36 import (
    NO_OBJECT,
    Objects,
    _define,
    _values,
    jets,
    lepton,
)

JET = jets((300.0, 0.5, 0.0))
NEUTRINO = (100.0, 2.0)  # pT and phi of the missing momentum with muons


@dataclass(frozen=True)
class Event:
    """An event with a hard jet at phi = 0 and a recoil of 300 GeV on its other side."""

    electron: Objects = NO_OBJECT
    muon: Objects = NO_OBJECT
    jet: Objects = JET
    b_tag: tuple[int, ...] = (0,)
    met_no_muons: float = 300.0
    met: tuple[float, float] = NEUTRINO
    tau: Objects = NO_OBJECT
    photon: Objects = NO_OBJECT


def pair(first: tuple[float, float, float], second: tuple[float, float, float]) -> Objects:
    pt, eta, phi = zip(first, second, strict=True)
    return Objects(pt, eta, phi)


def transverse_mass(pt: float, phi: float) -> float:
    return math.sqrt(2 * pt * NEUTRINO[0] * (1 - math.cos(phi - NEUTRINO[1])))


MUON = lepton(50.0, 1.0, 3.0)  # a transverse mass of 68 GeV
ELECTRON = lepton(50.0, 1.0, 3.0)
Z = pair((60.0, 1.0, 3.0), (50.0, 1.0, -1.7))
SOFT_JET = (40.0, -1.0, 1.5)

EVENTS: dict[str, tuple[Event, set[str]]] = {
    "no lepton": (Event(), {"SR"}),
    "one muon": (Event(muon=MUON), {"CR1mu0b"}),
    "one muon and a b-jet": (Event(muon=MUON, b_tag=(1,)), {"CR1mu1b"}),
    "a b-jet beyond 2.5 does not count": (
        Event(muon=MUON, jet=jets((300.0, 0.5, 0.0), (40.0, 2.6, 1.0)), b_tag=(0, 1)),
        {"CR1mu0b"},
    ),
    "a soft b-jet does not count": (
        Event(muon=MUON, jet=jets((300.0, 0.5, 0.0), (25.0, 1.6, 1.0)), b_tag=(0, 1)),
        {"CR1mu0b"},
    ),
    "a muon along the neutrino": (Event(muon=lepton(50.0, 1.0, 2.1)), set()),
    "a hard muon of large transverse mass": (Event(muon=lepton(200.0, 1.0, 3.1)), set()),
    "a muon and an electron": (
        Event(muon=MUON, electron=lepton(50.0, -1.0, -2.0)),
        set(),
    ),
    "two muons of the Z": (Event(muon=Z), {"CR2mu"}),
    "two muons of low mass": (
        Event(muon=pair((60.0, 1.0, 3.0), (50.0, 1.0, 2.5))),
        set(),
    ),
    "three muons": (
        Event(muon=Objects((*Z.pt, 30.0), (*Z.eta, -1.0), (*Z.phi, 2.0))),
        set(),
    ),
    "one electron": (Event(electron=ELECTRON), {"CR1e0b"}),
    "one electron in the gap": (Event(electron=lepton(50.0, 1.45, 3.0)), set()),
    "a soft electron": (Event(electron=lepton(29.0, 1.0, 3.0)), set()),
    "one electron and a b-jet": (Event(electron=ELECTRON, b_tag=(1,)), set()),
    "little missing momentum beside an electron": (
        # the electron brings the recoil above 250 GeV, but 80 / sqrt(300) < 5
        Event(electron=lepton(250.0, 1.0, 3.0), met_no_muons=80.0),
        set(),
    ),
    "an electron that makes the recoil": (
        Event(electron=lepton(60.0, 1.0, 3.0), met_no_muons=200.0),
        {"CR1e0b"},
    ),
}


def passed(selection: Selection, tried: list[Event]) -> dict[str, list[bool]]:
    """Whether events pass each region, by the expressions of its cuts."""
    events = numbered(len(tried))
    numbers: dict[str, list[float]] = {
        "met_no_muons": [event.met_no_muons for event in tried],
        "met_no_muons_phi": [3.0] * len(tried),
        "met": [event.met[0] for event in tried],
        "met_phi": [event.met[1] for event in tried],
    }
    for name, values in numbers.items():
        events = _define(events, f"all_{name}", [[value] for value in values])
        events = events.define([Definition(name, f"all_{name}[0]")])
    for kind in ("jet", "electron", "muon", "tau", "photon"):
        for column in ("pt", "eta", "phi", *(("n_tracks",) if kind == "jet" else ())):
            of_kind = [getattr(getattr(event, kind), column) for event in tried]
            events = _define(events, f"{kind}_{column}", of_kind)
    events = _define(events, "jet_b_tag", [event.b_tag for event in tried])
    expressions = {name: region.expression for name, region in selection.regions.items()}
    used = used_definitions(selection.definitions, expressions.values())
    found = _values(events.define(used), expressions)
    return {name: [bool(x) for x in flags] for name, flags in found.items()}


@pytest.fixture(scope="module")
def regions() -> dict[str, list[bool]]:
    return passed(monojet36.SELECTION, [event for event, _ in EVENTS.values()])


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_in_these_regions(regions: dict[str, list[bool]], name: str) -> None:
    i = list(EVENTS).index(name)
    found = {region for region, flags in regions.items() if flags[i]} - {"SR_no_veto"}
    assert found == EVENTS[name][1]


def test_the_transverse_masses_are_those_meant() -> None:
    assert 30 < transverse_mass(50.0, 3.0) < 100
    assert transverse_mass(50.0, 2.1) < 30
    assert transverse_mass(200.0, 3.1) > 100


# --- 139 fb^-1 ------------------------------------------------------------------------------------

HARD = {"met_no_muons": 300.0, "jet": jets((200.0, 0.5, 0.0))}

LATER: dict[str, tuple[dict[str, Any], bool]] = {
    "passes": ({}, True),
    "leading jet of 150": ({"jet": jets((150.0, 0.5, 0.0))}, False),
    "low missing momentum": ({"met_no_muons": 201.0}, True),
    "missing momentum of 200": ({"met_no_muons": 200.0}, False),
    # the missing momentum points to phi = 3
    "a jet at 0.5": ({"jet": jets((200.0, 0.5, 0.0), (40.0, 1.0, 2.5)), "b_tag": (0, 0)}, True),
    "a jet at 0.5 of low missing momentum": (
        {
            "jet": jets((200.0, 0.5, 0.0), (40.0, 1.0, 2.5)),
            "b_tag": (0, 0),
            "met_no_muons": 240.0,
        },
        False,
    ),
    "a soft electron": ({"electron": lepton(8.0, 1.0, 2.0)}, False),
    "an electron of 7": ({"electron": lepton(7.0, 1.0, 2.0)}, True),
    "a soft muon": ({"muon": lepton(8.0, 1.0, 2.0)}, False),
    "a tau": ({"tau": lepton(25.0, 1.0, 2.0)}, False),
    "a tau of 20": ({"tau": lepton(20.0, 1.0, 2.0)}, True),
    "a tau beyond 2.5": ({"tau": lepton(25.0, 2.6, 2.0)}, True),
    "a photon": ({"photon": lepton(15.0, 1.0, 2.0)}, False),
    "a photon beyond 2.37": ({"photon": lepton(15.0, 2.4, 2.0)}, True),
}


def test_the_selection_of_139() -> None:
    events = [Event(**{**HARD, **changes}) for changes, _ in LATER.values()]
    found = passed(monojet139.SELECTION, events)["SR"]
    assert dict(zip(LATER, found, strict=True)) == {k: passes for k, (_, passes) in LATER.items()}


def test_bins_of_139_are_the_published_ones() -> None:
    published = json.loads(
        (REPOSITORY / "analysis/reference/atlas_monojet_139ifb.json").read_text()
    )
    assert published["luminosity_fb"] == monojet139.LUMINOSITY
    assert list(monojet139.MET_EDGES) == published["met_edges"]
    bins = monojet139.SELECTION.binning.exclusive
    expected = [(f"EM{r['index']}", r["met_low"], r["met_high"]) for r in published["regions"]]
    assert [(one.name, one.low, one.high) for one in bins] == expected
    assert np.all(np.diff(monojet139.MET_EDGES) > 0)

"""Hand-made events with leptons, and runs of the search for anomalies on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.config import Config
from analysis.workflow.run import Run


@dataclass(frozen=True)
class Lepton:
    """An electron or muon, which passes all that it is asked for."""

    kind: str
    pt: float = 50.0
    eta: float = 0.0
    phi: float = 0.0
    charge: int = 1
    z0_sin_theta: float = 0.0
    d0_significance: float = 0.0
    isolated: int = 1
    tight: int = 1


@dataclass(frozen=True)
class Jet:
    """A jet; of many tracks, and not of a b quark."""

    pt: float = 60.0
    eta: float = -1.0
    phi: float = 2.0
    mass: float = 5.0
    n_tracks: int = 10
    b_tag: int = 0


MET_PHI = -2.0


@dataclass(frozen=True)
class Event:
    """An event with its objects."""

    leptons: Sequence[Lepton]
    jets: Sequence[Jet] = field(default=(Jet(),))
    met: float = 100.0


E1, E2 = Lepton("electron", 60, 0.5, 0.0, 1), Lepton("electron", 40, -0.5, 1.0, -1)
E3, M1 = Lepton("electron", 30, 1.5, -2.0, 1), Lepton("muon", 50, 0.2, -1.0, -1)
M2, M3 = Lepton("muon", 35, -1.2, -2.5, 1), Lepton("muon", 12, 2.0, 0.5, -1)

# name: event, its channel or the first cut it fails
EVENTS: dict[str, tuple[Event, str]] = {
    "eee": (Event((E1, E2, E3)), "eee"),
    "eemu": (Event((E1, M1, E2)), "eemu"),
    "emumu": (Event((M1, E1, M2)), "emumu"),
    "mumumu": (Event((M3, M2, M1)), "mumumu"),
    "no missing momentum": (Event((E1, E2, E3), met=0.0), "eee"),
    "no jet": (Event((E1, E2, E3), jets=()), "eee"),
    "two leptons": (Event((E1, E2)), "baseline"),
    "four leptons": (Event((E1, E2, M1, M2)), "baseline"),
    "a soft fourth": (Event((E1, E2, M1, replace(M2, pt=10.0))), "eemu"),
    "a fourth beyond 2.47": (Event((E1, E2, M1, replace(E3, eta=2.48))), "eemu"),
    "an electron at 2.47 is one": (Event((E1, M1, replace(E3, eta=2.46))), "eemu"),
    "a muon beyond 2.7": (Event((E1, E2, replace(M1, eta=2.71))), "baseline"),
    "far from the vertex": (Event((E1, E2, replace(E3, z0_sin_theta=-0.6))), "baseline"),
    "a muon far from the vertex": (Event((E1, E2, replace(M1, z0_sin_theta=0.6))), "baseline"),
    "not isolated": (Event((E1, E2, replace(E3, isolated=0))), "signal"),
    "a muon not isolated": (Event((E1, E2, replace(M1, isolated=0))), "signal"),
    "not tight": (Event((E1, E2, replace(E3, tight=0))), "signal"),
    "a loose muon": (Event((E1, E2, replace(M1, tight=0))), "eemu"),
    "displaced": (Event((E1, E2, replace(E3, d0_significance=-5.1))), "signal"),
    "an electron less so": (Event((E1, E2, replace(E3, d0_significance=4.9))), "eee"),
    "a muon as much": (Event((E1, E2, replace(M1, d0_significance=4.9))), "signal"),
    "soft": (Event((E1, replace(E2, pt=19.0), replace(E3, pt=15.0))), "hard"),
    "in a jet's rim": (Event((E1, E2, M1), jets=(Jet(60, 0.2, -0.7),)), "baseline"),
}

_OF_LEPTONS = {
    "float": ("pt", "eta", "phi", "z0_sin_theta", "d0_significance"),
    "int": ("charge", "isolated", "tight"),
}
_OF_JETS = {"float": ("pt", "eta", "phi", "mass"), "int": ("n_tracks", "b_tag")}


def column(kind: str, values: Sequence[Sequence[float]], container: str = "ROOT::RVec") -> str:
    """An expression of vectors, one an event."""
    numbers = [f"{kind}({x})" for event in values for x in event]
    offsets = np.cumsum([0, *map(len, values)]).tolist()
    return (
        f"static const {kind} all[] = {{{', '.join([*numbers, '0'])}}};"
        f" static const int offsets[] = {{{', '.join(map(str, offsets))}}};"
        f" return {container}<{kind}>(all + offsets[rdfentry_], all + offsets[rdfentry_ + 1]);"
    )


def columns_of(events: Sequence[Event]) -> dict[str, str]:
    """Canonical columns as expressions."""
    made: dict[str, str] = {}
    for flavour in ("electron", "muon"):
        objects: list[list[Any]] = [[x for x in e.leptons if x.kind == flavour] for e in events]
        for kind, parts in _OF_LEPTONS.items():
            for part in parts:
                values = [[getattr(x, part) for x in event] for event in objects]
                made[f"{flavour}_{part}"] = column(kind, values)
    for kind, parts in _OF_JETS.items():
        for part in parts:
            values = [[getattr(x, part) for x in event.jets] for event in events]
            made[f"jet_{part}"] = column(kind, values)
    made["jet_width"] = "ROOT::RVecF(jet_pt.size(), 0.1f)"
    met = ", ".join(f"float({event.met})" for event in events)
    made["met_no_muons"] = f"static const float all[] = {{{met}}}; return all[rdfentry_];"
    for name in ("met", "met_phi"):
        found = np.array([full_met(event) for event in events], complex)
        values = np.abs(found) if name == "met" else np.angle(found)
        numbers = ", ".join(f"float({x})" for x in values)
        made[name] = f"static const float all[] = {{{numbers}}}; return all[rdfentry_];"
    return made


def full_met(event: Event) -> complex:
    """Missing transverse momentum with its muons seen; without them it points to `MET_PHI`."""
    muons = [x for x in event.leptons if x.kind == "muon"]
    missing = event.met * np.exp(1j * MET_PHI) - sum(x.pt * np.exp(1j * x.phi) for x in muons)
    return complex(missing)


RunWith = Callable[..., Run]


def runs_in(folder: Path, tiny_config: Config) -> RunWith:
    """Makes runs of the search: ``run_with(WZ=path, sample={...}, anomaly={...})``."""

    def make(
        sample: dict[str, Any] | None = None, anomaly: dict[str, Any] | None = None, **files: Path
    ) -> Run:
        data = tiny_config.model_dump()
        known = {"cross_section": 2.0, "sum_of_weights": 100.0}
        data["samples"] = [
            {"process": name, "files": [str(path)]} | known | (sample or {})
            for name, path in files.items()
        ]
        data["training"]["networks"] = []
        data["anomaly"] = {"rmm": {"fakes": {"electron": 0, "muon": 0}}} | (anomaly or {})
        return Run(Config.model_validate(data), folder / "run")

    return make

"""Files of the layout of ATLAS open data: hand-made, and the real one where it is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.formats.mini import WEIGHT_FACTORS
from cpp_helpers import load_root
from tests.analysis.three_lepton_events import Event, Jet, Lepton, column, full_met
from tests.conftest import shared_file

Columns = dict[str, str]


def real_file() -> Path:
    """Data with four leptons, 39 events; the test is skipped where the file is not at hand."""
    return shared_file("atlas_open_data_13TeV_A_4lep.root")


def _lepton(lepton: Lepton) -> dict[str, float]:
    pt = 1000 * lepton.pt
    return {
        "pt": pt,
        "eta": lepton.eta,
        "phi": lepton.phi,
        "E": pt * float(np.cosh(lepton.eta)),
        "z0": lepton.z0_sin_theta * float(np.cosh(lepton.eta)),
        "trackd0pvunbiased": 0.01 * lepton.d0_significance,
        "tracksigd0pvunbiased": abs(lepton.d0_significance),
        "ptcone30": 0.0 if lepton.isolated else 0.2 * pt,
        "etcone20": 0.1 * pt,
        "charge": lepton.charge,
        "type": {"electron": 11, "muon": 13}[lepton.kind],
        "isTightID": lepton.tight,
    }


def _jet(jet: Jet) -> dict[str, float]:
    return {
        "pt": 1000 * jet.pt,
        "eta": jet.eta,
        "phi": jet.phi,
        "E": 1000 * float(np.hypot(jet.pt * np.cosh(jet.eta), jet.mass)),
        "MV2c10": 0.9 if jet.b_tag else 0.7,
    }


_TYPES = {"lep_charge": "int", "lep_type": "UInt_t", "lep_isTightID": "bool"}


def columns_of(events: Sequence[Event], simulated: bool = True) -> Columns:
    """The events as columns of a ``mini`` tree; each has a tau lepton and a photon besides."""
    made: Columns = {}
    leptons = [[_lepton(x) for x in event.leptons] for event in events]
    jets = [[_jet(x) for x in event.jets] for event in events]
    for kind, objects, parts in (
        ("lep", leptons, _lepton(Lepton("muon"))),
        ("jet", jets, _jet(Jet())),
    ):
        for part in parts:
            name, values = f"{kind}_{part}", [[x[part] for x in event] for event in objects]
            made[name] = column(_TYPES.get(name, "float"), values, "std::vector")
        made[f"{kind}_n"] = f"(unsigned int){kind}_pt.size()"
    for part, numbers in _missing(events).items():
        made[f"met_{part}"] = f"static const float all[] = {{{numbers}}}; return all[rdfentry_];"
    for kind in ("tau", "photon"):
        for part, number in (("pt", "30e3f"), ("eta", "1.f"), ("phi", "2.f"), ("E", "60e3f")):
            made[f"{kind}_{part}"] = f"std::vector<float>{{{number}}}"
    return made | {
        "tau_charge": "std::vector<int>{-1}",
        "runNumber": "284500" if simulated else "7",
        "channelNumber": "7",
        "eventNumber": "int(rdfentry_) + 1",
        **dict.fromkeys(WEIGHT_FACTORS, "1.f" if simulated else "0.f"),
        "XSection": "2.f" if simulated else "1.f",
        "SumWeights": "100.f" if simulated else "1.f",
    }


def _missing(events: Sequence[Event]) -> dict[str, str]:
    """The missing momentum with muons seen."""
    seen = [full_met(event) for event in events]
    return {
        "et": ", ".join(f"float({1000 * abs(x)})" for x in seen),
        "phi": ", ".join(f"float({np.angle(x)})" for x in seen),
    }


def write_mini(path: Path, n_events: int, columns: Columns) -> Path:
    """Write a ``mini`` tree, of standard vectors as the real one is."""
    root = load_root()
    df = root.RDataFrame(n_events)
    for name, expression in columns.items():
        df = df.Define(name, expression)
    options = root.RDF.RSnapshotOptions()
    options.fVector2RVec = False
    options.fOutputFormat = root.RDF.ESnapshotOutputFormat.kTTree
    df.Snapshot("mini", str(path), list(columns), options)
    return path

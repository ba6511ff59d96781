"""The description of a selection is complete, and that of the built-in ones is in docs/."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from analysis.config.selection import BUILT_IN
from analysis.reporting.selection_page import counted, describe, page
from selections.cuts import Axis, Cut, Definition, Region
from selections.selection import Binning, Correction, Histogram, Selection
from tests.conftest import REPOSITORY

MET = Cut("met", "met > 200", r"$E_T > 200$ GeV")
JETS = Cut("jets", "n_jets <= 4 || n_jets > 9", "n_jets <= 4 || n_jets > 9")  # without label
MUON = Cut("muon", "n_muons == 1", "one *muon*")

SELECTION = Selection(
    name="own",
    title="events of my own",
    columns={"sf": "1.02"},
    definitions=(
        Definition("n_jets", "int(Sum(good_jet))"),
        Definition("n_muons", "int(Sum(muon_pt > 7))"),
        Definition("unused", "0"),
    ),
    weights=("weight", "sf", Correction("/data/sf.json.gz", "muon_sf", ("muon_pt", "nominal"))),
    regions={
        "SR": Region("SR", (MET, JETS)),
        "CR": Region("CR", (MET, JETS, MUON), binned_in="recoil"),
    },
    used=("SR",),
    binning=Binning(Axis("met", (200.0, 400.0), "$E_T$ [GeV]")),
    histograms={
        "pt": Histogram("pt", (Axis("jet_pt", (0.0, 50.0, 100.0), "jet_pt"),), ("CR",)),
        "plane": Histogram(
            "plane",
            (Axis("jet_eta", (-2.0, 0.0, 3.0), r"$\eta$"), Axis("n_jets", (0.0, 1.0, 2.0))),
        ),
    },
    quantities={"met": "met", "ht": "Sum(jet_pt)"},
    blind=("SR",),
)


def test_regions_are_given_by_their_cuts_and_by_wider_regions() -> None:
    found = describe(SELECTION)
    assert "Events of my own." in found
    assert "Regions (CR is counted only if `use` names it):" in found
    assert "| SR | $E_T > 200$ GeV; `n_jets <= 4 \\|\\| n_jets > 9` |" in found
    assert "| CR | as SR; one \\*muon\\* |" in found
    assert "data are hidden in SR and CR; the quantities of the cuts of other regions" in found


def test_cuts_have_formulas_expressions_and_regions() -> None:
    found = describe(SELECTION)
    assert "| met | $E_T > 200$ GeV | `met > 200` | all |" in found
    assert "| muon | one \\*muon\\* | `n_muons == 1` | CR |" in found


def test_all_else_is_given() -> None:
    found = describe(SELECTION)
    assert (
        "Signal bins in $E_T$ \\[GeV], `met` (of `recoil` in CR): IM1 to IM2 above 200, 400; "
        "EM1 to EM2 between these edges"
    ) in found
    assert "| `sf` | `1.02` |" in found
    assert "| `n_jets` | `int(Sum(good_jet))` |" in found
    assert "`weight` × `sf` × `muon_sf` of `sf.json.gz` at `muon_pt`, `nominal`." in found
    assert "| pt | `jet_pt` | 2 from 0 to 100 | CR |" in found
    assert (
        "| plane | `n_jets` against $\\eta$, `jet_eta` | -2, 0, 3 by 2 from 0 to 2 | all |" in found
    )
    assert "images of events: `met`, `ht` (`Sum(jet_pt)`)." in found


def test_a_report_has_the_regions_that_are_counted() -> None:
    found = describe(counted(SELECTION))
    assert "CR" not in found.replace("| pt | `jet_pt` | 2 from 0 to 100 | CR |", "")
    assert "n_muons" not in found
    assert "unused" not in found
    assert "`n_jets`" in found


def test_what_a_selection_lacks_is_left_out() -> None:
    bare = replace(
        SELECTION, columns={}, definitions=(), histograms={}, quantities={}, blind=(), weights=()
    )
    found = describe(bare)
    for word in ("Columns", "Histograms", "Quantities", "hidden"):
        assert word not in found
    assert "Weight of a simulated event: 1." in found


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_selections_are_described_whole(name: str) -> None:
    selection, found = BUILT_IN[name], describe(BUILT_IN[name]).replace("\\|", "|")
    for region in selection.regions.values():
        assert f"| {region.name} | " in found
        for cut in region.cuts:
            assert f"`{cut.expression}`" in found
    for definition in selection.definitions:
        assert f"| `{definition.name}` | `{definition.expression}` |" in found


def test_the_page_in_docs_is_what_the_command_prints() -> None:
    command = [sys.executable, "-m", "analysis.reporting.selection_page"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == page()
    assert (REPOSITORY / "docs" / "selections.md").read_text() == page(), (
        "run python -m analysis.reporting.selection_page > docs/selections.md"
    )

"""Figures of the selection are drawn for each used region, with and without data and networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.reporting import selection_figures
from analysis.reporting.figures import Captioned, Heading
from analysis.workflow.run import Run
from analysis.yields.cutflow_model import CutflowTable
from common.schema.templates import Templates
from plots import style
from tests.analysis.reporting.made_up import config, make_run

SELECTION = {
    "regions": {
        "SR": {
            "cuts": {
                "met": {"cut": "met > 200", "label": "$E_T > 200$ GeV"},
                "muons": "muon_pt.size() == 0",
            }
        },
        "CR": {"extends": "SR", "replace": {"muons": "muon_pt.size() == 1"}},
    },
    "bins": {"variable": "met", "edges": [200, 400], "label": "$E_T$ [GeV]"},
    "blind": ["CR"],
    "histograms": {
        "met": {"bins": [200, 400, 800], "label": "$E_T$ [GeV]", "regions": ["SR"]},
        "plane": {
            "variable": "met",
            "bins": {"number": 3, "low": 0, "high": 600},
            "label": "$E_T$ [GeV]",
            "y": {"variable": "jet_pt[0]", "bins": [0, 100, 200]},
            "regions": ["CR"],
        },
    },
}


def figures(run: Run) -> dict[str, list[Captioned]]:
    """The figures of a run, by heading."""
    found: dict[str, list[Captioned]] = {}
    for one in selection_figures.figures(run, CutflowTable.read(run.table("cutflow"))):
        if isinstance(one, Heading):
            found[one.title] = []
        else:
            found[[*found][-1]].append(one)
    return found


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return " ".join(one.get_text() for one in figure.findobj(Text) if isinstance(one, Text))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path, config(SELECTION))


def test_each_region_has_its_figures(run: Run) -> None:
    names = {heading: [name for name, *_ in of] for heading, of in figures(run).items()}
    assert names == {
        "Cut-flows": ["cutflow_SR", "cutflow_CR"],
        "Histograms of SR": ["stack_SR_met"],
        "Histograms of CR": ["bins_CR", "map_CR_plane"],  # no histogram of the binned quantity
        "Quantities of the cuts": ["n_minus_one_SR", "n_minus_one_CR"],
    }


def test_all_are_drawn_as_the_run_describes_it(run: Run) -> None:
    """Its labels, and where data are hidden."""
    for of in figures(run).values():
        for name, build, caption in of:
            with style.looks(run.config.processes):
                drawn = texts(build())
            assert "my model" in drawn, name
            assert ("data hidden" in drawn) == ("CR" in name and name != "bins_CR"), name
            assert ("measured" in drawn) == ("SR" in name), name
            assert caption[0].isupper() or caption[0] == "$"
            assert caption.endswith(".")


def test_captions_say_what_is_shown(run: Run) -> None:
    captions = {name: caption for of in figures(run).values() for name, _, caption in of}
    assert captions["cutflow_SR"].startswith("Events after each cut of SR. ")
    assert captions["map_CR_plane"] == "$E_T$ [GeV] and jet_pt[0] in CR, after all cuts."
    assert captions["n_minus_one_SR"].startswith("The quantity of each cut of SR")


def test_what_has_no_event_has_no_figure(run: Run) -> None:
    templates = Templates.read(run.histograms)
    changed = [
        replace(one, entries=0) if one.region == "SR" and one.name == "met" else one
        for one in templates.templates
    ]
    replace(templates, templates=tuple(changed)).write(run.histograms)
    assert "stack_SR_met" not in [name for of in figures(run).values() for name, *_ in of]


@pytest.mark.parametrize("process", ["model", "measured"])
def test_one_process_is_enough(process: str, tmp_path: Path) -> None:
    run = make_run(tmp_path, config({**SELECTION, "blind": []}, (process,)))
    found = [one for of in figures(run).values() for one in of]
    assert len(found) == 7
    for _, build, _ in found:
        build().draw_without_rendering()

"""Cut-flows and signal bins show the events they are given."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from analysis.rdf.yields import Yield
from analysis.workflow.run import Run
from analysis.yields.cutflow_model import Cutflow, CutflowTable, ProcessCutflow, SampleCutflow
from plots import style
from plots.monojet.cutflow import cutflow, met_spectrum
from plots.stack import garwood
from selections import monojet36
from selections.cuts import Axis, Cut, Region
from selections.selection import Binning
from tests.plots.conftest import NETWORKS, made_cutflow, made_process
from tests.plots.drawn import draw, panels, steps, texts, xs, ys
from training.classifier.evaluation_model import WorkingPoint

pytestmark = pytest.mark.usefixtures("plain_axes")

NETWORK = NETWORKS[0]
POINT = WorkingPoint(0.93, (0.4, 0.5))
BINNING = monojet36.SELECTION.binning
WIDTHS = np.array([50, 50, 50, 100, 100, 100, 100, 100, 100, 200])
NAMES = [one.name for one in BINNING.exclusive]
MEDIATOR = style.process("mediator").label


def process(steps: dict[str, Yield], bins: dict[str, Yield] | None = None) -> ProcessCutflow:
    found = Cutflow(steps, bins or {})
    return ProcessCutflow((SampleCutflow("x", found, 1.0, None, None, 0.0),))


def counted(region: Region, *counts: float) -> ProcessCutflow:
    names = ["all events", *(cut.name for cut in region.cuts)]
    return process({name: Yield(int(n), n, n) for name, n in zip(names, counts, strict=True)})


def test_cutflow_shows_every_step_and_network(finished: Run) -> None:
    table = CutflowTable.read(finished.table("cutflow"))
    flows = table.processes("SR")
    figure = cutflow(flows, monojet36.SR, table.networks, 36.1)
    draw(figure)
    (axes,) = figure.axes
    drawn = [patch.get_data() for patch in axes.patches if isinstance(patch, StepPatch)]
    for (values, _, _), name in zip(drawn, style.in_order(flows), strict=True):
        assert values == pytest.approx([y.events for y in flows[name].steps.values()])
    labels = [" ".join(label.get_text().split()) for label in axes.get_xticklabels()]
    assert labels[1:7] == [cut.latex for cut in monojet36.SR.cuts]
    assert len(labels) == 7 + len(NETWORKS)
    assert axes.get_ylabel() == "events"
    for container, name in zip(axes.containers, style.in_order(flows), strict=True):
        last = ys(container[0])[-1]  # type: ignore[index]
        assert last == pytest.approx(flows[name].networks[NETWORKS[-1]]["all"].events)
    assert figure.get_suptitle().endswith("SR")


TWO = Region("CR", (Cut("a", "x > 1", "$x > 1$"), Cut("b", "y > 1", "$y > 1$")))


def test_data_are_points_beside_the_sum_of_the_backgrounds() -> None:
    flows = {
        "Znunu": counted(TWO, 100, 50, 0),
        "Wenu": counted(TWO, 50, 20, 1),
        "mediator": counted(TWO, 5, 4, 3),
    }
    data = {"run_2": counted(TWO, 90, 40, 0), "run_3": counted(TWO, 60, 35, 0)}
    figure = cutflow(flows, TWO, {}, 36.1, signals=["mediator"], data=data)
    draw(figure)
    (axes,) = figure.axes
    drawn = [patch.get_data()[0].tolist() for patch in axes.patches if isinstance(patch, StepPatch)]
    assert drawn[0] == [150, 70, 1]
    points = axes.containers[-1]
    assert (xs(points[0]), ys(points[0])) == ([0, 1], [150, 75])  # type: ignore[index]
    (segments,) = points[2]  # type: ignore[index]
    counts = np.array([150.0, 75.0])
    below, above = garwood(counts)
    ends = np.array(segments.get_segments())[:, :, 1]
    assert ends == pytest.approx(np.stack([counts - below, counts + above], axis=1))
    assert texts(figure)[:2] == ["data", "all backgrounds"]
    assert "simulation" not in figure.get_suptitle()
    low, high = axes.get_ylim()
    assert 0 < low < 1
    assert high > 150


@pytest.mark.parametrize("with_data", [False, True])
def test_nothing_is_drawn_too(with_data: bool) -> None:
    data = {"data": counted(TWO, 0, 0, 0)} if with_data else None
    draw(cutflow({"Znunu": counted(TWO, 0, 0, 0)}, TWO, {}, 36.1, data=data))
    draw(cutflow({}, TWO, {}, 36.1, data=data))
    everything = Region("everything", ())
    figure = cutflow({"Znunu": counted(everything, 5)}, everything, {}, 36.1, hidden=True)
    draw(figure)
    assert figure.get_suptitle().endswith("everything, data hidden")


def test_texts_of_cuts_do_not_overlap() -> None:
    expression = " && ".join(["Sum(jet_pt[jet_pt>30&&abs(jet_eta)<2.8])>3"] * 3)
    cuts = [Cut(f"cut_{i}", "x", text) for i, text in enumerate([expression, "two words " * 4] * 4)]
    region = Region("CR", tuple(cuts))
    figure = cutflow({"Znunu": counted(region, *range(9, 0, -1))}, region, {}, 36.1)
    draw(figure)
    labels = figure.axes[0].get_xticklabels()
    assert "cut_0" in [label.get_text() for label in labels]
    for label in labels:
        assert label.get_text().count("\n") < 2
        extent = label.get_window_extent()
        assert extent.x0 >= 0
        assert extent.y0 >= 0
    places = [label.get_window_extent().x1 for label in labels]
    assert all(low < high for low, high in pairwise(places))


def test_met_spectrum_stacks_the_backgrounds_and_scales_the_signal() -> None:
    rng = np.random.default_rng(3)
    flows = {name: made_process(rng) for name in ("Znunu", "Wtaunu", "Wmunu", "Wenu")}
    flows["mediator"] = made_process(rng, 1e-4)
    figure = met_spectrum(flows, BINNING, NETWORK, POINT, 36.1, signals=["mediator"])
    draw(figure)

    def events(name: str) -> list[float]:
        return [flows[name].bins[one].events for one in NAMES]

    backgrounds = sorted(
        (name for name in flows if name != "mediator"), key=lambda n: sum(events(n))
    )
    for axes, pass_rate in zip(figure.axes, (1.0, 0.7), strict=True):
        found = steps(axes)
        total = np.zeros(10)
        for name in backgrounds:
            total += pass_rate * np.array(events(name))
            values, edges, _ = found[style.process(name).label]
            assert values == pytest.approx(total / WIDTHS)
            assert edges[0] == 250
        (signal,) = (label for label in found if "mediator" in label)
        factor = float(signal.rpartition("× ")[2])
        assert factor in (100, 1000, 10000)
        wanted = factor * pass_rate * np.array(events("mediator"))
        assert found[signal].values == pytest.approx(wanted / WIDTHS)
        assert axes.get_xlabel().endswith("[GeV]")
        assert "error (statistics, cross-sections)" in found
    assert figure.axes[0].get_ylabel() == "events / GeV"
    assert "above 1000 GeV" in figure.legends[0].get_title().get_text()


def test_met_spectrum_takes_other_quantities_and_data_without_a_network() -> None:
    binning = Binning(Axis("bdt", (0.0, 0.5, 0.75), "score"))
    bins = {one.name: Yield(8, 8.0, 8.0) for one in binning.exclusive} | {"all": Yield()}
    flows = {"Znunu": process({}, bins)}
    figure = met_spectrum(flows, binning, None, None, 36.1, data=flows, text="CR")
    draw(figure)
    (axes,) = panels(figure)
    drawn = steps(axes)[style.process("Znunu").label]
    assert drawn.edges.tolist() == [0, 0.5, 0.75, 1.25]
    assert drawn.values.tolist() == [16, 32, 16]
    assert ys(axes.containers[0][0]) == [16, 32, 16]  # type: ignore[index]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("score", "events / unit")
    assert axes.get_xticklabels()[-1].get_text() == "> 0.75"
    note = figure.legends[0].get_title().get_text()
    assert note == "last bin: all events above 0.75, divided by 0.5"
    assert figure.get_suptitle().endswith("CR")
    other = met_spectrum(flows, binning, None, None, 36.1, label="recoil [GeV]")
    assert other.axes[0].get_xlabel() == "recoil [GeV]"
    one = replace(binning, axis=Axis("x", (2.0,)))
    draw(met_spectrum({"Znunu": process({}, {"EM1": Yield(1, 1, 1)})}, one, None, None, 36.1))


def test_met_spectrum_of_no_events_is_drawn() -> None:
    nothing = made_cutflow(np.random.default_rng(4)).scaled(0)
    found = ProcessCutflow((SampleCutflow("Znunu", nothing, 1.0, None, None, 0.0),))
    figure = met_spectrum({"Znunu": found}, BINNING, NETWORK, POINT, 36.1)
    assert not steps(figure.axes[0])[style.process("Znunu").label].values.any()

"""Each figure shows the numbers it is given, with labels, and is written the same twice."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from analysis.monojet.published import thesis
from analysis.monojet.sensitivity_model import OWN_THRESHOLD, read_sensitivity
from analysis.monojet.signals_model import read_signals
from analysis.processes import SIGNALS
from analysis.reporting import monojet_figures
from analysis.reporting.figures import builds
from analysis.workflow.run import Run
from analysis.workflow.target import Target
from common.runtime.errors import InputError, ScoreError
from common.schema.images import CHANNELS
from plots import style
from plots.monojet import images, scores, sensitivity, signals, thresholds, training
from plots.results import SampleFiles, opened
from selections import monojet36
from tests.plots.conftest import (
    EVENTS,
    FOLDS,
    NETWORKS,
    SAMPLES,
    write_scores,
)
from tests.plots.drawn import panels, steps, texts, xs, ys
from training.classifier.evaluation_model import WorkingPoint, read_evaluation

NETWORK = NETWORKS[0]
POINT = WorkingPoint(0.93, (0.4, 0.5))
THESIS = thesis()


def samples_of(run: Run) -> list[SampleFiles]:
    return [
        SampleFiles(p, s, n, run.images(f"{p}_{s}"), run.scores(f"{p}_{s}")) for p, s, n in SAMPLES
    ]


# --- images ----------------------------------------------------------------------


@pytest.fixture
def background(finished: Run) -> images.Event:
    path = finished.images("Wtaunu_high")
    return images.read_event(path, images.typical_event(path))


def test_typical_event_passes_and_has_a_median_number_of_cells(finished: Run) -> None:
    path = finished.images("Wtaunu_high")
    with opened(path) as file:
        counts = np.diff(file["cells/offsets"][:].astype(int))
    chosen = images.typical_event(path)
    passing = np.arange(0, EVENTS, 3)
    assert chosen in passing
    assert abs(counts[chosen] - np.median(counts[passing])) <= 1


def test_compressions_show_every_cell_inside_the_crop(background: images.Event) -> None:
    figure = images.compressions(background)
    emf = background.channel("emf")
    for axes, name in zip(panels(figure), background.addresses, strict=True):
        row, column = background.addresses[name]
        size = 126 if name == "none" else 60
        inside = (row < size) & (column < size)
        positive, zero = (np.asarray(image.get_array()) for image in axes.images)
        for image, wanted in ((positive, inside & (emf > 0)), (zero, inside & (emf == 0))):
            cells = {*zip(row[wanted].tolist(), column[wanted].tolist(), strict=True)}
            assert {*zip(*(i.tolist() for i in np.nonzero(~np.isnan(image))), strict=True)} == cells
    assert [axes.get_xlabel() for axes in panels(figure)] == [r"$\varphi$ [rad]", *["column"] * 3]
    assert [axes.get_ylabel() for axes in panels(figure)] == [r"$\eta$", *["row"] * 3]


def test_channels_show_all_cells_in_grey_and_the_filled_ones_in_colour(
    background: images.Event,
) -> None:
    figure = images.channels(background)
    for axes, name in zip(panels(figure), CHANNELS, strict=True):
        grey, coloured = (c for c in axes.collections if isinstance(c, PathCollection))
        assert len(np.asarray(grey.get_offsets())) == len(background)
        values = background.channel(name)
        drawn = np.asarray(coloured.get_array())
        assert sorted(drawn.tolist()) == sorted(values[values != 0].tolist())
        assert axes.get_title(loc="left")


@pytest.mark.parametrize("aligned", [False, True])
def test_mean_images_are_weighted_means(finished: Run, aligned: bool) -> None:
    chosen = samples_of(finished)
    figure = images.mean_images(chosen, aligned)
    shown = {axes.get_title(loc="left"): axes for axes in panels(figure) if axes.images}
    assert len(shown) == 4
    for process in ("Znunu", "own_model"):
        total = weights = 0.0
        for sample in (s for s in chosen if s.process == process):
            with opened(sample.images) as file:
                weight = file["events/weight"][:] * sample.normalisation
                offsets = file["cells/offsets"][:].astype(int)
                momenta = file["cells/values"][:, 0]
            for event, (begin, end) in enumerate(pairwise(offsets)):
                total += weight[event] * float(momenta[begin:end].sum())
            weights += weight.sum()
        image = np.asarray(shown[style.process(process).label].images[0].get_array())
        assert image.shape == (100, 126)
        assert np.nansum(image) == pytest.approx(total / weights)


def test_missing_momentum_lies_at_zero_of_an_aligned_image() -> None:
    direction = np.array([-3.0, 0.0, 1.234, 3.1])
    column = np.round((direction + 3.15) * 20 - 0.5).astype(int)
    turned = images._aligned_column(column, direction)
    phi = -np.pi / 2 + (turned + 0.5) * 2 * np.pi / 126
    assert np.abs(phi).max() < 0.06


# --- training and scores ---------------------------------------------------------


def test_training_curves_show_every_epoch_of_every_fold(finished: Run) -> None:
    folds = [training.read_history(finished.model(NETWORK) / f"fold{i}.csv") for i in range(FOLDS)]
    figure = training.training_curves(NETWORK, folds)
    for axes, quantity in zip(figure.axes, ("accuracy", "loss"), strict=True):
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", quantity)
        drawn = [ys(line) for line in axes.lines]
        for history in folds:
            assert history[quantity] in drawn
            assert history[f"val_{quantity}"] in drawn
            best = int(np.argmin(history["val_loss"]))
            assert [history[f"val_{quantity}"][best]] in drawn
        assert xs(axes.lines[0]) == [1, 2, 3, 4, 5]


def test_a_history_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fold0.csv"
    path.write_text("epoch,loss\n0,1.0\n")
    with pytest.raises(InputError, match=r"fold0\.csv: not the history"):
        training.read_history(path)


def test_scores_are_joined_by_key_and_have_unit_area(finished: Run) -> None:
    chosen = samples_of(finished)
    figure = scores.score_distributions(NETWORK, chosen, [0.4], ("high",))
    assert [axes.get_title(loc="right") for axes in figure.axes] == ["high slice", "all slices"]
    assert [len(steps(axes)) for axes in figure.axes] == [3, 4]
    for axes in figure.axes:
        assert axes.get_xlabel() == "score of the network"
        assert xs(axes.lines[0]) == [0.4, 0.4]
        for values, edges, _ in steps(axes).values():
            assert np.nansum(values * np.diff(edges)) == pytest.approx(1)
    weights = []
    with opened(chosen[0].images) as file:
        weight = dict(zip(file["events/event_number"][:], file["events/weight"][:], strict=True))
    with opened(chosen[0].scores) as file:
        for event, value in zip(file["event_number"][:], file[f"score/{NETWORK}"][:], strict=True):
            weights.append((value, weight[event] * chosen[0].normalisation))
    got = zip(*scores.read_scores(chosen[0], NETWORK), strict=True)
    assert np.array(sorted(got)) == pytest.approx(np.array(sorted(weights)))


def test_one_panel_suffices_where_all_samples_were_learned_from(finished: Run) -> None:
    chosen = samples_of(finished)
    for slices, part in ((("high",), chosen[:2]), (("none",), chosen)):
        figure = scores.score_distributions(NETWORK, part, [0.4], slices)
        assert len(figure.axes) == 1


def test_a_sample_without_events_is_left_out(finished: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "images.h5", "w") as file:
        for key in ("run_number", "event_number", "weight", "met_phi"):
            file[f"events/{key}"] = np.zeros(0)
        file["cells/offsets"] = np.zeros(1, np.uint64)
    with h5py.File(tmp_path / "scores.h5", "w") as file:
        file.attrs["schema"] = 1
        for key in ("run_number", "event_number", f"score/{NETWORK}"):
            file[key] = np.zeros(0)
    empty = SampleFiles("Wenu", "high", 1.0, tmp_path / "images.h5", tmp_path / "scores.h5")
    chosen = [*samples_of(finished), empty]
    left, _ = scores.score_distributions(NETWORK, chosen, [0.4], ("high",)).axes
    assert style.process("Wenu").label not in steps(left)
    assert len(steps(left)) == 3
    images.mean_images(chosen)


def test_scores_of_other_events_are_refused(finished: Run, tmp_path: Path) -> None:
    other = tmp_path / "scores" / "other.h5"
    write_scores(other, np.random.default_rng(2), 99, "Znunu")
    sample = SampleFiles("Znunu", "high", 1.0, finished.images("Znunu_high"), other)
    with pytest.raises(ScoreError, match=r"other\.h5: its events are not those of"):
        scores.read_scores(sample, NETWORK)


@pytest.mark.parametrize("content", [None, b"no HDF5"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "Znunu_high.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"Znunu_high\.h5"):
        images.typical_event(path)


# --- thresholds ------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_threshold_scan_shows_the_table_and_that_of_the_thesis(finished: Run, network: str) -> None:
    result = read_evaluation(finished.table("evaluation"))[network]
    left, right = thresholds.threshold_scan(result, THESIS).axes
    thesis, ours, best = left.lines
    published = THESIS.networks["cell_strides"].table2
    assert ys(thesis) == [row.precision for row in published]
    assert xs(thesis) == [row.recall for row in published]
    assert xs(ours) == [row.recall for row in result.scan]
    assert (*xs(best), *ys(best)) == (result.recall.value, result.precision.value)
    assert len(result.thresholds) == FOLDS
    drawn = [ys(line) for line in right.lines]
    for key in ("precision", "recall", "mean_precision_recall", "precision_times_recall"):
        assert [getattr(row, key) for row in result.scan] in drawn
    assert [row.precision_times_recall for row in published] in drawn
    assert (left.get_xlabel(), left.get_ylabel()) == ("recall", "precision")
    assert right.get_xlabel() == "threshold"


def test_roc_curves_end_where_few_background_events_pass(finished: Run) -> None:
    results = read_evaluation(finished.table("evaluation"))
    figure = thresholds.roc_curves(list(results.values()), THESIS)
    (axes,) = figure.axes
    for line, network in zip(axes.lines, NETWORKS, strict=False):
        assert 1 / max(ys(line)) >= 10 / EVENTS
        assert "AUC" in str(line.get_label())
        assert style.network(network) in str(line.get_label())
        assert xs(line)[0] == 1
    assert axes.get_xlabel().startswith("signal efficiency")
    assert axes.get_ylabel().startswith("background rejection")
    assert (*xs(axes.lines[-2]), *ys(axes.lines[-2])) == pytest.approx((0.914, 1 / 0.221))


# --- sensitivity -----------------------------------------------------------------


def test_sensitivity_shows_all_rate_definitions_and_the_limit(finished: Run) -> None:
    ratios = [r for r in read_sensitivity(finished.table("sensitivity")) if r.network == NETWORK]
    regions = {region.name: region.low for region in monojet36.INCLUSIVE}
    figure = sensitivity.sensitivity_ratios(NETWORK, ratios, regions, 1.118, 36.1)
    (axes,) = figure.axes
    names = [d + own for d in ("as published", "consistent") for own in ("", OWN_THRESHOLD)]
    for container, name in zip(axes.containers, names, strict=True):
        wanted = [r.ratio for r in ratios if r.rate_definition == name]
        assert ys(container[0]) == wanted  # type: ignore[index]
        assert len(wanted) == 10
    limits = axes.collections[0].get_paths()  # of these rate definitions alone
    assert len(limits) == 2 * 10
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert (labels[0], labels[-1]) == ("IM1\n(>250)", "IM10\n(>1000)")
    assert (xs(axes.lines[-1]), ys(axes.lines[-1])) == ([0], [1.118])
    assert "thesis, cell + strides: 1.118" in texts(figure)
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_pass_rates_of_signals_stand_beside_those_of_znunu(finished: Run) -> None:
    chosen = [c for c in read_signals(finished.table("signals")) if c.network == NETWORK]
    figure = signals.pass_rates(NETWORK, chosen, monojet36.EXCLUSIVE)
    for upper, lower, comparison in zip(figure.axes[:2], figure.axes[2:], chosen, strict=True):
        assert upper.get_title(loc="right").startswith(comparison.rate_definition)
        rates = [b.signal.value for b in comparison.bins]
        znunu = [b.znunu.value for b in comparison.bins]
        (_, drawn), (_, ratios) = upper.containers, lower.containers  # after Znunu's error
        assert ys(drawn[0]) == rates  # type: ignore[index]
        assert ys(ratios[0]) == pytest.approx(np.divide(rates, znunu))  # type: ignore[index]
        found = steps(upper)[style.process("Znunu").label]
        assert found.values == pytest.approx(znunu)
        edges = [*(b.low for b in monojet36.EXCLUSIVE), 1200]
        assert list(found.edges) == edges
        for x, low, high in zip(xs(drawn[0]), edges, edges[1:], strict=False):  # type: ignore[index]
            assert low < x < high
        assert lower.get_xlabel().endswith("[GeV]")
    assert len(figure.legends[0].get_texts()) == 2


# --- style and the stage ---------------------------------------------------------


def test_names_of_networks_are_those_of_the_thesis() -> None:
    assert style.network("strides+cell") == "cell + strides"
    assert style.network("maxpool+rowcol") == "row-col + max-pool"
    assert style.network("new_one") == "new one"


def test_an_unknown_process_has_its_own_name_and_always_the_same_look() -> None:
    assert style.process("own_model").label == "own_model"
    assert style.process("own_model") == style.process("own_model")
    assert style.in_order(["b", "Wtaunu", "a", "Znunu", "b"]) == ["Znunu", "Wtaunu", "a", "b"]


@pytest.mark.parametrize(
    "processes",
    [
        ("Znunu", "Wtaunu", "Wmunu", "Wenu", *SIGNALS),
        ("WZ", "ZZ", "ttbar", "Zjets", "Zll", "WR_N", "W_N", "pseudo_data"),
    ],
)
def test_processes_differ_in_colour_and_in_line_and_marker(processes: tuple[str, ...]) -> None:
    looks = [style.process(p) for p in processes]
    for feature in ("label", "colour", "line", "marker"):
        assert len({getattr(look, feature) for look in looks}) == len(looks)


def test_the_same_figure_has_the_same_bytes(tmp_path: Path) -> None:
    """A small figure; the slow test below does it for all."""
    written = []
    for folder in ("first", "second"):
        with style.styled():
            figure = Figure(figsize=(3, 3), layout="constrained")
            axes = figure.subplots()
            axes.stairs([1, 2], [0, 1, 2], fill=True, hatch=style.process("Wtaunu").hatch)
            axes.set_xlabel(style.MET)
        written.append(style.save(figure, tmp_path / folder / "roc_0.5"))
    assert [path.name for path in written[0]] == ["roc_0.5.png", "roc_0.5.pdf"]
    for one, other in zip(*written, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert b"CreationDate" not in written[0][1].read_bytes()
    assert len(list((tmp_path / "first").iterdir())) == 2


@pytest.mark.slow
def test_the_stage_makes_every_figure_then_the_list(finished: Run, tmp_path: Path) -> None:
    """And a figure of each kind, drawn once more, has the same bytes."""
    shutil.copytree(finished.output, tmp_path / "run")
    run = replace(finished, output=tmp_path / "run")
    target = Target("plots", "figures", tmp_path / "figures.json", ())
    made: list[Target] = []
    monojet_figures.run(run, [target], made.append)
    assert made == [target]
    listed = {entry["name"]: entry for entry in json.loads(target.output.read_text())}
    assert {"event_compressions", "event_channels", "mean_images", "mean_images_aligned"} <= {
        *listed
    }
    assert {"roc", "cutflow_SR", "cutflow_SR_no_veto", "met_spectrum"} <= {*listed}
    for network in NETWORKS:
        for kind in ("training", "scores", "thresholds", "sensitivity", "signals"):
            assert f"{kind}_{network}" in listed
    assert all(entry["caption"] and len(entry["files"]) == 2 for entry in listed.values())
    with style.looks(run.config.processes):
        for name, build in builds(monojet_figures.figures(run)).items():
            if not name.endswith(NETWORKS[1]):
                for path in style.save(build(), tmp_path / "again" / name):
                    assert path.read_bytes() == (run.plots / path.name).read_bytes()

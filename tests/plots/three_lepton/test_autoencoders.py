"""Scores and latent spaces show every event, edges and shares of the variance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from plots import style
from plots.results import opened
from plots.three_lepton.autoencoders import latent_space, score_distributions, score_shapes
from plots.three_lepton.samples import Axis, read_quantity
from tests.plots.conftest import AUTOENCODER, MATRICES, OBJECTS, Study, write_inspection
from tests.plots.drawn import draw, panels, steps, texts, xs, ys

pytestmark = pytest.mark.usefixtures("plain_axes")

REGIONS = {0.5: 0.1, 0.99: 1.2}
SCORE = Axis(AUTOENCODER, "", (0.0, 1.0), source="score")


def edges_in(axes: Axes) -> list[float]:
    return [xs(line)[0] for line in axes.lines if xs(line) in ([e, e] for e in REGIONS.values())]


def test_scores_are_stacked_with_the_edges_of_the_regions(study: Study) -> None:
    figure = score_distributions(AUTOENCODER, study.samples, REGIONS, 3.0, {"WR_N": 5})
    draw(figure)
    upper, lower = figure.axes
    assert edges_in(upper) == edges_in(lower) == list(REGIONS.values())
    assert [text.get_text() for text in upper.texts] == ["50 %", "99 %"]
    total = sum(read_quantity(s, SCORE)[1].sum() for s in study.of("background"))
    found = steps(upper)
    assert found[r"$t\bar{t}$"].values.sum() == pytest.approx(total)
    assert f"{style.process('WR_N').label} × 5" in found
    (observed,) = study.of("observed")
    assert sum(ys(upper.containers[0][0])) == len(read_quantity(observed, SCORE)[0])  # type: ignore[index]
    edges = found[r"$t\bar{t}$"].edges
    assert edges[0] < min(REGIONS.values()) < max(REGIONS.values()) < edges[-1]
    assert len(edges) <= 42
    assert lower.get_xlabel() == style.SCORE
    assert len(score_distributions(AUTOENCODER, study.of("signal"), REGIONS, 3.0).axes) == 1


def test_shapes_have_unit_area(study: Study) -> None:
    empty = replace(study.samples[0], process="ZZ", subsets=())
    figure = score_shapes(AUTOENCODER, [*study.samples, empty], REGIONS)
    draw(figure)
    (axes,) = figure.axes
    found = steps(axes)
    assert [*found] == [style.process(p).label for p in ("WZ", "ttbar", "WR_N", "pseudo_data")]
    for values, edges, _ in found.values():
        assert np.nansum(values * np.diff(edges)) == pytest.approx(1, abs=0.1)
    scores, weights = read_quantity(study.samples[0], SCORE)
    values, edges, _ = found["$WZ$"]
    inside = np.clip(scores, edges[0], edges[-1])
    wanted = np.histogram(inside, edges, weights=weights / weights.sum())[0] / np.diff(edges)
    assert np.nan_to_num(values) == pytest.approx(np.where(wanted > 0, wanted, 0))
    assert edges_in(axes) == list(REGIONS.values())


def test_scores_of_no_events_are_drawn(study: Study) -> None:
    nothing = [replace(s, subsets=()) for s in study.samples]
    for regions in (REGIONS, {}):
        score_distributions(AUTOENCODER, nothing, regions, 3.0)
        score_shapes(AUTOENCODER, nothing, regions)
    draw(score_shapes(AUTOENCODER, nothing, {}))


def test_every_process_has_its_panel_of_the_latent_space(study: Study) -> None:
    figure = latent_space(study.inspection)
    draw(figure)
    processes = style.in_order(process for _, process, _ in MATRICES)
    looks = [style.process(process) for process in processes]
    first, *others = [axes for axes in panels(figure) if axes.axison]
    assert [axes.get_title(loc="left") for axes in others] == [look.label for look in looks]
    assert texts(figure) == [look.label for look in looks]
    assert len(first.collections) == len(processes)
    with opened(study.inspection) as file:
        ttbar = [file[f"latent/{name}"][:] for name in ("ttbar_1", "ttbar_2")]
        everything = sum(len(file["latent"][name]) for name in file["latent"])
    behind, drawn = others[processes.index("ttbar")].lines
    assert np.array(list(zip(xs(drawn), ys(drawn), strict=True))) == pytest.approx(
        np.concatenate(ttbar)
    )
    assert len(xs(behind)) == everything
    assert first.get_xlabel() == "principal component 1 (50.0 %)"
    assert first.get_ylabel() == "principal component 2 (25.0 %)"


def test_contours_hold_most_of_the_events(study: Study) -> None:
    figure = latent_space(study.inspection)
    axes = panels(figure)[1]
    (contour,) = axes.collections
    inside = sum(path.contains_points(axes.lines[1].get_xydata()) for path in paths(contour))
    assert np.mean(np.asarray(inside) > 0) == pytest.approx(0.68, abs=0.12)


def paths(contour: Any) -> list[Any]:
    return [path for whole in contour.get_paths() for path in whole._iter_connected_components()]


@pytest.mark.parametrize("events", [0, 1])
def test_a_latent_space_of_two_dimensions_and_few_events(tmp_path: Path, events: int) -> None:
    path = tmp_path / "variational.h5"
    rng = np.random.default_rng(1)
    write_inspection(path, rng, {"a": "own_$a$", "b": "WZ"}, OBJECTS, events, explained=None)
    figure = latent_space(path)
    draw(figure)
    assert figure.axes[0].get_xlabel() == "latent variable 1"
    assert r"own_\$a\$" in texts(figure)

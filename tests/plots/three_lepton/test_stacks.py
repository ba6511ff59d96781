"""Stacks show the sums they are given, errors and ratios; nothing is lost at the ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.axes import Axes

from common.runtime.errors import InputError, ScoreError
from plots import style
from plots.results import opened
from plots.three_lepton.samples import Axis, MatrixSample, read_quantity
from plots.three_lepton.stacks import has_data, stack
from tests.plots.conftest import AUTOENCODER, Study
from tests.plots.drawn import draw, steps, texts, xs, ys

MET = Axis("met", style.MET, tuple(np.linspace(0, 200, 9)), "GeV")
ERROR = "statistical error"

pytestmark = pytest.mark.usefixtures("plain_axes")


def points(axes: Axes) -> list[tuple[list[float], list[float]]]:
    """The markers of each set of points."""
    return [(xs(container[0]), ys(container[0])) for container in axes.containers]  # type: ignore[index]


def summed(samples: list[MatrixSample], axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Sums of weights and of squares, event by event."""
    sums, squares = np.zeros((2, len(axis.edges) - 1))
    for sample in samples:
        with opened(sample.path) as file:
            events = zip(
                file[f"events/{axis.quantity}"][:],
                file["events/weight"][:],
                file["events/subset"][:],
                strict=True,
            )
            for value, weight, subset in events:
                if subset in sample.subsets:
                    place = np.searchsorted(axis.edges, value, side="right") - 1
                    place = min(max(int(place), 0), len(sums) - 1)
                    w = 1.0 if sample.kind == "observed" else weight * sample.factor
                    sums[place] += w
                    squares[place] += w**2
    return sums, squares


def test_backgrounds_are_stacked_the_largest_on_top(study: Study) -> None:
    figure = stack(study.samples, MET, 3.0)
    draw(figure)
    found = steps(figure.axes[0])
    total, squares = summed(study.of("background"), MET)
    of_ttbar, _ = summed(study.samples[1:3], MET)
    of_wz, _ = summed(study.samples[:1], MET)
    assert of_ttbar.sum() > of_wz.sum()
    assert found["$WZ$"].values == pytest.approx(of_wz)
    assert found[r"$t\bar{t}$"].baseline == pytest.approx(of_wz)
    assert found[r"$t\bar{t}$"].values == pytest.approx(total)
    assert found[ERROR].values == pytest.approx(total + np.sqrt(squares))
    assert found[ERROR].baseline == pytest.approx(np.maximum(total - np.sqrt(squares), 0))
    assert figure.axes[0].get_ylabel() == "events / 25 GeV"
    assert figure.axes[1].get_xlabel() == f"{style.MET} [GeV]"
    assert texts(figure)[:3] == ["pseudo-data", r"$t\bar{t}$", "$WZ$"]
    assert figure.axes[0].get_yscale() == "log"


def test_signals_are_lines_and_their_factor_is_named(study: Study) -> None:
    label = style.process("WR_N").label
    for factors, name in ((None, label), ({"WR_N": 1.0}, label), ({"WR_N": 20.0}, f"{label} × 20")):
        figure = stack(study.samples, MET, 3.0, factors)
        factor = (factors or {}).get("WR_N", 1.0)
        wanted = factor * summed(study.of("signal"), MET)[0]
        values = steps(figure.axes[0])[name].values
        assert np.nan_to_num(values) == pytest.approx(np.where(wanted > 0, wanted, 0))
        assert name in texts(figure)


def test_observed_events_are_counted_and_compared_with_the_expected(study: Study) -> None:
    upper, lower = stack(study.samples, MET, 3.0).axes
    counts, _ = summed(study.of("observed"), MET)
    total, squares = summed(study.of("background"), MET)
    ((x, y),) = points(upper)
    assert y == counts[counts > 0].tolist()
    centres = (np.array(MET.edges[1:]) + MET.edges[:-1]) / 2
    assert x == centres[counts > 0].tolist()
    some = total > 0
    ratio = np.divide(counts, total, out=np.full(len(counts), np.inf), where=some)
    inside = some & (ratio <= 2)
    ((x, y),) = points(lower)
    assert x == centres[inside].tolist()
    assert y == pytest.approx(ratio[inside].tolist())
    band = steps(lower)
    (low,), (high,) = ([b.baseline for b in band.values()], [b.values for b in band.values()])
    relative = np.sqrt(squares)[some] / total[some]
    assert low[some] == pytest.approx(np.clip(1 - relative, 0, 2))
    assert high[some] == pytest.approx(np.clip(1 + relative, 0, 2))


def test_arrows_point_to_ratios_beyond_the_panel(study: Study) -> None:
    few = [replace(s, factor=1e-3) for s in study.of("background")]
    figure = stack([*few, *study.of("observed")], MET, 3.0)
    counts, _ = summed(study.of("observed"), MET)
    arrows = [line for line in figure.axes[1].lines if line.get_marker() == "^"]
    assert len(xs(arrows[0])) == (counts > 0).sum()
    assert np.less(ys(arrows[0]), 2).all()


def test_sets_of_observed_events_stand_side_by_side(study: Study) -> None:
    (observed,) = study.of("observed")
    other = replace(observed, process="data")
    upper, _ = stack([*study.of("background"), observed, other], MET, 3.0).axes
    (first, heights), (second, same) = points(upper)
    assert heights == same
    assert np.less(first, second).all()


def test_without_observed_events_there_is_no_ratio(study: Study) -> None:
    figure = stack(study.of("background"), MET, 3.0, text="three leptons")
    (axes,) = figure.axes
    assert axes.get_xlabel() == f"{style.MET} [GeV]"
    assert figure.get_suptitle().endswith("3 fb$^{-1}$, three leptons")


def test_events_beyond_the_ends_are_in_the_last_bins_and_the_figure_says_so(study: Study) -> None:
    for edges, note in (
        ((-1.0, 5.0, 1e5), ""),
        ((-1.0, 50.0, 60.0), "last bin: with all events above"),
        ((50.0, 60.0, 1e5), "first bin: with all events below"),
        ((50.0, 60.0), "first bin: with all events below; last bin: with all events above"),
    ):
        figure = stack(study.of("background"), replace(MET, edges=edges), 3.0)
        everything, _ = summed(study.of("background"), MET)
        assert steps(figure.axes[0])[r"$t\bar{t}$"].values.sum() == pytest.approx(everything.sum())
        assert figure.legends[0].get_title().get_text() == note


def test_absent_quantities_are_left_out(study: Study) -> None:
    axis = Axis("mass_z", "$m$", (0.0, 80.0, 100.0), "GeV", absent=-1)
    for sample in study.samples:
        values, weights = read_quantity(sample, axis)
        assert len(values) == len(weights) > 0
        assert set(values) == {91}
    element = Axis("m_jet1_jet2", "$m$", (0.0, 1.0), source="features", absent=0)
    assert all(len(read_quantity(sample, element)[0]) == 0 for sample in study.samples)


def test_elements_and_scores_are_quantities_too(study: Study) -> None:
    sample = study.samples[1]
    with opened(sample.path) as file:
        chosen = np.isin(file["events/subset"][:], (2, 3))
        element = file["features"][chosen, list(file.attrs["names"]).index("m_jet1_muon2")]
        weight = file["events/weight"][chosen] * sample.factor
        numbers = file["events/event_number"][chosen]
    axis = Axis("m_jet1_muon2", "$m$", (1e-3, 0.1, 1.0), source="features", log=True)
    values, weights = read_quantity(sample, axis)
    assert values == pytest.approx(element)
    assert weights == pytest.approx(weight)
    assert sample.scores is not None
    with opened(sample.scores) as file:
        of_event = dict(zip(file["event_number"][:], file[f"score/{AUTOENCODER}"][:], strict=True))
    values, _ = read_quantity(sample, Axis(AUTOENCODER, "", (0, 1), source="score"))
    assert values == pytest.approx([of_event[n] for n in numbers])
    figure = stack(study.samples, axis, 3.0)
    assert figure.axes[0].get_xscale() == "log"
    assert figure.axes[0].get_ylabel() == "events / bin"


def test_what_cannot_be_read_is_named(study: Study) -> None:
    sample = study.samples[0]
    with pytest.raises(InputError, match=r"WZ\.h5: no element 'm_jet1_muon' .*'m_jet1_muon2'"):
        read_quantity(sample, Axis("m_jet1_muon", "", (0, 1), source="features"))
    with pytest.raises(InputError, match=r"WZ\.h5: dataset 'events/mett' is damaged or missing"):
        read_quantity(sample, Axis("mett", "", (0, 1)))
    score = Axis(AUTOENCODER, "", (0, 1), source="score")
    with pytest.raises(ScoreError, match="WZ has no scores"):
        read_quantity(replace(sample, scores=None), score)
    with pytest.raises(ScoreError, match=r"scores_ttbar_1\.h5: its events are not those of"):
        read_quantity(replace(sample, scores=study.samples[1].scores), score)


def test_nothing_expected_is_drawn(study: Study) -> None:
    simulated = study.of("background") + study.of("signal")
    no_events = [replace(s, subsets=()) for s in simulated]
    no_weights = [replace(s, factor=0.0) for s in simulated]
    for chosen in ([], no_events, [*no_weights, *study.of("observed")]):
        figure = stack(chosen, replace(MET, edges=(0.0, 100.0)), 3.0)
        draw(figure)
        low, high = figure.axes[0].get_ylim()
        assert 0 < low < high


def test_names_may_have_any_sign(study: Study) -> None:
    names = ("own_$model$", "50%_$x_{", "a\\b")
    chosen = [replace(s, process=name) for s, name in zip(study.samples, names, strict=False)]
    figure = stack(chosen, MET, 3.0)
    draw(figure)
    assert {name.replace("$", r"\$") for name in names} <= {*texts(figure)}


def test_simulation_is_said_to_be_such(study: Study, tmp_path: Path) -> None:
    assert "simulation" in stack(study.samples, MET, 3.0).get_suptitle()
    (observed,) = study.of("observed")
    path = tmp_path / "data.h5"
    path.write_bytes(observed.path.read_bytes())
    with h5py.File(path, "a") as file:
        file.attrs["data"] = True
    data = replace(observed, path=path, process="data")
    assert has_data([data])
    assert "simulation" not in stack([data], MET, 3.0).get_suptitle()

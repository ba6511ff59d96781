"""Matrices are drawn element by element where they belong; shares are those of the errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from matplotlib.axes import Axes

from analysis.matrices.rmm_names import label
from common.runtime.errors import InputError
from plots import style
from plots.results import opened
from plots.three_lepton.matrices import element_errors, mean_matrices, reconstruction
from plots.three_lepton.samples import MatrixSample
from tests.plots.conftest import AUTOENCODER, ELEMENTS, Study
from tests.plots.drawn import draw, panels

pytestmark = pytest.mark.usefixtures("plain_axes")

N = 5  # rows: missing momentum, two jets, two muons


def shown(axes: Axes) -> Any:
    """The elements of a panel, NaN where it is white."""
    return np.ma.filled(np.ma.asarray(axes.images[0].get_array()), np.nan).ravel()


def _leading(axes: Axes) -> list[str]:
    """What is said of the leading elements beside a panel, below the number of events."""
    return axes.texts[0].get_text().split("\n")[1:]


def of_title(figure: Any) -> dict[str, Axes]:
    return {axes.get_title(loc="left"): axes for axes in panels(figure) if axes.images}


def mean_of(samples: list[MatrixSample]) -> Any:
    sums, weights = np.zeros(N * N), 0.0
    for sample in samples:
        with opened(sample.path) as file:
            for row, weight, part in zip(
                file["features"][:], file["events/weight"][:], file["events/subset"][:], strict=True
            ):
                if part in sample.subsets:
                    sums += row.astype(float) * weight * sample.factor
                    weights += weight * sample.factor
    return sums / weights


def test_mean_matrices_are_weighted_means(study: Study) -> None:
    simulated = study.of("background") + study.of("signal")
    figure = mean_matrices(simulated)
    draw(figure)
    found = of_title(figure)
    assert list(found) == [style.process(p).label for p in ("WZ", "ttbar", "WR_N")]
    for process in ("WZ", "ttbar", "WR_N"):
        wanted = mean_of([s for s in simulated if s.process == process])
        values = shown(found[style.process(process).label])
        assert np.isnan(values[ELEMENTS.index("m_jet1_jet2")])
        assert np.nan_to_num(values) == pytest.approx(np.where(wanted > 0, wanted, 0))


def test_types_of_objects_have_their_names_and_borders(study: Study) -> None:
    axes = panels(mean_matrices(study.of("background")))[0]
    for axis in (axes.xaxis, axes.yaxis):
        assert axis.get_majorticklocs().tolist() == [0.5, 2.5]  # jets, muons: no b jets
        assert axis.get_minorticklocs().tolist() == [0, 1.5, 3.5]
        labels = [text.get_text() for text in axis.get_minorticklabels()]
        assert labels == [style.MET, "jets", r"$\mu$"]
    assert axes.get_ylim() == (N - 0.5, -0.5)  # row by row, from above


@pytest.mark.parametrize("change", [{"subsets": ()}, {"factor": 0.0}])
def test_a_mean_of_nothing_is_white(study: Study, change: dict[str, Any]) -> None:
    nothing = replace(study.samples[0], **change)
    figure = mean_matrices([nothing, *study.of("signal")])
    assert np.isnan(shown(of_title(figure)["$WZ$"])).all()
    draw(mean_matrices([nothing]))


def test_reconstruction_stands_between_the_event_and_their_difference(study: Study) -> None:
    figure = reconstruction(study.inspection, "ttbar_1")
    draw(figure)
    with opened(study.inspection) as file:
        event = file["examples/ttbar_1/features"][:].astype(float)
        found = file["examples/ttbar_1/reconstruction"][:].astype(float)
    for axes, wanted in zip(panels(figure), (event, found, (event - found) ** 2), strict=True):
        assert np.nan_to_num(shown(axes)) == pytest.approx(np.where(wanted > 0, wanted, 0))
    assert panels(figure)[0].images[0].norm is panels(figure)[1].images[0].norm
    assert "event 17" in figure.get_suptitle()
    assert "1.25" in figure.get_suptitle()
    with pytest.raises(InputError, match=r"dense\.h5: no event of 'ttbar' \(did you mean 'ttbar_"):
        reconstruction(study.inspection, "ttbar")


def test_shares_of_the_error_sum_to_all_of_it_and_the_leading_elements_are_named(
    study: Study,
) -> None:
    figure = element_errors(study.inspection, study.samples, label)
    draw(figure)
    found = of_title(figure)
    assert list(found)[:2] == ["backgrounds, all", "backgrounds, anomalous"]
    assert len(found) == 4
    for axes in found.values():
        assert np.nansum(shown(axes)) == pytest.approx(100)
    with opened(study.inspection) as file:
        errors = file["errors/WR_N/anomalous"][:]
        events = file["errors/WR_N/anomalous"].attrs["events"]
    axes = found[f"{style.process('WR_N').label}, anomalous"]
    assert shown(axes) == pytest.approx(100 * errors / errors.sum())
    assert axes.texts[0].get_text().startswith(f"{events} events\n")
    order = np.argsort(-errors)[:5]
    assert [line.split("%  ")[1] for line in _leading(axes)] == [label(ELEMENTS[i]) for i in order]


def test_backgrounds_are_mixed_as_they_are_expected(study: Study) -> None:
    """Of the first nothing is anomalous."""
    wanted = {"all": np.zeros(N * N), "anomalous": np.zeros(N * N)}
    with opened(study.inspection) as file:
        for sample in study.of("background"):
            with opened(sample.path) as matrices:
                chosen = np.isin(matrices["events/subset"][:], sample.subsets)
                expected = matrices["events/weight"][:][chosen].sum() * sample.factor
            for part, total in wanted.items():
                dataset = file[f"errors/{sample.name}/{part}"]
                if weight := dataset.attrs["weight"]:
                    of_all = file[f"errors/{sample.name}/all"].attrs["weight"]
                    total += expected * weight / of_all * dataset[:]
    figure = element_errors(study.inspection, study.of("background"))
    for axes, total in zip(panels(figure), wanted.values(), strict=False):
        assert shown(axes) == pytest.approx(100 * total / total.sum())
    assert all(line.split("%  ")[1] in ELEMENTS for line in _leading(panels(figure)[0]))


def test_without_anomalous_events_nothing_leads(study: Study) -> None:
    first = replace(study.samples[0], kind="signal")
    figure = element_errors(study.inspection, [first], label)
    draw(figure)
    (axes,) = panels(figure)
    assert np.isnan(shown(axes)).all()
    assert axes.texts[0].get_text() == "0 events"


def test_names_that_make_no_matrix_are_refused(study: Study, tmp_path: Path) -> None:
    path = tmp_path / f"{AUTOENCODER}.h5"
    path.write_bytes(study.inspection.read_bytes())
    with h5py.File(path, "a") as file:
        file.attrs["objects"] = '{"jet": 2}'
    with pytest.raises(InputError, match=r"dense\.h5: 25 elements do not make a matrix of 3 rows"):
        reconstruction(path, "WZ")

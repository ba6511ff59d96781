"""Pictures are shown cell by cell, on one scale a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.runtime.errors import InputError
from plots import style
from plots.results import opened
from plots.three_lepton.denoising import COLUMNS, pictures
from tests.plots.conftest import Study, write_pictures
from tests.plots.drawn import draw, panels

pytestmark = pytest.mark.usefixtures("plain_axes")


def test_pictures_of_an_event_share_a_scale(study: Study) -> None:
    figure = pictures(study.pictures, 5)  # of the two there are
    draw(figure)
    grid = np.reshape(np.array(panels(figure)), (2, 3))
    with opened(study.pictures) as file:
        wanted = [file[part][:].astype(float) for part in COLUMNS]
    for event, line in enumerate(grid):
        for axes, part in zip(line, wanted, strict=True):
            drawn = np.ma.filled(np.ma.asarray(axes.images[0].get_array()), np.nan)
            image = part[event]
            assert np.nan_to_num(drawn) == pytest.approx(np.where(image > 0, image, 0))
            assert axes.get_title(loc="right") == rf"$\Sigma$ = {image.sum():.4g} GeV"
        assert len({id(axes.images[0].norm) for axes in line}) == 1
        highest = max(part[event].max() for part in wanted)
        assert line[0].images[0].norm.vmax == pytest.approx(highest)
    assert grid[0, 0].get_title(loc="left") == f"{style.process('Znunu').label}: clean"
    assert [axes.get_xlabel() for axes in grid[-1]] == ["column"] * 3


@pytest.mark.parametrize("events", [0, 1])
def test_few_pictures_are_drawn(tmp_path: Path, events: int) -> None:
    path = tmp_path / "few.h5"
    write_pictures(path, np.random.default_rng(1), ["own_$x$"] * events, (1, 1))
    draw(pictures(path))


def test_a_file_of_something_else_is_named(study: Study) -> None:
    with pytest.raises(InputError, match=r"dense\.h5: cannot read"):
        pictures(study.inspection)

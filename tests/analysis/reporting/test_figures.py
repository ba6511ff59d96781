"""All figures of a run are drawn, by several processes, and inputs are read once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from analysis.config import Config
from analysis.reporting.figures import Captioned, Heading, make
from analysis.workflow.run import Run
from analysis.workflow.target import Target
from common.runtime.errors import InputError
from plots import style

FIGURES = 12
PROCESS = "Znunu"


def drawn(number: int) -> Figure:
    figure = Figure(figsize=(1, 1))
    figure.text(0, 0, f"{number} {style.process(PROCESS).label}")
    return figure


def fails() -> Figure:
    raise InputError("x.json: damaged: make it again")


def many(run: Run) -> Iterator[Captioned | Heading]:
    """Figures under two headings; each call adds a line to a file."""
    with (run.output / "calls").open("a") as file:
        file.write(f"{os.getpid()}\n")
    yield Heading("Even")
    for number in range(0, FIGURES, 2):
        yield f"figure_{number}", partial(drawn, number), f"Number {number}."
    yield Heading("Odd")
    for number in range(1, FIGURES, 2):
        yield f"figure_{number}", partial(drawn, number), style.process(PROCESS).label


def none(run: Run) -> Iterator[Captioned]:
    yield from ()


def damaged(run: Run) -> Iterator[Captioned]:
    yield "one", fails, "One."
    yield "two", partial(drawn, 2), "Two."


@pytest.fixture
def run(tiny_config: Config, tmp_path: Path) -> Run:
    samples = [
        one.model_copy(update={"label": "my own"}) if one.process == PROCESS else one
        for one in tiny_config.samples
    ]
    config = tiny_config.model_copy(update={"samples": tuple(samples)})
    return Run(config, tmp_path, workers=2)


def target(run: Run) -> Target:
    return Target("plots", "figures", run.plots / "figures.json", ())


def test_inputs_are_read_once(run: Run) -> None:
    make(run, many, target(run))
    listed = json.loads((run.plots / "figures.json").read_text())
    assert [one["name"] for one in listed] == [
        f"figure_{n}" for n in (*range(0, FIGURES, 2), *range(1, FIGURES, 2))
    ]
    assert [one["heading"] for one in listed] == ["Even"] * 6 + ["Odd"] * 6
    assert listed[0] == {
        "name": "figure_0",
        "files": ["figure_0.png", "figure_0.pdf"],
        "caption": "Number 0.",
        "heading": "Even",
    }
    assert listed[-1]["caption"] == "my own"  # as the configuration says
    for one in listed:
        assert all((run.plots / name).stat().st_size for name in one["files"])
    assert (run.output / "calls").read_text() == f"{os.getpid()}\n"


def test_there_may_be_no_figure(run: Run) -> None:
    make(run, none, target(run))
    assert json.loads((run.plots / "figures.json").read_text()) == []


def test_an_error_in_a_worker_is_that_of_its_input(run: Run) -> None:
    with pytest.raises(InputError, match="damaged: make it again"):
        make(run, damaged, target(run))

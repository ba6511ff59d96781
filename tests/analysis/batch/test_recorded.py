"""A submitted plan takes precedence over the task size, and merged parts can be removed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.batch.driver import merge_parts
from analysis.batch.places import clean
from analysis.batch.plan import plans_of
from analysis.batch.shards import run_shard
from analysis.batch.submit import submit
from analysis.workflow.run import Run
from common.runtime.errors import BatchError, ConfigError
from tests.analysis.batch.submissions import look, states
from tests.analysis.batch.test_parts import IMAGING, make_in_shards, with_task_size
from tests.conftest import WriteEvents, make_stage
from tests.test_run_analysis import PROGRAM

RunOf = Callable[..., Run]


@pytest.fixture
def run(write_events: WriteEvents, run_of: RunOf) -> Run:
    """Six tasks of ten events, of two files."""
    paths = [
        write_events(f"{n}.root", n_events=n, event_number=f"rdfentry_ + {100 * n}ull")
        for n in (20, 40)
    ]
    return with_task_size(run_of(Znunu=paths), 10)


def parts(run: Run) -> list[Path]:
    return sorted(run.parts("imaging").glob("*"))


def reference(run: Run) -> bytes:
    plain = replace(run, output=run.output.with_name("plain"))
    return make_stage("imaging", plain)[0].output.read_bytes()


def make_submitted(run: Run) -> None:
    """As its jobs would."""
    plans = plans_of(IMAGING, run, IMAGING.targets(run))
    run_shard(IMAGING, run, [task for plan in plans for task in plan])


@pytest.fixture
def finished(run: Run) -> Run:
    """A submission of six parts, all of them made, and now another task size."""
    submit(IMAGING, run, "condor", None, dry_run=True)
    make_submitted(run)
    assert len(parts(run)) == 6
    return with_task_size(run, 25)


def test_parts_that_were_submitted_are_merged_with_another_task_size(
    finished: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert states(look(finished))["done"] == 6
    make_submitted(finished)
    assert len(parts(finished)) == 6
    merge_parts(IMAGING, finished, [finished.parts("imaging")])
    assert finished.images("Znunu").read_bytes() == reference(finished)
    assert "using the submitted tasks, with a task size of 10 instead of 25" in caplog.text


def test_a_run_here_goes_on_with_what_jobs_have_made(finished: Run) -> None:
    first, *rest = parts(finished)
    first.unlink()
    times = {path: path.stat().st_mtime_ns for path in rest}
    make_stage("imaging", replace(finished, merge="link"))
    assert {path: path.stat().st_mtime_ns for path in rest} == times
    assert len(parts(finished)) == 6


def test_a_plan_does_not_count_once_there_are_other_files(
    run: Run, write_events: WriteEvents
) -> None:
    """Or the events of the new one would be lost."""
    submit(IMAGING, run, "condor", None, dry_run=True)
    make_submitted(run)
    sample = run.config.samples[0]
    new = write_events("5.root", n_events=5, event_number="rdfentry_ + 5ull")
    sample = sample.model_copy(update={"files": (*sample.files, str(new))})
    run = replace(run, config=run.config.model_copy(update={"samples": (sample,)}))
    with pytest.raises(BatchError, match="the plan was submitted with other options or inputs"):
        look(run)
    with pytest.raises(BatchError, match="1 of 7 parts are missing"):
        merge_parts(IMAGING, run, [run.parts("imaging")])


def test_parts_of_another_cut_are_not_lost_without_a_word(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    make_in_shards(IMAGING, run, 2)
    make_stage("imaging", with_task_size(run, 25))
    assert "ignoring 6 existing parts with another task size, configuration or code" in caplog.text
    assert not run.parts("imaging").exists()
    assert run.images("Znunu").read_bytes() == reference(run)


def test_merged_parts_are_removed_and_nothing_else(
    finished: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = finished.parts("imaging")
    assert (
        clean(IMAGING, finished, [folder]) == "imaging: 0 parts removed, 0.0 MB"
    )  # not merged yet
    merge_parts(IMAGING, finished, [folder])
    size = sum(path.stat().st_size for path in parts(finished)) / 1e6
    assert f"occupy {size:.1f} MB in 6 files: remove them with --clean-parts" in caplog.text
    other = folder / "Znunu.0123456789abcdef0123.h5"
    for path in (other, folder / "mine.h5", folder / "sub" / "notes.json"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert clean(IMAGING, finished, [folder]) == f"imaging: 6 parts removed, {size:.1f} MB"
    assert {path.name for path in parts(finished)} == {other.name, "mine.h5", "sub"}
    assert (folder / "sub" / "notes.json").exists()
    assert finished.images("Znunu").read_bytes() == reference(finished)


def test_parts_that_an_output_refers_to_stay(finished: Run) -> None:
    linked = replace(finished, merge="link")
    folders = [finished.parts("imaging")]
    merge_parts(IMAGING, linked, folders)
    with pytest.raises(ConfigError, match="--merge link requires the parts"):
        clean(IMAGING, linked, folders)
    assert "0 parts removed, 0.0 MB; kept the parts that 1 files link to" in clean(
        IMAGING, finished, folders
    )
    assert len(parts(finished)) == 6


@pytest.mark.slow
def test_two_merges_at_once(finished: Run, tmp_path: Path) -> None:
    """One of them, or both in turn, and the output is whole."""
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps(finished.config.model_dump(mode="json")))
    words = ["--config", config, "--output", finished.output, "--stage", "imaging", "--gather"]
    merges = [
        subprocess.Popen([*PROGRAM, *map(str, words)], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = {process.communicate(timeout=100)[1]: process.returncode for process in merges}
    assert 0 in said.values(), said
    for text, code in said.items():
        assert code == 0 or (code == 2 and "another run is writing to this folder" in text), said
    assert finished.images("Znunu").read_bytes() == reference(finished)

"""However the work is cut and in whatever order it is done, the parts make the same output; what
is missing, doubled, foreign or damaged is refused."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from analysis.batch.driver import carry_out, merge_parts
from analysis.batch.engines import Engines
from analysis.batch.plan import Plan, Shard, read_plan, write_plan
from analysis.batch.shards import run_shard
from analysis.config import Batch
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage
from common.runtime import files
from common.runtime.errors import BatchError, ConfigError, InputError
from tests.analysis.yields.test_cutflow import NETWORKS, write_scores
from tests.conftest import WriteEvents, make_stage
from training.data.image_reader import ImageFiles

RunOf = Callable[..., Run]
IMAGING, CUTFLOW = (partitioned_stage(name) for name in ("imaging", "cutflow"))
N_EVENTS = (29, 1, 20)  # of the files

POINT = {"signal_efficiency": 0.9, "thresholds": [0.5, 0.5]}


def with_task_size(run: Run, size: int, **changes: Any) -> Run:
    batch = Batch(task_size=size, retries=0)
    return replace(run, config=run.config.model_copy(update={"batch": batch}), **changes)


def plans(stage: PartitionedStage, run: Run) -> list[Plan]:
    return [Plan(stage, run, target) for target in stage.targets(run)]


@pytest.fixture
def run(write_events: WriteEvents, run_of: RunOf) -> Run:
    """Three files, with weights whose sums depend on their order."""
    paths = [
        write_events(
            f"{n}.root",
            n_events=n,
            weight=f"1.1 * rdfentry_ + 1e-{i}",
            event_number=f"(unsigned long long)rdfentry_ + {100 * i}ull",
        )
        for i, n in enumerate(N_EVENTS)
    ]
    return run_of(Znunu=paths)


def make_in_shards(stage: PartitionedStage, run: Run, n_shards: int) -> None:
    """As independent jobs would, in any order."""
    tasks = [task for plan in plans(stage, run) for task in plan]
    order = list(range(n_shards))
    random.Random(n_shards).shuffle(order)
    for index in order:
        run_shard(stage, run, Shard(index, n_shards).of(tasks))


@pytest.mark.parametrize(("task_size", "n_parts"), [(100, 3), (10, 6), (7, 9), (1, 50)])
@pytest.mark.parametrize("n_shards", [1, 4])
def test_any_cut_makes_the_same_images(
    run: Run, tmp_path: Path, task_size: int, n_parts: int, n_shards: int
) -> None:
    reference = make_stage("imaging", with_task_size(run, 1000))[0].output.read_bytes()
    shutil.rmtree(run.output)
    cut = with_task_size(run, task_size)
    make_in_shards(IMAGING, cut, n_shards)
    assert len(list(run.parts("imaging").iterdir())) == n_parts
    merge_parts(IMAGING, cut, [cut.parts("imaging")])
    assert run.images("Znunu").read_bytes() == reference


def test_one_part_is_the_output(write_events: WriteEvents, run_of: RunOf) -> None:
    """A sample of one task is what several tasks make, byte by byte."""
    run = run_of(Znunu=[write_events(n_events=50)])
    whole = make_stage("imaging", with_task_size(run, 100))[0].output.read_bytes()
    for size in (1, 8, 17):
        shutil.rmtree(run.output)
        assert make_stage("imaging", with_task_size(run, size))[0].output.read_bytes() == whole
        assert not run.parts("imaging").exists()


@pytest.mark.parametrize(("task_size", "with_images"), [(20, False), (20, True), (3, True)])
def test_any_cut_makes_the_same_cutflow(
    run: Run, write_events: WriteEvents, task_size: int, with_images: bool
) -> None:
    """Where there are images, a task reads the scores of its own events alone."""
    other = run.config.samples[0].model_copy(
        update={"process": "Wtaunu", "files": (str(write_events("w.root", n_events=5)),)}
    )
    config = run.config.model_copy(update={"samples": (*run.config.samples, other)})
    run = replace(run, config=config)
    rng = np.random.default_rng(1)
    keys = {
        "Znunu": [100 * i + event for i, n in enumerate(N_EVENTS) for event in range(n)],
        "Wtaunu": list(range(1, 6)),
    }
    for sample, events in keys.items():
        write_scores(run, sample, events, rng.random(len(events)).tolist())
    files.write_json(run.table("evaluation"), dict.fromkeys(NETWORKS, POINT))
    reference = make_stage("cutflow", with_task_size(run, 1000))[0].output.read_bytes()
    run.table("cutflow").unlink()
    if with_images:
        make_stage("imaging", run)
    cut = with_task_size(run, task_size)
    make_in_shards(CUTFLOW, cut, 3)
    merge_parts(CUTFLOW, cut, [cut.parts("cutflow")])
    assert run.table("cutflow").read_bytes() == reference
    flow = json.loads(reference)["samples"]["Znunu"]["regions"]["SR"]
    assert (
        0 < flow["networks"][NETWORKS[0]]["all"]["entries"] < flow["bins"]["all"]["entries"] == 50
    )


@pytest.fixture
def parts(run: Run) -> Run:
    """All parts made, not yet merged."""
    cut = with_task_size(run, 10)
    make_in_shards(IMAGING, cut, 2)
    return cut


def names(run: Run) -> list[Path]:
    return sorted(run.parts("imaging").iterdir())


def refused(run: Run, match: str) -> None:
    with pytest.raises(BatchError, match=match):
        merge_parts(IMAGING, run, [run.parts("imaging")])
    assert not run.images("Znunu").exists()


def test_a_missing_part_is_refused_and_its_file_named(parts: Run) -> None:
    task = next(iter(plans(IMAGING, parts)[0]))
    plans(IMAGING, parts)[0].path(task).unlink()
    refused(parts, r"1 of 6 parts are missing, first that of .*29\.root\[0:10\]")


def test_a_duplicate_is_refused(parts: Run) -> None:
    first = names(parts)[0]
    (parts.parts("imaging") / "again").mkdir()
    shutil.copy(first, parts.parts("imaging") / "again" / f"user.x.{first.name}")
    refused(parts, "duplicate of the part")


def test_a_part_of_another_configuration_is_refused(parts: Run) -> None:
    other = replace(parts, config=parts.config.model_copy(update={"seed": 8}))
    make_in_shards(IMAGING, other, 1)
    refused(parts, "foreign part")


def test_a_part_under_a_wrong_name_is_refused(parts: Run) -> None:
    first, second, *_ = names(parts)
    shutil.copy(second, first)
    refused(parts, f"{first.name}: belongs to another plan")


@pytest.mark.parametrize("damage", ["cut short", "flipped", "empty"])
def test_a_damaged_part_is_refused_and_named(parts: Run, damage: str) -> None:
    first = names(parts)[0]
    content = bytearray(first.read_bytes())
    with h5py.File(first) as file:
        place = file["cells/row"].id.get_chunk_info(0).byte_offset
    content[place] ^= 0xFF
    damaged = {"cut short": content[:1000], "flipped": content, "empty": bytearray()}
    first.write_bytes(damaged[damage])
    refused(parts, rf"{first.name}: damaged part")


def test_parts_of_an_older_configuration_are_not_used_and_dropped_in_the_end(parts: Run) -> None:
    other = replace(parts, config=parts.config.model_copy(update={"seed": 8}))
    left = names(parts)
    make_stage("imaging", other)
    with h5py.File(other.images("Znunu")) as file:
        assert json.loads(file.attrs["config"])["seed"] == 8
    assert not any(path.exists() for path in left)


def test_finished_parts_are_not_made_again(parts: Run) -> None:
    removed, *kept = names(parts)
    removed.unlink()
    times = {path: path.stat().st_mtime_ns for path in kept}
    tasks = list(plans(IMAGING, parts)[0])
    run_shard(IMAGING, parts, tasks)
    assert removed.exists()
    assert {path: path.stat().st_mtime_ns for path in kept} == times


def test_force_makes_parts_again_that_are_there(parts: Run) -> None:
    run = replace(parts, merge="link")
    times = {path: path.stat().st_mtime_ns for path in names(run)}
    with Engines(run) as engines:
        for fresh in (False, True):
            carry_out(engines, IMAGING, run, IMAGING.targets(run), lambda target: None, fresh)
            assert names(run) == sorted(times)
            again = [path.stat().st_mtime_ns != time for path, time in times.items()]
            assert all(again) if fresh else not any(again)


def test_linked_images_are_those_that_are_copied(parts: Run, tmp_path: Path) -> None:
    linked = replace(parts, merge="link")
    merge_parts(IMAGING, linked, [parts.parts("imaging")])
    with h5py.File(parts.images("Znunu")) as file:
        found = {
            name: file[name][:]
            for name in ("cells/offsets", "cells/values", "compression/cell/row", "events/met")
        }
        attributes = dict(file.attrs)
        assert file["cells/values"].is_virtual
    merge_parts(IMAGING, replace(parts, output=tmp_path / "copied"), [parts.parts("imaging")])
    with h5py.File(tmp_path / "copied" / "images" / "Znunu.h5") as file:
        for name, values in found.items():
            np.testing.assert_array_equal(file[name][:], values, strict=True)
        assert {k: str(v) for k, v in file.attrs.items()} == {
            k: str(v) for k, v in attributes.items()
        }
    with ImageFiles([parts.images("Znunu")], [1], "cell") as images:
        assert len(images.read(images.ranges()[0]).fold) == 50
    names(parts)[0].unlink()
    with pytest.raises(InputError, match="linked file .* is missing"):
        ImageFiles([parts.images("Znunu")], [1], "cell")


def test_a_plan_file_gives_the_same_tasks_and_refuses_other_code(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plans(IMAGING, with_task_size(run, 10))
    tasks = write_plan(tmp_path / "plan.jsonl", made)
    assert read_plan(tmp_path / "plan.jsonl") == tasks == [t for plan in made for t in plan]
    assert len({task.key for task in tasks}) == 6
    monkeypatch.setattr("analysis.batch.plan.hash_of_file", lambda path: "other")
    with pytest.raises(BatchError, match="a different version of analysis/"):
        read_plan(tmp_path / "plan.jsonl")
    (tmp_path / "plan.jsonl").write_text("{")
    with pytest.raises(BatchError, match="not a plan"):
        read_plan(tmp_path / "plan.jsonl")


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/3", "a/b", "1/0"])
def test_a_shard_is_one_of_so_many(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard"):
        Shard.parse(text)


@pytest.mark.parametrize("count", [1, 3, 7, 50, 60])
def test_shards_share_all_tasks(count: int) -> None:
    tasks: Any = list(range(50))
    shared = [task for index in range(count) for task in Shard(index, count).of(tasks)]
    assert shared == tasks

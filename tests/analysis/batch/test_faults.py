"""Faults in a batch run: no event is lost or counted twice, and each fault is reported."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from analysis.batch.engines import Engines, check_cluster
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from common.runtime import files
from common.runtime.errors import BatchError, ConfigError, EngineError, WorkerError
from common.tasks import Range, Task
from tests.analysis.batch.test_engines import with_batch
from tests.analysis.batch.test_parts import with_task_size
from tests.conftest import REPOSITORY, WriteEvents, make_stage
from tests.test_run_analysis import PROGRAM, call, fails

RunOf = Callable[..., Run]
IMAGING = partitioned_stage("imaging")


def poison(path: Path) -> None:
    """Damage a file in the middle: it opens, and cannot be read."""
    content = bytearray(path.read_bytes())
    with_data = len(content) // 3
    content[with_data : with_data + 2000] = bytes(2000)
    path.write_bytes(content)


@pytest.fixture
def poisoned(write_events: WriteEvents, run_of: RunOf) -> Run:
    """Three files of 2000 events, of which the second is damaged, in tasks of 800."""
    paths = [write_events(f"{name}.root", n_events=2000) for name in "abc"]
    poison(paths[1])
    return with_task_size(run_of(Znunu=paths), 800)


def test_a_poisoned_file_fails_alone_and_is_named(poisoned: Run) -> None:
    with pytest.raises(
        BatchError,
        match=r"b\.root: the event loop failed: page checksum .*corruption(.|\n)*--skip-bad-files",
    ):
        make_stage("imaging", poisoned)
    assert not poisoned.images("Znunu").exists()
    assert len(list(poisoned.parts("imaging").iterdir())) == 6  # of the other two


def test_a_file_that_is_skipped_is_recorded_in_the_output(poisoned: Run) -> None:
    run = replace(poisoned, skip_bad_files=True)
    with h5py.File(make_stage("imaging", run)[0].output) as file:
        (skipped,) = json.loads(file.attrs["skipped_files"])
        assert skipped["file"].endswith("b.root")
        assert "event loop failed" in skipped["error"]
        assert len(file["events/met"]) == 4000
        assert [Path(row["file"].decode()).name for row in file["files"][:]] == ["a.root", "c.root"]
        info = json.loads(file.attrs["sample_info"])
        assert info["n_events"] == 4000


def test_a_sample_without_a_good_file_is_an_error(write_events: WriteEvents, run_of: RunOf) -> None:
    path = write_events(n_events=2000)
    poison(path)
    with pytest.raises(BatchError, match="none of its files could be read"):
        make_stage("imaging", replace(run_of(Znunu=[path]), skip_bad_files=True))


def test_a_second_run_on_the_same_output_is_refused(
    write_events: WriteEvents, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    output.mkdir()
    with files.locked(output):
        line = fails(
            "--stage",
            "imaging",
            "--input",
            write_events(),
            "--process",
            "Znunu",
            "--output",
            output,
        )
    assert f"another run is writing to this folder (process {os.getpid()}" in line
    with files.locked(output):  # free again
        assert (output / ".lock").exists()
    assert not (output / ".lock").exists()


def test_the_lock_of_a_killed_run_does_not_hold(tmp_path: Path) -> None:
    code = (
        "import os, pathlib; from common.runtime.files import locked\n"
        f"with locked(pathlib.Path({str(tmp_path)!r})): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False)
    assert (tmp_path / ".lock").exists()
    with files.locked(tmp_path):
        pass


@pytest.mark.parametrize(
    ("name", "hint"), [("slrum", "slurm"), ("dask", "dask://"), ("grid", "valid|mean")]
)
def test_an_unknown_engine_is_named_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"--cluster {name}: unknown engine.*({hint})"):
        check_cluster(name)


@pytest.mark.parametrize(("name", "program"), [("slurm", "sbatch"), ("htcondor", "condor_submit")])
def test_an_engine_without_its_program_is_refused(
    name: str, program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=f"no {program} on the path"):
        check_cluster(name)


def test_a_scheduler_that_is_not_there_is_one_line(
    write_events: WriteEvents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_of: RunOf
) -> None:
    monkeypatch.setattr("analysis.batch.engines._TIMEOUT", 1)
    run = replace(run_of(Znunu=[write_events()]), cluster="dask://127.0.0.1:1")
    with pytest.raises(EngineError, match="--cluster dask://127.0.0.1:1: "):
        make_stage("imaging", run)


def square(task: Task) -> int:
    """Kills its worker the first time, for one task; for another, each time."""
    number = task.range.begin
    marker = Path(task.range.file) / f"killed {number}"
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 7 and task.code_settings_hash == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def tasks(folder: Path, code_settings_hash: str = "") -> list[Task]:
    return [Task(Range("s", str(folder), i, i + 1), "", code_settings_hash) for i in range(20)]


@pytest.mark.slow
def test_killed_workers_are_replaced_and_a_deadly_task_fails_alone(
    tmp_path: Path, write_events: WriteEvents, run_of: RunOf
) -> None:
    run = with_batch(replace(run_of(Znunu=[write_events()]), workers=2))
    with Engines(run) as engines:
        engine = engines.of(IMAGING, 20)
        found = {t.range.begin: result for t, result in engine.map(square, tasks(tmp_path))}
        assert found == {i: i * i for i in range(20)}
        assert (tmp_path / "killed 3").exists()
        found = {
            t.range.begin: result for t, result in engine.map(square, tasks(tmp_path, "deadly"))
        }
        failed = found.pop(7)
        assert found == {i: i * i for i in range(20) if i != 7}
        assert isinstance(failed, WorkerError)
        assert "the task killed" in str(failed)


@pytest.mark.slow
def test_a_worker_killed_in_mid_task_changes_nothing(
    tmp_path: Path, write_events: WriteEvents
) -> None:
    path = write_events(n_events=60_000)
    config = configuration(tmp_path, path, task_size=5000)
    arguments = ["--config", config, "--stage", "imaging", "--output"]
    reference, output = tmp_path / "reference", tmp_path / "run"
    assert call(*arguments, reference, "--workers", 1).returncode == 0
    command = [*PROGRAM, *map(str, [*arguments, output, "--workers", 2])]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        killed: set[int] = set()
        while process.poll() is None and len(killed) < 3:
            for partial in output.glob("parts/imaging/.*.partial"):
                for worker in writers(partial) - killed:
                    os.kill(worker, signal.SIGKILL)
                    killed.add(worker)
            time.sleep(0.02)
        _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    assert killed
    made = (output / "images" / "Znunu.h5").read_bytes()
    assert made == (reference / "images" / "Znunu.h5").read_bytes()
    assert not output.joinpath("parts").exists()
    assert "Traceback" not in stderr


def writers(path: Path) -> set[int]:
    """The processes that have a file open."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if link.readlink() == path:
                found.add(int(link.parts[2]))
    return found


def configuration(folder: Path, events: Path, task_size: int) -> Path:
    path = folder / "c.yaml"
    data = {
        "name": "c",
        "batch": {"task_size": task_size, "start_up": 0},
        "samples": [{"process": "Znunu", "files": [str(events)]}],
        "training": {"networks": [{"network": "strides"}]},
    }
    path.write_text(json.dumps(data))  # which is YAML, too
    return path


@contextlib.contextmanager
def dask_scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A scheduler with two workers, as a user would start them in the repository."""
    address = folder / "scheduler.json"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    dask = [sys.executable, "-m", "dask"]
    options = ["--scheduler-file", str(address), "--no-dashboard"]
    with subprocess.Popen(
        [*dask, "scheduler", "--port", "0", "--host", "127.0.0.1", *options],
        stderr=subprocess.DEVNULL,
        text=True,
    ) as scheduler:
        deadline = time.monotonic() + 60
        while not address.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        found = json.loads(address.read_text())["address"]
        worker = [*dask, "worker", found, "--nworkers", "2", "--nthreads", "1", "--no-dashboard"]
        worker += ["--death-timeout", "10", "--local-directory", str(folder)]
        with subprocess.Popen(worker, stderr=subprocess.DEVNULL, env=environment) as workers:
            try:
                yield found.replace("tcp://", "dask://"), scheduler
            finally:
                for process in (workers, scheduler):
                    process.terminate()


@pytest.mark.slow
def test_a_killed_scheduler_loses_no_part(tmp_path: Path, write_events: WriteEvents) -> None:
    path = write_events(n_events=60_000)
    config = configuration(tmp_path, path, task_size=4000)
    reference, output = tmp_path / "reference", tmp_path / "run"
    arguments = ["--config", config, "--stage", "imaging", "--output"]
    assert call(*arguments, reference).returncode == 0
    (tmp_path / "1").mkdir()
    with dask_scheduler(tmp_path / "1") as (address, scheduler):
        command = [*PROGRAM, *map(str, [*arguments, output, "--cluster", address])]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None and len(list(output.glob("parts/imaging/*.h5"))) < 3:
                time.sleep(0.02)
            scheduler.kill()
            _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2, stderr
    assert "the connection to the scheduler is lost" in stderr
    assert "Traceback" not in stderr
    parts = {p: p.stat().st_mtime_ns for p in output.glob("parts/imaging/*.h5")}
    assert len(parts) >= 3
    shutil.copytree(output, tmp_path / "copy")
    (tmp_path / "2").mkdir()
    with dask_scheduler(tmp_path / "2") as (address, _):
        done = call(*arguments, output, "--cluster", address)
    assert done.returncode == 0, done.stderr
    made = (output / "images" / "Znunu.h5").read_bytes()
    assert made == (reference / "images" / "Znunu.h5").read_bytes()

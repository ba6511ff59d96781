"""Work on a real Slurm of one host, which the test starts."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import slurm as real
from tests.conftest import WriteEvents
from tests.test_run_analysis import PROGRAM, call, fails

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Slurm]:
    """A Slurm that runs; SLURM_CONF is set."""
    reason = real.why_not()
    if reason:
        pytest.skip(reason)
    with (
        real.slurm(tmp_path_factory.mktemp("slurm")) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


Arguments = Callable[..., list[str]]


@pytest.fixture
def arguments(tmp_path: Path, write_events: WriteEvents) -> Arguments:
    """Options of the imaging of 12 tasks, with settings of ``batch``."""
    path = write_events(n_events=60_000)

    def make(**batch: object) -> list[str]:
        config = tmp_path / "c.yaml"
        settings = {"interface": "lo", "walltime": "00:10:00", "memory": "3 GB"}
        data = {
            "name": "c",
            "batch": {"task_size": 5000, **settings, **batch},
            "samples": [{"process": "Znunu", "files": [str(path)]}],
            "training": {"networks": [{"network": "strides"}]},
        }
        config.write_text(json.dumps(data))  # which is YAML, too
        return ["--config", str(config), "--stage", "imaging"]

    return make


def test_a_job_that_is_cancelled_is_asked_for_again(
    slurm: real.Slurm, tmp_path: Path, arguments: Arguments
) -> None:
    """The only job is cancelled in mid-run: nothing is left but to ask for another one."""
    options = arguments()
    reference, output = tmp_path / "reference", tmp_path / "run"
    assert call(*options, "--output", reference, "--workers", 1).returncode == 0
    command = [*PROGRAM, *options, "--output", str(output), "--cluster", "slurm", "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        parts = output / "parts" / "imaging"
        wait_for(lambda: len(list(parts.glob("*.h5"))) >= 2 or process.poll() is not None, 120)
        assert process.poll() is None, process.communicate()[1]
        (first,) = slurm.jobs()
        slurm.run("scancel", first)
        wait_for(lambda: first not in slurm.jobs())
        _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert "jobs ended: 1: asking for new ones" in stderr
    made = (output / "images" / "Znunu.h5").read_bytes()
    assert made == (reference / "images" / "Znunu.h5").read_bytes()
    assert not slurm.jobs()
    assert len(list(output.glob("logs/monojet-*.err"))) == 2


def test_several_jobs_make_the_same_bytes_as_this_process(
    slurm: real.Slurm, tmp_path: Path, arguments: Arguments
) -> None:
    options = arguments()
    reference, output = tmp_path / "reference", tmp_path / "run"
    assert call(*options, "--output", reference, "--workers", 1).returncode == 0
    done = call(*options, "--output", output, "--cluster", "slurm", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert "waiting for workers: 2 jobs asked for; dashboard: http://127.0.0.1:" in done.stderr
    made = (output / "images" / "Znunu.h5").read_bytes()
    assert made == (reference / "images" / "Znunu.h5").read_bytes()
    assert not slurm.jobs()


def test_a_queue_that_refuses_is_one_line(
    slurm: real.Slurm, tmp_path: Path, arguments: Arguments
) -> None:
    options = arguments(queue="nosuch")
    begin = time.monotonic()
    line = fails(*options, "--output", tmp_path / "run", "--cluster", "slurm", "--workers", 2)
    assert time.monotonic() - begin < 30
    assert re.match(r"ERROR --cluster slurm: sbatch: error: .*partition", line), line
    assert not slurm.jobs()


def test_jobs_that_end_at_once_are_not_asked_for_forever(
    slurm: real.Slurm, tmp_path: Path, arguments: Arguments
) -> None:
    options = arguments(scratch="/proc/nosuch")
    line = fails(*options, "--output", tmp_path / "run", "--cluster", "slurm", "--workers", 2)
    assert "the jobs end before their workers have joined: see " in line
    assert line.endswith("/run/logs")
    assert not slurm.jobs()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)

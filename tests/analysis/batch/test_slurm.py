"""Work on a real Slurm of one host, which the test starts."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from analysis.batch.dask_jobs import Jobs
from analysis.batch.security import credentials
from analysis.workflow.run import Run
from common.runtime.errors import EngineError
from tests import slurm as real
from tests.analysis.batch.test_engines import program, with_batch
from tests.conftest import WriteEvents
from tests.daemons import wait_for
from tests.test_env import contents, make_tree
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
Ask = Callable[..., Jobs]


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
    assert "jobs ended: 1: requesting new ones" in stderr
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
    assert "waiting for workers: 2 jobs requested; dashboard: http://127.0.0.1:" in done.stderr
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


@pytest.fixture
def ask(slurm: real.Slurm, run_of: Callable[..., Run], tmp_path: Path) -> Iterator[Ask]:
    """Ask for two jobs, with settings of ``batch``, whose queue is looked at by the test."""
    with contextlib.ExitStack() as opened:

        def ask(**batch: object) -> Jobs:
            run = with_batch(replace(run_of(Znunu=[tmp_path]), workers=2, cluster="slurm"), **batch)
            own = opened.enter_context(credentials(run.output))
            jobs = opened.enter_context(Jobs(run, own))
            jobs.request()
            return jobs

        yield ask
    wait_for(lambda: not slurm.jobs())


def test_workers_listen_on_their_interface_alone(slurm: real.Slurm, ask: Ask) -> None:
    jobs = ask()
    workers = jobs.cluster.scheduler.workers
    wait_for(lambda: len(workers) == 2)
    assert all(worker.address.startswith("tls://127.0.0.1:") for worker in workers.values())
    listening = [
        connection.laddr.ip
        for process in map(psutil.Process, slurm.processes())
        if process.name().startswith("python")
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 6  # each the worker's, its nanny's, its page's
    assert set(listening) == {"127.0.0.1"}


def test_jobs_that_end_at_once_are_not_asked_for_forever(ask: Ask) -> None:
    """Three looks at the queue, and the reason is in the words of the last job."""
    jobs = ask(scratch="/proc/nosuch")

    def look() -> bool:
        time.sleep(0.2)
        jobs._look()
        return False

    with pytest.raises(EngineError) as raised:
        wait_for(look)
    assert re.fullmatch(
        r"--cluster slurm: jobs end before their workers join, 3 times in a row: see "
        r".*/run/logs; last line of their logs: .*No such file or directory: '/proc/nosuch'",
        str(raised.value),
    )


def test_held_jobs_are_named_once_and_given_up(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    jobs = ask(directives=("--hold",))
    for _ in range(19):
        jobs._look()
    (record,) = (record for record in caplog.records if record.name == "monojet")
    assert re.match(
        r"jobs held: 2: JobHeldUser \(fix the cause, then scontrol release \d+ \d+\)",
        record.message,
    )
    with pytest.raises(EngineError, match=r"^--cluster slurm: all jobs are held \(JobHeldUser\): "):
        jobs._look()


def test_jobs_that_wait_are_told_now_and_then(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "monojet")
    jobs = ask(directives=("--begin=now+1hour",))
    for _ in range(16):
        jobs._look()
    said = [record.getMessage() for record in caplog.records if record.name == "monojet"]
    assert [line.split(" (")[0] for line in said] == [
        f"workers: 0 of 2; jobs waiting in the queue for {minutes} minutes: 2: BeginTime"
        for minutes in (1, 2, 4)
    ]
    assert re.search(r" \(scontrol show job \d+\)$", said[0])


def test_jobs_that_are_refused_do_not_end_those_that_wait(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As by a limit on the jobs of a user: here one is taken."""
    program(
        tmp_path / "bin",
        "sbatch",
        f"#!/bin/sh\nmkdir {tmp_path}/taken 2>/dev/null && exec {shutil.which('sbatch')} $*\n"
        "echo sbatch: error: QOSMaxSubmitJobPerUserLimit >&2\nexit 1\n",
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    jobs = ask(directives=("--begin=now+1hour",))
    for _ in range(4):
        jobs._look()
    said = [record.getMessage() for record in caplog.records if record.name == "monojet"]
    assert len(said) == 2, said
    assert said[0].startswith("1 of 2 jobs accepted: ")
    assert re.fullmatch(r"jobs refused, trying again later: .*QOSMaxSubmitJobPerUserLimit", said[1])


def test_a_job_neither_makes_nor_removes_an_environment(slurm: real.Slurm, tmp_path: Path) -> None:
    """Of the user's own, too: here .venv is of other packages."""
    tree = make_tree(tmp_path)
    assert tree.run("bash", tree.source).returncode == 0
    tree.require("monojet-probe==1.0\n")
    before = contents(tree.directory)
    job = f"exec bash -c {shlex.quote(tree.source)}"
    output = tmp_path / "out"
    with pytest.raises(subprocess.CalledProcessError):  # with the exit code of the job
        slurm.run("sbatch", "--wait", f"--output={output}", "--export=NONE", "--wrap", job)
    (line,) = output.read_text().splitlines()
    assert line.startswith(f"monojet: cannot use {tree.venv} on ")
    assert ": requirements.txt has changed since it was made; jobs make no environment" in line
    assert contents(tree.directory) == before

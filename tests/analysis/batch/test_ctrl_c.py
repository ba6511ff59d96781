"""Ctrl-C, which reaches all processes of a terminal, on every engine: 130, one line, no jobs.

With processes on this machine: tests/test_run_analysis.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import slurm
from tests.analysis.batch.test_engines import CONDOR, program, scheduler, started, worker
from tests.conftest import REPOSITORY, WriteEvents
from tests.daemons import wait_for
from tests.test_run_analysis import PROGRAM


def test_the_import_of_dask_jobqueue_leaves_the_handler() -> None:
    code = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from analysis.batch.dask_jobs import _dask_jobqueue\n"
        "_dask_jobqueue()\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """The options that choose an engine, which is there."""
    with ExitStack() as opened:
        match request.param:
            case "this process":
                yield ["--workers", "1"]
            case "dask":
                path = str(REPOSITORY)
                address = opened.enter_context(scheduler(tmp_path, path))
                opened.enter_context(started(tmp_path, *worker(address), path=path))
                yield ["--cluster", address.replace("tcp://", "dask://")]
            case "htcondor":
                for name in ("condor_submit", "condor_q", "condor_rm"):
                    program(tmp_path / "bin", name, CONDOR)
                monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
                yield ["--cluster", "htcondor", "--workers", "1"]
                assert not list((tmp_path / "bin" / "jobs").iterdir())
            case "slurm":
                if reason := slurm.why_not():
                    pytest.skip(reason)
                running = opened.enter_context(slurm.slurm(tmp_path / "slurm"))
                for name, value in running.environment.items():
                    monkeypatch.setenv(name, value)
                yield ["--cluster", "slurm", "--workers", "1"]
                assert not running.jobs()


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["this process", "dask", "htcondor", "slurm"], indirect=True)
def test_ctrl_c_ends_with_130_and_one_line(
    cluster: list[str], tmp_path: Path, write_events: WriteEvents
) -> None:
    config, output = tmp_path / "c.yaml", tmp_path / "run"
    data = {
        "name": "c",
        "batch": {"task_size": 2000, "interface": "lo", "memory": "3 GB"},
        "samples": [{"process": "Znunu", "files": [str(write_events(n_events=60_000))]}],
        "training": {"networks": [{"network": "strides"}]},
    }
    config.write_text(json.dumps(data))  # which is YAML, too
    options = ["--config", str(config), "--stage", "imaging", "--output", str(output)]
    with subprocess.Popen(
        [*PROGRAM, *options, *cluster],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # where the tests run in the background, Ctrl-C is ignored: not so in this process
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        parts = output / "parts" / "imaging"
        wait_for(lambda: bool(list(parts.glob("*.h5"))) or process.poll() is not None, 120)
        assert process.poll() is None, process.communicate()[1]
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    lines = [line for line in stderr.splitlines() if line.startswith("ERROR")]
    assert lines == ["ERROR interrupted: run the same command again to resume"], stderr
    assert "Traceback" not in stderr
    assert not list(output.glob(".tls-*"))
    assert not list(output.rglob("*.partial"))

"""Dask's workers on a real HTCondor pool: held, of no use, and as CERN's settings have them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.analysis.batch.conftest import Inputs, MakeInputs
from tests.conftest import REPOSITORY
from tests.daemons import wait_for
from tests.htcondor import Pool

pytestmark = pytest.mark.slow

# run_analysis.py, which looks at the queue more often.
IMPATIENT = f"""\
import runpy, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from analysis.batch import dask_jobs
dask_jobs._PERIOD = 0.2
sys.argv[0] = {str(REPOSITORY / "run_analysis.py")!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def start(pool: Pool, folder: Inputs, workers: int, path: str = "") -> subprocess.Popen[str]:
    options = [*folder.options, "--cluster", "htcondor", "--workers", str(workers)]
    command = pool.command(f"PYTHONPATH={path}", sys.executable, "-c", IMPATIENT, *options)
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder.path)


def test_a_worker_that_is_held_is_named_and_the_others_go_on(
    htcondor: Pool, inputs: MakeInputs, expected: bytes
) -> None:
    folder = inputs(memory="1 GB", disk="100 MB")
    parts = folder.output / "parts" / "imaging"
    with start(htcondor, folder, 2) as process:
        wait_for(lambda: bool(list(parts.glob("*.h5"))) or process.poll() is not None, 120)
        assert process.poll() is None, process.communicate()[1]
        first = sorted(htcondor.jobs())[0]
        htcondor.run("condor_hold", "-reason", "to see", first)
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "WARNING jobs held: 1: to see" in stderr
    assert f"(fix the cause, then condor_release {first})" in stderr
    assert folder.images == expected
    wait_for(lambda: not htcondor.jobs(), 120)  # nor is the held one left
    assert not list(folder.output.glob(".tls-*"))


def test_jobs_that_are_all_held_are_given_up(htcondor: Pool, inputs: MakeInputs) -> None:
    folder = inputs(memory="1 GB", disk="100 MB", directives=["hold = True"])
    with start(htcondor, folder, 2) as process:
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2, stderr
    assert stderr.count("WARNING jobs held: 2: submitted on hold at user's request (fix") == 1
    assert "ERROR --cluster htcondor: all jobs are held (submitted on hold at user's" in stderr
    wait_for(lambda: not htcondor.jobs(), 120)


def test_workers_of_cern_that_fail_at_once_are_given_up_in_their_words(
    htcondor: Pool, inputs: MakeInputs, dask_lxplus: str
) -> None:
    """Their jobs are spooled: they stay in the queue when they have ended, with their logs."""
    folder = inputs(memory="1 GB", disk="100 MB", scratch="/proc/nosuch")
    with start(htcondor, folder, 1, dask_lxplus) as process:
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2, stderr
    (line,) = (line for line in stderr.splitlines() if line.startswith("ERROR"))
    assert "jobs end before their workers join, 3 times in a row: see " in line
    assert line.endswith(
        "; last line of their logs: FileNotFoundError: [Errno 2] No such file or directory: "
        "'/proc/nosuch'"
    )
    assert len(list((folder.output / "logs").glob("worker-*.err"))) == 3
    wait_for(lambda: not htcondor.jobs(), 120)

"""Work on a real HTCondor pool of one host, which the tests start."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.analysis.batch.conftest import MakeInputs
from tests.daemons import wait_for
from tests.htcondor import PROGRAM, Pool

pytestmark = pytest.mark.slow


def test_what_is_killed_or_removed_is_made_again(
    htcondor: Pool, inputs: MakeInputs, expected: bytes
) -> None:
    """One job is killed, and tried again by HTCondor; the other is removed: its parts are missing
    until it is submitted again. The result is that of one process."""
    folder = inputs()
    done = htcondor.analyse(*folder.options, "--submit", "condor", "--jobs", 2, cwd=folder.path)
    assert "2 jobs: 2 job(s) submitted to cluster" in done.stdout, done.stderr
    (cluster,) = {job.split(".")[0] for job in htcondor.jobs()}
    htcondor.run("condor_rm", f"{cluster}.1")
    wait_for(lambda: bool(processes_of(htcondor, "0/2")), 120)
    kill(*processes_of(htcondor, "0/2"))
    htcondor.wait()
    log = (folder.output / "submit" / "imaging" / "logs" / f"{cluster}.log").read_text()
    starts = re.findall(rf"^001 \({int(cluster):03}\.000\.", log, re.MULTILINE)
    assert len(starts) == 2, log
    assert len(list((folder.output / "parts" / "imaging").glob("*.h5"))) == 6
    done = htcondor.analyse(*folder.options, "--resubmit-failed", cwd=folder.path)
    assert "1 jobs: 1 job(s) submitted to cluster" in done.stdout, done.stderr
    htcondor.wait()
    done = htcondor.analyse(*folder.options, "--gather", cwd=folder.path)
    assert done.returncode == 0, done.stderr
    assert folder.images == expected


def test_parts_go_where_the_plugin_puts_them(
    htcondor: Pool, inputs: MakeInputs, expected: bytes
) -> None:
    """Through a file-transfer plugin for root://, which makes the folders, as CERN's."""
    folder = inputs(output_destination="root://eos.example.org//eos/user/n/name")
    done = htcondor.analyse(*folder.options, "--submit", "condor", "--jobs", 1, cwd=folder.path)
    assert done.returncode == 0, done.stderr
    htcondor.wait()
    arrived = htcondor.store / "eos" / "user" / "n" / "name" / "parts" / "imaging"
    assert len(list(arrived.glob("*.h5"))) == 12
    assert {path.suffix for path in arrived.iterdir()} == {".h5"}
    assert not (folder.output / "parts").exists()
    done = htcondor.analyse(*folder.options, "--gather", "--parts", arrived, cwd=folder.path)
    assert done.returncode == 0, done.stderr
    assert folder.images == expected


def test_a_worker_that_is_killed_is_replaced(
    htcondor: Pool, inputs: MakeInputs, expected: bytes
) -> None:
    """The only worker of --cluster is killed in mid-run, and its job ends with it."""
    folder = inputs()
    words = [*PROGRAM, *folder.options, "--cluster", "htcondor", "--workers", "1"]
    with subprocess.Popen(
        htcondor.command(*words), cwd=folder.path, stderr=subprocess.PIPE, text=True
    ) as process:
        parts = folder.output / "parts" / "imaging"
        wait_for(lambda: len(list(parts.glob("*.h5"))) >= 1 or process.poll() is not None, 120)
        assert process.poll() is None, process.communicate()[1]
        kill(*processes_of(htcondor, "distributed.cli.dask_worker"))
        _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert "jobs ended: 1: requesting new ones" in stderr
    assert folder.images == expected
    wait_for(lambda: not htcondor.jobs(), 120)


def kill(*processes: int) -> None:
    """As the kernel does where memory runs out."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def processes_of(pool: Pool, word: str) -> list[int]:
    """The Python processes of jobs with this word in their command line."""
    found = []
    for process in pool.processes():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
            if word in words and "python" in Path(words[0]).name:
                found.append(process)
    return found

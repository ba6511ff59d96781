"""Work on a real Slurm of one host, which the test starts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import slurm as real

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


def test_worker_killed_in_mid_task(
    slurm: real.Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job of a killed worker ends; the other job finishes the work."""
    distributed = pytest.importorskip("distributed")
    jobqueue = pytest.importorskip("dask_jobqueue")
    monkeypatch.chdir(tmp_path)

    def square(i: int) -> int:
        (tmp_path / f"began-{i}-{os.getpid()}").touch()
        time.sleep(0.5)
        return i * i

    with (
        jobqueue.SLURMCluster(
            interface="lo",
            cores=1,
            processes=1,
            memory="2GB",
            walltime="00:10:00",
            nanny=False,  # which would start a new worker in the same job
            local_directory=str(tmp_path),
            log_directory=str(tmp_path),
            scheduler_options={"dashboard_address": ":0"},
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        cluster.scale(2)
        client.wait_for_workers(2, timeout=120)
        processes = client.run(os.getpid)
        jobs = client.run(os.getenv, "SLURM_JOB_ID")
        assert set(jobs.values()) == set(slurm.jobs())
        futures = client.map(square, range(12))

        worker, process = next(iter(processes.items()))
        wait_for(lambda: any(tmp_path.glob(f"began-*-{process}")))
        os.kill(process, signal.SIGKILL)

        assert sum(client.gather(futures)) == sum(i * i for i in range(12))
        wait_for(lambda: jobs[worker] not in slurm.jobs())
        began = [path.name.split("-")[1] for path in tmp_path.glob("began-*")]
        assert len(began) > len(set(began)), "no task was interrupted and done again"
    wait_for(lambda: not slurm.jobs())


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)

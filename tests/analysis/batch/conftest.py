"""A real HTCondor pool for the tests of this folder.

``htcondor`` is a pool (`tests.htcondor.Pool`) that runs for as long as the tests do; a test that
uses it is skipped where none can be made. ``inputs`` makes a folder for one run on it: a
configuration, which names a file of events, and the output folder ``run``. What submits must run as
the pool's user, who is not root, and can write below such folders alone:

    def test_a_removed_job_is_missing(htcondor: Pool, inputs: Inputs) -> None:
        folder = inputs(task_size=5000)                 # settings of ``batch``
        done = htcondor.analyse(*folder.options, "--submit", "condor", cwd=folder.path)
        htcondor.run("condor_rm", "-all")               # or condor_hold, condor_qedit …
        htcondor.wait()                                 # until all have ended, or are held
        done = htcondor.analyse(*folder.options, "--status", cwd=folder.path)

``htcondor.jobs()`` gives the states in the queue, ``htcondor.processes("python")`` the processes
of jobs, ``htcondor.command(...)`` a command line for Popen, and ``htcondor.store`` the folder that
``root://any.host/`` of an ``output_destination`` stands for. A job over its ``memory`` is held.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analysis.config import load
from analysis.workflow.run import Run
from tests import htcondor as real
from tests.conftest import make_events, make_stage


@pytest.fixture(scope="session")
def htcondor() -> Iterator[real.Pool]:
    """A pool that runs."""
    reason = real.why_not()
    if reason:
        pytest.skip(reason)
    with real.pool() as running:
        yield running


@pytest.fixture(scope="session")
def dask_lxplus() -> str:
    """The folder with CERN's settings of dask-jobqueue, for PYTHONPATH."""
    folder = os.environ.get("MONOJET_TEST_DASK_LXPLUS", "")
    if not (Path(folder) / "dask_lxplus").is_dir():
        pytest.skip(
            "no dask_lxplus in $MONOJET_TEST_DASK_LXPLUS (pip install --no-deps --target DIR"
            " dask-lxplus==0.3.3)"
        )
    return folder


@dataclass(frozen=True)
class Inputs:
    """A folder with a configuration, of which the options are, and its output."""

    path: Path

    @property
    def options(self) -> list[str]:
        return [
            "--config", str(self.path / "c.yaml"),
            "--stage", "imaging",
            "--output", str(self.output),
        ]  # fmt: skip

    @property
    def output(self) -> Path:
        return self.path / "run"

    @property
    def images(self) -> bytes:
        """What the run has made."""
        return (self.output / "images" / "Znunu.h5").read_bytes()


MakeInputs = Callable[..., Inputs]


@pytest.fixture(scope="session")
def events(root: Any, htcondor: real.Pool) -> Path:
    """A file of 60000 events, which takes 12 tasks; the same of all runs, as they note its name."""
    return make_events(root, htcondor.folder() / "events.root", n_events=60_000)


@pytest.fixture(scope="session")
def inputs(htcondor: real.Pool, events: Path) -> MakeInputs:
    """Make a new folder; the arguments are settings of ``batch``."""

    def make(**batch: object) -> Inputs:
        folder = htcondor.folder()
        data = {
            "name": "c",
            "batch": {"task_size": 5000, "interface": "lo", **batch},
            "samples": [{"process": "Znunu", "files": [str(events)]}],
            "training": {"networks": [{"network": "strides"}]},
        }
        (folder / "c.yaml").write_text(json.dumps(data))  # which is YAML, too
        return Inputs(folder)

    return make


@pytest.fixture(scope="session")
def expected(inputs: MakeInputs) -> bytes:
    """What this process makes of them."""
    plain = inputs()
    make_stage("imaging", Run(load(plain.path / "c.yaml"), plain.output))
    return plain.images

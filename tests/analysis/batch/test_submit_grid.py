"""Submit jobs to the grid, and run their wrapper from the tarball alone."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.batch.driver import merge_parts
from analysis.batch.status import status
from analysis.batch.submit import resubmit, submit
from analysis.config import Config
from analysis.workflow.run import Run
from common.runtime.errors import BatchError
from tests.analysis.batch.submissions import (
    GENERATE,
    IMAGING,
    RunOf,
    five_tasks,
    folder_of,
    numbers,
    program,
    two_blocks,
    with_batch,
)
from tests.conftest import REPOSITORY, WriteEvents

PANDA = (
    "no prun on the path: make an environment of its own (python -m venv DIR; DIR/bin/pip install "
    "panda-client==2.2.0) and put DIR/bin at the end of PATH"
)


@pytest.fixture
def run(write_events: WriteEvents, run_of: RunOf) -> Run:
    return five_tasks(write_events, run_of)


@pytest.fixture
def generation(tiny_config: Config, tmp_path: Path) -> Run:
    return two_blocks(tiny_config, tmp_path / "run")


def unpack(tarball: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-C", folder, "-xf", tarball], check=True)
    return folder


def test_the_grid_gets_code_and_nothing_else(generation: Run, tmp_path: Path) -> None:
    submit(GENERATE, generation, "grid", None, dry_run=True)
    folder = folder_of(generation, "generate")
    listed = set((folder / "tarball.txt").read_text().splitlines())
    unpacked = unpack(folder / "monojet.tar.gz", tmp_path / "node")
    assert listed == {str(p.relative_to(unpacked)) for p in unpacked.rglob("*") if p.is_file()}
    for pattern in read_head(folder / "plan.jsonl")["code"]:
        assert {f"monojet/{p.relative_to(REPOSITORY)}" for p in REPOSITORY.glob(pattern)} <= listed
    jobs = {"config.yaml", "job.sh", "jobs.txt", "plan.jsonl"}
    assert {name for name in listed if not name.startswith("monojet/")} == jobs
    assert not [name for name in listed if any(w in name for w in (".venv", "pycache", ".git"))]


def read_head(plan: Path) -> dict[str, Any]:
    head: dict[str, Any] = json.loads(plan.read_text().splitlines()[0])
    return head


def test_what_the_grid_cannot_reach(run: Run, tiny_config: Config, tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="a.root: the grid cannot reach a local file"):
        submit(IMAGING, run, "grid", None, dry_run=True)
    with pytest.raises(BatchError, match="reads outputs of this run"):
        submit(IMAGING, Run(tiny_config, tmp_path / "run"), "grid", None, dry_run=True)


def test_the_grid_reads_remote_files(run: Run, tmp_path: Path) -> None:
    """Numbers of events in the list make opening the files unnecessary."""
    files = tmp_path / "files.txt"
    files.write_text("root://host.invalid//a.root 10\nroot://host.invalid//b.root 20\n")
    sample = run.config.samples[0].model_copy(update={"files": (str(files),)})
    run = replace(run, config=run.config.model_copy(update={"samples": (sample,)}))
    assert submit(IMAGING, run, "grid", None, dry_run=True).startswith("2 jobs written")
    assert "1 0 - root://host.invalid//b.root" in (folder_of(run) / "jobs.txt").read_text()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the account of the user, for the names of datasets."""
    monkeypatch.setenv("RUCIO_ACCOUNT", "tester")
    return "tester"


def words(run: Run) -> list[str]:
    """Return the command line of prun."""
    return shlex.split((folder_of(run, "generate") / "prun.sh").read_text().splitlines()[-1])


def test_the_command_line_of_prun(generation: Run, account: str) -> None:
    run = with_batch(generation, directives=("--excludedSite=ANALY_X", "a = b"), memory="2 GiB")
    submit(GENERATE, run, "grid", None, dry_run=True)
    found = words(run)
    assert found[found.index("--nJobs") + 1] == "2"
    assert found[found.index("--memory") + 1] == "2048"
    dataset = found[found.index("--outDS") + 1]
    assert dataset.startswith(f"user.{account}.monojet.tiny.generate.")
    assert "--excludedSite=ANALY_X" in found
    assert "a = b" not in found


def test_the_task_of_the_grid_is_recorded(
    generation: Run, account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "INFO : succeeded. new jediTaskID=43210"
    program(tmp_path / "bin", "prun", f"echo '{said}'", monkeypatch)
    assert submit(GENERATE, generation, "grid", None, dry_run=False) == f"2 jobs: {said}"
    text = status(GENERATE, generation, None)
    assert numbers(text) == [2, 0, 0, 2]
    assert "task 43210: https://bigpanda.cern.ch/task/43210/" in text
    said = resubmit(GENERATE, generation, None, dry_run=True)
    assert said.startswith("make sure that task 43210 has ended: not checked here\n2 jobs written")


@pytest.mark.skipif(shutil.which("prun") is None, reason=PANDA)
def test_prun_makes_a_task_of_it(generation: Run, account: str, tmp_path: Path) -> None:
    """Run panda-client itself, without a grid, a proxy or a network."""
    submit(GENERATE, generation, "grid", None, dry_run=True)
    prefix = Path(shutil.which("prun") or "").parent.parent
    nowhere = "127.0.0.1:9/server/panda"
    environment = {
        "PANDA_SYS": str(prefix),  # these two are set where panda-client was set up already
        "PANDA_PYTHON_EXEC": str(prefix / "bin" / "python"),
        **os.environ,
        "PANDA_CONFIG_ROOT": str(tmp_path / "pathena"),
        "PANDA_URL": f"http://{nowhere}",
        "PANDA_URL_SSL": f"https://{nowhere}",
        "PANDACACHE_URL": f"https://{nowhere}",
        "PANDA_BEHIND_REAL_LB": "1",  # or it looks names up
        "PANDA_AUTH": "x509_no_grid",
        "PANDA_NICKNAME": account,
        "HOME": str(tmp_path),
    }
    task = tmp_path / "task.json"  # absolute: prun works in a folder that it removes
    script = folder_of(generation, "generate") / "prun.sh"
    done = subprocess.run(
        ["bash", script, "--noSubmit", "--dumpTaskParams", task],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(task.read_text())
    dataset = words(generation)[words(generation).index("--outDS") + 1]
    assert found["taskName"] == f"{dataset}/"
    assert found["noInput"] is True
    assert (found["nEvents"], found["nEventsPerJob"]) == (2, 1)  # that is, two jobs
    assert (found["ramCount"], found["ramCountUnit"]) == (2862, "MBPerCore")
    assert found["maxAttempt"] == 3
    assert "buildSpec" not in found
    parameters = found["jobParameters"]
    values = [parameter["value"] for parameter in parameters]
    number = values.index("${SEQNUMBER}")
    assert values[number - 1] == "bash%20job.sh%20"
    (output,) = (p for p in parameters if p.get("param_type") == "output")
    assert output["dataset"] == f"{dataset}_parts/"
    assert output["value"].endswith(".parts.tar")


@pytest.mark.slow
def test_wrapper_on_the_grid(generation: Run, tmp_path: Path) -> None:
    """Run jobs from the tarball alone, but in this environment, as a new one takes minutes and a
    network."""
    submit(GENERATE, generation, "grid", None, dry_run=True)
    tarball = folder_of(generation, "generate") / "monojet.tar.gz"
    arrived = tmp_path / "datasets"
    for number in (1, 2):
        node = unpack(tarball, tmp_path / f"node{number}")
        (node / "monojet" / "env.sh").write_text(
            f"MONOJET_ENV=use\nsource {shlex.quote(str(REPOSITORY))}/env.sh\n"
        )
        command = ["env", "-i", shutil.which("bash") or "bash", "job.sh", str(number)]
        done = subprocess.run(command, cwd=node, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        unpack(node / "parts.tar", arrived / str(number))
    assert numbers(status(GENERATE, generation, [arrived])) == [2, 2, 0, 0]
    merge_parts(GENERATE, generation, [arrived])
    assert generation.sample("Znunu_high").exists()

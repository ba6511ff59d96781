"""Workers of others: jobs of HTCondor and Slurm, a scheduler that runs already."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.batch import engines
from analysis.batch.dask_jobs import Jobs
from analysis.batch.driver import carry_out
from analysis.batch.engines import Engines, Saving, _Sendable
from analysis.batch.security import credentials
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from common.runtime.errors import ConfigError, EngineError, InputError
from common.tasks import Range, Task
from tests.conftest import REPOSITORY, WriteEvents
from tests.daemons import wait_for
from tests.test_run_analysis import PROGRAM, fails

RunOf = Callable[..., Run]
IMAGING = partitioned_stage("imaging")


def with_batch(run: Run, **settings: Any) -> Run:
    batch = run.config.batch.model_copy(update={"interface": "lo", "start_up": 0.0, **settings})
    return replace(run, config=run.config.model_copy(update={"batch": batch}))


@pytest.fixture
def run(tmp_path: Path, run_of: RunOf, write_events: WriteEvents) -> Run:
    """A run of one small file by jobs of two cores."""
    return with_batch(replace(run_of(Znunu=[write_events()]), workers=2, threads=2))


def job_script(run: Run) -> str:
    with credentials(run.output) as own, Jobs(run, own) as jobs:
        return str(jobs.cluster.job_script())


def run_from_nothing(command: str) -> None:
    """Start a job's command, but for the worker, as a batch system does; it must find the code, in
    the directory of this process."""
    prologue, python, worker = command.partition(sys.executable)
    assert worker.startswith(" -m distributed.cli.dask_worker tls://127.0.0.1:")
    assert " --no-dashboard --dashboard-address 127.0.0.1:0 --interface lo --protocol tls" in worker
    options = shlex.split(worker)
    for option in ("--tls-ca-file", "--tls-cert", "--tls-key"):
        file = Path(options[options.index(option) + 1])
        assert file.suffix == ".pem", file
        assert not file.exists()  # any more
    program = "import os, analysis.batch.worker, cpp_helpers; print(os.getcwd())"
    done = subprocess.run(
        ["/usr/bin/env", "-i", "/bin/bash", "-c", f"{prologue}{python} -c {shlex.quote(program)}"],
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(Path.cwd()), done.stderr


def test_a_job_of_slurm(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a folder's").mkdir()
    monkeypatch.chdir(tmp_path / "a folder's")
    run = replace(run, cluster="slurm")
    asked = {"queue": "short", "account": "atlas", "walltime": "00:20:00", "memory": "5 GiB"}
    script = job_script(with_batch(run, **asked, directives=("--qos=high",)))
    header, _, command = script.partition("\nexport ")
    logs = f"{run.output}/logs/monojet-%J"
    assert header.split("\n#SBATCH ") == [
        "#!/usr/bin/env bash\n",
        "-J monojet",
        f"-e {logs}.err",
        f"-o {logs}.out",
        "-p short",
        "-A atlas",
        "-n 1",
        "--cpus-per-task=2",
        "--mem=5G",
        "-t 00:20:00",
        "--qos=high",
    ]
    run_from_nothing("export " + command)


def condor_command(submit_file: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, str], str]:
    """A submit file as HTCondor understands it: its commands, and what the shell gets."""
    monkeypatch.setenv("CONDOR_CONFIG", "ONLY_ENV")
    htcondor = pytest.importorskip("htcondor2")
    found = dict(htcondor.Submit(submit_file))
    (option, command) = unquoted(found["Arguments"])
    assert option == "-c"
    return found, command


def unquoted(arguments: str) -> list[str]:
    """The words of HTCondor's "new syntax"."""
    option, _, rest = arguments.strip()[1:-1].replace('""', '"').partition(" ")
    return [option, rest[1:-1].replace("''", "'")]


def test_a_job_of_condor(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a folder's").mkdir()
    monkeypatch.chdir(tmp_path / "a folder's")
    asked = {"job_flavour": "longlunch", "memory": "4 GiB", "disk": "7 GiB"}
    asked["directives"] = ('+AccountingGroup = "group_u_ATLAS"',)  # type: ignore[assignment]
    script = job_script(with_batch(replace(run, cluster="htcondor"), **asked))
    found, command = condor_command(script, monkeypatch)
    run_from_nothing(command)
    assert found["Executable"] == "/bin/bash"
    assert found["MY.JobFlavour"] == '"longlunch"'
    assert "MY.SendCredential" not in found
    assert found["MY.AccountingGroup"] == '"group_u_ATLAS"'
    assert found["MY.DaskWorkerCores"] == "2"
    assert found["MY.DaskWorkerMemory"] == str(4 * 2**30)
    assert found["MY.DaskWorkerDisk"] == str(7 * 2**30)
    assert found["LogDirectory"] == f"{run.output}/logs"


def test_a_directive_without_a_value_is_an_error(run: Run) -> None:
    with pytest.raises(ConfigError, match="batch.directives: 'fast' is not of the form"):
        job_script(with_batch(replace(run, cluster="htcondor"), directives=("fast",)))


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("cluster", "name", "said"),
    [
        ("htcondor", "condor_submit", "ERROR: Failed to connect to queue manager"),
        ("slurm", "sbatch", "sbatch: error: invalid partition specified: nosuch"),
    ],
)
def test_a_queue_that_refuses_is_said_in_its_words(
    cluster: str, name: str, said: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", name, f"#!/bin/sh\necho Submitting\necho {said!r} >&2\nexit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with (
        Engines(replace(run, cluster=cluster)) as engines,
        pytest.raises(EngineError, match=f"^--cluster {cluster}: {said}$"),
    ):
        engines.of(IMAGING, 2)


CONDOR = f"""\
#!{sys.executable}
# HTCondor, as far as dask-jobqueue calls it: a job is a process, its number that of the cluster.
import os, re, signal, subprocess, sys
from pathlib import Path

jobs = Path(__file__).parent / "jobs"
jobs.mkdir(exist_ok=True)
match Path(sys.argv[0]).name:
    case "condor_submit":
        text = Path(sys.argv[-1]).read_text()
        command = re.search(r"Arguments = \\"-c '(.*)'\\"", text)[1]
        command = command.replace('""', '"').replace("''", "'")
        with (Path(__file__).parent / "job.log").open("a") as log:
            job = subprocess.Popen(
                ["/usr/bin/env", "-i", "/bin/bash", "-c", command],
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )
        (jobs / str(job.pid)).touch()
        print(f"Submitting job(s).\\n1 job(s) submitted to cluster {{job.pid}}.")
    case "condor_q":
        assert sys.argv[1] == "-autoformat"
        assert sys.argv[2:] == "ClusterId ProcId JobStatus HoldReasonCode HoldReason".split()
        for job in jobs.iterdir():
            if Path("/proc", job.name, "cmdline").exists():
                print(f"{{job.name}} 0 2 undefined undefined")
    case "condor_rm":
        number = sys.argv[-1].removesuffix(".0")
        (jobs / number).unlink()
        os.killpg(int(number), signal.SIGKILL)
"""


@pytest.mark.slow
def test_condor_replaces_its_jobs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On programs that stand for HTCondor's: the first job is removed as soon as it runs."""
    monkeypatch.setattr("analysis.batch.dask_jobs._PERIOD", 1.0)
    for name in ("condor_submit", "condor_q", "condor_rm"):
        program(tmp_path / "bin", name, CONDOR)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    caplog.set_level("INFO", "monojet")
    jobs = tmp_path / "bin" / "jobs"
    run = replace(run, cluster="htcondor", workers=1)
    targets = IMAGING.targets(run)
    with Engines(run) as engines:
        engines.of(IMAGING, 1)
        (first,) = jobs.iterdir()
        subprocess.run([tmp_path / "bin" / "condor_rm", f"{first.name}.0"], check=True)
        carry_out(engines, IMAGING, run, targets, lambda target: None)
        assert len(list(jobs.iterdir())) == 1
    assert targets[0].output.exists()
    assert "jobs ended: 1: requesting new ones" in caplog.text
    assert not list(jobs.iterdir())


@contextmanager
def started(folder: Path, *arguments: str, path: str | None = None) -> Iterator[None]:
    """A program of Dask, as a user starts it in a directory."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if path:
        environment["PYTHONPATH"] = path
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    with (
        (folder / f"{arguments[0]}.log").open("a") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def scheduler(folder: Path, path: str | None) -> Iterator[str]:
    """The address of a scheduler without workers and without dashboard."""
    file = folder / "scheduler.json"
    options = ("--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(file))
    with started(folder, "scheduler", *options, path=path):
        wait_for(file.exists)
        yield json.loads(file.read_text())["address"]


def imaging(tmp_path: Path, events: Path, address: str) -> list[str]:
    return [
        *("--stage", "imaging", "--input", str(events), "--process", "Znunu", "--output"),
        *(str(tmp_path / "run"), "--cluster", address.replace("tcp://", "dask://")),
    ]


def worker(address: str) -> list[str]:
    return ["worker", address, "--nthreads", "1", "--death-timeout", "10"]


REMEDY = (
    "; start the scheduler and workers after `source env.sh`, with the repository on PYTHONPATH: "
    f"{REPOSITORY}"
)


@pytest.mark.slow
def test_a_scheduler_without_workers_is_waited_for(
    tmp_path: Path, write_events: WriteEvents
) -> None:
    path = str(REPOSITORY)
    with scheduler(tmp_path, path) as address:
        command = [*PROGRAM, *imaging(tmp_path, write_events(), address)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            line = next((line for line in process.stderr if "workers" in line), "")
            # It has no dashboard.
            assert re.search(r"waiting for workers: dask://[^ ]* has none yet; start", line)
            assert line.endswith(REMEDY + "\n")
            with started(tmp_path, *worker(address), path=path):
                _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert (tmp_path / "run" / "images" / "Znunu.h5").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("where", "path"), [("scheduler", None), ("workers", str(REPOSITORY))])
def test_a_scheduler_or_workers_without_the_code_are_one_line(
    where: str, path: str | None, tmp_path: Path, write_events: WriteEvents
) -> None:
    events = write_events()
    with scheduler(tmp_path, path) as address, started(tmp_path, *worker(address)):
        wait_for(lambda: "Registered to" in (tmp_path / "worker.log").read_text())
        line = fails(*imaging(tmp_path, events, address))
    assert f": its {where} cannot import 'analysis'" in line
    assert line.endswith(REMEDY)


@pytest.mark.slow
def test_the_dashboard_of_this_machine_is_there(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "monojet")
    with Engines(run) as engines:
        address = engines.of(IMAGING, 2).dashboard
        assert address is not None
        with urllib.request.urlopen(address) as page:
            assert b"<title>Dask" in page.read()
    assert f"2 workers; dashboard: {address}" in caplog.text


def test_workers_start_once_they_are_expected_to_save_time() -> None:
    def expected(*seconds: float, n_tasks: int = 10, workers: int = 2, cost: float = 5) -> bool:
        saving = Saving(n_tasks, workers, 5.0, cost)
        for one in seconds:
            saving.add(one)
        return saving.expected

    assert not expected()  # nothing is known
    assert expected(cost=0)
    assert not expected(6)  # the first task loads and compiles, too
    assert not expected(6, 1)  # eight seconds of work are left, workers save four
    assert expected(6, 1, n_tasks=13)  # they save 5.5 s
    assert expected(6, 1, workers=8)  # they save seven
    assert expected(30)
    assert not expected(30, n_tasks=2)  # one task is left
    assert not expected(30, 30, n_tasks=2)


def test_a_short_stage_starts_no_workers(
    run_of: RunOf, write_events: WriteEvents, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "monojet")
    files = [write_events(f"{n}.root", n_events=n) for n in (3, 4)]
    with Engines(replace(run_of(Znunu=files), workers=2)) as engines:
        engine = engines.of(IMAGING, 2)
        tasks = [Task(Range("Znunu", str(file), 0, 3), "", "") for file in files]
        assert [done for _, done in engine.map(lambda task: len(task.range.sample), tasks)] == [
            5,
            5,
        ]
    assert "workers" not in caplog.text


def test_workers_start_at_once_for_many_long_tasks(
    run_of: RunOf, write_events: WriteEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = object()
    monkeypatch.setattr(engines, "_on_dask", lambda _: workers)
    found = Engines(replace(run_of(Znunu=[write_events()]), workers=2))
    generation = partitioned_stage("generate")
    assert found.of(generation, 4) is not workers
    assert found.of(IMAGING, 100) is not workers
    assert found.of(generation, 5) is workers


@pytest.mark.slow
def test_workers_take_over_where_they_save_time(
    run_of: RunOf, write_events: WriteEvents, caplog: pytest.LogCaptureFixture
) -> None:
    """Each task returns its process: the first is that of this one."""
    caplog.set_level("INFO", "monojet")
    run = with_batch(replace(run_of(Znunu=[write_events()]), workers=2), start_up=0.2)
    tasks = [Task(Range("Znunu", "", n, n + 1), "", "") for n in range(6)]
    with Engines(run) as engines:
        found = {t.range.begin: pid for t, pid in engines.of(IMAGING, 6).map(slow_task, tasks)}
    assert found.pop(0) == os.getpid()
    assert os.getpid() not in found.values()
    assert sorted(found) == [1, 2, 3, 4, 5]
    assert "2 workers" in caplog.text


def slow_task(_: Task) -> int:
    time.sleep(1)
    return os.getpid()


def test_errors_are_sent_without_what_cannot_be() -> None:
    def fails(_: Any) -> int:
        try:
            raise RuntimeError("of C++")
        except RuntimeError as error:
            raise InputError("a.root: bad") from error

    with pytest.raises(InputError, match=r"a\.root: bad") as raised:
        _Sendable(fails)(None)  # type: ignore[arg-type]
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None

"""Submit jobs to HTCondor, and run their wrapper from an empty environment."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.batch.driver import merge_parts
from analysis.batch.submit import submit
from analysis.config import Config
from analysis.workflow.run import Run
from common.runtime.errors import BatchError, ConfigError, EngineError
from tests.analysis.batch.submissions import (
    GENERATE,
    IMAGING,
    RunOf,
    five_tasks,
    folder_of,
    look,
    numbers,
    parsed,
    program,
    two_blocks,
    with_batch,
)
from tests.conftest import WriteEvents, make_stage
from tests.test_run_analysis import call, fails
from tests.users import ordinary_user


@pytest.fixture
def run(write_events: WriteEvents, run_of: RunOf) -> Run:
    return five_tasks(write_events, run_of)


@pytest.fixture
def generation(tiny_config: Config, tmp_path: Path) -> Run:
    return two_blocks(tiny_config, tmp_path / "run")


def test_condor_reads_the_submit_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said = submit(IMAGING, run, "condor", None, dry_run=True)
    folder = folder_of(run)
    assert said == f"5 jobs written; submit them with: cd {folder} && condor_submit job.sub"
    commands, jobs = parsed(folder, monkeypatch)
    assert jobs == [
        {"shard": str(i), "begin": str(begin), "end": str(end), "file": f"{run.output.parent}/{n}"}
        for i, (n, begin, end) in enumerate(
            [
                ("a.root", 0, 20),
                ("b c.root", 0, 20),
                ("b c.root", 20, 40),
                ("b c.root", 40, 50),
                ("d.root", 0, 10),
            ]
        )
    ]
    assert commands["executable"] == "job.sh"
    assert commands["arguments"] == "$(shard)"
    assert commands["max_retries"] == "2"
    assert commands["request_cpus"] == "1"
    assert commands["request_memory"] == "2862 MB"
    assert commands["transfer_output_files"] == '""'
    for name in (commands["executable"], *commands["transfer_input_files"].split(", ")):
        assert (folder / name).is_file()
    for name in ("log", "output", "error"):
        assert (folder / commands[name]).parent.is_dir()
    assert os.access(folder / "job.sh", os.X_OK)
    assert not [name for name in commands if name.startswith("MY.") or "x509" in name.lower()]
    assert Config.model_validate(yaml.safe_load((folder / "config.yaml").read_text())) == run.config


def test_jobs_use_the_environment_and_only_the_grid_makes_one(
    run: Run, generation: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"EXTRA_CLING_ARGS": "-O2 -g", "MONOJET_LCG_VIEW": "LCG_1/a b"}.items():
        monkeypatch.setenv(name, value)
    submit(IMAGING, run, "condor", None, dry_run=True)
    submit(GENERATE, generation, "grid", None, dry_run=True)
    here = before_env(folder_of(run))
    assert here == {"MONOJET_ENV=use", "EXTRA_CLING_ARGS=-O2 -g"}
    grid = before_env(folder_of(generation, "generate"))
    assert grid == {"MONOJET_ENV=make", "EXTRA_CLING_ARGS=-O2 -g", "MONOJET_LCG_VIEW=LCG_1/a b"}


def before_env(folder: Path) -> set[str]:
    """What a job sets before it sources env.sh, but for its folders."""
    script, _, _ = (folder / "job.sh").read_text().partition("/env.sh")
    words = [shlex.split(line) for line in script.splitlines() if line.startswith("export ")]
    folders = ("PATH=", "HOME=", "TMPDIR=")
    return {word for _, *line in words for word in line if not word.startswith(folders)}


def test_settings_of_the_batch_system(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run = with_batch(
        replace(run, threads=4),
        memory="8 GiB",
        retries=7,
        job_flavour="longlunch",
        output_destination="root://eosuser.cern.ch//eos/user/n/name/run/",
        directives=('requirements = (OpSysAndVer == "AlmaLinux9")',),
    )
    submit(IMAGING, run, "condor", 2, dry_run=True)
    commands, jobs = parsed(folder_of(run), monkeypatch)
    assert [job["shard"] for job in jobs] == ["0", "1"]
    destination = "root://eosuser.cern.ch//eos/user/n/name/run/parts/imaging/"
    assert commands["output_destination"] == destination
    assert "transfer_output_files" not in commands
    assert commands["MY.XRDCP_CREATE_DIR"] == "True"
    assert commands["when_to_transfer_output"] == "ON_EXIT_OR_EVICT"
    assert "MY.SendCredential" not in commands
    assert commands["MY.JobFlavour"] == '"longlunch"'
    assert commands["request_cpus"] == "4"
    assert commands["request_memory"] == "8192 MB"
    assert commands["max_retries"] == "7"
    assert commands["requirements"] == '(OpSysAndVer == "AlmaLinux9")'


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"memory": "much"}, "batch.memory: 'much' is not a size"),
        ({"directives": ("gpu",)}, "'gpu' is not of the form 'name = value'"),
        ({"directives": ("Log = x",)}, "'Log' is reserved, as jobs are recognised by it"),
        ({"output_destination": "/eos/x"}, "batch.output_destination: '/eos/x' is not a URL"),
    ],
)
def test_settings_that_cannot_be(run: Run, setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        submit(IMAGING, with_batch(run, **setting), "condor", None, dry_run=True)


def test_a_ticket_is_asked_for_where_a_site_wants_it(run: Run) -> None:
    """A job that asks for one where nothing makes it starts again for ever."""
    submit(IMAGING, with_batch(run, job_flavour="espresso"), "condor", None, dry_run=True)
    assert "SendCredential" not in (folder_of(run) / "job.sub").read_text()
    submit(IMAGING, with_batch(run, send_credential=True), "condor", None, dry_run=True)
    assert "\nMY.SendCredential = True\n" in (folder_of(run) / "job.sub").read_text()


def test_fewer_tasks_than_jobs_are_said(run: Run) -> None:
    first, second = submit(IMAGING, run, "condor", 6, dry_run=True).splitlines()
    assert (
        first == "5 jobs instead of 6, one for each task (a smaller --task-size makes more tasks)"
    )
    assert second.startswith("5 jobs written")
    assert submit(IMAGING, run, "condor", 5, dry_run=True).startswith("5 jobs written")


def test_condor_takes_the_jobs(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'test "$1" = job.sub && test -f job.sub || exit 1\necho "5 job(s) to cluster 7."'
    program(tmp_path / "bin", "condor_submit", script, monkeypatch)
    said = submit(IMAGING, run, "condor", None, dry_run=False)
    assert said == "5 jobs: 5 job(s) to cluster 7."


def test_options_of_condor_submit(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = with_batch(run, submit_options=("-spool",))
    program(tmp_path / "bin", "condor_submit", 'test "$1 $2" = "-spool job.sub"', monkeypatch)
    assert submit(IMAGING, run, "condor", None, dry_run=False) == "5 jobs: submitted"
    said = submit(IMAGING, run, "condor", None, dry_run=True)
    assert said.endswith("&& condor_submit -spool job.sub")


def test_condor_refuses_in_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "echo Submitting...; printf '\\nERROR: no room\\nERROR: (in the queue)\\n' >&2; exit 1"
    program(tmp_path / "bin", "condor_submit", script, monkeypatch)
    with pytest.raises(EngineError) as refused:
        submit(IMAGING, run, "condor", None, dry_run=False)
    line = str(refused.value)
    assert line.startswith("condor_submit refuses: ERROR: no room; ERROR: (in the queue): fix the")
    assert "\n" not in line


@pytest.mark.parametrize(("system", "name"), [("condor", "condor_submit"), ("grid", "prun")])
def test_without_the_program_nothing_is_written(
    run: Run, system: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=f"--submit {system}: no {name} on the path"):
        submit(IMAGING, run, system, None, dry_run=False)
    assert not folder_of(run).exists()


def test_what_the_jobs_would_lack(tiny_config: Config, tmp_path: Path) -> None:
    run = Run(tiny_config, tmp_path / "run")
    with pytest.raises(BatchError, match="Znunu_high.root: not up to date.* --stage generate"):
        submit(IMAGING, run, "condor", None, dry_run=True)


# --- The command line -------------------------------------------------------------------


def test_the_command_line(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(run.config.model_dump(mode="json")))
    common = ("--stage", "imaging", "--config", config, "--output", run.output)
    done = call(*common, "--submit", "condor", "--jobs", 2, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 jobs written")
    assert numbers(call(*common, "--status").stdout) == [5, 0, 0, 5]
    assert call(*common, "--resubmit-failed", "--dry-run").stdout.startswith("2 jobs written")
    assert "with other options" in fails(*common, "--seed", 5, "--status")
    assert "--jobs 0: must be at least 1" in fails(*common, "--jobs", 0, "--submit", "condor")
    assert "--task-size 0: must be at least 1" in fails(*common, "--task-size", 0, "--status")
    assert "--jobs requires --submit" in fails(*common, "--jobs", 5)
    assert "give exactly one --stage" in fails(*common, "--stage", "generate", "--submit", "condor")
    if shutil.which("condor_submit") is None:
        assert "no condor_submit on the path" in fails(*common, "--submit", "condor")


# --- The wrapper -----------------------------------------------------------------------


@pytest.fixture
def shared(run: Run) -> Iterator[Run]:
    """The run, in a folder that every user can write to, its inputs given relative to it."""
    files = [Path(path) for path in run.config.samples[0].files]
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name).resolve()
        for file in files:
            shutil.copy(file, folder)
        (folder / "run").mkdir()
        for path in (folder, folder / "run"):
            path.chmod(0o777)
        patch.chdir(folder)
        sample = run.config.samples[0].model_copy(update={"files": tuple(f.name for f in files)})
        config = run.config.model_copy(update={"samples": (sample,)})
        yield replace(run, config=config, output=Path("run"))


def reference(run: Run) -> bytes:
    """The output of a plain run."""
    return make_stage("imaging", replace(run, output=Path("plain")))[0].output.read_bytes()


def run_job(folder: Path, argument: object) -> subprocess.CompletedProcess[str]:
    """Run job.sh in a folder as a batch node would: from an empty environment."""
    folder.chmod(0o777)
    command = [*ordinary_user(), "env", "-i", shutil.which("bash") or "bash", "job.sh"]
    return subprocess.run([*command, str(argument)], cwd=folder, capture_output=True, text=True)


def on_condor(run: Run) -> list[tuple[Path, set[str]]]:
    """Run all jobs, each in a folder with what the submit file has transferred; returns the folders
    and the new files in them, which HTCondor would bring back."""
    source = folder_of(run)
    made = []
    for line in (source / "jobs.txt").read_text().splitlines():
        shard = line.split()[0]
        node = Path(f"node{shard}").absolute()
        node.mkdir()
        for name in ("job.sh", "config.yaml", "plan.jsonl"):
            shutil.copy(source / name, node)
        before = {path.name for path in node.iterdir()}
        done = run_job(node, shard)
        assert done.returncode == 0, done.stderr
        made.append((node, {path.name for path in node.iterdir() if path.is_file()} - before))
    return made


@pytest.mark.slow
def test_wrapper_writes_to_a_shared_folder(shared: Run) -> None:
    submit(IMAGING, shared, "condor", 2, dry_run=True)
    assert [new for _, new in on_condor(shared)] == [set(), set()]
    assert numbers(look(shared)) == [5, 5, 0, 0]
    merge_parts(IMAGING, shared, [shared.parts("imaging")])
    assert shared.images("Znunu").read_bytes() == reference(shared)


def test_wrapper_makes_no_output_folder_that_is_gone(shared: Run) -> None:
    submit(IMAGING, shared, "condor", 1, dry_run=True)
    wrapper = folder_of(shared) / "job.sh"
    text = wrapper.read_text()
    source = next(line for line in text.splitlines() if line.startswith("source "))
    (shared.output.parent / "job.sh").write_text(text.replace(source, "true"))
    shutil.rmtree(shared.output)
    done = run_job(shared.output.parent.absolute(), 0)
    assert done.returncode == 1
    assert done.stderr == f"{shared.output.absolute()} is missing: condor_rm these jobs\n"
    assert not shared.output.exists()


@pytest.mark.slow
def test_wrapper_goes_on_with_the_parts_that_condor_gives_back(shared: Run) -> None:
    """When it was evicted; those that were made before are changed, as HTCondor sends no others."""
    shared = with_batch(shared, output_destination="root://eosuser.cern.ch//eos/user/n/name")
    submit(IMAGING, shared, "condor", 1, dry_run=True)
    ((node, new),) = on_condor(shared)
    assert len(new) == 5
    first, *others = sorted(new)
    shutil.rmtree(node / "run")
    for name in others:
        (node / name).unlink()
    (node / ".Znunu.half.h5.a.b.partial").touch()
    os.utime(node / first, (1e9, 1e9))
    inode = (node / first).stat().st_ino
    done = run_job(node, 0)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in node.glob("*.h5")} == new
    assert (node / first).stat().st_ino == inode
    assert (node / first).stat().st_mtime > 1e9
    assert not list(node.glob(".*.partial"))


@pytest.mark.slow
def test_wrapper_leaves_its_parts_to_be_transferred(shared: Run) -> None:
    shared = with_batch(shared, output_destination="root://eosuser.cern.ch//eos/user/n/name")
    submit(IMAGING, shared, "condor", 2, dry_run=True)
    arrived = Path("eos")
    arrived.mkdir()
    for node, new in on_condor(shared):
        assert {Path(name).suffix for name in new} == {".h5"}
        for name in new:
            shutil.copy(node / name, arrived)
    assert not shared.parts("imaging").exists()
    assert numbers(look(shared, arrived)) == [5, 5, 0, 0]
    merge_parts(IMAGING, shared, [arrived])
    assert shared.images("Znunu").read_bytes() == reference(shared)


@pytest.mark.slow
@pytest.mark.parametrize("destination", [None, "root://eosuser.cern.ch//eos/user/n/name"])
def test_wrapper_tells_of_failures(shared: Run, destination: str | None) -> None:
    Path("a.root").write_bytes(b"no ROOT file")
    shared = with_batch(shared, output_destination=destination, retries=0)
    submit(IMAGING, shared, "condor", 1, dry_run=True)
    done = run_job(folder_of(shared), 0)
    assert done.returncode == 2
    assert "a.root: not a ROOT file" in done.stderr
    found = look(shared, folder_of(shared) if destination else shared.parts("imaging"))
    assert numbers(found) == [5, 4, 1, 0]
    assert "failed: a.root: not a ROOT file" in found

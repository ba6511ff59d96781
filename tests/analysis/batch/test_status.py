"""What has come back of a submission is known, and what its jobs do."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.batch.condor_status import TIME, notes
from analysis.batch.driver import merge_parts
from analysis.batch.plan import Shard, read_plan
from analysis.batch.submission import Submission
from analysis.batch.submit import resubmit, submit
from analysis.workflow.run import Run
from common.runtime.errors import BatchError
from tests.analysis.batch.submissions import (
    IMAGING,
    five_tasks,
    folder_of,
    look,
    make_parts,
    numbers,
    parsed,
    program,
    states,
    with_batch,
)
from tests.conftest import WriteEvents

RunOf = Callable[..., Run]


@pytest.fixture
def run(write_events: WriteEvents, run_of: RunOf) -> Run:
    return five_tasks(write_events, run_of)


def test_a_lost_part_is_seen_and_only_its_job_goes_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(IMAGING, run, "condor", 3, dry_run=True)
    assert numbers(look(run)) == [5, 0, 0, 5]
    make_parts(run, "0/3", "1/3", "2/3")
    assert numbers(look(run)) == [5, 5, 0, 0]
    folders = [run.parts("imaging")]
    assert "merge them with --gather" in resubmit(IMAGING, run, None, dry_run=True)
    tasks = read_plan(folder_of(run) / "plan.jsonl")
    (run.parts("imaging") / f"Znunu.{Shard(1, 3).of(tasks)[0].key}.h5").unlink()
    assert numbers(look(run)) == [5, 4, 0, 1]
    assert resubmit(IMAGING, run, None, dry_run=True).startswith("1 jobs written")
    _, jobs = parsed(folder_of(run), monkeypatch)
    assert [job["shard"] for job in jobs] == ["1"]
    make_parts(run, "1/3")
    merge_parts(IMAGING, run, folders)
    shutil.rmtree(run.output / "parts", ignore_errors=True)
    assert numbers(look(run)) == [5, 5, 0, 0]  # the images are there


def test_parts_brought_from_elsewhere_are_found(run: Run, tmp_path: Path) -> None:
    submit(IMAGING, run, "condor", None, dry_run=True)
    make_parts(run, "0/1")
    run.parts("imaging").rename(tmp_path / "elsewhere")
    assert numbers(look(run)) == [5, 0, 0, 5]
    assert numbers(look(run, tmp_path)) == [5, 5, 0, 0]


def test_a_poisoned_file_is_named(run: Run, write_events: WriteEvents) -> None:
    write_events("a.root").write_text("no events")
    submit(IMAGING, run, "condor", None, dry_run=True)
    with pytest.raises(BatchError):
        make_parts(run, "0/1")
    assert numbers(look(run)) == [5, 4, 1, 0]
    assert "a.root: not a ROOT file" in look(run).splitlines()[-1]


def test_status_needs_no_submission_but_resubmit_does(run: Run) -> None:
    assert numbers(look(run)) == [5, 0, 0, 5]
    with pytest.raises(BatchError, match="no record of a submission of this stage"):
        resubmit(IMAGING, run, None, dry_run=True)


def test_another_plan_is_refused(run: Run) -> None:
    submit(IMAGING, run, "condor", None, dry_run=True)
    other = replace(run, config=run.config.model_copy(update={"seed": 99}))
    with pytest.raises(BatchError, match="the plan was submitted with other options or inputs"):
        look(other)
    plan = folder_of(run) / "plan.jsonl"
    text = plan.read_text()
    head, tasks = text.split("\n", 1)
    plan.write_text(
        json.dumps(json.loads(head) | {"code": {"run_analysis.py": "0"}}) + "\n" + tasks
    )
    with pytest.raises(BatchError, match="a different version of run_analysis.py"):
        resubmit(IMAGING, run, None, dry_run=True)
    plan.write_text(text)
    assert numbers(look(run)) == [5, 0, 0, 5]
    Path(run.config.samples[0].files[0]).touch()
    with pytest.raises(BatchError, match="the plan was submitted with other options or inputs"):
        look(run)


# --- What the jobs do ------------------------------------------------------------------


@pytest.fixture
def submitted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Five jobs as cluster 7 of a schedd, which does not answer any more; none has a log."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    in_queue(tmp_path, "echo schedd.example.org#7.0#1", monkeypatch)
    program(tmp_path / "bin", "condor_submit", "echo 5 jobs submitted to cluster 7.", monkeypatch)
    submit(IMAGING, run, "condor", None, dry_run=False)
    in_queue(tmp_path, "exit 1", monkeypatch)
    return run


def in_queue(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let condor_q do that."""
    program(folder / "bin", "condor_q", script, monkeypatch)


def log(run: Run, cluster: int, proc: int, shard: int, *events: str) -> None:
    """Write to the event log of a job: its submission and other events, of number and text."""
    plan = Submission.load(IMAGING, run).plan
    when = time.strftime(TIME)
    lines = ["000 Job submitted from host: <127.0.0.1:9618>", f"    {notes(shard, 5, plan)}"]
    texts = ["\n".join(lines), *events]
    with (folder_of(run) / "logs" / f"{cluster}.log").open("a") as file:
        for text in texts:
            file.write(f"{text[:3]} ({cluster:03}.{proc:03}.000) {when} {text[4:]}\n...\n")


HELD = "012 Job was held.\n\tToo much memory\n\tCode 26 Subcode 0"
RUNS = "001 Job executing on host: <127.0.0.1:9618>"
FAILS = "005 Job terminated.\n\t(1) Normal termination (return value 2)"
REMOVED = "009 Job was aborted.\n\tvia condor_rm (by user me)"


def test_what_was_taken_is_recorded(submitted: Run) -> None:
    (cluster,) = Submission.load(IMAGING, submitted).clusters
    assert (cluster.number, cluster.schedd) == (7, "schedd.example.org")
    assert cluster.shards == (0, 1, 2, 3, 4)


def test_event_logs_tell_what_the_jobs_do(submitted: Run) -> None:
    log(submitted, 7, 0, 0)
    log(submitted, 7, 1, 1, RUNS)
    log(submitted, 7, 2, 2, RUNS, HELD)
    log(submitted, 7, 3, 3, RUNS, FAILS)
    log(submitted, 7, 4, 4, REMOVED)
    err = folder_of(submitted) / "logs" / "7.3.err"
    err.write_text("monojet: starts\nERROR no such column\n\n")
    text = look(submitted)
    found = {"tasks": 5, "done": 0, "queued": 1, "running": 1, "held": 1, "failed": 2, "missing": 0}
    assert states(text) == found
    where = "-name schedd.example.org 7.2"
    assert f"held: job 7.2: Too much memory: fix the cause, then condor_release {where}" in text
    assert "failed: job 7.3: exit 2: ERROR no such column" in text
    assert "failed: job 7.4: removed: via condor_rm (by user me)" in text


def test_reasons_that_many_jobs_share_are_said_once(submitted: Run) -> None:
    """As HTCondor 23.9.6 tells of parts that could not be sent."""
    for shard in range(5):
        reason = (
            f"Transfer output files failure at execution point slot1_{shard}@localhost using "
            "protocol root. Details: Error from slot1_1@localhost: STARTER at 127.0.0.1 failed to "
            "send file(s) to <127.0.0.1:60273>: : FILETRANSFER:1:non-zero exit (1) from plugin. "
            f"|Error: Permission denied: root://h//x/Znunu.0{shard}.h5 ( URL file = root://h//x )|"
            "; SHADOW failed to receive file(s) from <127.0.0.1:45695>"
        )
        log(submitted, 7, shard, shard, RUNS, f"012 Job was held.\n\t{reason}\n\tCode 12 Subcode 1")
    (note,) = (line for line in look(submitted).splitlines() if line.startswith("held"))
    assert note.startswith(
        "held: job 7.0, 7.1, 7.2, 7.3, 7.4: Transfer output files failure at execution point "
        "slot1_0@localhost using protocol root. Permission denied: root://h//x/Znunu.00.h5: fix"
    )


def test_jobs_that_have_not_ended_are_left_out(
    submitted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(submitted, 7, 0, 0)
    log(submitted, 7, 1, 1, RUNS)
    log(submitted, 7, 2, 2, RUNS, HELD)
    log(submitted, 7, 3, 3, RUNS, FAILS)
    log(submitted, 7, 4, 4, REMOVED)
    said = resubmit(IMAGING, submitted, None, dry_run=True).splitlines()
    assert said[0].startswith("not resubmitted: 1 queued, 1 running, 1 held jobs (held: Too much")
    assert "condor_release 7.2" in said[0]
    assert said[1].startswith("2 jobs written")
    _, jobs = parsed(folder_of(submitted), monkeypatch)
    assert [job["shard"] for job in jobs] == ["3", "4"]
    assert "5 jobs written" in resubmit(IMAGING, submitted, None, dry_run=True, force=True)
    with pytest.raises(BatchError, match=r"1 queued, 1 running, 1 held jobs: .*condor_rm 7"):
        submit(IMAGING, submitted, "condor", 2, dry_run=True)  # which would change their shards


def test_the_latest_submission_of_a_shard_counts(submitted: Run) -> None:
    for proc in range(5):
        log(submitted, 7, proc, proc, FAILS)
    for proc, shard in enumerate((3, 4)):
        log(submitted, 12, proc, shard, *([RUNS] if shard == 3 else []))
    found = states(look(submitted))
    assert (found["failed"], found["running"], found["queued"]) == (3, 1, 1)


def test_a_part_that_is_there_is_done_whatever_its_job_does(submitted: Run) -> None:
    log(submitted, 7, 0, 0, RUNS, HELD)
    make_parts(submitted, "0/5")
    assert states(look(submitted))["done"] == 1


def test_where_log_and_queue_are_silent_nothing_is_submitted_twice(submitted: Run) -> None:
    text = look(submitted)
    assert states(text)["missing"] == 5
    assert "unknown: 5 jobs of cluster 7: neither an event log nor condor_q" in text
    for dry_run in (True, False):
        with pytest.raises(BatchError, match="cannot tell whether 5 jobs of cluster 7 have ended"):
            resubmit(IMAGING, submitted, None, dry_run)
    make_parts(submitted, "0/1")  # as they have, it does not matter
    assert "merge them with --gather" in resubmit(IMAGING, submitted, None, dry_run=True)


def test_the_queue_tells_where_no_log_does(
    submitted: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with condor_submit -spool: the schedd keeps the logs, and jobs that have ended."""
    plan = Submission.load(IMAGING, submitted).plan
    ads: list[dict[str, object]] = [
        {"ProcId": 0, "JobStatus": 5, "HoldReason": "Spooling", "HoldReasonCode": 16},
        {"ProcId": 1, "JobStatus": 6},
        {"ProcId": 2, "JobStatus": 5, "HoldReason": "Too much memory", "HoldReasonCode": 34},
        {"ProcId": 3, "JobStatus": 4, "ExitCode": 2},
    ]
    for ad in ads:
        ad |= {"ClusterId": 7, "QDate": int(time.time())}
        ad["SubmitEventNotes"] = notes(ad["ProcId"], 5, plan)
    script = f'test "$1 $2" = "-name schedd.example.org" || exit 1\necho {json.dumps(ads)!r}'
    in_queue(tmp_path, script, monkeypatch)
    text = look(submitted)
    found = {"tasks": 5, "done": 0, "queued": 1, "running": 1, "held": 1, "failed": 2, "missing": 0}
    assert states(text) == found
    assert "failed: job 7.3: exit 2" in text
    assert "failed: job 7.4: no longer in the queue" in text


def test_another_schedd_tells_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the jobs did not tell its name: what the one at hand does not know may live."""
    in_queue(tmp_path, "exit 1", monkeypatch)
    program(tmp_path / "bin", "condor_submit", "echo 5 jobs submitted to cluster 7.", monkeypatch)
    submit(IMAGING, run, "condor", None, dry_run=False)
    in_queue(tmp_path, "echo '[]'", monkeypatch)
    log(run, 7, 0, 0, RUNS)
    text = look(run)
    assert states(text)["running"] == 1
    assert "unknown: 4 jobs of cluster 7" in text


def test_jobs_that_were_submitted_by_hand_are_known(run: Run) -> None:
    submit(IMAGING, run, "condor", None, dry_run=True)
    log(run, 9, 0, 3, RUNS)
    assert states(look(run))["running"] == 1


def test_logs_of_another_plan_do_not_count(submitted: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for proc in range(5):
        log(submitted, 7, proc, proc, FAILS)
    submit(IMAGING, submitted, "condor", 2, dry_run=True)
    assert states(look(submitted))["missing"] == 5


def test_a_folder_that_was_moved_is_said(submitted: Run) -> None:
    moved = replace(submitted, output=submitted.output.with_name("moved"))
    submitted.output.rename(moved.output)
    assert f"submitted with the output folder {submitted.output}: jobs still" in look(moved)


# --- Where the parts are ---------------------------------------------------------------


@pytest.fixture
def sent(run: Run, tmp_path: Path) -> tuple[Run, Path]:
    """A submission whose parts go to a folder of a server, which is not mounted."""
    url = f"root://eos.example.org/{tmp_path}/eos/mine/"
    run = with_batch(run, output_destination=url)
    submit(IMAGING, run, "condor", None, dry_run=True)
    return run, tmp_path / "eos" / "mine" / "parts" / "imaging"


def test_parts_that_cannot_be_seen_are_not_missing(sent: tuple[Run, Path]) -> None:
    run, folder = sent
    unseen = f"but the folder {folder} does not exist on this machine .*: give --parts"
    with pytest.raises(BatchError, match=unseen):
        look(run)
    with pytest.raises(BatchError, match=unseen):
        resubmit(IMAGING, run, None, dry_run=True)


def test_nothing_has_been_sent_before_a_job_has_ended(sent: tuple[Run, Path]) -> None:
    run, _ = sent
    for shard in range(5):
        log(run, 9, shard, shard, RUNS)
    assert states(look(run))["running"] == 5
    assert resubmit(IMAGING, run, None, dry_run=True) == "not resubmitted: 5 running jobs"


def test_parts_are_found_where_the_server_is_mounted(sent: tuple[Run, Path]) -> None:
    run, folder = sent
    make_parts(run, "0/1")
    folder.parent.mkdir(parents=True)
    run.parts("imaging").rename(folder)
    assert numbers(look(run)) == [5, 5, 0, 0]


def test_a_folder_of_parts_is_remembered(sent: tuple[Run, Path], tmp_path: Path) -> None:
    run, _ = sent
    make_parts(run, "0/1")
    (tmp_path / "empty").mkdir()
    run.parts("imaging").rename(tmp_path / "brought")
    assert numbers(look(run, tmp_path / "empty")) == [5, 0, 0, 5]  # which is not remembered
    assert numbers(look(run, tmp_path / "brought")) == [5, 5, 0, 0]
    assert numbers(look(run)) == [5, 5, 0, 0]
    assert "merge them with --gather" in resubmit(IMAGING, run, None, dry_run=True)
    shutil.rmtree(tmp_path / "brought")
    with pytest.raises(BatchError, match="brought: the folder of the parts is missing"):
        look(run)
    with pytest.raises(BatchError, match="--parts .*brought: no such folder"):
        look(run, tmp_path / "brought")


def test_all_jobs_write_to_one_place(sent: tuple[Run, Path]) -> None:
    run = with_batch(sent[0], output_destination=None)
    with pytest.raises(BatchError, match="output_destination is now unset: restore it"):
        resubmit(IMAGING, run, None, dry_run=True)

"""The event log of HTCondor is understood: one of HTCondor 23.9.6, of ten jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.batch.condor_status import Job, arguments_of, in_log, latest

LOG = Path(__file__).with_name("condor.log")
WHEN = "2026-11-27 19:41:39"
REMOVED = "removed: via condor_rm (by user nobody)"


def test_the_log_of_a_pool() -> None:
    """Ended well; failed twice; killed; held; held and released; removed; evicted; two that run;
    removed before it ran."""
    jobs = in_log(LOG)
    assert [(job.state, job.reason) for job in jobs] == [
        ("ended", ""),
        ("ended", "exit 2"),
        ("ended", "killed by signal 9"),
        ("held", "my reason (by user nobody)"),
        ("running", ""),
        ("ended", REMOVED),
        ("running", ""),
        ("running", ""),
        ("running", ""),
        ("ended", REMOVED),
    ]
    assert [(job.number, job.shard) for job in jobs] == [(f"6.{i}", i) for i in range(10)]
    assert {(job.plan, job.submitted) for job in jobs} == {("0123456789ab", WHEN)}


@pytest.mark.parametrize(
    ("last", "state"),
    [
        ("000 (006.003", "queued"),
        ("001 (006.003", "running"),
        ("004 (006.003", "queued"),
        ("012 (006.003", "held"),
    ],
)
def test_a_log_that_is_being_written(tmp_path: Path, last: str, state: str) -> None:
    """Its last event is cut; the one before counts."""
    text = LOG.read_text()
    end = text.index("\n...\n", text.index(last)) + 5
    path = tmp_path / "6.log"
    path.write_text(text[:end] + "009 (006.003.000) 2026-11-27 19:42:00 Job was abor")
    assert next(job.state for job in in_log(path) if job.shard == 3) == state


def test_other_files_are_no_logs_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "other.log"
    for text in ("", "nonsense\n...\n", LOG.read_text().replace("monojet shard", "else")):
        path.write_text(text)
        assert in_log(path) == []


def test_the_library_of_htcondor_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDOR_CONFIG", "ONLY_ENV")
    htcondor = pytest.importorskip("htcondor2")
    types = htcondor.JobEventType
    names = {
        types.SUBMIT: "queued",
        types.EXECUTE: "running",
        types.JOB_EVICTED: "queued",
        types.JOB_TERMINATED: "ended",
        types.JOB_ABORTED: "ended",
        types.JOB_HELD: "held",
        types.JOB_RELEASED: "queued",
    }
    states = {}
    for event in htcondor.JobEventLog(str(LOG)).events(stop_after=0):
        states[f"{event.cluster}.{event.proc}"] = names[event.type]
    assert states == {job.number: job.state for job in in_log(LOG)}


def test_the_latest_job_of_a_shard() -> None:
    old, new = Job("7.0", 0, "p", "2026-11-27 19:00:00"), Job("9.3", 0, "p", "2026-11-27 20:00:00")
    other = Job("8.0", 1, "p", "2026-11-27 18:00:00")
    assert set(latest([new, other, old])) == {new, other}


def test_many_jobs_are_named_as_clusters() -> None:
    jobs = [Job(f"{cluster}.{i}", i, "p", "") for cluster in (7, 12) for i in range(5)]
    assert arguments_of(jobs[:3]) == "7.0 7.1 7.2"
    assert arguments_of(jobs) == "7 12"

"""The record of a submission, in the submit folder, and the state of its jobs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from analysis.batch import condor_status
from analysis.batch.condor_status import Job
from analysis.batch.plan import Shard, plan_file, recorded, version
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage
from common.runtime import files
from common.runtime.errors import BatchError
from common.tasks import Task

System = Literal["condor", "grid"]
SYSTEMS: tuple[System, ...] = ("condor", "grid")


@dataclass(frozen=True)
class Cluster:
    """Jobs that the batch system accepted in one submission: the shards of its jobs, in order, and
    their plan. On the grid ``number`` is that of the task."""

    number: int
    schedd: str | None
    plan: str
    shards: tuple[int, ...]
    submitted: str


@dataclass(frozen=True)
class Submission:
    """The jobs of a stage on a batch system.

    ``destination`` is the URL to which parts are sent, ``parts`` lists the folders where they were
    found.
    """

    stage: PartitionedStage
    run: Run
    system: System
    jobs: int
    destination: str | None = None
    parts: tuple[str, ...] = ()
    output: str = ""
    clusters: tuple[Cluster, ...] = field(default=())

    @property
    def folder(self) -> Path:
        """Return the folder from which the jobs are submitted."""
        return self.file.parent

    @property
    def file(self) -> Path:
        """Return the file of the record."""
        return record_of(self.stage, self.run)

    @property
    def plan(self) -> str:
        """Return a name for the plan and its division into jobs: a hash of both."""
        content = plan_file(self.stage, self.run).read_bytes()
        return hashlib.sha256(content + str(self.jobs).encode()).hexdigest()[:12]

    def shard(self, index: int, tasks: Sequence[Task]) -> Sequence[Task]:
        """Return the tasks of a job."""
        return Shard(index, self.jobs).of(tasks)

    def save(self) -> None:
        """Write the record that `load` reads."""
        data = {
            "system": self.system,
            "jobs": self.jobs,
            "destination": self.destination,
            "parts": list(self.parts),
            "output": self.output,
            "clusters": [vars(cluster) for cluster in self.clusters],
        }
        files.write_json(self.file, data)

    def with_cluster(self, number: int, schedd: str | None, shards: Sequence[int]) -> Submission:
        """Return the submission with jobs that the batch system has just accepted."""
        new = Cluster(number, schedd, self.plan, tuple(shards), time.strftime(condor_status.TIME))
        return replace(self, clusters=(*self.clusters, new))

    @classmethod
    def load(cls, stage: PartitionedStage, run: Run) -> Self:
        """Return the last submission of a stage.

        Raises:
            BatchError: the record is missing or damaged.
        """
        path = record_of(stage, run)
        try:
            data = json.loads(path.read_text())
            return cls(
                stage,
                run,
                data["system"],
                int(data["jobs"]),
                data.get("destination"),
                tuple(data.get("parts", ())),
                data.get("output", ""),
                tuple(_cluster(one) for one in data.get("clusters", ())),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BatchError(
                f"{path}: no record of a submission of this stage: submit it with --submit"
            ) from error

    @classmethod
    def find(cls, stage: PartitionedStage, run: Run) -> Self | None:
        """Return the last submission of a stage; None if the stage was never submitted.

        Raises:
            BatchError: the record is damaged.
        """
        return cls.load(stage, run) if record_of(stage, run).exists() else None

    def tasks(self) -> list[Task]:
        """Return the submitted tasks.

        Raises:
            BatchError: configuration, inputs or code have changed since.
        """
        found = recorded(plan_file(self.stage, self.run))
        targets = {target.code_settings_hash: target for target in self.stage.targets(self.run)}
        for code_settings_hash, submitted in found.targets.items():
            if (
                code_settings_hash not in targets
                or version(targets[code_settings_hash]) != submitted
            ):
                raise BatchError(
                    f"{found.path}: the plan was submitted with other options or inputs: repeat "
                    "those of --submit, or submit again"
                )
        return found.tasks

    def find_jobs(self) -> list[Job]:
        """Return the jobs that were submitted from this folder, with their states.

        A job has ended if its log contains its end; otherwise its state is that in the queue. A job
        that is missing from the queue of its schedd has ended, if the schedd was addressed by name:
        the default schedd may be another one. If neither log nor queue shows a job, its state is
        unknown.
        """
        if self.system != "condor":
            return []
        jobs = self._logged()
        asked = {(job.plan, job.schedd) for job in jobs.values() if job.live}
        answers = {key: condor_status.in_queue(*key) for key in asked}
        if asked:
            jobs = self._logged()  # again: a job that has ended meanwhile is in no queue
        queued = {job.number: job for answer in answers.values() for job in answer or ()}
        for number, job in jobs.items():
            if job.live and number in queued:
                jobs[number] = queued[number]
            elif job.live and job.schedd and answers.get((job.plan, job.schedd)) is not None:
                jobs[number] = replace(job, state="ended", reason="no longer in the queue")
        return list((queued | jobs).values())

    def _logged(self) -> dict[str, Job]:
        """Return the jobs in the record and the logs, by number."""
        jobs = {
            f"{cluster.number}.{proc}": Job(
                f"{cluster.number}.{proc}",
                shard,
                cluster.plan,
                cluster.submitted,
                "unknown",
                schedd=cluster.schedd,
            )
            for cluster in self.clusters
            for proc, shard in enumerate(cluster.shards)
        }
        for job in condor_status.in_logs(self.folder / "logs"):
            noted = jobs.get(job.number)
            jobs[job.number] = replace(job, schedd=noted.schedd if noted else None)
        return jobs


def record_of(stage: PartitionedStage, run: Run) -> Path:
    """Return the file that records a submission."""
    return plan_file(stage, run).with_name("submission.json")


def _cluster(data: dict[str, Any]) -> Cluster:
    return Cluster(**{**data, "shards": tuple(data["shards"])})

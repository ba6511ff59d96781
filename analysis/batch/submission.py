"""What was submitted of a stage: the record of it in the submit folder, and what has become of the
jobs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from analysis.batch import condor
from analysis.batch.condor import Job
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
    """Jobs that the batch system has taken at once: the shards of its jobs, in order, of a plan;
    and on the grid the number of a task."""

    number: int
    schedd: str | None
    plan: str
    shards: tuple[int, ...]
    submitted: str


@dataclass(frozen=True)
class Submission:
    """A stage cut into so many jobs for a batch system. ``destination`` is the URL that parts are
    sent to, ``parts`` the folders where they were found."""

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
        """From where the jobs are submitted."""
        return self.file.parent

    @property
    def file(self) -> Path:
        """The record."""
        return record_of(self.stage, self.run)

    @property
    def plan(self) -> str:
        """The name of the plan and its cut into jobs."""
        content = plan_file(self.stage, self.run).read_bytes()
        return hashlib.sha256(content + str(self.jobs).encode()).hexdigest()[:12]

    def shard(self, index: int, tasks: Sequence[Task]) -> Sequence[Task]:
        """The tasks of a job."""
        return Shard(index, self.jobs).of(tasks)

    def save(self) -> None:
        """Note what `load` needs."""
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
        """Return the submission once the batch system has taken jobs."""
        new = Cluster(number, schedd, self.plan, tuple(shards), time.strftime(condor.TIME))
        return replace(self, clusters=(*self.clusters, new))

    @classmethod
    def load(cls, stage: PartitionedStage, run: Run) -> Self:
        """The last submission of a stage.

        Raises:
            BatchError: there is none.
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
            raise BatchError(f"{path}: no submission of this stage: --submit it first") from error

    @classmethod
    def find(cls, stage: PartitionedStage, run: Run) -> Self | None:
        """The last submission of a stage; None if there is none.

        Raises:
            BatchError: its record is damaged.
        """
        return cls.load(stage, run) if record_of(stage, run).exists() else None

    def tasks(self) -> list[Task]:
        """The tasks that were submitted.

        Raises:
            BatchError: the plan is not of this configuration, these inputs and this code.
        """
        found = recorded(plan_file(self.stage, self.run))
        targets = {target.code_settings_hash: target for target in self.stage.targets(self.run)}
        for code_settings_hash, submitted in found.targets.items():
            if (
                code_settings_hash not in targets
                or version(targets[code_settings_hash]) != submitted
            ):
                raise BatchError(
                    f"{found.path}: a plan of other options or inputs than these: give those of "
                    "--submit, or submit again"
                )
        return found.tasks

    def find_jobs(self) -> list[Job]:
        """Return the jobs that were submitted from this folder, and what has become of them.

        What a log has seen end has ended; of others the queue tells. A job that is not in the queue
        of its schedd, by name, has gone: the schedd that answers otherwise may be another one.
        Where neither tells, its state is unknown.
        """
        if self.system != "condor":
            return []
        jobs = self._logged()
        asked = {(job.plan, job.schedd) for job in jobs.values() if job.live}
        answers = {key: condor.in_queue(*key) for key in asked}
        if asked:
            jobs = self._logged()  # again: what has ended in between is in no queue
        queued = {job.number: job for answer in answers.values() for job in answer or ()}
        for number, job in jobs.items():
            if job.live and number in queued:
                jobs[number] = queued[number]
            elif job.live and job.schedd and answers.get((job.plan, job.schedd)) is not None:
                jobs[number] = replace(job, state="ended", reason="not in the queue any more")
        return list((queued | jobs).values())

    def _logged(self) -> dict[str, Job]:
        """The jobs as the record and the logs have them, by their numbers."""
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
        for job in condor.in_logs(self.folder / "logs"):
            noted = jobs.get(job.number)
            jobs[job.number] = replace(job, schedd=noted.schedd if noted else None)
        return jobs


def record_of(stage: PartitionedStage, run: Run) -> Path:
    """Return where a submission is recorded."""
    return plan_file(stage, run).with_name("submission.json")


def _cluster(data: dict[str, Any]) -> Cluster:
    return Cluster(**{**data, "shards": tuple(data["shards"])})

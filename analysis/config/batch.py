"""Section ``batch``: tasks, and the resources that a batch system is asked for."""

from __future__ import annotations

from pydantic import Field

from analysis.config.base import Model


class Batch(Model):
    """How work is divided into tasks, and what a batch system is asked for.

    These settings change no result.
    """

    task_size: int = Field(
        100_000, gt=0, description="events per task, rounded to clusters of the file"
    )
    open_files: int = Field(
        200,
        ge=0,
        description="with more files per sample, each file is a task and none is opened to plan",
    )
    retries: int = Field(2, ge=0, description="further attempts at a task that fails")
    start_up: float = Field(
        5.0,
        ge=0,
        description="seconds that workers of this machine cost to start: they do once they are "
        "expected to save more; 0: at once",
    )
    memory: str = Field("3 GB", description="memory per worker")
    disk: str = Field("5 GB", description="disk per worker (HTCondor)")
    walltime: str = Field("02:00:00", description="time limit per worker (Slurm)")
    job_flavour: str | None = Field(None, description="HTCondor at CERN: espresso to nextweek")
    output_destination: str | None = Field(
        None, description="URL, root://..., to which HTCondor sends the output of --submit"
    )
    send_credential: bool = Field(
        False,
        description="MY.SendCredential = True (HTCondor), for sites that require it. condor_submit "
        "adds it where it stores your ticket; elsewhere, jobs with it restart forever",
    )
    submit_options: tuple[str, ...] = Field(
        (), description="further options of condor_submit for --submit, for example '-spool'"
    )
    queue: str | None = Field(None, description="partition (Slurm)")
    account: str | None = Field(None, description="account (Slurm)")
    interface: str | None = Field(
        None,
        description="network interface of Dask's scheduler and workers; default: that of the "
        "default route",
    )
    port: int = Field(0, ge=0, le=65535, description="port of Dask's scheduler; 0: any free port")
    dashboard_port: int = Field(
        0, ge=0, le=65535, description="port of Dask's dashboard on 127.0.0.1; 0: any free port"
    )
    scratch: str | None = Field(None, description="directory on the workers, for Dask")
    directives: tuple[str, ...] = Field(
        (),
        description="further lines of the job: '--qos=long' (Slurm), 'name = value' (HTCondor)",
    )

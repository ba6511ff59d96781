"""Section ``batch``: how work is cut and what a batch system is asked for."""

from __future__ import annotations

from pydantic import (
    Field,
)

from analysis.config.base import Model


class Batch(Model):
    """How work is cut into tasks, and what a batch system is asked for. Changes no result."""

    task_size: int = Field(100_000, gt=0, description="events a task, cut where a cluster ends")
    open_files: int = Field(
        200, ge=0, description="with more files a sample, each is a task and none is opened to plan"
    )
    retries: int = Field(2, ge=0, description="further attempts at a task that fails")
    memory: str = Field("3 GB", description="a worker")
    disk: str = Field("5 GB", description="a worker (HTCondor)")
    walltime: str = Field("02:00:00", description="of a worker (Slurm)")
    job_flavour: str | None = Field(None, description="HTCondor at CERN: espresso to nextweek")
    output_destination: str | None = Field(
        None, description="URL, root://..., to which HTCondor sends the parts of --submit"
    )
    send_credential: bool = Field(
        False,
        description="MY.SendCredential = True (HTCondor): for a site that asks for it. "
        "condor_submit adds it where it stores your ticket; where nothing does so, jobs with it "
        "start again for ever",
    )
    submit_options: tuple[str, ...] = Field(
        (), description="further options of condor_submit for --submit: '-spool', say"
    )
    queue: str | None = Field(None, description="partition (Slurm)")
    account: str | None = Field(None, description="account (Slurm)")
    interface: str | None = Field(
        None,
        description="network interface of Dask's scheduler and workers; default: that which leads "
        "out of this machine",
    )
    port: int = Field(0, ge=0, le=65535, description="of Dask's scheduler; 0: any that is free")
    dashboard_port: int = Field(
        0, ge=0, le=65535, description="of Dask's dashboard, on 127.0.0.1; 0: any that is free"
    )
    scratch: str | None = Field(None, description="directory on the workers, for Dask")
    directives: tuple[str, ...] = Field(
        (), description="further lines of the job: '--qos=long' (Slurm), 'name = value' (HTCondor)"
    )

"""The options of the command line and their help texts."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis import __version__
from analysis.batch.submission import SYSTEMS
from analysis.config import DEFAULT
from analysis.workflow.registry import stages

_Add = Callable[..., Any]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    summaries = "\n".join(f"  {stage.name:15} {stage.summary}" for stage in stages())
    made = argparse.ArgumentParser(
        prog="run_analysis.py",
        description="Search for dark matter in events with a jet and missing transverse momentum.",
        epilog=f"stages, in the order of the data:\n{summaries}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"monojet {__version__}")
    _add_stages(made.add_argument_group("stages and output").add_argument)
    _add_samples(made.add_argument_group("samples and networks").add_argument)
    _add_workers(made.add_argument_group("workers").add_argument)
    _add_parts(made.add_argument_group("batch jobs and parts").add_argument)
    _add_messages(made.add_argument_group("messages").add_argument)
    return made


def _add_stages(add: _Add) -> None:
    add(
        "--stage", action="append", metavar="NAME", help="run this stage (repeatable); default: all"
    )
    add(
        "--config",
        type=Path,
        default=DEFAULT,
        metavar="YAML",
        help="configuration file; default: quickstart.yaml",
    )
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help="output folder; default: runs/<name of the configuration>, with the processes of "
        "--input and the values of --events, --seed and --select appended; a folder that holds "
        "another run is refused",
    )
    add("--list", action="store_true", help="list the stages and how many outputs are up to date")
    add("--dry-run", action="store_true", help="show what would run, and why")
    add(
        "--force",
        action="store_true",
        help="run the named stages even if they are up to date, overwrite another run, submit "
        "jobs even if earlier ones may still run",
    )
    add(
        "--only",
        action="store_true",
        help="run the named stages without the stages they need, whose outputs must exist: for "
        "example to train where ROOT is not installed",
    )


def _add_samples(add: _Add) -> None:
    add(
        "--input",
        action="append",
        nargs="+",
        metavar="FILE",
        help="read these files instead of the configured samples (repeatable; globs and root:// "
        "URLs are allowed)",
    )
    add(
        "--process",
        action="append",
        metavar="NAME",
        help="process of the --input files (once for all, or once for each --input)",
    )
    add(
        "--format",
        metavar="NAME",
        help="format of the --input files; default: detected from their contents (docs/inputs.md)",
    )
    add("--data", action="store_true", help="treat --input as collision data")
    add(
        "--models",
        type=Path,
        metavar="DIR",
        help="score with the networks of this finished run and train none; default if --input "
        "lacks a process that the networks learn from: runs/<name of the configuration>",
    )
    add("--events", type=int, metavar="N", help="maximum number of events per generated sample")
    add("--seed", type=int, metavar="N", help="random seed; overrides that of the configuration")
    add("--select", metavar="REGION", help="keep only images of events in this region")
    add(
        "--skip-bad-files",
        action="store_true",
        help="skip files that cannot be read, and record them in the output",
    )


def _add_workers(add: _Add) -> None:
    add(
        "--cluster",
        default="local",
        metavar="NAME",
        help="where tasks run: local (default), htcondor, slurm, or a running Dask scheduler: "
        "dask://host:port, tls://host:port",
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help="number of worker processes; default: the number of available cores",
    )
    add(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="threads per worker (imaging); default: 1",
    )
    add(
        "--task-size",
        type=int,
        metavar="N",
        help="events per task of imaging, scoring and cutflow; overrides batch.task_size of the "
        "configuration and changes no result",
    )


def _add_parts(add: _Add) -> None:
    add(
        "--submit",
        choices=SYSTEMS,
        help="write a folder of jobs for this batch system and, without --dry-run, submit them",
    )
    add(
        "--jobs",
        type=int,
        metavar="N",
        help="number of jobs for --submit; default: one per task, at most 500",
    )
    add("--status", action="store_true", help="show the state of parts and jobs, and all failures")
    add(
        "--resubmit-failed",
        action="store_true",
        help="resubmit the jobs that have ended without making all their parts",
    )
    add(
        "--shard",
        metavar="I/N",
        help="make only the parts of shard I of N shards of the tasks (0 <= I < N)",
    )
    add("--plan", type=Path, metavar="FILE", help="list of tasks for --shard, written by --submit")
    add("--gather", action="store_true", help="only merge the parts; fail if one is missing")
    add(
        "--merge",
        choices=("copy", "link"),
        default="copy",
        help="merge the parts of images by copying them (default) or by linking to them",
    )
    add(
        "--clean-parts",
        action="store_true",
        help="remove the parts of outputs that are up to date (after --gather, or alone)",
    )
    add(
        "--parts",
        action="append",
        type=Path,
        metavar="DIR",
        help="folder to search for parts, with its subfolders (repeatable); default: the folder "
        "given last, else batch.output_destination if this machine sees it, else --output",
    )


def _add_messages(add: _Add) -> None:
    add("-v", "--verbose", action="store_true", help="print more messages and tracebacks")
    add("-q", "--quiet", action="store_true", help="print only warnings and errors")

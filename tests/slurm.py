"""A real Slurm for the tests: one host, on loopback, all its files in one directory.

It needs the programs of Debian's slurmctld, slurmd, slurm-client and munge, but neither systemd nor
the settings, users or keys of these packages; jobs run as the user who starts it. By hand:

    eval "$(python -m tests.slurm start DIR)"    # starts it and sets SLURM_CONF
    sbatch --wrap hostname && squeue
    python -m tests.slurm stop DIR
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests import daemons
from tests.daemons import (
    PATIENCE,
    SEARCH_PATH,
    environment_without,
    free_ports,
    last_lines,
    processes_with,
    send,
    until,
)

PROGRAMS = ("setpriv", "munged", "slurmctld", "slurmd", "sbatch", "scancel", "sinfo", "squeue")
MARK = "MONOJET_TESTS_SLURM"
"""A variable in the environment of the daemons, by which they are found again."""

CONFIGURATION = """\
ClusterName=monojet
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={directory}/munge.socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
# linuxproc loses a process whose parent has died, which stop() then finds; pgid would wait for ever
# where process 1 of a container reaps no zombies.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MailProg=/bin/true
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0
KillWait=5
# More than the machine may have: the jobs of the tests are small, and must not wait.
SlurmdParameters=config_overrides
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000
PartitionName=tests Nodes=node Default=YES MaxTime=INFINITE
"""


@dataclass
class Slurm:
    """A Slurm of one node, with all its files in ``directory``."""

    directory: Path
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands, and so dask-jobqueue, need."""
        return {"SLURM_CONF": str(self.directory / "slurm.conf")}

    def run(self, *command: str) -> str:
        """What a Slurm command prints."""
        result = subprocess.run(
            command,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        return result.stdout.strip()

    def jobs(self) -> dict[str, str]:
        """The states of the jobs that have not ended, by their ids."""
        lines = self.run("squeue", "--noheader", "--format=%i %T").splitlines()
        return dict(line.split(maxsplit=1) for line in lines)

    def start(self, tied: bool = False) -> None:
        """Start the daemons; return when the node takes jobs.

        Args:
            tied: they end with this process, even if it is killed.
        """
        reason = why_not()
        if reason:
            raise RuntimeError(f"Slurm cannot run here: {reason}")
        self._write_files()
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid"}
        files |= {"seed-file": "munge.seed", "log-file": "munged.log"}
        options = [f"--{option}={self.directory / name}" for option, name in files.items()]
        # Forced, as it refuses a socket in a directory that other users cannot enter.
        self._start_daemon(tied, "munged", "--foreground", "--force", *options)
        self._wait_until((self.directory / "munge.socket").is_socket, "munged is not up")
        self._start_daemon(tied, "slurmctld", "-D")
        self._start_daemon(tied, "slurmd", "-D", "-N", "node")
        self._wait_until(lambda: self._node_state() == "idle", "the node is not idle")

    def stop(self) -> None:
        """End all jobs and daemons; their logs stay."""
        try:
            if self._node_state():
                self.run("scancel", "--user", getpass.getuser())
                self._wait_until(lambda: not self.jobs(), "jobs have not ended")
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                send(number, self.processes())
                until(lambda: not self.processes(), 10)
            for daemon in self.daemons:
                daemon.wait()

    def processes(self) -> list[int]:
        """The daemons and the processes of jobs."""
        mark = f"{MARK}={self.directory}"
        setting = f"SLURM_CONF={self.directory / 'slurm.conf'}"

        def is_ours(variables: list[str]) -> bool:
            in_job = any(v.startswith("SLURM_JOB_ID=") for v in variables)
            return mark in variables or (setting in variables and in_job)

        return processes_with(is_ours)

    def _write_files(self) -> None:
        for part in ("state", "spool"):
            (self.directory / part).mkdir(parents=True)
        ports = free_ports(2)
        (self.directory / "slurm.conf").write_text(
            CONFIGURATION.format(
                directory=self.directory,
                host=socket.gethostname().split(".")[0],
                user=getpass.getuser(),
                controller_port=ports[0],
                node_port=ports[1],
            )
        )
        key = self.directory / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))

    def _start_daemon(self, tied: bool, program: str, *arguments: str) -> None:
        found = shutil.which(program, path=SEARCH_PATH)
        prefix = ["setpriv", "--pdeathsig", "TERM"] if tied else []
        with (self.directory / f"{program}.out").open("wb") as out:
            daemon = subprocess.Popen(
                [*prefix, str(found), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment_without("SLURM", "SBATCH")
                | self.environment
                | {MARK: str(self.directory)},
                start_new_session=True,
            )
        self.daemons.append(daemon)

    def _node_state(self) -> str:
        try:
            return self.run("sinfo", "--noheader", "--format=%T")
        except (OSError, subprocess.SubprocessError):
            return ""

    def _wait_until(self, condition: Callable[[], bool], complaint: str) -> None:
        def died() -> bool:
            return any(daemon.poll() is not None for daemon in self.daemons)

        if not until(lambda: condition() or died(), PATIENCE) or not condition():
            logs = last_lines(self.directory.glob("*.out"))
            raise RuntimeError("\n\n".join([f"Slurm: {complaint}", *logs]))


def why_not() -> str | None:
    """Why there can be no Slurm here, if so."""
    missing = [p for p in PROGRAMS if shutil.which(p, path=SEARCH_PATH) is None]
    if missing:
        return (
            f"{', '.join(missing)} not installed"
            " (Debian: apt install slurmctld slurmd slurm-client munge)"
        )
    return None


@contextlib.contextmanager
def slurm(directory: Path) -> Iterator[Slurm]:
    """A Slurm while the context lasts; all it writes is in ``directory``, where its logs stay.

    Raises:
        RuntimeError: it does not start, or its jobs do not end.
    """
    instance = Slurm(directory.resolve())
    try:
        instance.start(tied=True)
        yield instance
    finally:
        instance.stop()


def main() -> None:
    """Start or stop a Slurm by hand."""
    started = daemons.main(Slurm, "python -m tests.slurm start|stop DIRECTORY")
    if isinstance(started, Slurm):
        for name, value in started.environment.items():
            print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()

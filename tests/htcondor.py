"""A real HTCondor pool for the tests: one host, on loopback, all its files in one directory.

Its programs are on the path, or in the release that $MONOJET_TEST_HTCONDOR names, which
`tests.condor_release` makes. By hand:

    python -m tests.condor_release RELEASE                # once
    export MONOJET_TEST_HTCONDOR=RELEASE
    python -m tests.htcondor start DIR
    python -m tests.htcondor run DIR condor_status        # as the pool's user
    python -m tests.htcondor stop DIR

HTCondor takes no jobs of root. Where root runs the tests, an ordinary user owns the pool and runs
what submits to it (`tests.users`): ``Pool.command`` gives the command line.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from tests.users import its_account, ordinary_user

REPOSITORY = Path(__file__).parent.parent
PROGRAM = [sys.executable, str(REPOSITORY / "run_analysis.py")]
RELEASE = "MONOJET_TEST_HTCONDOR"
"""The variable that names a release."""

IDLE, RUNNING, REMOVED, COMPLETED, HELD = 1, 2, 3, 4, 5
"""States of a job, as `Pool.jobs` gives them."""

MARK = "MONOJET_TESTS_HTCONDOR"
"""A variable in the environment of the daemons, by which they are found again."""

CONFIGURATION = """\
RELEASE_DIR = {prefix}
BIN = $(RELEASE_DIR)/bin
SBIN = $(RELEASE_DIR)/sbin
LIBEXEC = $(RELEASE_DIR)/libexec/condor
LIB = $(RELEASE_DIR)/lib/condor
LOCAL_DIR = {directory}
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
LOG = $(LOCAL_DIR)/log
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
LOCK = $(LOCAL_DIR)/lock
RUN = $(LOCAL_DIR)/lock
DAEMON_LIST = MASTER COLLECTOR NEGOTIATOR SCHEDD STARTD

# One host, and nobody from outside.
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
SHARED_PORT_PORT = {port}
NETWORK_INTERFACE = 127.0.0.1
NETWORK_HOSTNAME = localhost
FULL_HOSTNAME = localhost
DEFAULT_DOMAIN_NAME = localdomain
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
UID_DOMAIN = local.pool
FILESYSTEM_DOMAIN = local.pool
TRUST_UID_DOMAIN = True
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
SEC_CLIENT_AUTHENTICATION_METHODS = FS
AUTH_SSL_ALLOW_CLIENT_PROXY = False
ALLOW_READ = {user}@*/127.0.0.1
ALLOW_WRITE = {user}@*/127.0.0.1
ALLOW_DAEMON = {user}@*/127.0.0.1
ALLOW_ADMINISTRATOR = {user}@*/127.0.0.1
ALLOW_NEGOTIATOR = {user}@*/127.0.0.1
ALLOW_ADVERTISE_MASTER = {user}@*/127.0.0.1
ALLOW_ADVERTISE_STARTD = {user}@*/127.0.0.1
ALLOW_ADVERTISE_SCHEDD = {user}@*/127.0.0.1
MAIL = /bin/true
CONDOR_ADMIN =
CONDOR_DEVELOPERS = NONE
CONDOR_DEVELOPERS_COLLECTOR = NONE

# More than the machine may have: the jobs of the tests are small, and must not wait.
NUM_CPUS = 4
MEMORY = 64000
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
SUSPEND = False
PREEMPT = False
KILL = False
ENABLE_KERNEL_TUNING = False
STARTD_DETECT_GPUS = False
MACHINE_RESOURCE_INVENTORY_GPUS =
RunBenchmarks = False
FILETRANSFER_PLUGINS = {directory}/eos_plugin
use POLICY : HOLD_IF_MEMORY_EXCEEDED

# No waiting.
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_MIN_INTERVAL = 1
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 10
POLLING_INTERVAL = 2
STARTER_UPDATE_INTERVAL = 3
STARTER_INITIAL_UPDATE_INTERVAL = 1
PROCD_MAX_SNAPSHOT_INTERVAL = 2
"""


@dataclass
class Pool:
    """A pool of one host, with all its files in ``directory``."""

    directory: Path
    daemon: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What HTCondor's commands need."""
        path = f"{prefix()}/bin:{prefix()}/sbin:{os.environ.get('PATH', '')}"
        return {"CONDOR_CONFIG": str(self.directory / "condor_config"), "PATH": path}

    @property
    def store(self) -> Path:
        """The folder that stands for ``root://host/``."""
        return self.directory / "eos"

    def command(self, *words: object) -> list[str]:
        """A command as the pool's user runs it, with the pool's environment."""
        settings = self.environment | {"HOME": str(self.directory / "home")}
        variables = [f"{name}={value}" for name, value in settings.items()]
        return [*ordinary_user(), "env", *variables, *map(str, words)]

    def run(self, *words: object) -> str:
        """What a command prints."""
        result = subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=PATIENCE, cwd="/"
        )
        if result.returncode:
            raise RuntimeError(f"{words[0]}: {result.stderr}{result.stdout}")
        return result.stdout.strip()

    def analyse(self, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run run_analysis.py in a folder."""
        command = self.command(*PROGRAM, *arguments)
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)

    def jobs(self) -> dict[str, int]:
        """The states (JobStatus) of the jobs in the queue, by their ids."""
        lines = self.run("condor_q", "-allusers", "-af:j", "JobStatus").splitlines()
        return {job: int(status) for job, status in map(str.split, lines)}

    def folder(self) -> Path:
        """Make a new folder that the pool's user can write to."""
        made = Path(tempfile.mkdtemp(dir=self.directory / "home"))
        _give(made)
        return made

    def wait(self, seconds: float = 120) -> None:
        """Wait until all jobs have ended, or are held."""
        at_rest = {COMPLETED, HELD}
        self._wait_until(
            lambda: at_rest.issuperset(self.jobs().values()), "jobs have not ended", seconds
        )

    def start(self, tied: bool = False) -> None:
        """Start the daemons; return when the pool takes jobs.

        Args:
            tied: they end with this process, even if it is killed.
        """
        reason = why_not()
        if reason:
            raise RuntimeError(f"HTCondor cannot run here: {reason}")
        self._write_files()
        master = [f"{prefix()}/sbin/condor_master", "-f"]
        words = ["setpriv", "--pdeathsig", "QUIT", *master] if tied else master
        command = self.command("env", f"{MARK}={self.directory}", *words)
        with (self.directory / "log" / "out").open("wb") as out:
            self.daemon = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment_without("CONDOR", "_CONDOR"),
                cwd="/",
                start_new_session=True,
            )
        self._wait_until(self._is_up, "the pool takes no jobs")

    def stop(self) -> None:
        """End all jobs and daemons; their logs stay."""
        for number in (signal.SIGQUIT, signal.SIGKILL):
            masters = self.processes("condor_master")
            send(number, masters if number == signal.SIGQUIT else self.processes())
            until(lambda: not self.processes(), 10)
        if self.daemon is not None:
            self.daemon.wait()

    def processes(self, program: str = "") -> list[int]:
        """The daemons and the processes of jobs."""
        mark = f"{MARK}={self.directory}"
        in_job = f"_CONDOR_SCRATCH_DIR={self.directory}/"

        def is_ours(variables: list[str]) -> bool:
            return any(v == mark or v.startswith(in_job) for v in variables)

        return processes_with(is_ours, program)

    def _write_files(self) -> None:
        for part in ("", "eos", "execute", "home", "lock", "log", "spool"):
            (self.directory / part).mkdir(exist_ok=True)
            _give(self.directory / part)
        (self.directory / "condor_config").write_text(
            CONFIGURATION.format(
                prefix=prefix(),
                directory=self.directory,
                user=its_account().pw_name,
                port=free_ports(1)[0],
            )
        )
        plugin = self.directory / "eos_plugin"
        program = Path(__file__).with_name("eos_plugin.py")
        words = shlex.join([sys.executable, "-IS", str(program), str(self.store)])
        plugin.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        plugin.chmod(0o755)

    def _is_up(self) -> bool:
        try:
            slots = self.run("condor_status", "-af", "Name")
            schedulers = self.run("condor_status", "-schedd", "-af", "Name")
        except (RuntimeError, OSError, subprocess.SubprocessError):
            return False
        return bool(slots and schedulers)

    def _wait_until(
        self, condition: Callable[[], bool], complaint: str, seconds: float = PATIENCE
    ) -> None:
        def died() -> bool:
            return self.daemon is not None and self.daemon.poll() is not None

        if not until(lambda: condition() or died(), seconds) or not condition():
            logs = last_lines((self.directory / "log").glob("*"))
            raise RuntimeError("\n\n".join([f"HTCondor: {complaint}", *logs]))


def prefix() -> Path | None:
    """Where HTCondor is: the folder of its bin and sbin."""
    named = os.environ.get(RELEASE)
    if named:
        return Path(named).resolve() / "usr"
    found = shutil.which("condor_master", path=SEARCH_PATH)
    return Path(found).resolve().parent.parent if found else None


def _give(path: Path) -> None:
    """Make the pool's user its owner."""
    path.chmod(0o755)
    if ordinary_user():
        os.chown(path, its_account().pw_uid, its_account().pw_gid)


def why_not() -> str | None:
    """Why there can be no pool here, if so."""
    if prefix() is None:
        return (
            f"no condor_master on the path, and no release in ${RELEASE}"
            " (python -m tests.condor_release DIR makes one)"
        )
    if shutil.which("setpriv") is None:
        return "setpriv not installed (Debian: apt install util-linux)"
    if os.geteuid() == 0 and not ordinary_user():
        return f"HTCondor takes no jobs of root, and no other user can run {sys.executable}"
    for words in ([f"{prefix()}/sbin/condor_master", "-version"], [*PROGRAM, "--version"]):
        command = [*ordinary_user(), "env", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            return f"{its_account().pw_name} cannot run {' '.join(words)}: {said[-1]}"
    return None


@contextlib.contextmanager
def pool() -> Iterator[Pool]:
    """A pool while the context lasts.

    Raises:
        RuntimeError: it does not start.
    """
    # Not in pytest's folder, which only its user can enter; short, for the names of sockets.
    with tempfile.TemporaryDirectory(prefix="monojet-condor-") as name:
        instance = Pool(Path(name).resolve())
        try:
            instance.start(tied=True)
            yield instance
        finally:
            instance.stop()


def main() -> None:
    """Start, use or stop a pool by hand."""
    match sys.argv[1:]:
        case ["run", directory, *words] if words:
            command = Pool(Path(directory).resolve()).command(*words)
            os.execvp(command[0], command)
        case _:
            daemons.main(Pool, "python -m tests.htcondor start|stop DIR, or run DIR COMMAND")


if __name__ == "__main__":
    main()

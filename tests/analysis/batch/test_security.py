"""Who may talk to the schedulers of a run, and who may listen."""

from __future__ import annotations

import asyncio
import logging
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from distributed.core import rpc
from distributed.security import Security
from distributed.utils import get_ip

from analysis.batch.dask_jobs import Jobs
from analysis.batch.engines import _local
from analysis.batch.security import credentials, refusal, running_scheduler
from analysis.workflow.run import Run
from common.runtime.errors import ConfigError
from tests.analysis.batch.test_engines import program, with_batch
from tests.conftest import TINY, WriteEvents
from tests.test_run_analysis import fails

RunOf = Callable[..., Run]


@pytest.fixture
def run(run_of: RunOf, write_events: WriteEvents) -> Run:
    return with_batch(replace(run_of(Znunu=[write_events()]), workers=2, cluster="slurm"))


def listening() -> set[str]:
    """The addresses on which this process and its children can be called."""
    me = psutil.Process()
    return {
        connection.laddr.ip
        for process in (me, *me.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def ask(address: str, security: Security) -> dict[str, Any]:
    """What a scheduler answers to somebody with these certificates."""

    async def identity() -> dict[str, Any]:
        connection = security.get_connection_args("client")
        async with rpc(address, connection_args=connection, timeout=2) as scheduler:
            return dict(await scheduler.identity())

    return asyncio.run(identity())


def test_only_the_user_can_read_the_certificates_and_they_go_with_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with credentials(folder):
        (private,) = folder.iterdir()
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        files = sorted(private.iterdir())
        assert [file.name for file in files] == ["cert.pem", "key.pem"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert not list(folder.iterdir())


@pytest.mark.parametrize("cluster", ["slurm", "htcondor"])
def test_a_stranger_is_refused(cluster: str, run: Run) -> None:
    """Without certificate, with another one, and with another one that claims to know ours."""
    stranger = Security.temporary()
    with credentials(run.output) as own, Jobs(replace(run, cluster=cluster), own) as jobs:
        address = jobs.cluster.scheduler_address
        assert address.startswith("tls://127.0.0.1:")
        claims = Security(
            require_encryption=True,
            tls_ca_file=own.tls_ca_file,
            tls_client_cert=stranger.tls_client_cert,
            tls_client_key=stranger.tls_client_key,
        )
        assert ask(address, own)["type"] == "Scheduler"
        for other, scheme, said in (
            (Security(), "tcp", "closes the connection: if it requires certificates, name them"),
            (stranger, "tls", "the scheduler presents an unexpected certificate"),
            (claims, "tls", "refuses the certificate of distributed.comm.tls.client.cert"),
        ):
            with pytest.raises(OSError, match=".") as raised:  # as Dask's errors of connections are
                ask(address.replace("tls", scheme), other)
            assert said in str(refusal(raised.value))
        assert ask(address, own)["type"] == "Scheduler"


def test_a_scheduler_without_encryption_is_named_to_those_who_expect_it() -> None:
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(bytes(100))  # as Dask begins, with the length of what follows

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(OSError, match=".") as raised:
            ask(f"tls://127.0.0.1:{plain.getsockname()[1]}", Security.temporary())
        answering.join()
    assert "is not encrypted" in str(refusal(raised.value))


def test_a_scheduler_and_its_dashboard_listen_where_they_are_told_to(run: Run) -> None:
    before = listening()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chosen = with_batch(run, port=port)
    with credentials(run.output) as own, Jobs(chosen, own) as jobs:
        assert jobs.cluster.scheduler_address == f"tls://127.0.0.1:{port}"
        assert listening() - before <= {"127.0.0.1"}
    with credentials(run.output) as own, Jobs(with_batch(run, interface=None), own):
        assert listening() - before <= {"127.0.0.1", get_ip()}


def test_a_port_that_is_taken_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "sbatch", "#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    config = tmp_path / "c.yaml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config.write_text(f"{TINY.read_text()}\nbatch: {{interface: lo, port: {port}}}\n")
        options = ("--config", config, "--stage", "generate", "--output", tmp_path / "run")
        line = fails(*options, "--cluster", "slurm")
    assert line.startswith(f"ERROR --cluster slurm: port {port} of this machine is in use: choose")


def test_workers_of_this_machine_listen_on_loopback_alone_and_refuse_strangers(run: Run) -> None:
    before = listening()
    with _local(replace(run, cluster="local")) as cluster:
        assert len(cluster.scheduler.workers) == 2
        assert listening() - before <= {"127.0.0.1"}
        workers = [worker.address for worker in cluster.scheduler.workers.values()]
        for address in (cluster.scheduler_address, *workers):
            assert address.startswith("tls://127.0.0.1:")
            with pytest.raises(OSError, match="."):
                ask(address, Security.temporary())


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Security]:
    """Certificates that Dask's configuration names, here and in programs that are started."""
    with credentials(tmp_path / "trusted") as own:
        files = {
            "ca-file": own.tls_ca_file,
            "client.cert": own.tls_client_cert,
            "client.key": own.tls_client_key,
        }
        for name, file in files.items():
            variable = name.upper().replace("-", "_").replace(".", "__")
            monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{variable}", file)
        with dask.config.set({f"distributed.comm.tls.{name}": f for name, f in files.items()}):
            yield own


def test_certificates_of_dasks_configuration_are_used(
    trusted: Security, caplog: pytest.LogCaptureFixture
) -> None:
    for cluster in ("dask://far.example:8786", "tls://far.example:8786"):
        assert running_scheduler(cluster)[0] == "tls://far.example:8786"
    assert not caplog.records
    Path(str(trusted.tls_client_key)).unlink()
    with pytest.raises(ConfigError, match=r"cannot read .*key\.pem, .*\.tls\.client\.key"):
        running_scheduler("dask://far.example:8786")


def test_no_certificates_are_an_error_of_tls_and_a_warning_of_dask(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ConfigError, match="^--cluster tls://127.0.0.1:8786: no certificates: name"):
        running_scheduler("tls://127.0.0.1:8786")
    assert running_scheduler("dask://localhost:8786")[0] == "tcp://localhost:8786"
    assert not caplog.records
    running_scheduler("dask://192.0.2.1:8786")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "--cluster dask://192.0.2.1:8786: not encrypted: " in record.getMessage()


GENERATE = ("--config", TINY, "--stage", "generate")


def test_a_scheduler_with_another_certificate_is_one_line(
    run: Run, tmp_path: Path, trusted: Security
) -> None:
    with credentials(run.output) as own, Jobs(run, own) as jobs:
        address = jobs.cluster.scheduler_address
        line = fails(*GENERATE, "--output", tmp_path / "x", "--cluster", address)
    assert line.startswith(
        f"ERROR --cluster {address}: the scheduler presents an unexpected certificate"
    )


def test_a_scheduler_that_wants_certificates_is_one_line(run: Run, tmp_path: Path) -> None:
    with credentials(run.output) as own, Jobs(run, own) as jobs:
        address = jobs.cluster.scheduler_address.replace("tls", "dask")
        line = fails(*GENERATE, "--output", tmp_path / "x", "--cluster", address)
    assert "if it requires certificates, name them in Dask's configuration" in line

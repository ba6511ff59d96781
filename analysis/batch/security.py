"""Certificates of Dask schedulers: without them, anyone who reaches a scheduler runs code as its
user.

A scheduler started by a run requires the certificate made for that run. A scheduler that runs
already uses the certificates in Dask's configuration.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.runtime.errors import ConfigError

log = logging.getLogger("monojet")

LOOPBACK = "127.0.0.1"
DASK, TLS = "dask://", "tls://"

_KEYS = "distributed.comm.tls: ca-file, client.cert and client.key"
_ROLES = ("client", "scheduler", "worker")


@contextlib.contextmanager
def credentials(folder: Path) -> Iterator[Any]:
    """Make a certificate and its key for one run, in files below ``folder`` that only the user can
    read; remove them at the end. The workers must see the folder."""
    from distributed.security import Security

    made = Security.temporary().get_tls_config_for_role("client")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tls-", dir=folder) as private:  # of mode 0700
        files: dict[str, str] = {}
        for name in ("cert", "key"):
            path = Path(private, f"{name}.pem")
            path.touch(mode=0o600)
            path.write_text(made[name])
            files |= {f"tls_{role}_{name}": str(path) for role in _ROLES}
        yield Security(require_encryption=True, tls_ca_file=files["tls_client_cert"], **files)


def running_scheduler(cluster: str) -> tuple[str, Any]:
    """Return the address of a running scheduler and its certificates, from Dask's configuration.

    Warn if a scheduler on another machine is not encrypted.

    Raises:
        ConfigError: certificates are missing or cannot be read.
    """
    from distributed.security import Security

    security = Security()
    files = {
        "ca-file": security.tls_ca_file,
        "client.cert": security.tls_client_cert,
        "client.key": security.tls_client_key,
    }
    location = cluster.partition("://")[2]
    if files["ca-file"] and files["client.cert"]:
        for name, path in files.items():
            if path and "\n" not in path and not os.access(path, os.R_OK):
                raise ConfigError(
                    f"--cluster {cluster}: cannot read {path}, which Dask's configuration names "
                    f"as distributed.comm.tls.{name}"
                )
        return TLS + location, security
    if cluster.startswith(TLS):
        raise ConfigError(
            f"--cluster {cluster}: no certificates: name them in Dask's configuration, {_KEYS}"
        )
    if not _is_loopback(location):
        log.warning(
            "--cluster %s: not encrypted: anyone who reaches this scheduler runs code as its user: "
            "start it with certificates, and name yours in Dask's configuration, %s",
            *(cluster, _KEYS),
        )
    return "tcp://" + location, security


def _is_loopback(location: str) -> bool:
    host = location.rpartition(":")[0].strip("[]")
    try:
        found = {
            str(entry[4][0]).partition("%")[0]
            for entry in socket.getaddrinfo(host or location, None)
        }
    except OSError:  # an unknown host: the connection will fail
        return True
    return all(
        ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in found
    )


def refusal(error: BaseException) -> str | None:
    """Return what a failed connection reveals about certificates; None if nothing."""
    return next(filter(None, map(_certificate_problem, causes(error))), None)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, including the inner errors of tornado's streams."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__ or getattr(error, "real_error", None)


def _certificate_problem(error: BaseException) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "the scheduler presents an unexpected certificate: it is another scheduler, or "
            "distributed.comm.tls.ca-file of Dask's configuration does not belong to it"
        )
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return "the scheduler is not encrypted, but Dask's configuration names certificates for it"
    if isinstance(error, ssl.SSLEOFError) or "ALERT" in str(getattr(error, "reason", "")):
        return "the scheduler refuses the certificate of distributed.comm.tls.client.cert"
    if isinstance(error, ConnectionResetError):
        return (
            "the scheduler closes the connection: if it requires certificates, name them in "
            f"Dask's configuration, {_KEYS}"
        )
    return None

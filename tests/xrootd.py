"""A real XRootD server for the tests, on loopback, and a way to cut its connections.

It needs the program of Debian's xrootd-server. What it exports as ``/data`` has another path here,
and its address is not one that ROOT takes for this host's: ROOT reads what it finds on local disks
past the server, and a test would pass without one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.daemons import free_ports

ADDRESS = "127.0.0.2"
PATIENCE = 20.0
"""Seconds until a server that is not up is an error."""

QUICK = {
    "XRD_CONNECTIONWINDOW": "3",
    "XRD_STREAMTIMEOUT": "10",
    "XRD_REQUESTTIMEOUT": "10",
}
"""For programs that are to lose a server: not to wait for as long as users do."""

CONFIGURATION = """\
all.export /data
oss.localroot {directory}/store
all.adminpath {directory}/admin
all.pidpath {directory}/admin
"""


def program() -> str | None:
    """The server, where there is one."""
    return shutil.which("xrootd", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")


class Server:
    """An XRootD server of the files in ``data``; ``directory`` must be readable by all."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "store" / "data"
        self.data.mkdir(parents=True)
        (directory / "admin").mkdir()
        (directory / "server.cfg").write_text(CONFIGURATION.format(directory=directory))
        (self.port,) = free_ports(1, ADDRESS)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(program()), "-c", f"{self.directory}/server.cfg", "-p", str(self.port)]
        if os.getuid() == 0:  # which it refuses to run as
            shutil.chown(self.directory / "admin", "nobody")
            command += ["-R", "nobody"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((ADDRESS, self.port)):
                return
            time.sleep(0.1)
        raise RuntimeError(f"no XRootD server: {(self.directory / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def url(self, name: str, port: int | None = None) -> str:
        """The address of a file in ``data``."""
        return f"root://{ADDRESS}:{port or self.port}//data/{name}"


@contextlib.contextmanager
def relay(server: Server, port: int = 0, dies_after: int = 1 << 60) -> Iterator[int]:
    """Yield the port of a relay to a server, gone, as a dead server is, after so many bytes."""
    left = [dies_after]

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((ADDRESS, server.port)) as upstream:
                back = threading.Thread(target=pump, args=(upstream, self.request, left))
                back.start()
                pump(self.request, upstream, [1 << 60])
                back.join()

    def pump(source: socket.socket, sink: socket.socket, budget: list[int]) -> None:
        with contextlib.suppress(OSError):
            while budget[0] > 0 and (data := source.recv(1 << 16)):
                budget[0] -= len(data)
                sink.sendall(data[: len(data) + min(budget[0], 0)])
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if left[0] <= 0:
            listener.socket.close()

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, *_: object) -> None:
            """A connection that was cut, as it was to be."""

    listener = Listener((ADDRESS, port), Connection)
    thread = threading.Thread(target=_serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield int(listener.server_address[1])
    finally:
        left[0] = 0
        listener.socket.close()


def _serve(listener: socketserver.BaseServer) -> None:
    with contextlib.suppress(OSError, ValueError):  # its socket is closed under it
        listener.serve_forever(poll_interval=0.05)

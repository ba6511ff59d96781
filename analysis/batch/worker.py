"""Prepare a Dask worker when it starts: once per process, not once per task."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

from common.runtime.child import set_up_log
from cpp_helpers import calls


class Setup(WorkerPlugin):  # type: ignore[misc]
    """Load the C++ helpers, in the directory to which the run's paths are relative."""

    name = "monojet"

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def setup(self, worker: Any) -> None:
        """Prepare the worker; called by Dask in the new process."""
        with contextlib.suppress(ValueError):  # not the main thread
            # Ctrl-C reaches the whole process group; the client ends the workers.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.chdir(self.directory)
        set_up_log(logging.WARNING)  # the run itself reports progress
        calls.call("enable_thread_safety")  # another thread talks to the scheduler

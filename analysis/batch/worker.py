"""What a Dask worker does when it starts: once a process, not once a task."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

from common.runtime.child import set_up_log
from cpp_helpers import declare, load_root


class Setup(WorkerPlugin):  # type: ignore[misc]
    """Declares the helpers, in the directory that the run's paths are relative to."""

    name = "monojet"

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def setup(self, worker: Any) -> None:
        """Called by Dask in the new worker."""
        with contextlib.suppress(ValueError):  # not the main thread
            # Ctrl-C reaches the whole process group: the client decides, and ends the workers.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.chdir(self.directory)
        set_up_log(logging.WARNING)  # what happens is told by the run
        load_root().EnableThreadSafety()  # tasks run beside the thread that talks to the scheduler
        declare()

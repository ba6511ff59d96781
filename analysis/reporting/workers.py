"""Worker processes, which draw figures.

They are copies of one that has imported what they need. It starts afresh, as ROOT and TensorFlow
hold threads, and imports while this process reads the inputs.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from unittest.mock import patch


def prepare(module: str) -> None:
    """Start the process that others are copies of, which imports a module."""
    forkserver.set_forkserver_preload([module])
    path = os.pathsep.join(sys.path)  # which Python 3.11 does not hand on before the import
    with patch.dict(os.environ, PYTHONPATH=path):
        forkserver.ensure_running()


def context() -> BaseContext:
    """Return how worker processes are started."""
    return multiprocessing.get_context("forkserver")

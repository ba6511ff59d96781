"""Published numbers that results are compared with."""

from __future__ import annotations

import functools
import json
from typing import Any

from common.repository import REPOSITORY

DATA_FILES = (
    "analysis/reference/atlas_monojet_36ifb.json",
    "analysis/reference/thesis_tables.json",
)


@functools.cache
def atlas_36ifb() -> dict[str, Any]:
    """Return the yields and limits of ATLAS with 36.1 fb^-1: arXiv:1711.03301."""
    return _read(DATA_FILES[0])


@functools.cache
def thesis() -> dict[str, Any]:
    """Return the tables of the thesis on images of monojet events (Praderio 2018)."""
    return _read(DATA_FILES[1])


def _read(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REPOSITORY / path).read_text())
    return found

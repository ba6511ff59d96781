"""HepMC ascii files, which stage ``convert`` converts to native files."""

from __future__ import annotations

import re

HEPMC = "hepmc"
"""Their name as a format."""

_NAME = re.compile(r"\.hepmc[23]?(\.gz)?$")


def is_hepmc(pattern: str) -> bool:
    """Return whether files are HepMC ascii files by their names."""
    return _NAME.search(pattern) is not None

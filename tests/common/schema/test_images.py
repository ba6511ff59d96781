"""The layout of image files."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import numpy as np

from analysis.config import Compression
from common.repository import REPOSITORY
from common.schema import images


def test_every_compression_can_be_configured() -> None:
    assert set(images.COMPRESSIONS) == set(get_args(Compression))


def test_every_channel_has_a_unit() -> None:
    assert len(images.CHANNELS) == len(images.UNITS) == images.N_CHANNELS == 8


def test_the_centres_of_cells_fill_the_grid() -> None:
    for centres, n, (low, high) in (
        (images.eta_of_row(np.arange(images.N_ROWS)), images.N_ROWS, images.ETA_RANGE),
        (images.phi_of_column(np.arange(images.N_COLUMNS)), images.N_COLUMNS, images.PHI_RANGE),
    ):
        edges = np.linspace(low, high, n + 1)
        np.testing.assert_allclose(centres, (edges[:-1] + edges[1:]) / 2, atol=1e-12)


def test_datasets_have_an_entry_per_event_or_per_cell() -> None:
    per_event = [images.event_column("met"), images.region_column("SR")]
    per_event += map(images.kept_lines, images.KEPT_LINES)
    assert all(map(images.has_entry_per_event, per_event))
    per_cell = [f"{images.address_group(name)}/row" for name in images.COMPRESSIONS]
    assert not any(map(images.has_entry_per_event, [*per_cell, images.VALUES]))


def test_the_schema_needs_neither_root_nor_hdf5() -> None:
    code = (
        "import sys, common.schema.images; print({'ROOT', 'h5py', 'analysis'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    assert found.stdout == "set()\n"

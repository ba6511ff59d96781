"""Two classes of images, and a network trained on them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.training.image_files import write_images
from tests.training.trainings import Recorder, Trained, score, spec, train


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files; the transverse momentum of the first cell tells the classes apart."""
    folder = tmp_path_factory.mktemp("images")
    return [
        write_images(folder / "signal.h5", 200, 1, most_cells=3, hard=50.0),
        write_images(folder / "background.h5", 200, 2, most_cells=3),
    ]


@pytest.fixture
def paths(good: list[Path], tmp_path: Path) -> list[Path]:
    """Copies, to be damaged."""
    return [Path(shutil.copy(path, tmp_path)) for path in good]


@pytest.fixture(scope="session")
def trained(good: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained") / "model"
    with pytest.MonkeyPatch.context() as monkeypatch:
        recorder = Recorder(monkeypatch)
        record = train(spec(), good, folder)
    return Trained(folder, record, recorder, score(spec(), good, folder))


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Further events of the same two classes."""
    folder = tmp_path_factory.mktemp("others")
    return [
        write_images(folder / "signal.h5", 60, 3, most_cells=3, hard=50.0),
        write_images(folder / "background.h5", 60, 4, most_cells=3),
    ]

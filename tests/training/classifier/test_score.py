"""Scores do not depend on how the work is cut; networks that do not fit are refused."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import training.classifier.score
from common.runtime.errors import InputError
from tests.training.trainings import Trained, spec
from training.classifier.fold import build
from training.classifier.score import Scorer
from training.data.image_reader import ImageFiles


@pytest.mark.parametrize("size", [16, 48, 160])
def test_scores_of_parts_are_those_of_the_whole_to_the_last_bit(
    trained: Trained, good: list[Path], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(training.classifier.score, "WINDOW", 16)
    scorer = Scorer(spec(), trained.folder)
    with ImageFiles(good[:1], [0], spec().compression) as files:
        whole = scorer(files)
        parts = [
            scorer(files, begin, min(begin + size, len(files)))
            for begin in range(0, len(files), size)
        ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_allclose(whole, trained.scores[: len(whole)], atol=1e-6)


def test_each_network_is_traced_once(
    trained: Trained, good: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the numbers of events are, and how often parts of them are scored."""
    monkeypatch.setattr(training.classifier.score, "WINDOW", 96)
    scorer = Scorer(spec(), trained.folder)
    with ImageFiles([good[0]], [0], "none") as images:
        for end in (1, 100, len(images)):
            scorer(images, 0, end)
    if keras.backend.backend() == "tensorflow":
        counts = [m.predict_function.experimental_get_tracing_count() for m in scorer.models]
        assert counts == [1] * len(scorer.models)


def test_tensorflow_warns_of_no_retracing(caplog: pytest.LogCaptureFixture) -> None:
    tensorflow = logging.getLogger("tensorflow")
    tensorflow.warning("5 out of the last 9 calls triggered tf.function retracing")
    tensorflow.warning("another")
    assert [r.getMessage() for r in caplog.records if r.name == "tensorflow"] == ["another"]


def test_a_network_of_another_configuration_is_refused(trained: Trained, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained.folder, tmp_path / "model"))
    Scorer(spec(), folder)
    with pytest.raises(InputError, match=r"model: .*fold0\.keras is another network"):
        Scorer(spec(max_cells=4), folder)
    build(spec(network="dense_cells"), 1).save(folder / "fold1.keras")
    with pytest.raises(InputError, match=r"model: .*fold1\.keras is another network"):
        Scorer(spec(), folder)

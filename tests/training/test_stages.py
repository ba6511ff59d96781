"""Stages that learn or judge say first which samples they leave out."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from analysis.config import CONFIGS, load
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from common.runtime.errors import InputError
from tests.conftest import TINY
from training.autoencoder.autoencoders_stage import STAGE as AUTOENCODERS
from training.autoencoder.denoising_stage import STAGE as DENOISING
from training.autoencoder.left_out_stage import STAGE as LEFT_OUT
from training.classifier.evaluation_stage import STAGE as EVALUATION
from training.classifier.training_stage import STAGE as TRAINING

LOW = "Znunu_low, Wtaunu_low (slice 'low' is not in training.slices)"
SEARCH = CONFIGS / "anomaly_tiny.yaml"
LEARNED = "autoencoders learn from WZ, ttbar; not from WR_N (signal)"


@pytest.mark.parametrize(
    ("stage", "path", "line"),
    [
        (TRAINING, TINY, f"networks learn from Znunu_high, Wtaunu_high; not from {LOW}"),
        (EVALUATION, TINY, f"networks are judged by Znunu_high, Wtaunu_high; not by {LOW}"),
        *((stage, SEARCH, LEARNED) for stage in (AUTOENCODERS, LEFT_OUT, DENOISING)),
    ],
)
def test_what_is_left_out_is_logged(
    stage: Stage, path: Path, line: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(load(path), tmp_path)
    with caplog.at_level(logging.INFO, "monojet"), pytest.raises((InputError, OSError)):
        stage.run(run, stage.targets(run), lambda target: None)  # nothing was made before it
    assert line in caplog.messages

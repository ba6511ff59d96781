"""Training from image files, streamed."""

from __future__ import annotations

import json
import logging
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import training.classifier.fold
import training.classifier.score
from common.runtime.errors import ConfigError, InputError
from tests.reference import auc
from tests.training.image_files import flip_a_bit, reweighted, write_images
from tests.training.trainings import EPOCHS, Recorder, Trained, score, spec, train
from training.classifier import callbacks
from training.classifier.fold import build
from training.classifier.network_io import input_shape
from training.classifier.records import TrainingRecord, write_training_record
from training.classifier.score import Scorer
from training.data.image_reader import ImageFiles, LabelledFiles
from training.data.validation import in_validation

IN_STEPS: dict[str, Any] = {"max_steps": 18, "early_stopping": {"interval": 4, "events": 60}}


def test_a_network_learns_and_scores_events_it_did_not_see(trained: Trained) -> None:
    names = sorted(p.name for p in trained.folder.iterdir())
    of_folds = [f"fold{i}.{suffix}" for i in (0, 1) for suffix in ("csv", "h5", "keras")]
    assert [name for name in names if name != "tensorboard"] == [*of_folds, "training.json"]
    if find_spec("tensorboard"):
        boards = (trained.folder / "tensorboard").rglob("events.out.tfevents.*")
        assert {board.parent.name for board in boards} == {"train", "validation"}
    # 200 of 400 events are in the other fold, about a fifth of them watch
    for fold in trained.record.folds:
        assert fold.events + fold.validation_events == 200
        assert 20 <= fold.validation_events <= 60
    assert np.mean((trained.scores > 0.5) == (np.arange(400) < 200)) > 0.95


@pytest.mark.slow
def test_a_fold_learns_nothing_from_the_one_before(
    good: list[Path], trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although it is given its network."""
    monkeypatch.setattr(training.classifier.fold, "begun_anew", lambda _, untrained: untrained)
    train(spec(), good, tmp_path)
    assert (tmp_path / "fold1.csv").read_text() == (trained.folder / "fold1.csv").read_text()
    files = [folder / "fold1.keras" for folder in (tmp_path, trained.folder)]
    alone, after = (keras.saving.load_model(file).get_weights() for file in files)
    assert all(map(np.array_equal, alone, after))


def test_the_record_keeps_its_keys_and_their_order(trained: Trained, tmp_path: Path) -> None:
    text = (trained.folder / "training.json").read_text()
    record = json.loads(text)
    assert list(record) == ["network", "seed", "folds", "parameters"]
    assert list(record["network"].items()) == list(spec().model_dump(mode="json").items())
    keys = [
        "fold",
        "classes",
        "channel_means",
        "events",
        "validation_events",
        "epochs",
        "steps",
        "seconds",
        "backend",
        "flops_an_event",
        "events_per_second",
        "device",
    ]
    first, second = record["folds"]
    assert list(first) == keys
    assert list(second) == ["fold", "parameters", *keys[1:]]
    write_training_record(tmp_path, trained.record)
    assert (tmp_path / "training.json").read_text() == text


@pytest.mark.slow
def test_files_of_one_process_are_not_told_apart(tmp_path: Path) -> None:
    """Nothing but the images tells a network the class: not the file, its order or its keys."""
    same = [write_images(tmp_path / f"{i}.h5", 400, i, most_cells=3) for i in (1, 2)]
    train(spec(epochs=4), same, tmp_path / "model")
    scores = score(spec(), same, tmp_path / "model")
    error = (2 / 400 / 12) ** 0.5  # of the area, where there is nothing to tell
    assert abs(auc(scores[:400], scores[400:]) - 0.5) < 4 * error


def test_the_best_weights_are_kept_when_the_loss_is_lost(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = callbacks.ReportProgress.on_epoch_end

    def spoil(self: Any, epoch: int, logs: Any = None) -> None:
        report(self, epoch, logs)
        if epoch == 1:
            self.model.optimizer.learning_rate.assign(1e30)

    monkeypatch.setattr(callbacks.ReportProgress, "on_epoch_end", spoil)
    with pytest.raises(ConfigError, match=r"not a number in step \d+: .* weights .*fold0\.keras"):
        train(spec(), paths, tmp_path / "model")
    (kept,) = (tmp_path / "model").rglob("fold0.keras")
    assert keras.saving.load_model(kept).input_shape[1:] == input_shape(spec())


@pytest.mark.slow
def test_an_image_network_trains_on_dense_batches(good: list[Path], tmp_path: Path) -> None:
    image = spec(network="strides", compression="cell", crop_size=8, width=0.05, epochs=1)
    record = train(image, good, tmp_path / "model")
    assert record.parameters > 0


def test_every_epoch_has_other_batches(trained: Trained) -> None:
    for fold in (0, 1):
        epochs = trained.recorder.epochs(fold)
        assert len({frozenset(epoch) for epoch in epochs}) == len(epochs) == EPOCHS


@pytest.mark.slow
def test_a_stopped_training_resumes_with_the_batches_it_would_have_seen(
    trained: Trained, good: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    report = callbacks.ReportProgress.on_epoch_end

    def stop(self: Any, epoch: int, logs: Any = None) -> None:
        if self.name.endswith("fold 1") and epoch == 2:
            raise KeyboardInterrupt
        report(self, epoch, logs)

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.ReportProgress, "on_epoch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            train(spec(), good, folder)
    assert not (folder / "training.json").exists()
    resumed = Recorder(monkeypatch)
    train(spec(), good, folder)
    assert resumed.epochs(0) == trained.recorder.epochs(1)[2:]  # fold 0 was finished
    rows = (folder / "fold1.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(EPOCHS))
    np.testing.assert_allclose(score(spec(), good, folder), trained.scores, atol=1e-5)


@pytest.mark.slow
def test_several_backgrounds_are_told_apart(good: list[Path], tmp_path: Path) -> None:
    soft = write_images(tmp_path / "soft.h5", 100, 3, most_cells=3, hard=500.0)
    network = spec(multiclass=True, epochs=8)
    train(network, [*good, soft], tmp_path / "model", labels=[0, 1, 2])
    scorer = Scorer(network, tmp_path / "model")
    means = []
    for label, path in enumerate([*good, soft]):
        with ImageFiles([path], [0], "none") as files:
            scores, classes = scorer.classify(files)
        assert np.mean(classes == label) > 0.9
        means.append(np.mean(scores))
    assert means[0] > 1.5 * max(means[1:])


def test_a_sample_that_stands_for_no_events_is_refused(good: list[Path], tmp_path: Path) -> None:
    paths = [reweighted(good[0], tmp_path / "a.h5", -1.0), good[1]]
    with pytest.raises(InputError, match=r"a\.h5: the sum of event weights is -200"):
        train(spec(epochs=1), paths, tmp_path / "model")


@pytest.mark.slow
def test_events_of_a_region_alone_are_learned_from(good: list[Path], tmp_path: Path) -> None:
    record = train(spec(region="SR", epochs=1), good, tmp_path / "model")
    (first, second) = record.folds
    assert sum(f.events + f.validation_events for f in (first, second)) == 2 * 67
    with pytest.raises(InputError, match="pass_SR_no_veto"):
        train(spec(region="SR_no_veto", epochs=1), good, tmp_path / "other")


def test_the_learning_rate_falls_to_0() -> None:
    model = build(spec(lr_schedule="cosine", learning_rate=0.1), 1, steps=10)
    rates = [float(model.optimizer._learning_rate(step)) for step in (0, 5, 10)]
    np.testing.assert_allclose(rates, [0.1, 0.05, 0], atol=1e-8)


def train_apart(
    samples: list[Path], test: list[Path], folder: Path, **changes: Any
) -> TrainingRecord:
    """One network, trained on all events of some samples in steps, and watched on others."""
    in_steps = spec(**IN_STEPS | changes)
    return train(in_steps, samples, folder, folds=1, test=LabelledFiles(test, [0, 1]))


def test_a_training_in_steps_looks_at_events_it_did_not_see(
    good: list[Path], others: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    apart = {"early_stopping": IN_STEPS["early_stopping"] | {"sample": "test"}}
    record = train_apart(good, others, tmp_path / "model", **apart)
    (fold,) = record.folds
    assert fold.events_per_second > 0
    assert fold.flops_an_event is not None
    assert fold.flops_an_event > 2 * record.parameters  # all cells share them
    assert fold.device
    assert (fold.steps, fold.events, fold.validation_events) == (20, 400, 120)
    assert fold.epochs == 1.0  # 20 steps of 20 events
    # All events of an epoch once, then looks at three batches of either, drawn anew each time.
    by_batches: dict[Any, list[tuple[int, bytes]]] = {}
    for batches, index, content in recorder.batches:
        by_batches.setdefault(batches, []).append((index, content))
    training, look, test_look = by_batches.values()
    seen = [content for _, content in training[2:]]  # Keras looks at the first two for their shapes
    assert len(seen) == len(set(seen)) == 20
    for asked in (look, test_look):
        assert len({content for _, content in asked}) >= 14
    history = (tmp_path / "model" / "fold0.csv").read_text().splitlines()
    assert history[0] == "epoch,accuracy,loss,val_accuracy,val_loss"
    assert [int(row.split(",")[0]) for row in history[1:]] == list(range(5))
    assert score_all(others, tmp_path / "model") > 0.8


def score_all(paths: list[Path], folder: Path) -> float:
    """Share of events, half of them signal, on their side of 0.5."""
    scores = score(spec(**IN_STEPS), paths, folder)
    return float(np.mean((scores > 0.5) == (np.arange(len(scores)) < len(scores) // 2)))


@pytest.mark.slow
def test_a_training_in_steps_resumes_exactly(
    good: list[Path], others: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, optimizer, shuffling, drop-out and sub-samples: to the last bit of the history."""
    train_apart(good, others, tmp_path / "whole")
    report = callbacks.ReportProgress.on_epoch_end

    def stop(self: Any, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise KeyboardInterrupt
        report(self, epoch, logs)

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.ReportProgress, "on_epoch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            train_apart(good, others, tmp_path / "stopped")
    train_apart(good, others, tmp_path / "stopped")
    histories = [(tmp_path / name / "fold0.csv").read_text() for name in ("whole", "stopped")]
    assert histories[0] == histories[1]
    scores = [score(spec(**IN_STEPS), others, tmp_path / name) for name in ("whole", "stopped")]
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.slow
def test_damage_met_in_a_later_epoch_is_told_as_such(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as an error of the backend, whose thread meets it."""
    monkeypatch.setattr("training.data.pools.POOL_CELLS", 100)  # so that each epoch reads the files

    def damage(self: Any, epoch: int, logs: Any = None) -> None:
        flip_a_bit(paths[0], "cells/column")

    monkeypatch.setattr(callbacks.ReportProgress, "on_epoch_end", damage)
    with pytest.raises(InputError, match=r"signal\.h5: damaged or incomplete"):
        train(spec(), paths, tmp_path / "model")


def test_images_of_another_configuration_are_refused(paths: list[Path], tmp_path: Path) -> None:
    settings = {"particle_threshold_GeV": 0.5}
    with pytest.raises(InputError, match=r"signal\.h5: images made with particle_threshold_GeV"):
        train(spec(), paths, tmp_path / "model", settings=settings)


def test_an_image_that_is_not_finite_is_refused(paths: list[Path], tmp_path: Path) -> None:
    with h5py.File(paths[0], "r+") as file:
        file["cells/values"][:, 3] = np.inf
    with pytest.raises(InputError, match=r"signal\.h5: .* NaN or an infinity"):
        train(spec(), paths, tmp_path / "model")


def test_an_empty_channel_is_refused(paths: list[Path], tmp_path: Path) -> None:
    for path in paths:
        with h5py.File(path, "r+") as file:
            file["cells/values"][:, 3] = 0
    with pytest.raises(InputError, match=r"background\.h5: .* channel 'pt_mu'"):
        train(spec(), paths, tmp_path / "model")


def test_a_loss_that_is_not_a_number_stops(paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the loss is not a number in step"):
        train(spec(learning_rate=1e30), paths, tmp_path / "model")
    assert not (tmp_path / "model" / "training.json").exists()


def test_a_class_missing_from_the_training_is_named(paths: list[Path], tmp_path: Path) -> None:
    with h5py.File(paths[1], "r+") as file:
        file["events/fold"][:] = 0
    message = r"background\.h5: no background event to train pfn\+none, fold 0: use more"
    with pytest.raises(InputError, match=message):
        train(spec(), paths, tmp_path / "model")


def test_a_class_missing_from_the_validation_is_named(paths: list[Path], tmp_path: Path) -> None:
    with h5py.File(paths[0], "r+") as file:
        run, event = (file[f"events/{name}_number"][:] for name in ("run", "event"))
        watching = in_validation(run, event, 0.2)
        file["events/fold"][:] = np.where(watching, 0, file["events/fold"][:])
    message = r"signal\.h5: no signal event to validate pfn\+none, fold 0: use more events"
    with pytest.raises(InputError, match=message):
        train(spec(), paths, tmp_path / "model")


# --- Scores ------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, "No such file"),
        ("{", "Expecting property name"),
        ('{"seed": 1, "parameters": 1, "network": {"network": "pfn"}}', "'folds': Field required"),
    ],
)
def test_a_damaged_record_is_one_line_with_the_remedy(
    tmp_path: Path, content: str | None, cause: str
) -> None:
    if content is not None:
        (tmp_path / "training.json").write_text(content)
    with pytest.raises(InputError) as error:
        Scorer(spec(), tmp_path)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'training.json'}: cannot read: {cause}")
    assert message.endswith(": make it with --stage training --force")
    assert "\n" not in message

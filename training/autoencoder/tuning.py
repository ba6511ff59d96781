"""Tune autoencoders by Hyperband (Li et al., arXiv:1603.06560) with KerasTuner."""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from common.runtime import files
from common.runtime.errors import ConfigError
from training.autoencoder import autoencoder, records
from training.autoencoder.fit import TrainingData, begin_work, prepare
from training.autoencoder.records import Choices, Trial, TuningRecord
from training.networks.flops import device

if TYPE_CHECKING:
    from analysis.config import Autoencoder, Tuning

log = logging.getLogger("monojet")


class _TrialLog(keras.callbacks.Callback):
    """Write one log line per trial."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.last = epoch + 1, (logs or {}).get("val_loss", math.nan)

    def on_train_end(self, logs: Any = None) -> None:
        log.info("tune %s: a trial reached epoch %d, validation loss %.4g", self.name, *self.last)


def tune(
    spec: Autoencoder, paths: Sequence[Path], folder: Path, *, seed: int, fingerprint: str
) -> Autoencoder:
    """Return the autoencoder with the smallest weighted validation loss that ``spec.tuning`` finds.

    Settings that are not searched are those of ``spec``; ``tuning`` of the result is None. Write
    ``tuning.json``: settings, score and epochs of each trial. A promoted trial continues from its
    best weights. An interrupted search starts again from the beginning.

    Raises:
        ConfigError: ``spec.tuning`` is None, KerasTuner is not installed, no trial has a finite
            loss, or a latent space is not narrower than the input.
        InputError: a matrix file cannot be used.
    """
    tuning = spec.tuning
    if tuning is None:
        raise ConfigError(f"{spec.name}: nothing to search for: give it 'tuning'")
    keras_tuner = _keras_tuner()
    start = time.monotonic()
    data = prepare(spec, paths)
    autoencoder.require_narrower(max(tuning.latent), data.training.x.shape[1])
    work = begin_work(folder, fingerprint)
    trials = _search(keras_tuner, spec, tuning, data, work, seed)
    best = _best(spec, trials)
    record = TuningRecord(
        autoencoder=spec,
        seed=seed,
        best=best.trial_id,
        trials=[_record(trial) for trial in trials],
        seconds=round(time.monotonic() - start, 1),
        backend=keras.backend.backend(),
        device=device(),
    )
    files.write_json(folder / records.TUNING, record.model_dump(mode="json"))
    shutil.rmtree(work)
    return _with_choices(spec, _choices(best.hyperparameters.values))


def _search(
    keras_tuner: Any, spec: Autoencoder, tuning: Tuning, data: TrainingData, work: Path, seed: int
) -> list[Any]:
    """Run all trials of KerasTuner and return them in their order."""
    training, validation = data.training, data.validation

    def build(hp: Any) -> keras.Model:
        trial = _with_choices(spec, _choose(tuning, hp))
        network = autoencoder.build(trial, training.x.shape[1], seed)
        model = network.compile(trial.learning_rate)
        model.optimizer.build(model.trainable_variables)  # a promoted trial restores its state
        return model

    keras.utils.set_random_seed(seed)
    tuner = keras_tuner.Hyperband(
        build,
        objective=keras_tuner.Objective("val_loss", "min"),
        max_epochs=tuning.max_epochs,
        factor=tuning.factor,
        hyperband_iterations=tuning.hyperband_iterations,
        seed=seed + 1,  # KerasTuner takes 0 for no seed
        max_consecutive_failed_trials=10**9,  # learning rates may be too high
        directory=work,
        project_name="trials",
        overwrite=True,
    )
    tuner.search(
        training.x,
        training.x,
        sample_weight=training.weights,
        validation_data=(validation.x, validation.x, validation.weights),
        batch_size=spec.batch_size,
        callbacks=[keras.callbacks.TerminateOnNaN(), _TrialLog(spec.name)],
        verbose=0,
    )
    return sorted(tuner.oracle.trials.values(), key=lambda trial: int(trial.trial_id))


def _best(spec: Autoencoder, trials: Sequence[Any]) -> Any:
    """Return the trial with the smallest loss; log failed trials.

    Raises:
        ConfigError: no trial has a finite loss.
    """
    failures = [t.message.strip().splitlines()[-1] for t in trials if t.message]
    for failure in failures:  # KerasTuner does not report them
        log.warning("tune %s: a trial failed: %s", spec.name, failure)
    completed = [t for t in trials if t.score is not None and math.isfinite(t.score)]
    if not completed:
        raise ConfigError(
            f"{spec.name}: none of {len(trials)} trials has a finite loss"
            f"{f' ({failures[0]})' if failures else ''}: lower 'tuning.learning_rate'"
        )
    return min(completed, key=lambda trial: trial.score)


def _keras_tuner() -> Any:
    try:
        import keras_tuner
    except ImportError as error:  # optional: only tuning uses it
        raise ConfigError(
            "KerasTuner is not installed: install keras-tuner, or leave 'tuning' out"
        ) from error
    return keras_tuner


def _choose(tuning: Tuning, hp: Any) -> Choices:
    """Ask KerasTuner for one value per setting, and for the nodes of the largest number of
    layers."""
    hp.Choice("layers", list(tuning.layers))
    for i in range(max(tuning.layers)):
        hp.Choice(f"nodes_{i + 1}", list(tuning.nodes))
    hp.Choice("latent", list(tuning.latent))
    hp.Choice("activation", list(tuning.activation))
    low, high = tuning.learning_rate
    hp.Float("learning_rate", low, high, sampling="log")
    return _choices(hp.values)


def _choices(values: dict[str, Any]) -> Choices:
    """Return the chosen settings from the values of KerasTuner."""
    return Choices(
        layers=[values[f"nodes_{i + 1}"] for i in range(values["layers"])],
        latent=values["latent"],
        activation=values["activation"],
        learning_rate=values["learning_rate"],
    )


def _with_choices(spec: Autoencoder, choices: Choices) -> Autoencoder:
    return type(spec).model_validate(spec.model_dump() | choices.model_dump() | {"tuning": None})


def _record(trial: Any) -> Trial:
    values = trial.hyperparameters.values
    failed = trial.score is None or not math.isfinite(trial.score)
    return Trial(
        trial=trial.trial_id,
        **dict(_choices(values)),
        epochs=values["tuner/epochs"],
        continues=values.get("tuner/trial_id"),
        score=None if failed else float(trial.score),
    )

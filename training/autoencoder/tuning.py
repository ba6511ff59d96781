"""The search for an autoencoder: Hyperband (Li et al., arXiv:1603.06560) by KerasTuner."""

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
from training.autoencoder import autoencoder
from training.autoencoder.fit import begin_work, prepare
from training.networks.flops import device

if TYPE_CHECKING:
    from analysis.config import Autoencoder, Tuning

log = logging.getLogger("monojet")

RECORD = "tuning.json"


class _Log(keras.callbacks.Callback):
    """One log line a trial."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.last = epoch + 1, (logs or {}).get("val_loss", math.nan)

    def on_train_end(self, logs: Any = None) -> None:
        log.info(
            "tune %s: a trial has come to epoch %d, validation loss %.4g", self.name, *self.last
        )


def tune(
    spec: Autoencoder, paths: Sequence[Path], folder: Path, *, seed: int, fingerprint: str
) -> Autoencoder:
    """The autoencoder of the least validation loss, weighted, that ``spec.tuning`` leads to; all
    that is not searched for is as in ``spec``, and nothing is left to search.

    Writes ``tuning.json``: each trial's settings, score and epochs. A trial that is promoted goes
    on from its best weights. A search that was stopped begins anew.

    Raises:
        ConfigError: nothing is to be tuned, KerasTuner is not installed, no trial has a loss that
            is a number, or a latent space is not narrower than the input.
        InputError: a feature file cannot be used.
    """
    tuning = spec.tuning
    if tuning is None:
        raise ConfigError(f"{spec.name}: there is nothing to search for: give it 'tuning'")
    keras_tuner = _keras_tuner()
    start = time.monotonic()
    prepared = prepare(spec, paths)
    training, validation = prepared.training, prepared.validation
    n_features = training.x.shape[1]
    autoencoder.require_narrower(max(tuning.latent), n_features)

    def build(hp: Any) -> keras.Model:
        trial = _with_choices(spec, _choose(tuning, hp))
        model = autoencoder.build(trial, n_features, seed).compile(trial.learning_rate)
        model.optimizer.build(model.trainable_variables)  # what a promoted trial is to go on with
        return model

    keras.utils.set_random_seed(seed)
    work = begin_work(folder, fingerprint)
    tuner = keras_tuner.Hyperband(
        build,
        objective=keras_tuner.Objective("val_loss", "min"),
        max_epochs=tuning.max_epochs,
        factor=tuning.factor,
        hyperband_iterations=tuning.hyperband_iterations,
        seed=seed + 1,  # it takes 0 for no seed
        max_consecutive_failed_trials=10**9,  # a learning rate may well be too high
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
        callbacks=[keras.callbacks.TerminateOnNaN(), _Log(spec.name)],
        verbose=0,
    )
    trials = sorted(tuner.oracle.trials.values(), key=lambda trial: int(trial.trial_id))
    failures = [t.message.strip().splitlines()[-1] for t in trials if t.message]
    for failure in failures:  # which KerasTuner passes over
        log.warning("tune %s: a trial failed: %s", spec.name, failure)
    completed = [t for t in trials if t.score is not None and math.isfinite(t.score)]
    if not completed:
        raise ConfigError(
            f"{spec.name}: none of {len(trials)} trials has a loss that is a number"
            f"{f' ({failures[0]})' if failures else ''}: lower 'tuning.learning_rate'"
        )
    best = min(completed, key=lambda trial: trial.score)
    found = _with_choices(spec, _choices(tuning, best.hyperparameters.values))
    files.write_json(
        folder / RECORD,
        {
            "autoencoder": spec.model_dump(mode="json"),
            "seed": seed,
            "best": best.trial_id,
            "trials": [_record(tuning, trial) for trial in trials],
            "seconds": round(time.monotonic() - start, 1),
            "backend": keras.backend.backend(),
            "device": device(),
        },
    )
    shutil.rmtree(work)
    return found


def _keras_tuner() -> Any:
    try:
        import keras_tuner
    except ImportError as error:  # it is needed nowhere else
        raise ConfigError(
            "KerasTuner is not installed: install keras-tuner, or leave 'tuning' out"
        ) from error
    return keras_tuner


def _choose(tuning: Tuning, hp: Any) -> dict[str, Any]:
    """Ask KerasTuner for one value of each; nodes also of layers that may not be there."""
    hp.Choice("layers", list(tuning.layers))
    for i in range(max(tuning.layers)):
        hp.Choice(f"nodes_{i + 1}", list(tuning.nodes))
    hp.Choice("latent", list(tuning.latent))
    hp.Choice("activation", list(tuning.activation))
    low, high = tuning.learning_rate
    hp.Float("learning_rate", low, high, sampling="log")
    return _choices(tuning, hp.values)


def _choices(tuning: Tuning, values: dict[str, Any]) -> dict[str, Any]:
    """What was chosen, by the keys of an autoencoder."""
    return {
        "layers": [values[f"nodes_{i + 1}"] for i in range(values["layers"])],
        **{name: values[name] for name in ("latent", "activation", "learning_rate")},
    }


def _with_choices(spec: Autoencoder, choices: dict[str, Any]) -> Autoencoder:
    return type(spec).model_validate(spec.model_dump() | choices | {"tuning": None})


def _record(tuning: Tuning, trial: Any) -> dict[str, Any]:
    values = trial.hyperparameters.values
    failed = trial.score is None or not math.isfinite(trial.score)
    return {
        "trial": trial.trial_id,
        **_choices(tuning, values),
        "epochs": values["tuner/epochs"],
        "continues": values.get("tuner/trial_id"),
        "score": None if failed else float(trial.score),
    }

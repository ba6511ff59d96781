"""Pictures of events, and an autoencoder that removes noise from them.

A picture is the summed transverse momentum in each cell of a compressed image. It is scaled to ln(1
+ pT / mean), with the mean over filled cells of the training: the spectrum falls over orders of
magnitude, and a few hard cells would dominate the squared error of pT. Noise, added before the
scaling, empties cells and adds soft ones. The autoencoder learns to reconstruct the clean picture
from the noisy one (Vincent et al., ICML 2008). All events have equal weight.

An interrupted training starts again from the beginning.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers

from common.runtime.errors import ConfigError, InputError, MonojetError
from common.runtime.progress import progress
from common.schema.images import GRID
from training.autoencoder.autoencoder import (
    LATENT,
    MODEL,
    WINDOW,
    anomaly_score,
    predict,
    require_narrower,
)
from training.autoencoder.fit import EpochLog, begin_work, early_stopping, finish_work, fit_result
from training.autoencoder.records import TRAINING, DenoisingRecord
from training.data.image_reader import EventRange, ImageFiles
from training.data.pools import Pools
from training.data.sparse_images import Floats, Images, Indices, Mask

if TYPE_CHECKING:
    from analysis.config import Denoising

PT = 0  # channel of an image


# --- Pictures -------------------------------------------------------------------------------------


def picture_shape(spec: Denoising) -> tuple[int, int, int]:
    """Return the rows, columns and channels of a picture."""
    rows, columns = GRID if spec.compression == "none" else (spec.crop_size, spec.crop_size)
    return math.ceil(rows / spec.pooling), math.ceil(columns / spec.pooling), 1


def pictures(images: Images, events: Indices, spec: Denoising) -> Floats:
    """Return transverse momenta in GeV, shape (events, rows, columns, 1)."""
    rows, columns, _ = picture_shape(spec)
    cells, place = images.cells_of(events)
    row = images.new_row[cells].astype(np.int64) // spec.pooling
    column = images.new_column[cells].astype(np.int64) // spec.pooling
    (inside,) = np.nonzero((row < rows) & (column < columns))
    address = ((place * rows + row) * columns + column)[inside]
    pt = images.values[cells[inside], PT]
    filled = np.bincount(address, pt, len(events) * rows * columns)
    return filled.reshape(len(events), rows, columns, 1).astype(np.float32)


def with_noise(pt: Floats, spec: Denoising, seed: Sequence[int]) -> Floats:
    """Return pictures with cells emptied and soft ones added, as drawn with the seed."""
    rng = np.random.default_rng(seed)
    kept = rng.random(pt.shape, np.float32) >= spec.drop_probability
    added = rng.random(pt.shape, np.float32) < spec.noise_probability
    noisy = np.where(kept, pt, 0)
    noisy[added] += spec.noise_mean_pt * rng.standard_exponential(
        np.count_nonzero(added), np.float32
    )
    return noisy


def mean_pt(files: ImageFiles, chosen: Mask) -> float:
    """Return the mean transverse momentum of the filled cells of the chosen events, in GeV.

    Raises:
        InputError: the mean is not a positive number.
    """
    total, filled = 0.0, 0
    for events in files.ranges():
        (rows,) = np.nonzero(events.view(chosen))
        pt = files.read(events).take(rows).values[:, PT]
        total += float(pt.sum(dtype=np.float64))
        filled += int(np.count_nonzero(pt))
    mean = total / max(filled, 1)
    if not (math.isfinite(mean) and mean > 0):
        raise InputError(
            f"{', '.join(map(str, files.paths))}: the mean transverse momentum of a cell is "
            f"{mean}: make the images again with --stage imaging --force"
        )
    return mean


# --- Network --------------------------------------------------------------------------------------


def build(spec: Denoising, seed: int) -> keras.Model:
    """Return an autoencoder of convolutions that halve the picture, a dense latent space, and the
    same layers in reverse.

    Raises:
        ConfigError: the latent space is not narrower than the picture.
    """
    shape = picture_shape(spec)
    require_narrower(spec.latent, math.prod(shape))
    seeds = iter(range(1000 * seed, 1000 * seed + 1000))

    def options(name: str, activation: str = "relu") -> dict[str, Any]:
        initial = keras.initializers.HeNormal if activation == "relu" else _Glorot
        start = initial(seed=next(seeds))
        return {"activation": activation, "kernel_initializer": start, "name": name}

    def convolution(filters: int, name: str, activation: str = "relu") -> dict[str, Any]:
        size = {"filters": filters, "kernel_size": 3, "padding": "same"}
        return size | options(name, activation)

    inputs = layers.Input(shape, name="picture")
    x = inputs
    for i, n in enumerate(spec.filters, start=1):
        x = layers.Conv2D(strides=2, **convolution(n, f"encoder_{i}"))(x)
    small = x.shape[1:]
    x = layers.Dense(spec.latent, **options(LATENT, "linear"))(layers.Flatten()(x))
    x = layers.Dense(math.prod(small), **options("decoder_dense"))(x)
    x = layers.Reshape(small)(x)
    for i, n in enumerate(reversed(spec.filters), start=1):
        x = layers.Conv2DTranspose(strides=2, **convolution(n, f"decoder_{i}"))(x)
    extra = [(0, found - wanted) for found, wanted in zip(x.shape[1:3], shape[:2], strict=True)]
    x = layers.Cropping2D(extra)(x)  # halves of odd numbers were rounded up
    outputs = layers.Conv2D(**convolution(1, "reconstruction", "linear"))(x)
    return keras.Model(inputs, outputs, name="denoising")


_Glorot = keras.initializers.GlorotUniform


# --- Training -------------------------------------------------------------------------------------


class _Batches(keras.utils.PyDataset):
    """Batches of (noisy, clean) pictures; order and noise of an epoch depend on its number alone.

    With ``validation`` the order is that of the files, and noise is the same in all epochs.
    """

    def __init__(
        self,
        files: ImageFiles,
        chosen: Mask,
        mean: float,
        spec: Denoising,
        seed: int,
        validation: bool,
    ) -> None:
        super().__init__()
        self.pools = Pools(files, chosen, None if validation else seed)
        self.mean, self.spec, self.seed, self.validation = mean, spec, seed, validation
        self.epoch = 0
        self.failure: MonojetError | None = None

    def __len__(self) -> int:
        return math.ceil(len(self.pools) / self.spec.batch_size)

    def __getitem__(self, index: int) -> tuple[Floats, Floats]:
        begin = index * self.spec.batch_size
        end = min(begin + self.spec.batch_size, len(self.pools))
        try:
            pieces = self.pools.read(begin, end, self.epoch)
        except MonojetError as error:
            self.failure = error  # backends may wrap it beyond recognition
            raise
        pt = np.concatenate([pictures(images, events, self.spec) for images, events in pieces])
        seed = (self.seed, self.validation, self.epoch, index)
        return _scaled(with_noise(pt, self.spec, seed), self.mean), _scaled(pt, self.mean)


def _scaled(pt: Floats, mean: float) -> Floats:
    scaled: Floats = np.log1p(pt / np.float32(mean))
    return scaled


class _EpochCounter(keras.callbacks.Callback):
    """Set the epoch of the batches."""

    def __init__(self, batches: _Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches.epoch = epoch


def fit_denoising(
    spec: Denoising,
    paths: Sequence[Path],
    folder: Path,
    *,
    validation_fraction: float,
    seed: int,
    fingerprint: str,
    settings: Mapping[str, Any] | None = None,
) -> DenoisingRecord:
    """Train the autoencoder of ``spec`` on the events of image files, except for the validation
    events (`ImageFiles.in_validation`), which always have the same noise.

    Write ``model.keras`` (with the weights of the smallest validation loss), ``history.csv`` and
    finally ``training.json``; return the content of the last. ``fingerprint`` names the folder of
    unfinished work; ``settings`` are those that the images must have.

    Raises:
        ConfigError: the loss is not finite, or the latent space is not narrower than the picture.
        InputError: an image file cannot be used, or has too few events.
    """
    start = time.monotonic()
    with ImageFiles(paths, [0] * len(paths), spec.compression, settings) as images:
        selected = images.passing(spec.region)
        in_validation = images.in_validation(validation_fraction)
        chosen, monitored = selected & ~in_validation, selected & in_validation
        if not (chosen.any() and monitored.any()):
            raise InputError(
                f"{', '.join(map(str, paths))}: too few events to train {spec.name}: "
                f"{np.count_nonzero(chosen)}, and {np.count_nonzero(monitored)} to validate it"
            )
        mean = mean_pt(images, chosen)
        keras.utils.set_random_seed(seed)
        model = build(spec, seed)
        model.compile(optimizer=keras.optimizers.Adam(spec.learning_rate), loss="mse")
        training = _Batches(images, chosen, mean, spec, seed, validation=False)
        validation = _Batches(images, monitored, mean, spec, seed, validation=True)
        history = _fit(spec, model, training, validation)
    record = DenoisingRecord(
        denoising=spec,
        seed=seed,
        samples=[path.stem for path in paths],
        mean_pt_GeV=mean,
        events=len(training.pools),
        validation_events=len(validation.pools),
        parameters=model.count_params(),
        **dict(fit_result(history, start)),
    )
    work = begin_work(folder, fingerprint)
    model.save(work / MODEL)
    finish_work(work, folder, history, record)
    return record


def _fit(
    spec: Denoising, model: keras.Model, training: _Batches, validation: _Batches
) -> dict[str, list[float]]:
    """Train a compiled model and return its history."""
    with progress(f"train {spec.name}", spec.epochs * len(training.pools)) as bar:
        epoch_log = EpochLog(spec.name, bar, spec.batch_size)
        try:
            history: dict[str, list[float]] = model.fit(
                training,
                validation_data=validation,
                epochs=spec.epochs,
                shuffle=False,  # Keras would shuffle batches and undo the order of the epoch
                verbose=0,
                callbacks=[_EpochCounter(training), epoch_log, early_stopping(spec.patience)],
            ).history
        except Exception:
            for failure in (b.failure for b in (training, validation) if b.failure is not None):
                raise failure from None
            raise
    return history


# --- Scores ---------------------------------------------------------------------------------------


class Denoiser:
    """A trained denoising autoencoder, read from its folder.

    Raises:
        InputError: the folder holds no autoencoder of ``spec``.
    """

    def __init__(self, spec: Denoising, folder: Path) -> None:
        self.spec, self.folder = spec, folder
        try:
            record = DenoisingRecord.model_validate_json((folder / TRAINING).read_text())
            self.mean = record.mean_pt_GeV
            self.model = keras.saving.load_model(folder / MODEL, compile=False)
            if self.model.input_shape[1:] != picture_shape(spec):
                raise ValueError(f"{MODEL} takes pictures of shape {self.model.input_shape[1:]}")
        except (OSError, ValueError, KeyError) as error:
            cause = " ".join(str(error).split())
            raise InputError(f"{folder}: not a trained {spec.name} ({cause}): train it") from error
        self.model.compile(jit_compile=False)  # predictions are too short to pay for it

    def score(self, files: ImageFiles, begin: int = 0, end: int | None = None) -> Floats:
        """Return log10 of the sum of squared errors of the scaled picture without noise, for the
        events [begin, end) of a file, by default all.

        Ranges that begin at multiples of `WINDOW` have the same scores as the whole, bit by bit.

        Raises:
            ConfigError: a score is not finite.
            InputError: the file is damaged.
        """
        end = len(files) if end is None else end
        scores = np.empty(end - begin, np.float32)
        for start in range(begin, end, WINDOW):
            stop = min(start + WINDOW, end)
            images = files.read(EventRange(0, start, stop, start))
            x = self.scaled(pictures(images, np.arange(stop - start), self.spec))
            scores[start - begin : stop - begin] = anomaly_score(x, self.clean(x))
        if not np.isfinite(scores).all():
            raise ConfigError(f"{self.folder}: a score is not a number: train it again")
        return scores

    def scaled(self, pt: Floats) -> Floats:
        """Return scaled pictures, the input of the network, shape (events, rows, columns, 1)."""
        return _scaled(pt, self.mean)

    def clean(self, scaled: Floats) -> Floats:
        """Return scaled pictures after the autoencoder, of the same shape."""
        found = np.empty(scaled.shape, np.float32)
        for begin in range(0, len(scaled), WINDOW):
            window = slice(begin, begin + WINDOW)
            found[window] = predict(self.model, scaled[window])
        return found

    def reconstruct(self, pt: Floats) -> Floats:
        """Return pictures after the autoencoder, in GeV, shape (events, rows, columns, 1).

        Empty cells may be slightly negative, as the output is linear.
        """
        cleaned: Floats = np.expm1(self.clean(self.scaled(pt))) * np.float32(self.mean)
        return cleaned

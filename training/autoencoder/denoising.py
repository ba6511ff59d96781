"""Pictures of events, and an autoencoder that takes noise out of them.

A picture is the sum of transverse momenta in each cell of an image, as the compression has moved
it, in units of its mean over the filled cells of the training, on a logarithmic scale: ln(1 + pT /
mean). The spectrum falls over orders of magnitude; a squared error of pT itself would be that of
the few hardest cells. Noise, which is drawn before the logarithm, empties cells and adds soft ones;
the autoencoder is shown the noisy picture and compared with the clean one (Vincent et al., ICML
2008). Events count alike, whatever their weights.

A training that was stopped begins anew.
"""

from __future__ import annotations

import contextlib
import json
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
from training.autoencoder.autoencoder import (
    LATENT,
    MODEL,
    WINDOW,
    anomaly_score,
    predict,
    require_narrower,
)
from training.autoencoder.fit import RECORD, Report, begin_work, best_kept, finish_work, result
from training.data.dataset import GRID, Floats, ImageFiles, Images, Indices, Mask, Range
from training.data.pools import Pools

if TYPE_CHECKING:
    from analysis.config import Denoising

PT = 0  # channel of an image


# --- Pictures -------------------------------------------------------------------------------------


def picture_shape(spec: Denoising) -> tuple[int, int, int]:
    """Rows, columns and channels of a picture."""
    rows, columns = GRID if spec.compression == "none" else (spec.size, spec.size)
    return math.ceil(rows / spec.pooling), math.ceil(columns / spec.pooling), 1


def pictures(images: Images, events: Indices, spec: Denoising) -> Floats:
    """Transverse momenta in GeV, shape (events, rows, columns, 1)."""
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
    """The same with cells emptied and soft ones added; the seed alone decides which."""
    rng = np.random.default_rng(seed)
    kept = rng.random(pt.shape, np.float32) >= spec.emptied
    added = rng.random(pt.shape, np.float32) < spec.added
    noisy = np.where(kept, pt, 0)
    noisy[added] += spec.added_pt * rng.standard_exponential(np.count_nonzero(added), np.float32)
    return noisy


def mean_pt(files: ImageFiles, chosen: Mask) -> float:
    """Mean transverse momentum of the filled cells of the chosen events, in GeV.

    Raises:
        InputError: it is not a number above 0.
    """
    total, filled = 0.0, 0
    for events in files.ranges():
        (mine,) = np.nonzero(events.of(chosen))
        pt = files.read(events).take(mine).values[:, PT]
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
    """Convolutions that halve the picture, a dense latent space, and the same backwards.

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

    def of_picture(filters: int, name: str, activation: str = "relu") -> dict[str, Any]:
        size = {"filters": filters, "kernel_size": 3, "padding": "same"}
        return size | options(name, activation)

    inputs = layers.Input(shape, name="picture")
    x = inputs
    for i, n in enumerate(spec.filters, start=1):
        x = layers.Conv2D(strides=2, **of_picture(n, f"encoder_{i}"))(x)
    small = x.shape[1:]
    x = layers.Dense(spec.latent, **options(LATENT, "linear"))(layers.Flatten()(x))
    x = layers.Dense(math.prod(small), **options("decoder_dense"))(x)
    x = layers.Reshape(small)(x)
    for i, n in enumerate(reversed(spec.filters), start=1):
        x = layers.Conv2DTranspose(strides=2, **of_picture(n, f"decoder_{i}"))(x)
    extra = [(0, found - wanted) for found, wanted in zip(x.shape[1:3], shape[:2], strict=True)]
    x = layers.Cropping2D(extra)(x)  # of halves that were rounded up
    outputs = layers.Conv2D(**of_picture(1, "reconstruction", "linear"))(x)
    return keras.Model(inputs, outputs, name="denoising")


_Glorot = keras.initializers.GlorotUniform


# --- Training -------------------------------------------------------------------------------------


class _Batches(keras.utils.PyDataset):
    """Batches of (noisy, clean) pictures; an epoch's order and noise depend on its number alone."""

    def __init__(
        self, files: ImageFiles, chosen: Mask, mean: float, spec: Denoising, seed: int, watch: bool
    ) -> None:
        super().__init__()
        self.pools = Pools(files, chosen, None if watch else seed)
        self.mean, self.spec, self.seed, self.watch = mean, spec, seed, watch
        self.epoch = 0
        self.failure: MonojetError | None = None

    def __len__(self) -> int:
        return math.ceil(len(self.pools) / self.spec.batch_size)

    def __getitem__(self, index: int) -> tuple[Floats, Floats]:
        begin = index * self.spec.batch_size
        end = min(begin + self.spec.batch_size, len(self.pools))
        try:
            parts = self.pools.read(begin, end, self.epoch)
        except MonojetError as error:
            self.failure = error  # the backend that asks may wrap it beyond recognition
            raise
        pt = np.concatenate([pictures(images, events, self.spec) for images, events in parts])
        seed = (self.seed, self.watch, self.epoch, index)
        return _scaled(with_noise(pt, self.spec, seed), self.mean), _scaled(pt, self.mean)


def _scaled(pt: Floats, mean: float) -> Floats:
    scaled: Floats = np.log1p(pt / np.float32(mean))
    return scaled


class _Epochs(keras.callbacks.Callback):
    """Tells the batches which epoch they are of."""

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
) -> dict[str, Any]:
    """Train the autoencoder of ``spec`` on the events of some image files but those that watch it
    (`training.data.dataset.in_validation`), whose noise is always the same.

    Writes ``model.keras`` (the weights of the least validation loss), ``history.csv`` and at last
    ``training.json``, whose content it returns. ``fingerprint`` names unfinished work; ``settings`` are
    those the images must have been filled with (`training.data.dataset.SETTINGS`).

    Raises:
        ConfigError: the loss is not a number, or the latent space not narrower than the picture.
        InputError: an image file cannot be used, or there are too few events.
    """
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        images = ImageFiles(paths, [0] * len(paths), spec.compression, settings)
        stack.enter_context(images)
        selected = images.passing(spec.select)
        validation = images.in_validation(validation_fraction)
        training, watched = selected & ~validation, selected & validation
        if not (training.any() and watched.any()):
            raise InputError(
                f"{', '.join(map(str, paths))}: too few events to train {spec.name}: "
                f"{np.count_nonzero(training)}, and {np.count_nonzero(watched)} to validate it"
            )
        mean = mean_pt(images, training)
        keras.utils.set_random_seed(seed)
        model = build(spec, seed)
        model.compile(optimizer=keras.optimizers.Adam(spec.learning_rate), loss="mse")
        batches = _Batches(images, training, mean, spec, seed, watch=False)
        watching = _Batches(images, watched, mean, spec, seed, watch=True)
        bar = stack.enter_context(progress(f"train {spec.name}", spec.epochs * len(batches.pools)))
        report = Report(spec.name, bar, spec.batch_size)
        try:
            history = model.fit(
                batches,
                validation_data=watching,
                epochs=spec.epochs,
                shuffle=False,  # of batches, by Keras: it would undo the order of the epoch
                verbose=0,
                callbacks=[_Epochs(batches), report, best_kept(spec.patience)],
            ).history
        except Exception:
            for failure in (b.failure for b in (batches, watching) if b.failure is not None):
                raise failure from None
            raise
    record = {
        "denoising": spec.model_dump(mode="json"),
        "seed": seed,
        "samples": [path.stem for path in paths],
        "mean_pt_GeV": mean,
        "events": len(batches.pools),
        "validation_events": len(watching.pools),
        "parameters": model.count_params(),
        **result(history, start),
    }
    work = begin_work(folder, fingerprint)
    model.save(work / MODEL)
    finish_work(work, folder, history, record)
    return record


# --- Scores ---------------------------------------------------------------------------------------


class Denoiser:
    """A trained autoencoder of pictures, read from its folder.

    Raises:
        InputError: the folder does not hold one of ``spec``.
    """

    def __init__(self, spec: Denoising, folder: Path) -> None:
        self.spec, self.folder = spec, folder
        try:
            self.mean = float(json.loads((folder / RECORD).read_text())["mean_pt_GeV"])
            self.model = keras.saving.load_model(folder / MODEL, compile=False)
            if self.model.input_shape[1:] != picture_shape(spec):
                raise ValueError(f"{MODEL} is made for pictures of {self.model.input_shape[1:]}")
        except (OSError, ValueError, KeyError) as error:
            cause = " ".join(str(error).split())
            raise InputError(f"{folder}: not a trained {spec.name} ({cause}): train it") from error
        self.model.compile(jit_compile=False)  # prediction is too short to pay for more

    def score(self, files: ImageFiles, begin: int = 0, end: int | None = None) -> Floats:
        """log10 of the sum of squared errors of the scaled picture, to which no noise is added, of
        each event of [begin, end) of a file, or of its whole.

        Parts that begin at multiples of `training.autoencoder.autoencoder.WINDOW` give what the whole gives, to
        the last bit.

        Raises:
            ConfigError: a score is not a number.
            InputError: the file is damaged.
        """
        end = len(files) if end is None else end
        scores = np.empty(end - begin, np.float32)
        for start in range(begin, end, WINDOW):
            stop = min(start + WINDOW, end)
            images = files.read(Range(0, start, stop, start))
            x = self.scaled(pictures(images, np.arange(stop - start), self.spec))
            scores[start - begin : stop - begin] = anomaly_score(x, self.clean(x))
        if not np.isfinite(scores).all():
            raise ConfigError(f"{self.folder}: a score is not a number: train it again")
        return scores

    def scaled(self, pt: Floats) -> Floats:
        """What the network is shown of pictures, shape (events, rows, columns, 1)."""
        return _scaled(pt, self.mean)

    def clean(self, scaled: Floats) -> Floats:
        """Scaled pictures without their noise, of the same shape."""
        found = np.empty(scaled.shape, np.float32)
        for begin in range(0, len(scaled), WINDOW):
            window = slice(begin, begin + WINDOW)
            found[window] = predict(self.model, scaled[window])
        return found

    def reconstruct(self, pt: Floats) -> Floats:
        """Pictures without their noise, in GeV, shape (events, rows, columns, 1).

        Where there is nothing it may be a little below 0: the output is linear.
        """
        cleaned: Floats = np.expm1(self.clean(self.scaled(pt))) * np.float32(self.mean)
        return cleaned

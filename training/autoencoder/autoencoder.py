"""Autoencoders of feature vectors, and the anomaly score, the error of their reconstruction.

Trained on backgrounds alone, an autoencoder reconstructs similar events well (Hinton and
Salakhutdinov, Science 313 (2006) 504; variational: Kingma and Welling, arXiv:1312.6114). Keras
without calls to a backend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from analysis.config import VariationalAutoencoder
from common.runtime.errors import ConfigError, InputError
from training.data.features import Floats
from training.data.scaling import read_scaling

if TYPE_CHECKING:
    from analysis.config import Autoencoder as Spec

MODEL, SCALING = "model.keras", "scaling.json"  # files in the folder of an autoencoder
LATENT = "latent"  # name of the layer
WINDOW = 1024  # events per prediction

Loss = Callable[[Any, Any], Any]


# --- Networks -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UntrainedAutoencoder:
    """An autoencoder, ``model``: (events, D) -> (events, D).

    ``trained`` shares its weights and is fitted in its place, with a ``loss`` of shape (events,).
    """

    model: keras.Model
    trained: keras.Model
    loss: Loss

    def compile(self, learning_rate: float) -> keras.Model:
        """Return the model to fit, with Adam; the loss of a batch is the sum of the weighted losses
        of its events, divided by their number."""
        optimizer = keras.optimizers.Adam(learning_rate)
        self.trained.compile(optimizer=optimizer, loss=self.loss)
        return self.trained


def build(spec: Spec, n_features: int, seed: int) -> UntrainedAutoencoder:
    """Return the untrained autoencoder of ``spec``.

    Raises:
        ConfigError: the latent space is not narrower than the input.
    """
    options: dict[str, Any] = {"activation": spec.activation, "output": spec.output, "seed": seed}
    if isinstance(spec, VariationalAutoencoder):
        return variational(n_features, spec.layers, spec.latent, beta=spec.beta, **options)
    return dense(n_features, spec.layers, spec.latent, **options)


def dense(
    n_features: int,
    hidden: Sequence[int],
    latent: int,
    *,
    activation: str = "relu",
    output: str = "linear",
    seed: int = 0,
) -> UntrainedAutoencoder:
    """Return an autoencoder with mirrored hidden layers around the latent space.

    All layers except for the output have the activation. The loss is the mean squared error.

    Raises:
        ConfigError: the latent space is not narrower than the input.
    """
    require_narrower(latent, n_features)
    start = _Seeds(seed)
    inputs = layers.Input((n_features,), name="features")
    x = _hidden(inputs, "encoder", hidden, activation, start)
    x = layers.Dense(latent, activation=activation, kernel_initializer=start(), name=LATENT)(x)
    outputs = _Decoder(n_features, hidden, activation, output, start)(x)
    model = keras.Model(inputs, outputs, name="dense")
    return UntrainedAutoencoder(model, model, _mean_squared_error)


def variational(
    n_features: int,
    hidden: Sequence[int],
    latent: int,
    *,
    activation: str = "relu",
    output: str = "linear",
    beta: float = 1e-3,
    seed: int = 0,
) -> UntrainedAutoencoder:
    """Return a variational autoencoder with the layers of `dense`.

    The encoder returns means and log-variances of Gaussians. The decoder is trained with values
    drawn from them; predictions and the validation use the means.

    The loss is the mean squared error over D features plus ``beta`` / D times the Kullback-Leibler
    divergence from normal distributions: that of a decoder of Gaussians with variance ``beta`` / 2.
    The divergence is part of the loss of each event, so that event weights apply to it; they would
    not apply to a loss added by a layer.

    Raises:
        ConfigError: the latent space is not narrower than the input.
    """
    require_narrower(latent, n_features)
    start = _Seeds(seed)
    inputs = layers.Input((n_features,), name="features")
    x = _hidden(inputs, "encoder", hidden, activation, start)
    mean = layers.Dense(latent, kernel_initializer=start(), name=LATENT)(x)
    log_variance = layers.Dense(latent, kernel_initializer=start(), name="log_variance")(x)
    decoder = _Decoder(n_features, hidden, activation, output, start)
    sampled = Sampling(seed, name="sampling")([mean, log_variance])
    everything = layers.Concatenate()([decoder(sampled), mean, log_variance])

    def loss(x: Any, found: Any) -> Any:
        places = [n_features, n_features + latent]
        reconstruction, mean, log_variance = ops.split(found, places, axis=-1)
        gaussians = ops.square(mean) + ops.exp(log_variance) - 1 - log_variance
        divergence = ops.sum(gaussians, axis=-1) / 2
        return _mean_squared_error(x, reconstruction) + beta / n_features * divergence

    model = keras.Model(inputs, decoder(mean), name="variational")
    return UntrainedAutoencoder(model, keras.Model(inputs, everything, name="trained"), loss)


def require_narrower(latent: int, n_features: int) -> None:
    """Refuse a latent space that can hold the input.

    Raises:
        ConfigError: the latent space is not narrower than the input.
    """
    if latent >= n_features:
        raise ConfigError(
            f"a latent space of {latent} is not narrower than the input of {n_features}, and could "
            "copy it: lower 'latent'"
        )


class Sampling(layers.Layer):
    """Draw values from Gaussians, given means and log-variances, in training; else return the
    means."""

    def __init__(self, seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        """Return values of shape (events, latent)."""
        mean, log_variance = inputs
        if not training:
            return mean
        drawn = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.seed_generator)
        return mean + ops.exp(log_variance / 2) * drawn


class _Seeds:
    """Glorot initializers, each with its own seed."""

    def __init__(self, seed: int) -> None:
        self.seed = 1000 * seed

    def __call__(self) -> keras.initializers.Initializer:
        self.seed += 1
        return keras.initializers.GlorotUniform(seed=self.seed)


class _Decoder:
    """Layers from the latent space to the output, shared by all inputs."""

    def __init__(
        self, n_features: int, hidden: Sequence[int], activation: str, output: str, start: _Seeds
    ) -> None:
        self.layers = [
            layers.Dense(
                n, activation=activation, kernel_initializer=start(), name=f"decoder_{place}"
            )
            for place, n in enumerate(reversed(hidden), start=1)
        ]
        self.layers.append(
            layers.Dense(
                n_features, activation=output, kernel_initializer=start(), name="reconstruction"
            )
        )

    def __call__(self, x: keras.KerasTensor) -> keras.KerasTensor:
        for layer in self.layers:
            x = layer(x)
        return x


def _hidden(
    x: keras.KerasTensor, name: str, nodes: Sequence[int], activation: str, start: _Seeds
) -> keras.KerasTensor:
    for place, n in enumerate(nodes, start=1):
        x = layers.Dense(
            n, activation=activation, kernel_initializer=start(), name=f"{name}_{place}"
        )(x)
    return x


def _mean_squared_error(x: Any, reconstruction: Any) -> Any:
    return ops.mean(ops.square(x - reconstruction), axis=-1)


# --- Scores ---------------------------------------------------------------------------------------


def anomaly_score(x: npt.NDArray[Any], reconstruction: npt.NDArray[Any]) -> Floats:
    """Return log10 of the sum of squared errors over all axes but the first, shape (events,).

    Sums below the smallest normal number in single precision have the score of that number.
    """
    errors = np.square(np.subtract(x, reconstruction, dtype=np.float64))
    total = errors.reshape(len(x), -1).sum(axis=1)
    score: Floats = np.log10(np.maximum(total, np.finfo(np.float32).tiny)).astype(np.float32)
    return score


def predict(model: keras.Model, x: npt.NDArray[Any]) -> Floats:
    """Return the prediction of a model for up to `WINDOW` events.

    The batch always has this size: Keras compiles once, and the last bits of a prediction depend on
    the size of the batch and the place of the event.
    """
    found: Floats = np.asarray(model.predict_on_batch(np.resize(x, (WINDOW, *x.shape[1:]))))
    return found[: len(x)]


class TrainedAutoencoder:
    """A trained autoencoder, read from its folder.

    Events are scored in windows of `WINDOW`: slices that begin at multiples of it have the same
    scores as the whole, bit by bit. Features have shape (events, D), in the order of ``names``, and
    are not scaled.

    Raises:
        InputError: the folder holds no autoencoder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scaling = read_scaling(folder / SCALING)
        try:
            self.model = keras.saving.load_model(folder / MODEL, compile=False)
            if self.model.input_shape[1:] != (len(self.names),):
                raise ValueError(f"it takes {self.model.input_shape[1]} features")
            self.encoder = keras.Model(self.model.input, self.model.get_layer(LATENT).output)
        except (OSError, ValueError, KeyError) as error:
            cause = " ".join(str(error).split())
            raise InputError(
                f"{folder / MODEL}: not an autoencoder of {len(self.names)} features ({cause}): "
                "train it again"
            ) from error
        for model in (self.model, self.encoder):
            model.compile(jit_compile=False)  # predictions are too short to pay for it

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the features, in their order."""
        return self.scaling.names

    def score(self, features: Floats) -> Floats:
        """Return log10 of the sum of squared errors of the scaled features, shape (events,).

        Raises:
            ConfigError: a score is not finite.
            InputError: the features have another shape.
        """
        scores = self._each_window(features, (), lambda x: anomaly_score(x, predict(self.model, x)))
        if not np.isfinite(scores).all():
            raise ConfigError(f"{self.folder}: a score is not a number: train it again")
        return scores

    def errors(self, features: Floats) -> Floats:
        """Return the squared error of each scaled feature, shape (events, D)."""
        return self._each_window(
            features, (len(self.names),), lambda x: np.square(x - predict(self.model, x))
        )

    def encode(self, features: Floats) -> Floats:
        """Return positions in the latent space, shape (events, latent)."""
        shape = self.encoder.output_shape[1:]
        return self._each_window(features, shape, lambda x: predict(self.encoder, x))

    def reconstruct(self, features: Floats) -> Floats:
        """Return the reconstruction, shape (events, D), not scaled."""
        shape = (len(self.names),)
        return self._each_window(
            features, shape, lambda x: self.scaling.undo(predict(self.model, x))
        )

    def _each_window(
        self, features: Floats, shape: tuple[int, ...], function: Callable[[Floats], Floats]
    ) -> Floats:
        if features.ndim != 2 or features.shape[1] != len(self.names):
            raise InputError(
                f"{self.folder}: features of shape {features.shape}, the autoencoder takes "
                f"(events, {len(self.names)}): make both with one configuration"
            )
        found = np.empty((len(features), *shape), np.float32)
        for begin in range(0, len(features), WINDOW):
            window = slice(begin, begin + WINDOW)
            found[window] = function(self.scaling(features[window]))
        return found

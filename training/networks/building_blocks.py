"""Building blocks shared by networks. Backend-neutral Keras: TensorFlow, JAX or PyTorch."""

from __future__ import annotations

import keras
from keras import layers

DROPOUT = 0.1


class HeInitializers:
    """Create initializers by He, each with a seed of its own."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self) -> keras.initializers.Initializer:
        """Return a new initializer."""
        self.seed += 1
        return keras.initializers.HeNormal(seed=self.seed)


def scaled(n: int, width: float) -> int:
    """Return a number of filters or nodes scaled by ``width``; at least 1."""
    return max(1, round(n * width))


def logits(x: keras.KerasTensor, start: HeInitializers, classes: int) -> keras.KerasTensor:
    """Return the output layer, one logit per class: signal, background, further backgrounds."""
    initializer = keras.initializers.GlorotUniform(seed=start.seed + 1)
    return layers.Dense(classes, kernel_initializer=initializer, name="logits")(x)

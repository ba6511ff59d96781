"""The networks. Backend-neutral Keras: TensorFlow, JAX or PyTorch.

*strides* and *maxpool* are those of the 2018 thesis (section 3.2 and table 1, whose labels are
misprinted: the layers are 1_1, 1_2, 1_3, 2_1, 2_2, 3_1; the last convolution is 1 x 1 with 128
filters, as the text says). Padding "same": only then do both give the stated shapes. At
60 x 60 x 10 each has 4,684,738 parameters. All networks give two logits: signal, background.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

L2 = 0.01  # on the sum of squared weights of the convolutions
DROPOUT = 0.1


def _initial(kind: str, seed: int) -> dict[str, keras.initializers.Initializer]:
    """Initialisers of a layer: those of the thesis, or He's, which suit narrower networks."""
    if kind == "he":
        return {"kernel_initializer": keras.initializers.HeNormal(seed=seed)}
    return {
        "kernel_initializer": keras.initializers.RandomNormal(0.0, 0.01, seed=seed),
        "bias_initializer": keras.initializers.RandomUniform(-0.5, 0.5, seed=seed + 1),
    }


def _thesis_network(
    name: str,
    shape: tuple[int, int, int],
    *,
    pooling: bool,
    width: float = 1.0,
    l2: float = L2,
    initial: str = "thesis",
    seed: int = 0,
) -> keras.Model:
    def nodes(n: int) -> int:
        return max(1, round(n * width))

    def convolution(
        x: keras.KerasTensor, label: str, filters: int, kernel: int = 3, down: bool = False
    ) -> keras.KerasTensor:
        nonlocal seed
        seed += 2
        x = layers.Conv2D(
            nodes(filters),
            kernel,
            strides=2 if down and not pooling else 1,
            padding="same",
            activation="relu",
            kernel_regularizer=keras.regularizers.L2(l2),
            name=f"convolution_{label}",
            **_initial(initial, seed),
        )(x)
        if down and pooling:
            x = layers.MaxPooling2D(2, padding="same", name=f"maxpool_{label}")(x)
        return x

    inputs = layers.Input(shape, name="image")
    x = convolution(inputs, "1_1", 64)
    x = convolution(x, "1_2", 128)
    x = convolution(x, "1_3", 256, down=True)
    x = convolution(x, "2_1", 128)
    x = convolution(x, "2_2", 256, down=True)
    x = convolution(x, "3_1", 128, kernel=1)
    x = layers.Flatten()(x)
    hidden = layers.Dense(
        nodes(128), activation="relu", name="dense_1", **_initial(initial, seed + 2)
    )
    x = layers.Dropout(DROPOUT, seed=seed)(hidden(x))
    logits = layers.Dense(2, name="dense_2", **_initial(initial, seed + 4))(x)
    return keras.Model(inputs, logits, name=name)


def strides(shape: tuple[int, int, int], **options: Any) -> keras.Model:
    """The thesis's *strides* network: strided convolutions halve the image.

    Options as those of `maxpool`: ``width``, ``l2``, ``initial``, ``seed``.
    """
    return _thesis_network("strides", shape, pooling=False, **options)


def maxpool(shape: tuple[int, int, int], **options: Any) -> keras.Model:
    """The thesis's *max-pool* network: 2 x 2 max-pooling halves the image.

    Options: ``width``, a factor on the numbers of filters and nodes; ``l2``, the regularisation;
    ``initial``, the initial weights, "thesis" or "he"; ``seed``.
    """
    return _thesis_network("maxpool", shape, pooling=True, **options)


def particle_flow(shape: tuple[int, int], width: float = 1.0, seed: int = 0) -> keras.Model:
    """Particle-flow network (Deep Sets: Komiske, Metodiev, Thaler, arXiv:1810.05165) on a list of
    cells, shape (cells, 1 + features), the first entry of each being its mask.

    The same dense layers act on every cell; their outputs are summed over the cells (and scaled by
    a constant), so that the order of the list does not matter.
    """

    def dense(n: int, name: str) -> layers.Dense:
        nonlocal seed
        seed += 1
        initial = keras.initializers.HeNormal(seed=seed)
        nodes = max(1, round(n * width))
        return layers.Dense(nodes, activation="relu", kernel_initializer=initial, name=name)

    inputs = layers.Input(shape, name="cells")
    mask, x = inputs[..., :1], inputs[..., 1:]
    for i, n in enumerate((64, 64, 128), start=1):
        x = dense(n, f"cell_{i}")(x)
    x = ops.sum(x * mask, axis=1) / 64.0
    for i, n in enumerate((128, 128), start=1):
        x = dense(n, f"event_{i}")(x)
        x = layers.Dropout(DROPOUT, seed=seed)(x)
    initial = keras.initializers.GlorotUniform(seed=seed + 1)
    logits = layers.Dense(2, kernel_initializer=initial, name="logits")(x)
    return keras.Model(inputs, logits, name="particle_flow")


IMAGE_NETWORKS: dict[str, Callable[..., keras.Model]] = {"strides": strides, "maxpool": maxpool}
SET_NETWORKS: dict[str, Callable[..., keras.Model]] = {"particle_flow": particle_flow}

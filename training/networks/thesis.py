"""The *strides* and *max-pool* networks of the 2018 thesis (section 3.2 and table 1).

The labels of table 1 are misprinted: the layers are 1_1, 1_2, 1_3, 2_1, 2_2, 3_1, and the last
convolution is 1 x 1 with 128 filters, as the text says. Padding "same": only with it do both
networks have the stated shapes. At 60 x 60 x 10 each has 4,684,738 parameters. Outputs are logits,
one per class.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from training.networks.building_blocks import DROPOUT, scaled

L2 = 0.01  # on the sum of squared weights of the convolutions


def _initializers(kind: str, seed: int) -> dict[str, keras.initializers.Initializer]:
    """Return the initializers of a layer: those of the thesis, or He's for narrower networks."""
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
    initializer: str = "thesis",
    seed: int = 0,
    classes: int = 2,
) -> keras.Model:
    def convolution(
        x: keras.KerasTensor, label: str, filters: int, kernel: int = 3, down: bool = False
    ) -> keras.KerasTensor:
        nonlocal seed
        seed += 2
        x = layers.Conv2D(
            scaled(filters, width),
            kernel,
            strides=2 if down and not pooling else 1,
            padding="same",
            activation="relu",
            kernel_regularizer=keras.regularizers.L2(l2),
            name=f"convolution_{label}",
            **_initializers(initializer, seed),
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
        scaled(128, width),
        activation="relu",
        name="dense_1",
        **_initializers(initializer, seed + 2),
    )
    x = layers.Dropout(DROPOUT, seed=seed)(hidden(x))
    logits = layers.Dense(classes, name="dense_2", **_initializers(initializer, seed + 4))(x)
    return keras.Model(inputs, logits, name=name)


def strides(shape: tuple[int, int, int], **options: Any) -> keras.Model:
    """Return the *strides* network, in which strided convolutions halve the image.

    Options as for `maxpool`.
    """
    return _thesis_network("strides", shape, pooling=False, **options)


def maxpool(shape: tuple[int, int, int], **options: Any) -> keras.Model:
    """Return the *max-pool* network, in which 2 x 2 max-pooling halves the image.

    Options: ``width``, a factor on the numbers of filters and nodes; ``l2``, the regularisation;
    ``initializer``, "thesis" or "he"; ``seed``; ``classes``, the number of outputs.
    """
    return _thesis_network("maxpool", shape, pooling=True, **options)

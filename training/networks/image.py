"""Further convolutional networks on images; outputs are logits, one per class."""

from __future__ import annotations

import keras
from keras import layers, ops

from training.networks.building_blocks import DROPOUT, HeInitializers, logits, scaled


def vgg(
    shape: tuple[int, int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """Return a network like VGG16 (Simonyan and Zisserman, arXiv:1409.1556) for small images.

    It has three blocks of 2, 2 and 3 convolutions, 3 x 3, each followed by 2 x 2 max-pooling.
    """
    start = HeInitializers(seed)
    inputs = layers.Input(shape, name="image")
    x = inputs
    for block, (count, filters) in enumerate(((2, 32), (2, 64), (3, 128)), start=1):
        for i in range(1, count + 1):
            x = layers.Conv2D(
                scaled(filters, width),
                3,
                padding="same",
                activation="relu",
                kernel_initializer=start(),
                name=f"convolution_{block}_{i}",
            )(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"maxpool_{block}")(x)
    x = layers.Flatten()(x)
    hidden = layers.Dense(
        scaled(128, width), activation="relu", kernel_initializer=start(), name="dense_1"
    )
    x = layers.Dropout(DROPOUT, seed=seed)(hidden(x))
    return keras.Model(inputs, logits(x, start, classes), name="vgg")


def resnet(
    shape: tuple[int, int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """Return a residual network (He et al., arXiv:1512.03385) for small images.

    It has three stages of two residual blocks, of which the second and third stage halve the image,
    and global average pooling.
    """
    start = HeInitializers(seed)

    def convolution(
        x: keras.KerasTensor, filters: int, name: str, kernel: int = 3, strides: int = 1
    ) -> keras.KerasTensor:
        x = layers.Conv2D(
            filters,
            kernel,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer=start(),
            name=f"convolution_{name}",
        )(x)
        return layers.BatchNormalization(name=f"normalisation_{name}")(x)

    inputs = layers.Input(shape, name="image")
    x = ops.relu(convolution(inputs, scaled(32, width), "0"))
    for stage, n in enumerate((32, 64, 128), start=1):
        filters = scaled(n, width)
        for block in (1, 2):
            strides = 2 if stage > 1 and block == 1 else 1
            name = f"{stage}_{block}"
            y = ops.relu(convolution(x, filters, f"{name}_1", strides=strides))
            y = convolution(y, filters, f"{name}_2")
            if strides > 1:
                x = convolution(x, filters, f"{name}_shortcut", kernel=1, strides=strides)
            x = ops.relu(x + y)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, logits(x, start, classes), name="resnet")

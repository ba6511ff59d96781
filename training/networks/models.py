"""The networks. Backend-neutral Keras: TensorFlow, JAX or PyTorch.

*strides* and *maxpool* are those of the 2018 thesis (section 3.2 and table 1, whose labels are
misprinted: the layers are 1_1, 1_2, 1_3, 2_1, 2_2, 3_1; the last convolution is 1 x 1 with 128
filters, as the text says). Padding "same": only then do both give the stated shapes. At
60 x 60 x 10 each has 4,684,738 parameters. All networks give a logit a class: signal, background,
and further backgrounds where ``classes`` is more than 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    classes: int = 2,
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
    logits = layers.Dense(classes, name="dense_2", **_initial(initial, seed + 4))(x)
    return keras.Model(inputs, logits, name=name)


def strides(shape: tuple[int, int, int], **options: Any) -> keras.Model:
    """The thesis's *strides* network: strided convolutions halve the image.

    Options as those of `maxpool`: ``width``, ``l2``, ``initial``, ``seed``, ``classes``.
    """
    return _thesis_network("strides", shape, pooling=False, **options)


def maxpool(shape: tuple[int, int, int], **options: Any) -> keras.Model:
    """The thesis's *max-pool* network: 2 x 2 max-pooling halves the image.

    Options: ``width``, a factor on the numbers of filters and nodes; ``l2``, the regularisation;
    ``initial``, the initial weights, "thesis" or "he"; ``seed``; ``classes``, the number of
    outputs.
    """
    return _thesis_network("maxpool", shape, pooling=True, **options)


# --- Others on images ----------------------------------------------------------------------------


class _Seeds:
    """Initialisers by He, each with a seed of its own."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self) -> keras.initializers.Initializer:
        self.seed += 1
        return keras.initializers.HeNormal(seed=self.seed)


def _nodes(n: int, width: float) -> int:
    return max(1, round(n * width))


def vgg(
    shape: tuple[int, int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """A network like VGG16 (Simonyan and Zisserman, arXiv:1409.1556), of a size for these images:
    three blocks of 3 x 3 convolutions, 2, 2 and 3 of them, each halved by max-pooling."""
    start = _Seeds(seed)
    inputs = layers.Input(shape, name="image")
    x = inputs
    for block, (count, filters) in enumerate(((2, 32), (2, 64), (3, 128)), start=1):
        for i in range(1, count + 1):
            x = layers.Conv2D(
                _nodes(filters, width),
                3,
                padding="same",
                activation="relu",
                kernel_initializer=start(),
                name=f"convolution_{block}_{i}",
            )(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"maxpool_{block}")(x)
    x = layers.Flatten()(x)
    hidden = layers.Dense(
        _nodes(128, width), activation="relu", kernel_initializer=start(), name="dense_1"
    )
    x = layers.Dropout(DROPOUT, seed=seed)(hidden(x))
    return keras.Model(inputs, _logits(x, start, classes), name="vgg")


def resnet(
    shape: tuple[int, int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """A residual network (He et al., arXiv:1512.03385), of a size for these images: three stages of
    two residual blocks, the second and third of which halve the image, and the mean over it."""
    start = _Seeds(seed)

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
    x = ops.relu(convolution(inputs, _nodes(32, width), "0"))
    for stage, n in enumerate((32, 64, 128), start=1):
        filters = _nodes(n, width)
        for block in (1, 2):
            strides = 2 if stage > 1 and block == 1 else 1
            name = f"{stage}_{block}"
            y = ops.relu(convolution(x, filters, f"{name}_1", strides=strides))
            y = convolution(y, filters, f"{name}_2")
            if strides > 1:
                x = convolution(x, filters, f"{name}_shortcut", kernel=1, strides=strides)
            x = ops.relu(x + y)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, _logits(x, start, classes), name="resnet")


def _logits(x: keras.KerasTensor, start: _Seeds, classes: int) -> keras.KerasTensor:
    initial = keras.initializers.GlorotUniform(seed=start.seed + 1)
    return layers.Dense(classes, kernel_initializer=initial, name="logits")(x)


# --- On lists of cells ---------------------------------------------------------------------------
#
# Of shape (cells, 1 + features), the first entry of each cell being its mask, the hardest first.


def dense_cells(
    shape: tuple[int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """Dense layers on the list of cells as one vector (section 7 of the thesis)."""
    start = _Seeds(seed)
    inputs = layers.Input(shape, name="cells")
    x = layers.Flatten()(inputs)
    for i, n in enumerate((256, 128, 64), start=1):
        x = layers.Dense(
            _nodes(n, width), activation="relu", kernel_initializer=start(), name=f"dense_{i}"
        )(x)
        x = layers.Dropout(DROPOUT, seed=seed + i)(x)
    return keras.Model(inputs, _logits(x, start, classes), name="dense_cells")


def particle_flow(
    shape: tuple[int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """Particle-flow network (Deep Sets: Komiske, Metodiev, Thaler, arXiv:1810.05165).

    The same dense layers act on every cell; their outputs are summed over the cells (and scaled by
    a constant), so that the order of the list does not matter.
    """
    start = _Seeds(seed)
    inputs = layers.Input(shape, name="cells")
    x = _relu(inputs[..., 1:], "cell", (64, 64, 128), width, start)
    x = _of_event(x, inputs[..., :1], width, start)
    return keras.Model(inputs, _logits(x, start, classes), name="particle_flow")


WIDEST = 0.5  # neighbourhood, in the distance of cells R; three more halve it in turn


def local_flow(
    shape: tuple[int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """A particle-flow network whose cells first see their neighbourhoods.

    Each cell gathers what the others hold, weighted by Gaussians in their distance R = sqrt(Delta
    eta^2 + Delta phi^2) of four widths (continuous-filter convolution: Schuett et al.,
    arXiv:1706.08566): so it can be seen whether it is isolated, which takes pairs, and sums over
    single cells cannot tell.
    """
    start = _Seeds(seed)
    inputs = layers.Input(shape, name="cells")
    mask, features = inputs[..., :1], inputs[..., 1:]
    eta, unit = features[..., :1], features[..., 1:3]  # cosine and sine of an azimuth
    cosine = ops.matmul(unit, ops.transpose(unit, (0, 2, 1)))
    apart = ops.square(eta - ops.transpose(eta, (0, 2, 1))) + 2 * (1 - cosine)
    squared = ops.maximum(apart, 0.0)  # of what is no direction: padding
    own = _relu(features, "own", (64, 32), width, start) * mask
    near = ops.exp(squared * (-0.5 / WIDEST**2))
    seen = [features, own]
    for _ in range(4):
        seen.append(ops.log(1 + ops.matmul(near, own)))
        near = ops.square(ops.square(near))  # half as wide
    x = _relu(ops.concatenate(seen, axis=-1), "cell", (96, 64, 128), width, start)
    x = _of_event(x, mask, width, start)
    return keras.Model(inputs, _logits(x, start, classes), name="local_flow")


def _relu(
    x: keras.KerasTensor, name: str, nodes: Sequence[int], width: float, start: _Seeds
) -> keras.KerasTensor:
    for i, n in enumerate(nodes, start=1):
        x = layers.Dense(
            _nodes(n, width), activation="relu", kernel_initializer=start(), name=f"{name}_{i}"
        )(x)
    return x


def _of_event(
    cells: keras.KerasTensor, mask: keras.KerasTensor, width: float, start: _Seeds
) -> keras.KerasTensor:
    """Sums over the cells, and two layers on them."""
    x = ops.sum(cells * mask, axis=1) / 64.0
    for i in (1, 2):
        x = _relu(x, f"event_{i}", (128,), width, start)
        x = layers.Dropout(DROPOUT, seed=start.seed)(x)
    return x


HEADS = 4


def transformer(
    shape: tuple[int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """A small transformer (attention: Vaswani et al., arXiv:1706.03762; on particles: Qu, Li, Qian,
    arXiv:2202.03772, here without its pair-wise features): two blocks of self-attention between the
    cells, normalised before each part, then the mean over the cells."""
    start = _Seeds(seed)
    size = HEADS * _nodes(16, width)

    def dense(n: int, name: str, activation: str | None = "gelu") -> layers.Dense:
        return layers.Dense(n, activation=activation, kernel_initializer=start(), name=name)

    inputs = layers.Input(shape, name="cells")
    mask = inputs[..., :1]
    seen = mask[..., 0][:, None, :] > 0  # by each cell: those that are there
    x = dense(size, "cell_2", None)(dense(size, "cell_1")(inputs[..., 1:]))
    for i in (1, 2):
        y = layers.LayerNormalization(name=f"normalisation_{i}_1")(x)
        attention = layers.MultiHeadAttention(HEADS, size // HEADS, name=f"attention_{i}")
        x = x + attention(y, y, attention_mask=ops.repeat(seen, shape[0], axis=1))
        for weights in attention.trainable_variables:  # one seed would make them all alike
            if weights.name == "kernel":
                start.seed += 1
                initial = keras.initializers.GlorotUniform(seed=start.seed)
                weights.assign(initial(weights.shape))
        y = layers.LayerNormalization(name=f"normalisation_{i}_2")(x)
        x = x + dense(size, f"out_{i}", None)(dense(2 * size, f"hidden_{i}")(y))
    x = layers.LayerNormalization(name="normalisation")(x)
    x = ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1.0)
    x = layers.Dropout(DROPOUT, seed=seed)(dense(size, "event")(x))
    return keras.Model(inputs, _logits(x, start, classes), name="transformer")


THESIS_NETWORKS: dict[str, Callable[..., keras.Model]] = {"strides": strides, "maxpool": maxpool}
IMAGE_NETWORKS: dict[str, Callable[..., keras.Model]] = {
    **THESIS_NETWORKS,
    "vgg": vgg,
    "resnet": resnet,
}
SET_NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "particle_flow": particle_flow,
    "dense_cells": dense_cells,
    "local_flow": local_flow,
    "transformer": transformer,
}
NETWORKS: dict[str, Callable[..., keras.Model]] = {**IMAGE_NETWORKS, **SET_NETWORKS}

"""Networks on lists of cells, shape (cells, 1 + features); outputs are logits, one per class.

The first entry of each cell is its mask; cells come in falling order of transverse momentum.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers, ops

from training.networks.building_blocks import DROPOUT, HeInitializers, logits, scaled


def dense_cells(
    shape: tuple[int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """Return dense layers on the list of cells as one vector (section 7 of the thesis)."""
    start = HeInitializers(seed)
    inputs = layers.Input(shape, name="cells")
    x = layers.Flatten()(inputs)
    for i, n in enumerate((256, 128, 64), start=1):
        x = layers.Dense(
            scaled(n, width), activation="relu", kernel_initializer=start(), name=f"dense_{i}"
        )(x)
        x = layers.Dropout(DROPOUT, seed=seed + i)(x)
    return keras.Model(inputs, logits(x, start, classes), name="dense_cells")


def pfn(shape: tuple[int, int], width: float = 1.0, seed: int = 0, classes: int = 2) -> keras.Model:
    """Return a particle-flow network (Deep Sets: Komiske, Metodiev, Thaler, arXiv:1810.05165).

    The same dense layers act on every cell; their outputs are summed over the cells and scaled by a
    constant, so that the order of the cells does not matter.
    """
    start = HeInitializers(seed)
    inputs = layers.Input(shape, name="cells")
    x = _relu(inputs[..., 1:], "cell", (64, 64, 128), width, start)
    x = _event_layers(x, inputs[..., :1], width, start)
    return keras.Model(inputs, logits(x, start, classes), name="pfn")


WIDEST = 0.5  # width in R of the largest neighbourhood; three more are each half as wide


def local_pfn(
    shape: tuple[int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """Return a particle-flow network with the neighbourhood of each cell as further input.

    Each cell gets sums over all other cells, weighted by Gaussians of four widths in the distance
    R = sqrt(Delta eta^2 + Delta phi^2) (continuous-filter convolution: Schuett et al.,
    arXiv:1706.08566). They show whether a cell is isolated, which depends on pairs of cells and
    cannot be derived from sums over single cells.
    """
    start = HeInitializers(seed)
    inputs = layers.Input(shape, name="cells")
    mask, features = inputs[..., :1], inputs[..., 1:]
    eta, unit = features[..., :1], features[..., 1:3]  # cosine and sine of an azimuth
    cosine = ops.matmul(unit, ops.transpose(unit, (0, 2, 1)))
    apart = ops.square(eta - ops.transpose(eta, (0, 2, 1))) + 2 * (1 - cosine)
    squared = ops.maximum(apart, 0.0)  # padding has no direction: may be negative
    own = _relu(features, "own", (64, 32), width, start) * mask
    near = ops.exp(squared * (-0.5 / WIDEST**2))
    inputs_of_cell = [features, own]
    for _ in range(4):
        inputs_of_cell.append(ops.log(1 + ops.matmul(near, own)))
        near = ops.square(ops.square(near))  # half as wide
    x = _relu(ops.concatenate(inputs_of_cell, axis=-1), "cell", (96, 64, 128), width, start)
    x = _event_layers(x, mask, width, start)
    return keras.Model(inputs, logits(x, start, classes), name="local_pfn")


def _relu(
    x: keras.KerasTensor, name: str, nodes: Sequence[int], width: float, start: HeInitializers
) -> keras.KerasTensor:
    for i, n in enumerate(nodes, start=1):
        x = layers.Dense(
            scaled(n, width), activation="relu", kernel_initializer=start(), name=f"{name}_{i}"
        )(x)
    return x


def _event_layers(
    cells: keras.KerasTensor, mask: keras.KerasTensor, width: float, start: HeInitializers
) -> keras.KerasTensor:
    """Return two dense layers on sums over the cells."""
    x = ops.sum(cells * mask, axis=1) / 64.0
    for i in (1, 2):
        x = _relu(x, f"event_{i}", (128,), width, start)
        x = layers.Dropout(DROPOUT, seed=start.seed)(x)
    return x


HEADS = 4


def transformer(
    shape: tuple[int, int], width: float = 1.0, seed: int = 0, classes: int = 2
) -> keras.Model:
    """Return a small transformer: two blocks of self-attention, then the mean over the cells.

    Attention: Vaswani et al., arXiv:1706.03762; on particles: Qu, Li, Qian, arXiv:2202.03772, here
    without pair-wise features. Normalisation precedes attention and dense layers.
    """
    start = HeInitializers(seed)
    size = HEADS * scaled(16, width)

    def dense(n: int, name: str, activation: str | None = "gelu") -> layers.Dense:
        return layers.Dense(n, activation=activation, kernel_initializer=start(), name=name)

    inputs = layers.Input(shape, name="cells")
    mask = inputs[..., :1]
    seen = mask[..., 0][:, None, :] > 0  # cells that are no padding
    x = dense(size, "cell_2", None)(dense(size, "cell_1")(inputs[..., 1:]))
    for i in (1, 2):
        y = layers.LayerNormalization(name=f"normalisation_{i}_1")(x)
        attention = layers.MultiHeadAttention(HEADS, size // HEADS, name=f"attention_{i}")
        x = x + attention(y, y, attention_mask=ops.repeat(seen, shape[0], axis=1))
        for weights in attention.trainable_variables:  # one seed would make all kernels equal
            if weights.name == "kernel":
                start.seed += 1
                initial = keras.initializers.GlorotUniform(seed=start.seed)
                weights.assign(initial(weights.shape))
        y = layers.LayerNormalization(name=f"normalisation_{i}_2")(x)
        x = x + dense(size, f"out_{i}", None)(dense(2 * size, f"hidden_{i}")(y))
    x = layers.LayerNormalization(name="normalisation")(x)
    x = ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1.0)
    x = layers.Dropout(DROPOUT, seed=seed)(dense(size, "event")(x))
    return keras.Model(inputs, logits(x, start, classes), name="transformer")

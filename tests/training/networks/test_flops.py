"""Operations as one counts them by hand, and the training's record of them."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from common.runtime.machine import cores, processor
from training.networks.flops import device, flops_per_event
from training.networks.sets import transformer
from training.networks.thesis import strides

if keras.backend.backend() != "tensorflow":
    pytest.skip("the numbers are those of TensorFlow's counter", allow_module_level=True)


def test_a_dense_layer() -> None:
    inputs = layers.Input((10,))
    model = keras.Model(inputs, layers.Dense(4)(inputs))
    assert flops_per_event(model) == 2 * 10 * 4 + 4  # and the biases


def test_a_convolution() -> None:
    inputs = layers.Input((8, 6, 3))
    model = keras.Model(inputs, layers.Conv2D(5, 3, padding="same", use_bias=False)(inputs))
    assert flops_per_event(model) == 2 * (8 * 6) * (3 * 3 * 3) * 5
    strided = layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False)(inputs)
    assert flops_per_event(keras.Model(inputs, strided)) == 2 * (4 * 3) * (3 * 3 * 3) * 5


def test_the_thesiss_network() -> None:
    """Its six convolutions and two dense layers; all else is a small part."""
    by_hand = 2 * (
        3600 * 9 * (10 * 64 + 64 * 128)  # 60 x 60
        + 900 * 9 * (128 * 256 + 256 * 128)  # 30 x 30
        + 225 * (9 * 128 * 256 + 256 * 128)  # 15 x 15
        + 225 * 128 * 128
        + 128 * 2
    )
    assert flops_per_event(strides((60, 60, 10))) == pytest.approx(by_hand, rel=0.002)


def test_attention_is_counted() -> None:
    """Of 64 cells, with 4 heads of 16: the products of its matrices, and little else."""
    cells, size = 64, 64
    block = cells * size * (4 * size + 4 * size) + 2 * cells * cells * size
    by_hand = 2 * (cells * (10 * size + size * size) + 2 * block + size * size + size * 2)
    found = flops_per_event(transformer((cells, 11)))
    assert by_hand < found < 1.1 * by_hand


def test_the_device_has_a_name() -> None:
    assert device()
    assert processor()
    assert cores() > 0

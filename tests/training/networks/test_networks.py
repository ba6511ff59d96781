"""The networks: shapes, number of parameters, initial weights, regularisation, invariances."""

from __future__ import annotations

import functools
from typing import Any, get_args

import keras
import numpy as np
import numpy.typing as npt
import pytest

from analysis.config import NetworkTraining
from training.networks import image
from training.networks.registry import NETWORKS, builder

IMAGE = (60, 60, 10)
CELLS = (40, 12)
THESIS = ("strides", "maxpool")
SET_NETWORKS = ("dense_cells", "pfn", "local_pfn", "transformer")
CONVOLUTIONS = {  # label: filters, kernel, input channels (Praderio 2018, table 1, mended)
    "1_1": (64, 3, 10),
    "1_2": (128, 3, 64),
    "1_3": (256, 3, 128),
    "2_1": (128, 3, 256),
    "2_2": (256, 3, 128),
    "3_1": (128, 1, 256),
}


@functools.cache
def thesis_network(name: str) -> Any:
    return builder(name)(IMAGE, seed=1)


@functools.cache
def set_network(name: str, seed: int = 1) -> Any:
    return builder(name)(CELLS, seed=seed)


def _weights(layer: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    kernel, bias = layer.get_weights()
    return kernel, bias


# --- The networks of the thesis -----------------------------------------------------------------


@pytest.mark.parametrize("name", THESIS)
def test_thesis_networks_have_the_parameters_of_the_thesis(name: str) -> None:
    assert thesis_network(name).count_params() == 4_684_738


@pytest.mark.parametrize("name", THESIS)
@pytest.mark.parametrize("label", CONVOLUTIONS)
def test_convolutions_are_those_of_table_1(name: str, label: str) -> None:
    filters, kernel, channels = CONVOLUTIONS[label]
    layer = thesis_network(name).get_layer(f"convolution_{label}")
    assert layer.get_weights()[0].shape == (kernel, kernel, channels, filters)
    halves = name == "strides" and label in ("1_3", "2_2")
    assert layer.strides == ((2, 2) if halves else (1, 1))
    assert (layer.padding, layer.activation.__name__) == ("same", "relu")


@pytest.mark.parametrize("name", THESIS)
def test_blocks_halve_the_image_twice(name: str) -> None:
    network = thesis_network(name)
    last_of_block = {"strides": "convolution_{}", "maxpool": "maxpool_{}"}[name]
    for label, shape in (("1_3", (30, 30, 256)), ("2_2", (15, 15, 256))):
        assert network.get_layer(last_of_block.format(label)).output.shape[1:] == shape
    assert network.get_layer("convolution_3_1").output.shape[1:] == (15, 15, 128)
    assert network.output.shape == (None, 2)


def test_only_maxpool_pools() -> None:
    pooled = [x.pool_size for x in thesis_network("maxpool").layers if "maxpool" in x.name]
    assert pooled == [(2, 2), (2, 2)]
    assert not [x for x in thesis_network("strides").layers if "maxpool" in x.name]


@pytest.mark.parametrize("name", THESIS)
def test_dense_layers_are_of_128_and_2_with_dropout_between(name: str) -> None:
    *_, first, dropout, last = thesis_network(name).layers
    assert (first.units, first.activation.__name__) == (128, "relu")
    assert (dropout.__class__.__name__, dropout.rate) == ("Dropout", 0.1)
    assert (last.units, last.activation.__name__) == (2, "linear")


@pytest.mark.parametrize("name", THESIS)
def test_weights_start_normal_and_biases_uniform(name: str) -> None:
    network = thesis_network(name)
    layers = [x for x in network.layers if x.weights]
    assert len(layers) == len(CONVOLUTIONS) + 2
    for layer in layers:
        kernel = _weights(layer)[0].ravel() / 0.01
        n = len(kernel)
        # mean, variance and fourth moment of a normal distribution, within 5 standard errors
        assert abs(kernel.mean()) < 5 / np.sqrt(n)
        assert abs((kernel**2).mean() - 1) < 5 * np.sqrt(2 / n)
        assert abs((kernel**4).mean() - 3) < 5 * np.sqrt(96 / n)
    biases = np.concatenate([_weights(layer)[1] for layer in layers])
    assert -0.5 <= biases.min() < -0.49
    assert 0.49 < biases.max() <= 0.5
    assert abs(biases.mean()) < 5 / np.sqrt(12 * len(biases))
    assert biases.std() == pytest.approx(1 / np.sqrt(12), rel=0.05)


@pytest.mark.parametrize("name", THESIS)
def test_no_two_layers_start_alike(name: str) -> None:
    starts = [
        tuple(x.get_weights()[i].ravel()[:8])
        for x in thesis_network(name).layers
        if x.weights
        for i in (0, 1)
    ]
    firsts = [start[0] for start in starts]
    assert len(set(firsts)) == len(firsts)


@pytest.mark.parametrize("name", THESIS)
def test_penalty_is_that_of_the_weights_of_convolutions_alone(name: str) -> None:
    network = thesis_network(name)
    kernels = [_weights(network.get_layer(f"convolution_{label}"))[0] for label in CONVOLUTIONS]
    expected = 0.01 * sum(float((kernel.astype(float) ** 2).sum()) for kernel in kernels)
    penalty = sum(float(keras.ops.convert_to_numpy(loss)) for loss in network.losses)
    assert len(network.losses) == len(CONVOLUTIONS)
    assert penalty == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", THESIS)
def test_penalty_and_initial_weights_of_he_can_be_chosen(name: str) -> None:
    network = builder(name)((16, 16, 10), l2=0.5, initializer="he")
    layer = network.get_layer("convolution_1_3")
    kernel, bias = _weights(layer)
    assert kernel.std() == pytest.approx((2 / (3 * 3 * 128)) ** 0.5, rel=0.02)
    assert not bias.any()
    penalty = float(keras.ops.convert_to_numpy(layer.losses[0]))
    assert penalty == pytest.approx(0.5 * float((kernel.astype(float) ** 2).sum()), rel=1e-4)


@pytest.mark.parametrize("name", THESIS)
def test_narrow_networks_take_small_images_of_any_parity(name: str) -> None:
    network = builder(name)((29, 30, 8), width=1 / 16)
    assert network.get_layer("convolution_1_3").filters == 16
    assert network.get_layer("dense_2").units == 2
    images = np.zeros((3, 29, 30, 8), np.float32)
    assert network(images, training=False).shape == (3, 2)


# --- Networks on lists of cells -------------------------------------------------------------------

SYMMETRIC = ("pfn", "local_pfn", "transformer")


def _lists(n_cells: int, n_events: int = 5) -> npt.NDArray[np.float32]:
    """Lists of cells; all but ``n_cells`` of each are padding."""
    batch = np.zeros((n_events, *CELLS), np.float32)
    batch[:, :n_cells, 0] = 1
    shape = (n_events, n_cells, CELLS[1] - 1)
    rng = np.random.default_rng(1)
    batch[:, :n_cells, 1:] = rng.normal(size=shape)
    phi = rng.uniform(-np.pi, np.pi, shape[:2])
    batch[:, :n_cells, 2:4] = np.stack([np.cos(phi), np.sin(phi)], axis=-1)
    return batch


def _logits(network: Any, batch: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    logits: npt.NDArray[Any] = keras.ops.convert_to_numpy(network(batch, training=False))
    return logits


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_networks_ignore_the_order_of_cells(name: str) -> None:
    batch = _lists(25)
    order = np.random.default_rng(2).permutation(CELLS[0])
    logits = _logits(set_network(name), batch)
    other = _logits(set_network(name), batch[:, order])
    np.testing.assert_allclose(other, logits, rtol=1e-4, atol=1e-5)
    assert np.ptp(logits, axis=0).min() > 1e-3  # but not the cells


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_networks_ignore_padding_whatever_it_holds(name: str) -> None:
    batch = _lists(25)
    padded = batch.copy()
    padded[:, 25:, 1:] = 7
    logits = _logits(set_network(name), batch)
    np.testing.assert_allclose(_logits(set_network(name), padded), logits, rtol=1e-4, atol=1e-5)
    longer = builder(name)((2 * CELLS[0], CELLS[1]), seed=1)
    longer.set_weights(set_network(name).get_weights())
    more = np.concatenate([batch, np.zeros_like(batch)], axis=1)
    np.testing.assert_allclose(_logits(longer, more), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SET_NETWORKS)
def test_an_event_without_cells_has_finite_logits(name: str) -> None:
    assert np.isfinite(_logits(set_network(name), _lists(0))).all()


# --- Further networks on images -------------------------------------------------------------------


def test_residual_blocks_halve_the_image_twice() -> None:
    network = image.resnet(IMAGE, width=0.25)
    halved = [x.name for x in network.layers if getattr(x, "strides", 1) == (2, 2)]
    main = [name for name in halved if not name.endswith("shortcut")]
    assert main == ["convolution_2_1_1", "convolution_3_1_1"]
    assert len([x for x in network.layers if type(x).__name__ == "Conv2D"]) == 1 + 12 + 2


def test_vgg_has_seven_convolutions_in_three_blocks() -> None:
    network = image.vgg(IMAGE)
    filters = [x.filters for x in network.layers if type(x).__name__ == "Conv2D"]
    assert filters == [32, 32, 64, 64, 128, 128, 128]
    assert network.get_layer("maxpool_3").output.shape[1:] == (8, 8, 128)


# --- All networks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_a_seed_sets_the_initial_weights(name: str) -> None:
    shape = CELLS if name in SET_NETWORKS else (8, 8, 10)
    networks = [builder(name)(shape, width=0.25, seed=seed) for seed in (3, 3, 4)]
    assert all(network.output.shape == (None, 2) for network in networks)
    assert networks[0].name == name
    first, again, other = (network.get_weights() for network in networks)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    kernels = [tuple(w.ravel()[:4]) for w in first if w.ndim > 1 and w.any()]
    assert len(set(kernels)) == len(kernels)  # no two layers start alike


def test_every_network_can_be_configured() -> None:
    assert set(NETWORKS) == set(get_args(NetworkTraining.model_fields["network"].annotation))

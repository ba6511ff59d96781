"""What a network of the configuration takes as input, and what its output means."""

from __future__ import annotations

import numpy as np

from analysis.config import ImageNetwork, NetworkTraining, SetNetwork
from common.schema.images import N_CHANNELS
from training.data.batches import cell_lists, dense, dense_shape, n_features
from training.data.image_reader import SIGNAL
from training.data.sparse_images import Floats, Images, Indices

SCORED_BATCH = 256  # events; all batches have one shape, so that a model is compiled once


def network_input(images: Images, events: Indices, means: Floats, spec: NetworkTraining) -> Floats:
    """Return the input of the network of ``spec`` for some events."""
    if isinstance(spec, SetNetwork):
        return cell_lists(images, events, means, spec.max_cells, spec.phi_reference)
    assert isinstance(spec, ImageNetwork)
    return dense(images, events, means, spec.crop_size, spec.coordinates)


def input_shape(spec: NetworkTraining) -> tuple[int, ...]:
    """Return the shape of the input of the network of ``spec`` for one event."""
    if isinstance(spec, SetNetwork):
        return (spec.max_cells, 1 + n_features(spec.phi_reference))
    assert isinstance(spec, ImageNetwork)
    shape = dense_shape(spec.compression, spec.crop_size)
    return (*shape, N_CHANNELS + 2 * spec.coordinates)


def signal_probability(logits: Floats) -> Floats:
    """Return the probability of signal from the outputs of a network, shape (events,)."""
    probability: Floats = np.exp(-np.logaddexp.reduce(logits - logits[:, [SIGNAL]], axis=1))
    return probability

"""Floating-point operations of a network, as counted by the backend of Keras, and the device."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from common.runtime.machine import processor


def flops_per_event(model: keras.Model) -> float:
    """Return the floating-point operations of the forward pass of one event.

    A multiplication and an addition count as two. All backends count matrix products and
    convolutions, which dominate; TensorFlow and JAX also count element-wise operations, JAX those
    that its compiler receives.
    """
    shape = (1, *model.input_shape[1:])
    return _COUNTERS[keras.backend.backend()](model, shape)


def _tensorflow(model: keras.Model, shape: tuple[int, ...]) -> float:
    import tensorflow as tf

    forward = tf.function(lambda x: model(x, training=False))
    graph = forward.get_concrete_function(tf.TensorSpec(shape)).graph
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    with _without_deprecations("tensorflow"):
        found = profiler.profile(graph, cmd="op", options=options.with_empty_output().build())
    # Used by attention; the profiler does not count them.
    einsums = [op for op in graph.get_operations() if op.type == "Einsum"]
    return float(found.total_float_ops + sum(map(_einsum_flops, einsums)))


def _einsum_flops(operation: Any) -> int:
    """Return two operations for each combination of all indices."""
    terms = operation.get_attr("equation").decode().partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, operation.inputs, strict=True):
        sizes |= dict(zip(term, tensor.shape.as_list(), strict=True))
    return 2 * math.prod(sizes.values())


@contextlib.contextmanager
def _without_deprecations(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _jax(model: keras.Model, shape: tuple[int, ...]) -> float:
    import jax

    lowered = jax.jit(lambda x: model(x, training=False)).lower(np.zeros(shape, np.float32))
    return float(lowered.cost_analysis()["flops"])


def _torch(model: keras.Model, shape: tuple[int, ...]) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        model(np.zeros(shape, np.float32), training=False)
    return float(counter.get_total_flops())


_COUNTERS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def device() -> str:
    """Return the name of the GPU that the backend uses, or of the processor."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            return str(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU"))
    elif backend == "jax":
        import jax

        if jax.default_backend() != "cpu":
            return str(jax.devices()[0].device_kind)
    elif backend == "torch":
        import torch

        if torch.cuda.is_available():
            return str(torch.cuda.get_device_name())
    return processor()

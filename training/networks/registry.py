"""The networks by name. Importing this module imports neither Keras nor the networks."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

_MODULES = {
    "strides": "thesis",
    "maxpool": "thesis",
    "vgg": "image",
    "resnet": "image",
    "dense_cells": "sets",
    "pfn": "sets",
    "local_pfn": "sets",
    "transformer": "sets",
}
NETWORKS = tuple(_MODULES)


def module_of(network: str) -> str:
    """Return the module that defines a network.

    Imported by name, so that a change of one module does not make the networks of others out of
    date.
    """
    return f"training.networks.{_MODULES[network]}"


def builder(network: str) -> Callable[..., keras.Model]:
    """Return the function that builds a network from the shape of its input and options."""
    found: Callable[..., keras.Model] = getattr(import_module(module_of(network)), network)
    return found

"""Former names of keys and values of the configuration, for the errors that refuse them."""

from __future__ import annotations

KEYS = {
    "anomaly.background_error": "background_systematic",
    "anomaly.denoising.added": "noise_probability",
    "anomaly.denoising.added_pt": "noise_mean_pt",
    "anomaly.denoising.emptied": "drop_probability",
    "anomaly.denoising.select": "region",
    "anomaly.denoising.size": "crop_size",
    "anomaly.left_out": "leave_one_out",
    "anomaly.pseudo_data.inject": "signal_strength",
    "anomaly.quantiles": "background_quantiles",
    "anomaly.rmm.c": "rapidity_scale",
    "generation.particle_threshold": "stored_particle_min_pt",
    "imaging.select": "region",
    "samples.weight": "hepmc_weight",
    "training.networks.angles": "phi_reference",
    "training.networks.decay": "lr_schedule",
    "training.networks.early_stopping.every": "interval",
    "training.networks.initial": "initializer",
    "training.networks.select": "region",
    "training.networks.size": "crop_size",
    "training.networks.steps": "max_steps",
    "training.networks.watch": "early_stopping",
}
"""The present name of each former key, by its path without the places in lists."""

VALUES = {
    "training.networks.network": {"local_flow": "local_pfn", "particle_flow": "pfn"},
}
"""The present names of former values, by the path of their key."""

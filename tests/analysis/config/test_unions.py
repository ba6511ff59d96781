"""A key is allowed only where it has an effect, and there it changes the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from analysis.config import (
    Config,
    DenseAutoencoder,
    FileSample,
    GeneratedSample,
    HepMCSample,
    Network,
    SetNetwork,
    VariationalAutoencoder,
    load,
    parse_autoencoder,
    parse_network,
    parse_sample,
)
from common.runtime.errors import ConfigError
from tests.conftest import TINY

OTHER: dict[str, Any] = {
    "compression": "cell",
    "variant": "a",
    "signal": "Wmunu",
    "background": ["Wtaunu", "Wmunu"],
    "slices": ["low"],
    "multiclass": True,
    "region": "SR",
    "width": 0.5,
    "epochs": 3,
    "patience": 3,
    "max_steps": 100,
    "early_stopping": {"window": 3},
    "batch_size": 7,
    "learning_rate": 0.5,
    "lr_schedule": "cosine",
    "xla": False,
    "coordinates": False,
    "crop_size": 30,
    "initializer": "he",
    "l2": 0.5,
    "max_cells": 7,
    "phi_reference": ["met"],
}
"""A value of each key of a network that is not the default."""


def errors(folder: Path, **sections: Any) -> list[str]:
    """Return the lines of the error of a configuration with some sections replaced."""
    path = folder / "wrong.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(TINY.read_text()) | sections))
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [line.removeprefix(f"{path}: ") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize("budget", [{}, {"max_steps": 9}], ids=["epochs", "steps"])
@pytest.mark.parametrize("compression", ["none", "rowcol"])
@pytest.mark.parametrize("network", get_args(Network))
def test_every_allowed_key_of_a_network_changes_its_settings(
    network: str, compression: str, budget: dict[str, int]
) -> None:
    plain = {"network": network, **budget}
    if not isinstance(parse_network({"network": network}), SetNetwork):
        plain["compression"] = compression
    default = parse_network(plain)
    allowed = set(type(default).model_fields) - {"network", *default.switched_off()}
    if isinstance(default, SetNetwork):
        allowed.remove("compression")  # the only value is "none"
    settings = default.model_dump()
    for key in allowed:
        changed = parse_network(plain | {key: OTHER[key]}).model_dump()
        assert changed[key] != settings[key], key
    for key in OTHER.keys() - allowed:
        with pytest.raises(ValueError, match=rf"{key}|Extra inputs"):
            parse_network(plain | {key: OTHER[key]})


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"network": "pfn", "l2": 5, "crop_size": 30},
            [
                "'{}.crop_size' has no effect on 'pfn', only on 'strides', 'maxpool', 'vgg' or "
                "'resnet': remove it",
                "'{}.l2' has no effect on 'pfn', only on 'strides' or 'maxpool': remove it",
            ],
        ),
        (
            {"network": "resnet", "initializer": "he"},
            ["'{}.initializer' has no effect on 'resnet', only on 'strides' or 'maxpool': remove"],
        ),
        (
            {"network": "vgg", "max_cells": 3},
            ["'{}.max_cells' has no effect on 'vgg', only on 'dense_cells', 'pfn', 'local_pfn' or"],
        ),
        (
            {"network": "pfn", "compression": "cell"},
            ["'{}.compression': 'cell' has no effect on a network of cells: remove"],
        ),
        (
            {"network": "strides", "compression": "none", "crop_size": 30},
            ["'{}': 'crop_size' has no effect with 'compression: none': remove it"],
        ),
        (
            {"network": "strides", "early_stopping": {}},
            ["'{}': 'early_stopping' has no effect without 'max_steps': remove it"],
        ),
        (
            {"network": "pfn", "max_steps": 9, "epochs": 3},
            ["'{}': 'epochs' has no effect with 'max_steps': remove it"],
        ),
        (
            {"network": "pfn", "max_steps": 9, "patience": 3},
            ["'{}': 'patience' has no effect with 'max_steps': remove it"],
        ),
        (
            {"network": "pfn", "max_cels": 3},
            ["unknown key '{}.max_cels' (did you mean 'max_ce"],
        ),
        ({"network": "vgg", "width": "x"}, ["'{}.width': Input should be a valid number"]),
        ({"network": "transfomer", "l2": 3}, ["'{}.network': unknown name 'transfomer' (did you"]),
        ({"netwrk": "pfn", "l2": 3}, ["unknown key '{}.netwrk' (did you mean 'network'?)"]),
        ({"l2": 3}, ["key '{}.network' is missing"]),
        (
            {"network": "strides", "max_steps": 9, "early_stopping": {"widow": 3}},
            ["unknown key '{}.early_stopping.widow' (did you mean 'window'?)"],
        ),
        (5, ["'{}': a mapping of keys is expected: {{key: value, ...}}"]),
    ],
)
def test_a_wrong_key_of_a_network_is_named(keys: Any, expected: list[str], tmp_path: Path) -> None:
    found = errors(tmp_path, training={"networks": [keys]})
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start.format("training.networks.0"))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"beta": 3}, "'{}.beta' has no effect on 'dense', only on 'variational': remove it"),
        ({"kind": "dens"}, "'{}.kind': unknown name 'dens' (did you mean 'dense'?)"),
        ({"kind": "variational", "bta": 3}, "unknown key '{}.bta' (did you mean 'beta'?)"),
        ({"knd": "variational"}, "unknown key '{}.knd' (did you mean 'kind'?)"),
        ({"tuning": {}, "latent": 3}, "'{}': 'latent' has no effect with 'tuning': remove it"),
        ({"activation": "relo"}, "'{}.activation': unknown name 'relo' (did you mean 'relu'?)"),
    ],
)
def test_a_wrong_key_of_an_autoencoder_is_named(
    keys: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    (line,) = errors(tmp_path, anomaly={"autoencoders": [keys]})
    assert line == expected.format("anomaly.autoencoders.0")


@pytest.mark.parametrize("key", ["layers", "latent", "activation", "learning_rate"])
def test_a_search_replaces_what_it_chooses(key: str) -> None:
    searched = parse_autoencoder({"tuning": {}})
    assert key in parse_autoencoder({}).model_dump()
    assert key not in searched.model_dump()
    assert parse_autoencoder(searched.model_dump()) == searched


def test_uncompressed_pictures_are_not_cropped(tmp_path: Path) -> None:
    keys = {"compression": "none", "crop_size": 30}
    (line,) = errors(tmp_path, anomaly={"denoising": [keys]})
    assert line == (
        "'anomaly.denoising.0': 'crop_size' has no effect with 'compression: none': remove it"
    )


GENERATED = {"process": "Znunu", "slice": "high", "events": 3}
FILES = {"process": "mine", "files": ["a.root"]}
HEPMC = {"process": "mine", "files": ["a.hepmc"]}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            GENERATED | {"data": True},
            "'{}.data' has no effect on a generated sample ('events')",
        ),
        (
            GENERATED | {"tree": "t"},
            "'{}.tree' has no effect on a generated sample ('events')",
        ),
        (GENERATED | {"hepmc_weight": 1}, "'{}.hepmc_weight' has no effect on a generated sample"),
        (GENERATED | {"files": ["a"]}, "'{}': sample 'Znunu_high' needs either 'events' (to gen"),
        (
            {"process": "Znunu"},
            "'{}': sample 'Znunu' needs either 'events' (to gen",
        ),
        (
            {"process": "mine", "events": 3},
            "'{}': no generator settings for process 'mine'",
        ),
        (
            {"process": "x", "fils": ["a"], "format": "mini"},
            "unknown key '{}.fils' (did you",
        ),
        (
            FILES | {"hepmc_weight": 1},
            "'{}.hepmc_weight' has no effect on a sample of ROOT files",
        ),
        (
            FILES | {"tree": "t"},
            "'{}': sample 'mine': 'tree' requires 'columns' with run_number, event_number, weight",
        ),
        (FILES | {"formt": "mini"}, "unknown key '{}.formt' (did you mean 'format'?)"),
        (
            HEPMC | {"data": True},
            "'{}.data' has no effect on a sample of HepMC files",
        ),
        (HEPMC | {"tree": "t"}, "'{}.tree' has no effect on a sample of HepMC files"),
        (
            HEPMC | {"format": "mini"},
            "'{}': sample 'mine': HepMC files cannot have the format",
        ),
        (
            HEPMC | {"files": ["a.hepmc", "b"]},
            "'{}': sample 'mine' has HepMC files and others",
        ),
        (HEPMC | {"hepmc_weight": -1}, "'{}.hepmc_weight': the index of a weight is 0 or larger"),
    ],
)
def test_a_wrong_key_of_a_sample_is_named(
    keys: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    (line,) = errors(tmp_path, samples=[keys])
    assert line.startswith(expected.format("samples.0"))


def test_a_sample_is_recognised_by_its_keys() -> None:
    assert isinstance(parse_sample(GENERATED), GeneratedSample)
    assert isinstance(parse_sample(FILES), FileSample)
    for keys in (HEPMC, {**FILES, "format": "hepmc"}, {**HEPMC, "files": "a.hepmc3.gz"}):
        assert isinstance(parse_sample(keys), HepMCSample)
    assert isinstance(parse_autoencoder({}), DenseAutoencoder)
    assert isinstance(parse_autoencoder({"kind": "variational"}), VariationalAutoencoder)


def test_a_written_configuration_is_read_again(tiny_config: Config) -> None:
    data = tiny_config.model_dump(mode="json")
    assert Config.model_validate(data) == tiny_config
    cells, images = data["training"]["networks"]
    assert "max_cells" in cells
    assert "max_cells" not in images
    assert "early_stopping" not in images

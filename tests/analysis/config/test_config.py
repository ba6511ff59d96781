from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from analysis.config import (
    CONFIGS,
    DEFAULT,
    Config,
    load,
    parse_autoencoder,
    parse_network,
    parse_sample,
)
from analysis.sample_roles import evaluation_samples, training_samples
from common.runtime.errors import ConfigError
from tests.conftest import TINY


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    assert load(path).name == path.stem


def changed(tmp_path: Path, change: dict[str, object]) -> Path:
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(DEFAULT.read_text()) | change))
    return path


NETWORK = {"network": "strides", "compression": "cell"}
MONITORING_TEST = {"max_steps": 9, "early_stopping": {"sample": "test"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"luminosty": 3}, "unknown key 'luminosty' (did you mean 'luminosity'?)"),
        ({"luminosity": "much"}, "'luminosity': Input should be a valid number"),
        ({"luminosity": float("nan")}, "'luminosity': Input should be a finite number"),
        ({"imaging": {"particle_treshold": 1}}, "(did you mean 'particle_threshold'?)"),
        ({"imaging": {"region": "SR_no_vet"}}, "unknown region 'SR_no_vet' (did you mean 'SR_no"),
        (
            {"imaging": {"detector": {"track": {"barrel": 1, "endcap": 1}}}},
            "unknown key 'imaging.detector.track' (did you mean 'tracks'?)",
        ),
        (
            {"imaging": {"detector": {"muons": {"barel": 1, "endcap": 1}}}},
            "unknown key 'imaging.detector.muons.barel' (did you mean 'barrel'?)",
        ),
        (
            {"imaging": {"detector": {"muons": {"barrel": 1.01, "endcap": 1}}}},
            "'imaging.detector.muons.barrel': Input should be less than or equal to 1",
        ),
        (
            {"imaging": {"detector": {"muons": {"barrel": 1, "endcap": -0.1}}}},
            "'imaging.detector.muons.endcap': Input should be greater than or equal to 0",
        ),
        (
            {"imaging": {"detector": {"hadronic": {"stochastic": -1, "constant": 0}}}},
            "'imaging.detector.hadronic.stochastic': Input should be greater than or equal to 0",
        ),
        ({"samples": [{"process": "Znu", "slice": "high", "events": 3}]}, "(did you mean 'Znunu'"),
        ({"samples": [{"process": "Znunu", "slice": "hi", "events": 3}]}, "has no known slice"),
        ({"samples": [{"process": "Znunu", "slice": "high"}]}, "needs either 'events'"),
        (
            {"samples": [{"process": "x", "files": ["a"], "format": "minni"}]},
            "unknown format 'minni' (did you mean 'mini'?)",
        ),
        (
            {"samples": [{"process": "Znunu", "slice": "high", "events": 3, "format": "mini"}]},
            "'samples.0.format' has no effect on a generated sample ('events'), only on a sample "
            "of ROOT files or a sample of HepMC files: remove it",
        ),
        ({"samples": []}, "'samples': Tuple should have at least 1 item"),
        (
            {"samples": [{"process": "Znunu", "slice": "high", "evnts": 3}]},
            "unknown key 'samples.0.evnts' (did you mean 'events'?)",
        ),
        (
            {"samples": [{"process": "Znunu", "slice": "high", "events": 3}] * 2},
            "sample 'Znunu_high' is listed twice",
        ),
        ({"training": {"networks": [NETWORK, NETWORK]}}, "network 'strides+cell' is listed twice"),
        (
            {
                "training": {
                    "networks": [NETWORK | {"max_steps": 9, "early_stopping": {"sample": "test"}}]
                }
            },
            "'strides+cell' monitors the test sample, which requires separate training samples",
        ),
        (
            {"training": {"networks": [{"network": "stride"}]}},
            "unknown name 'stride' (did you mean 'strides'?)",
        ),
        ({"samples": [{"process": "Znunu", "events": 5}]}, "sample 'Znunu' has no known slice"),
        (
            {"samples": [{"process": "WZ", "slice": "high", "events": 5}]},
            "sample 'WZ_high': process 'WZ' is simulated as a whole: remove 'slice'",
        ),
        ({"anomaly": {"rmm": {"objects": {"jets": 2}}}}, "(did you mean 'jet'?)"),
        ({"anomaly": {"rmm": {"split": {"training": 0.95}}}}, "no events are left"),
        ({"anomaly": {"background_quantiles": [0.9, 0.5]}}, "in rising order"),
        ({"anomaly": {"autoencoders": [{}, {}]}}, "autoencoder 'dense' is listed twice"),
        ({"anomaly": {"denoising": [{}, {}]}}, "autoencoder 'denoising+cell' is listed twice"),
        ({"generation": {"slices": {"low": {"low": 5, "high": 4}}}}, "'high' must be above 'low'"),
        ({"generation": {"slices": {"low": {"lo": 5}}}}, "unknown key 'generation.slices.low.lo'"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = changed(tmp_path, change)
    with pytest.raises(ConfigError) as caught:
        load(path)
    text = str(caught.value)
    assert message in text
    assert text.startswith(f"{path}: ")
    assert "\n" not in text


def test_all_mistakes_are_named_and_where_they_were_made(tmp_path: Path) -> None:
    path = changed(tmp_path, {"seed": -1})
    with pytest.raises(ConfigError) as caught:
        load(path, samples=[{"process": "a b", "files": ["x"], "format": "minni"}])
    seed, process, name = str(caught.value).splitlines()
    assert seed.startswith(f"{path}: 'seed': ")
    assert process.startswith("command line: 'samples.0.process': ")
    assert name.startswith("command line: 'samples.0.format': unknown format 'minni'")


def test_numbers_are_expressions_of_columns(tmp_path: Path) -> None:
    columns = {"run_number": 1, "event_number": "entry", "weight": 0.5}
    sample = {"process": "x", "files": ["a.root"], "columns": columns}
    config = load(changed(tmp_path, {}), samples=[sample], training={})
    assert config.samples[0].columns == {
        "run_number": "1",
        "event_number": "entry",
        "weight": "0.5",
    }


def test_a_missing_file_and_broken_yaml_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load(tmp_path / "absent.yaml")
    path = tmp_path / "broken.yaml"
    path.write_text("a: [1,\nb: 2")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load(path)
    path.write_text("- a list")
    with pytest.raises(ConfigError, match="mapping of keys"):
        load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"anomaly": {"signals": ["WR_M"]}},
            "no sample of 'WR_M' is configured",
        ),
        ({"anomaly": {"signals": ["WZ"]}}, "'WR_N' is a signal, which autoencoders would learn"),
        ({"samples": [{"process": "WZ", "events": 9, "role": "training"}]}, "divides its samples"),
        (
            {"anomaly": {"pseudo_data": [{}]}},
            "pseudo-data need events that are used for nothing else",
        ),
        (
            {
                "anomaly": {
                    "rmm": {"split": {"pseudo_data": 0.2}},
                    "pseudo_data": [{"signal_strength": {"W_N": 1}}],
                }
            },
            "pseudo_data: no sample of 'W_N'",
        ),
        (
            {
                "anomaly": {
                    "rmm": {"split": {"pseudo_data": 0.2}},
                    "pseudo_data": [{"variant": "a"}, {"variant": "a"}],
                }
            },
            "'pseudo_data_a' is listed twice",
        ),
    ],
)
def test_a_search_that_would_go_wrong_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    data: dict[str, Any] = {
        "name": "search",
        "samples": [{"process": "WZ", "events": 9}, {"process": "WR_N", "events": 9}],
        "anomaly": {},
    }
    load(_write(tmp_path, data))
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(_write(tmp_path, data | changes))


def _write(folder: Path, data: dict[str, Any]) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_overrides_replace_top_level_keys() -> None:
    assert load(DEFAULT, seed=99).seed == 99


def test_training_samples_are_those_of_the_configured_slices() -> None:
    config = load(DEFAULT)
    for network in config.training.networks:
        assert training_samples(config, network) == {"Znunu_high": 0, "Wtaunu_high": 1}


def test_samples_to_learn_from_are_used_for_no_more(tiny_config: Config) -> None:
    data = tiny_config.model_dump()
    data["samples"] = [
        *data["samples"],
        *(
            {"process": process, "slice": "high", "role": "training", "events": 200}
            for process in ("Znunu", "Wtaunu")
        ),
    ]
    config = Config.model_validate(data)
    network = config.training.networks[0]
    assert training_samples(config, network) == {
        "Znunu_high_training": 0,
        "Wtaunu_high_training": 1,
    }
    assert evaluation_samples(config, network) == training_samples(tiny_config, network)
    assert config.analysis_samples() == tiny_config.samples
    assert (config.folds, tiny_config.folds) == (1, 2)
    data["samples"].pop()
    with pytest.raises(ConfigError, match="'Wtaunu' in slice high, of role 'training'"):
        training_samples(Config.model_validate(data), network)


def test_a_network_may_learn_more_than_the_others(tiny_config: Config) -> None:
    """It is judged by the same events, unless its signal is another one."""
    data = tiny_config.model_dump()
    plain = data["training"]["networks"][0]
    changes: dict[str, dict[str, Any]] = {
        "wide": {"background": ["Wtaunu", "Wmunu"], "slices": ["high", "low"]},
        "classes": {"background": ["Wmunu", "Wtaunu"], "multiclass": True},
        "muons": {"signal": "Wmunu", "background": "Wtaunu"},
    }
    samples = [{"process": "Znunu", "slice": "low", "events": 100}]
    samples += [{"process": "Wmunu", "slice": s, "events": 100} for s in ("high", "low")]
    samples += [{"process": p, "slice": "high", "events": 100} for p in ("Znunu", "Wtaunu")]
    data["samples"] = samples
    networks = [plain, *({**plain, "variant": n, **c} for n, c in changes.items())]
    data["training"] |= {"networks": networks, "slices": ["high"]}
    config = Config.model_validate(data)
    first, wide, classes, muons = config.training.networks
    usual = {"Znunu_high": 0, "Wtaunu_high": 1}
    assert training_samples(config, first) == usual
    assert training_samples(config, wide) == usual | {
        "Znunu_low": 0,
        "Wmunu_high": 1,
        "Wmunu_low": 1,
    }
    assert training_samples(config, classes) == {"Znunu_high": 0, "Wmunu_high": 1, "Wtaunu_high": 2}
    assert training_samples(config, muons) == {"Wmunu_high": 0, "Wtaunu_high": 1}
    assert [evaluation_samples(config, n) for n in (first, wide, classes)] == [usual] * 3
    assert evaluation_samples(config, muons) == {"Wmunu_high": 0, "Wtaunu_high": 1}
    assert config.training.signal_networks() == (first, wide, classes)
    assert classes.columns == (classes.name, f"{classes.name}:class")
    data["training"]["networks"] = [{**plain, "background": ["Wtaunu", "Znunu"]}]
    with pytest.raises(ValidationError, match="has 'Znunu' as signal and as background"):
        Config.model_validate(data)
    data["training"]["networks"] = networks[-1:]
    with pytest.raises(ValidationError, match="no network has the signal 'Znunu'"):
        Config.model_validate(data)


def test_training_without_background_is_refused(tiny_config: Config) -> None:
    data = tiny_config.model_dump()
    data["samples"] = [s for s in data["samples"] if s["process"] != "Wtaunu"]
    with pytest.raises(ConfigError, match="needs a sample of process 'Wtaunu' in slice high"):
        training_samples(Config.model_validate(data), tiny_config.training.networks[0])


def test_a_single_value_is_a_list_of_one() -> None:
    assert parse_sample({"process": "x", "files": "a.root"}).files == ("a.root",)
    network = parse_network({"network": "maxpool", "slices": "high"})
    assert network.slices == ("high",)
    assert network.model_copy(update={"background": "Wtaunu"}).background == "Wtaunu"
    assert parse_autoencoder({"layers": 20}).layers == (20,)


def test_names_of_folders_may_have_hyphens_and_others_are_told_a_valid_name() -> None:
    data = load(TINY).model_dump()
    assert Config.model_validate(data | {"name": "my-study_1.2"}).name == "my-study_1.2"


@pytest.mark.parametrize(
    ("key", "text", "valid"),
    [
        ("name: tiny", "name: my study", "'my study': only letters, digits, _, - and .,"),
        ("name: tiny", "name: my study", "'my_study'"),
        ("process: mediator", "process: my-study", "letters, digits and _, a letter first"),
        ("process: mediator", "process: my-study", "'my_study'"),
        ("name: tiny", "name: 2tiny", "'x2tiny'"),
    ],
)
def test_a_name_that_is_refused_comes_with_one_that_is_not(
    tmp_path: Path, key: str, text: str, valid: str
) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(TINY.read_text().replace(key, text))
    with pytest.raises(ConfigError, match=re.escape(valid)):
        load(path)

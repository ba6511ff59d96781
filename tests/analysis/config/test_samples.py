"""Samples: their names, the columns of their files, and what they say of their process."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.config import Config, load, parse_sample
from analysis.formats.format import Layout
from analysis.processes import ProcessTraits
from analysis.simulation.sources import CUSTOM, format_modules
from common.runtime.errors import ConfigError

EVENT = {"run_number": "1", "event_number": "evt", "weight": "w"}
FILES = {"process": "mine", "files": ["a.root"]}
HEPMC = {"process": "mine", "files": ["a.hepmc"]}
GENERATED = {"process": "Znunu", "slice": "high", "events": 9}


def configured(folder: Path, *samples: dict[str, Any], **sections: Any) -> Config:
    path = folder / "my.yaml"
    path.write_text(yaml.safe_dump({"name": "my", "samples": list(samples), **sections}))
    return load(path)


def refused(folder: Path, message: str, *samples: dict[str, Any], **sections: Any) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        configured(folder, *samples, **sections)
    assert "\n" not in str(caught.value)


# --- Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({}, "mine"),
        ({"slice": "low"}, "mine_low"),
        ({"dataset": "a"}, "mine_a"),
        ({"dataset": 410470}, "mine_410470"),
        ({"dataset": 0}, "mine_0"),
        ({"slice": "low", "dataset": "a", "role": "training"}, "mine_low_a_training"),
    ],
)
def test_a_sample_is_named_by_what_distinguishes_it(keys: dict[str, Any], name: str) -> None:
    assert parse_sample(FILES | keys).name == name


def test_samples_of_one_name_are_told_what_distinguishes_them(tmp_path: Path) -> None:
    refused(tmp_path, "'mine_a' is listed twice: tell several apart by 'dataset'", *[
        FILES | {"dataset": "a"}, FILES | {"slice": "a"}
    ])  # fmt: skip
    refused(
        tmp_path,
        "'samples.0.dataset': 'a-1': only letters, digits and _: for example 'a_1'",
        FILES | {"dataset": "a-1"},
    )
    refused(
        tmp_path,
        "sample 'mine_a' needs either 'events' (to generate) or 'files'",
        {"process": "mine", "dataset": "a"},
    )


def test_what_is_generated_alike_would_count_twice(tmp_path: Path) -> None:
    again = GENERATED | {"dataset": "b"}
    refused(
        tmp_path,
        "samples 'Znunu_high' and 'Znunu_high_b' are generated alike, so that their cross-section "
        "would count twice",
        GENERATED,
        again,
    )
    configured(tmp_path, GENERATED, again | {"role": "training"}, again | {"slice": "low"})


# --- Columns --------------------------------------------------------------------------------------


def test_columns_extend_a_format_unless_they_describe_files_of_another() -> None:
    free = {"my_tau": "tau21", "jet_pt": "jets"}
    known = Layout(extra=tuple(free.items()))
    for keys in (FILES, HEPMC, GENERATED):
        sample = parse_sample(keys | {"columns": free})
        assert sample.layout == known
        assert not sample.own_layout
    named = parse_sample(FILES | {"format": "mini", "columns": EVENT | free})
    assert named.layout == Layout("mini", extra=(*EVENT.items(), *free.items()))
    assert not named.own_layout
    assert parse_sample(FILES).layout == Layout()
    assert parse_sample(FILES | {"format": "mini"}).layout == Layout("mini")


def test_columns_with_the_identity_and_weight_of_events_describe_files() -> None:
    columns = {"my_tau": "tau21", **EVENT, "jet_pt": "jets"}
    sample = parse_sample(FILES | {"columns": columns, "tree": "nominal"})
    assert sample.own_layout
    assert sample.layout == Layout(
        None, "nominal", (*EVENT.items(), ("jet_pt", "jets")), extra=(("my_tau", "tau21"),)
    )
    assert format_modules(sample) == (CUSTOM,)
    two = {name: EVENT[name] for name in ("run_number", "weight")}
    assert len(format_modules(parse_sample(FILES | {"columns": two}))) > 1
    extended = parse_sample(FILES | {"columns": EVENT, "format": "mini"})
    assert format_modules(extended) == ("analysis.formats.mini",)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"columns": {"jet_ptt": "1"}},
            "'samples.0.columns': column 'jet_ptt' looks like 'jet_pt' misspelt: correct it, or "
            "rename a column of your own",
        ),
        ({"columns": {"full_met": "1"}}, "'samples.0.columns': 'full_met' is now called 'met'"),
        ({"columns": {"a b": "1"}}, "'samples.0.columns': column 'a b': only letters, digits"),
        ({"columns": {"x": ""}}, "'samples.0.columns.x': String should have at least 1 character"),
        ({"columns": {"x": [1]}}, "'samples.0.columns.x': Input should be a valid string"),
        (
            {"columns": {"x": "1", "weight": "w"}, "tree": "t"},
            "sample 'mine': 'tree' requires 'columns' with run_number, event_number",
        ),
        (
            {"columns": EVENT, "tree": "t", "format": "mini"},
            "sample 'mine': 'tree' requires 'columns', but no 'format'",
        ),
    ],
)
def test_columns_that_would_not_do_what_they_say_are_refused(
    keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    refused(tmp_path, message, FILES | keys)


# --- Processes ------------------------------------------------------------------------------------


def test_a_process_is_what_its_samples_say_or_what_is_built_in(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        {"process": "model", "dataset": "a", "files": ["a"], "label": "$Z'$"},
        {"process": "model", "dataset": "b", "files": ["b"], "signal": True, "colour": "Red"},
        {"process": "higgs", "files": ["c"], "signal": False},
        {"process": "graviton", "files": ["d"]},
        {"process": "WR_N", "events": 9},
        {"process": "other", "files": ["e"]},
        {"process": "measured", "files": ["f"], "data": True, "signal": False, "label": "2016"},
    )
    assert config.signals == ("model", "graviton", "WR_N")
    assert config.process("model") == ProcessTraits("model", True, "$Z'$", "#ff0000")
    assert config.process("measured") == ProcessTraits("measured", False, "2016")
    assert config.process("mediator").signal
    assert list(config.processes) == [
        *("model", "higgs", "graviton", "WR_N", "other", "measured")
    ]  # fmt: skip
    assert Config.model_validate(config.model_dump(mode="json")) == config


def test_signals_of_the_anomaly_search_are_signals(tmp_path: Path) -> None:
    background, own = {"process": "WZ", "events": 9}, {"process": "own", "files": ["a"]}
    search = {"anomaly": {"signals": ["own"]}}
    assert configured(tmp_path, background, own, **search).signals == ("own",)
    assert configured(tmp_path, background, own).signals == ()
    refused(
        tmp_path,
        "'own' is a signal, which autoencoders would learn as background: add it to "
        "'anomaly.signals'",
        background,
        own | {"signal": True},
        anomaly={},
    )
    refused(
        tmp_path,
        "'samples.1.signal': false, but 'own' is among 'anomaly.signals': remove one of them",
        background,
        own | {"signal": False},
        **search,
    )


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [("signal", True, False), ("label", "a", "b"), ("colour", "red", "#00ff00")],
)
def test_samples_of_a_process_do_not_contradict_each_other(
    key: str, one: object, other: object, tmp_path: Path
) -> None:
    samples = [FILES | {"dataset": name} for name in ("a", "b", "c")]
    message = (
        f"'samples.2.{key}': samples 'mine_a' and 'mine_c' of process 'mine' say differently: say "
        "it once"
    )
    refused(tmp_path, message, samples[0] | {key: one}, samples[1], samples[2] | {key: other})
    configured(tmp_path, samples[0] | {key: one}, samples[1], samples[2] | {key: one})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"data": True, "signal": True},
            "'samples.0.signal': sample 'mine' is collision data: remove it",
        ),
        ({"colour": "redd"}, "'samples.0.colour': 'redd' is neither '#rrggbb' nor the name of a"),
        ({"colour": None}, "'samples.0.colour': the value is missing: quote a colour"),
        ({"colour": 5}, "'samples.0.colour': Input should be a valid string"),
        ({"color": "red"}, "unknown key 'samples.0.color' (did you mean 'colour'?)"),
        ({"label": "$x"}, "'samples.0.label': '$x': a $ has no partner"),
        ({"label": r"$\nonsense$"}, "'samples.0.label': '$\\nonsense$' is not valid mathtext"),
        ({"signal": "perhaps"}, "'samples.0.signal': Input should be a valid boolean"),
    ],
)
def test_what_samples_say_wrongly_is_named(
    keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    refused(tmp_path, message, FILES | keys)

"""What learns from which samples, and what is said of those that are left out."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.config import Config
from analysis.sample_roles import (
    autoencoder_note,
    evaluation_notes,
    evaluation_samples,
    in_slices,
    threshold_samples,
    training_notes,
    training_samples,
    unknown_processes,
)

NETWORK = {"network": "strides", "compression": "cell"}


def files(process: str, **keys: Any) -> dict[str, Any]:
    return {"process": process, "files": ["a.root"], **keys}


def config(*samples: dict[str, Any], **training: Any) -> Config:
    training = {"networks": [NETWORK], **training}
    return Config.model_validate({"name": "my", "samples": samples, "training": training})


def notes(found: Config) -> tuple[list[str], list[str]]:
    networks = found.training.networks
    return training_notes(found, networks), evaluation_notes(found, networks)


def test_datasets_without_slice_are_learned_and_judged() -> None:
    found = config(
        *(files("Znunu", dataset=name) for name in ("a", "b")), files("Wtaunu"), files("Wmunu")
    )
    (network,) = found.training.networks
    everything = {"Znunu_a": 0, "Znunu_b": 0, "Wtaunu": 1}
    assert training_samples(found, network) == everything
    assert evaluation_samples(found, network) == threshold_samples(found, network) == everything
    assert notes(found) == ([], [])
    assert in_slices(None, ()) and in_slices("a", ["a"]) and not in_slices("b", ["a"])  # noqa: PT018


def test_slices_that_are_left_out_are_named() -> None:
    found = config(
        *(files(p, slice=s) for p in ("Znunu", "Wtaunu") for s in ("high", "low", "own")),
        files("Wmunu", slice="low"),
    )
    left_out = (
        "Znunu_low, Wtaunu_low (slice 'low' is not in training.slices), Znunu_own, Wtaunu_own "
        "(slice 'own' is not in training.slices)"
    )
    assert notes(found) == (
        [f"networks learn from Znunu_high, Wtaunu_high; not from {left_out}"],
        [f"networks are judged by Znunu_high, Wtaunu_high; not by {left_out}"],
    )


def test_networks_that_learn_from_the_same_share_a_line() -> None:
    samples = [files(p, slice=s) for p in ("Znunu", "Wtaunu") for s in ("high", "low")]
    changes: tuple[dict[str, Any], ...] = ({}, {"slices": ["low"]}, {}, {"slices": ["high", "low"]})
    networks = [NETWORK | {"variant": f"{i}"} | one for i, one in enumerate(changes)]
    training, evaluation = notes(config(*samples, networks=networks))
    assert training == [
        "networks strides+cell+0, strides+cell+2 learn from Znunu_high, Wtaunu_high; not from "
        "Znunu_low, Wtaunu_low (slice 'low' is not in training.slices)",
        "network strides+cell+1 learns from Znunu_low, Wtaunu_low; not from Znunu_high, "
        "Wtaunu_high (slice 'high' is not in the network's slices)",
    ]
    assert len(evaluation) == 1
    assert evaluation[0].startswith("networks are judged by Znunu_high, Wtaunu_high; not by ")


def test_samples_of_another_role_are_named() -> None:
    samples = [files(p, role=r) for p in ("Znunu", "Wtaunu") for r in ("analysis", "training")]
    samples.append(files("Znunu", slice="low", role="training"))
    training, evaluation = notes(config(*samples))
    assert training == [
        "networks learn from Znunu_training, Wtaunu_training; not from Znunu, Wtaunu (role "
        "'analysis'), Znunu_low_training (slice 'low' is not in training.slices)"
    ]
    assert evaluation == [
        "networks are judged by Znunu, Wtaunu; not by Znunu_training, Wtaunu_training, "
        "Znunu_low_training (role 'training')",
        "networks have their thresholds from Znunu_training, Wtaunu_training; not from Znunu, "
        "Wtaunu (role 'analysis'), Znunu_low_training (slice 'low' is not in training.slices)",
    ]


@pytest.mark.parametrize("alone", [True, False])
def test_autoencoders_say_what_they_learn_from(alone: bool) -> None:
    further = [files("own"), files("WR_N"), files("measured", data=True)]
    found = Config.model_validate(
        {
            "name": "my",
            "samples": [files("WZ"), files("ZZ"), *([] if alone else further)],
            "anomaly": {} if alone else {"signals": ["own", "WR_N"]},
        }
    )
    said = "autoencoders learn from WZ, ZZ"
    if not alone:
        said += "; not from own, WR_N (signal), measured (data)"
    assert autoencoder_note(found) == said


def test_processes_that_nothing_is_known_of_are_named() -> None:
    found = config(
        files("Znunu"),
        files("abc", dataset="a"),
        files("abc", dataset="b"),
        files("own_signal", signal=True),
        files("own_background", dataset="a", signal=False),
        files("own_background", dataset="b"),
        files("measured", data=True),
        files("xyz"),
        files("higgs"),
    )
    assert unknown_processes(found) == ("abc", "xyz")

"""Scaling: what it is fitted with, and that it comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import training.data.scaling
from common.runtime.errors import InputError
from tests.training.feature_files import NAMES, on_surface
from training.data.features import Floats
from training.data.scaling import Scaling, fit_scaling, read_scaling

Kind = Literal["min_max", "standard"]
KINDS: tuple[Kind, ...] = ("min_max", "standard")


def features() -> Floats:
    """Of different scales; the fourth is always 3, the fifth always 0."""
    found = on_surface(500) * np.logspace(-3, 3, 12, dtype=np.float32)
    found[:, 3], found[:, 4] = 3, 0
    return found


WEIGHTS = np.random.default_rng(1).exponential(1, 500).astype(np.float32)


def fitted(kind: Kind) -> Scaling:
    return fit_scaling(kind, NAMES, features(), WEIGHTS)


def test_min_max_ends_at_0_and_1() -> None:
    scaled = fitted("min_max")(features())
    changing = np.delete(scaled, [3, 4], axis=1)
    np.testing.assert_allclose(changing.min(axis=0), 0)
    np.testing.assert_allclose(changing.max(axis=0), 1, rtol=1e-6)
    assert scaled.dtype == np.float32


def test_standard_scaling_is_weighted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.data.scaling, "ROWS", 64)  # in several ranges
    scaled = fitted("standard")(features()).astype(np.float64)
    changing = np.delete(scaled, [3, 4], axis=1)
    mean = np.average(changing, axis=0, weights=WEIGHTS)
    np.testing.assert_allclose(mean, 0, atol=1e-5)
    np.testing.assert_allclose(np.average(changing**2, axis=0, weights=WEIGHTS), 1, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_constant_features_keep_their_scale(kind: Kind) -> None:
    scaling = fitted(kind)
    np.testing.assert_array_equal(scaling.scale[[3, 4]], 1)
    moved = features()[:1] + 2
    np.testing.assert_allclose(scaling(moved)[0, [3, 4]], 2)


RMM_NAMES = (
    *("h_jet1_muon1", "h_jet2_muon1", "h_jet3_muon1", "h_jet4_muon1", "h_jet5_muon1"),
    *("m_jet1_muon1", "m_jet2_muon1", "m_jet3_muon1"),
)


def sparse() -> Floats:
    """Three elements that vary, one that one event of 10,000 fills a little, one that none does;
    and of another kind, a hundred times smaller."""
    rng = np.random.default_rng(3)
    found = np.zeros((10_000, 8), np.float32)
    found[:, :3] = rng.uniform(0, (0.3, 0.4, 0.6), (10_000, 3))
    found[17, 3] = 1e-9
    found[:, 5:7] = rng.uniform(0, 0.004, (10_000, 2))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_an_ordinary_value_of_a_rare_slot_is_of_order_one(kind: Kind) -> None:
    features = sparse()
    scaling = fit_scaling(kind, RMM_NAMES, features, np.ones(len(features), np.float32))
    spread = np.ptp(features, axis=0) if kind == "min_max" else features.std(axis=0)
    np.testing.assert_allclose(scaling.scale[:3], spread[:3], rtol=1e-4)  # as if alone
    # of those that vary: four of h, the median between 0.3 and 0.4, and two of m
    np.testing.assert_allclose(scaling.scale[3:5], np.median(spread[:4]) / 2, rtol=1e-4)
    np.testing.assert_allclose(scaling.scale[7], np.median(spread[5:7]) / 2, rtol=1e-4)
    ordinary = scaling(np.full((1, 8), 0.3, np.float32))[0]
    assert np.abs(ordinary[:5]).max() < 8


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_cut_off_and_all_can_be_undone(kind: Kind) -> None:
    scaling = fitted(kind)
    far = features()[:5] * 100
    assert np.abs(scaling(far)).max() > 10
    np.testing.assert_allclose(scaling.undo(scaling(far)), far, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_after_loading(kind: Kind, tmp_path: Path) -> None:
    scaling = fitted(kind)
    scaling.write(tmp_path / "scaling.json")
    found = read_scaling(tmp_path / "scaling.json")
    assert (found.kind, found.names) == (kind, NAMES)
    np.testing.assert_array_equal(found(features()), scaling(features()))


@pytest.mark.parametrize("change", [{"scale": [1.0]}, {"offset": "x"}, {"names": None}])
def test_what_is_no_scaling_is_named(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "scaling.json"
    with pytest.raises(InputError, match=r"scaling.json: not a scaling"):
        read_scaling(path)
    fitted("standard").write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=r"scaling.json: not a scaling"):
        read_scaling(path)

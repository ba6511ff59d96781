"""Leptons that are jets in truth, and the masses of leptons."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EE = ((50.0, 30.0), (0.1, -0.4), (0.0, 2.0), (1, -1))
NONE: tuple[Any, ...] = ((), (), (), ())


def event(root: Any, electrons: Any, muons: Any, jets: Any) -> Any:
    """A ``FakeEvent``: columns pt, eta, phi, charge of leptons; pt, eta of jets."""
    made = root.monojet.FakeEvent()
    made.electrons, made.muons = leptons(root, electrons), leptons(root, muons)
    n = len(jets[0])
    for part, values in (
        ("pt", jets[0]),
        ("eta", jets[1]),
        ("phi", [0.5] * n),
        ("mass", [1.0] * n),
    ):
        setattr(made.jets, part, root.RVecF(list(map(float, values))))
    made.jets.b_tag = root.RVecI([0] * n)
    return made


def leptons(root: Any, columns: Any) -> Any:
    """``Leptons`` of columns pt, eta, phi, charge."""
    made = root.monojet.Leptons()
    for part, values in zip(("pt", "eta", "phi"), columns, strict=False):
        setattr(made, part, root.RVecF(list(map(float, values))))
    made.charge = root.RVecI(list(columns[3]))
    return made


@pytest.fixture
def two_electrons(helpers: Any, root: Any) -> Any:
    return lambda jets: event(root, EE, NONE, jets)


def test_one_jet_becomes_the_third_lepton(helpers: Any, two_electrons: Any) -> None:
    jets = ([100, 60, 15, 40], [0.0, 1.0, 0.0, 2.6])  # one too soft, one too far forward
    kinds, chosen = [], []
    for number in range(600):
        found = helpers.with_fake(two_electrons(jets), 3e-4, 1e-4, 20.0, 1, number)
        assert found.has_fake
        assert found.fake_weight == pytest.approx(2 * 4e-4)
        assert len(found.electrons.pt) + len(found.muons.pt) == 3
        assert len(found.jets.pt) == len(found.jets.b_tag) == 3
        kinds.append(len(found.electrons.pt) == 3)
        (lepton,) = set(jets[0]) - set(found.jets.pt)
        chosen.append(lepton)
        assert lepton in (*found.electrons.pt, *found.muons.pt)
    assert np.mean(kinds) == pytest.approx(0.75, abs=0.07)
    assert np.mean(np.array(chosen) == 100) == pytest.approx(0.5, abs=0.08)
    assert set(chosen) == {100, 60}


def test_the_choice_depends_on_the_event_alone(helpers: Any, two_electrons: Any) -> None:
    jets = ([100, 60, 50], [0.0, 1.0, -1.0])
    for number in range(20):
        first, second = (
            list(helpers.with_fake(two_electrons(jets), 1e-3, 1e-3, 20.0, 7, number).jets.pt)
            for _ in range(2)
        )
        assert first == second


@pytest.mark.parametrize(
    ("rates", "jets", "muons"),
    [
        ((0.0, 0.0), ([100], [0.0]), NONE),  # data
        ((1e-3, 1e-3), ([], []), NONE),
        ((1e-3, 1e-3), ([15], [0.0]), NONE),
        ((1e-3, 1e-3), ([100], [0.0]), ((40.0,), (0.0,), (1.0,), (1,))),  # three leptons already
    ],
)
def test_other_events_are_as_they_were(
    helpers: Any, root: Any, rates: tuple[float, float], jets: Any, muons: Any
) -> None:
    before = event(root, EE, muons, jets)
    found = helpers.with_fake(before, *rates, 20.0, 1, 1)
    assert not found.has_fake
    assert found.fake_weight == 1
    assert list(found.jets.pt) == list(before.jets.pt)
    assert len(found.electrons.pt) == 2


Vector = npt.NDArray[np.float64]


def _vector(pt: float, eta: float, phi: float, mass: float) -> Vector:
    p = np.array([pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)])
    return np.array([math.sqrt(p @ p + mass**2), *p])


def _mass(*vectors: Vector) -> float:
    e, *p = np.sum(vectors, axis=0)
    return math.sqrt(max(0.0, e**2 - np.dot(p, p)))


LEPTON = st.tuples(
    st.floats(10, 300, width=32),
    st.floats(-2.5, 2.5, width=32),
    st.floats(-3, 3, width=32),
    st.sampled_from((-1, 1)),
    st.sampled_from(("electron", "muon")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LEPTON, min_size=3, max_size=3), st.floats(0, 300), st.floats(-3, 3))
def test_masses_are_those_of_numpy(
    helpers: Any, root: Any, made: list[Any], met: float, met_phi: float
) -> None:
    both = [
        leptons(root, [[x[i] for x in made if x[4] == flavour] for i in range(4)])
        for flavour in ("electron", "muon")
    ]
    found = helpers.trilepton(*both, met, met_phi)
    masses = {"electron": 0.000511, "muon": 0.10566}
    vectors = [_vector(x[0], x[1], x[2], masses[x[4]]) for x in made]
    pairs = {
        (i, j): _mass(vectors[i], vectors[j])
        for i in range(3)
        for j in range(i)
        if made[i][4] == made[j][4] and made[i][3] != made[j][3]
    }
    assert found.charge == sum(x[3] for x in made)
    assert found.mass == pytest.approx(_mass(*vectors), rel=1e-4, abs=0.05)
    assert sorted(found.pt, reverse=True) == sorted((x[0] for x in made), reverse=True)
    if not pairs:
        assert (found.z_mass, found.min_mass, found.w_mt) == (-1, -1, -1)
        return
    assert found.min_mass == pytest.approx(min(pairs.values()), rel=1e-3, abs=0.05)
    nearest = min(abs(m - 91.1876) for m in pairs.values())
    assert abs(found.z_mass - 91.1876) == pytest.approx(nearest, rel=1e-3, abs=0.05)


def test_transverse_mass_of_the_lepton_outside_the_pair(helpers: Any, root: Any) -> None:
    muon = leptons(root, ((40.0,), (0.0,), (1.0,), (1,)))
    found = helpers.trilepton(leptons(root, EE), muon, 60.0, -2.0)
    assert found.w_mt == pytest.approx(math.sqrt(2 * 40 * 60 * (1 - math.cos(3))), rel=1e-6)

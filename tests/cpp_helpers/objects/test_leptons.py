"""Dressing, isolation, and the overlap removal of arXiv:1711.03301."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ELECTRON, MUON, PHOTON, PION, NEUTRINO = 11, 13, 22, 211, 12
MIN_PT = 5.0


@dataclass(frozen=True)
class Particle:
    pt: float
    eta: float
    phi: float
    pdg_id: int
    charge: int = 0


def _leptons(
    helpers: Any, root: Any, particles: Sequence[Particle], flavour: int = ELECTRON
) -> list[tuple[float, float, float, int]]:
    columns: list[list[Any]] = [
        [getattr(p, name) for p in particles] for name in ("pt", "eta", "phi", "pdg_id", "charge")
    ]
    floats = [root.RVecF(column) for column in columns[:3]]
    integers = [root.RVecI(column) for column in columns[3:]]
    found = helpers.dressed_leptons(*floats, *integers, flavour, MIN_PT)
    parts = (list(x) for x in (found.pt, found.eta, found.phi, found.charge))
    return list(zip(*parts, strict=True))


def _pts(leptons: Sequence[tuple[float, ...]]) -> list[int]:
    return [round(lepton[0]) for lepton in leptons]


LEPTON = Particle(100, 1.0, 0.5, ELECTRON, -1)


def _near(distance: float, pt: float, pdg_id: int) -> Particle:
    return Particle(pt, LEPTON.eta + distance, LEPTON.phi, pdg_id)


def test_a_lepton_alone_stays_as_it_is(helpers: Any, root: Any) -> None:
    (lepton,) = _leptons(helpers, root, [LEPTON])
    assert lepton == pytest.approx((100, 1.0, 0.5, -1))


@pytest.mark.parametrize(
    ("distance", "pt"), [(0.0, 110), (0.09, 110), (0.11, 100), (0.19, 100), (0.3, 100)]
)
def test_photons_within_a_tenth_are_added(
    helpers: Any, root: Any, distance: float, pt: float
) -> None:
    leptons = _leptons(helpers, root, [_near(distance, 10, PHOTON), LEPTON])
    assert _pts(leptons) == [pt]


def test_the_direction_is_that_of_the_bare_lepton(helpers: Any, root: Any) -> None:
    (lepton,) = _leptons(helpers, root, [LEPTON, _near(0.09, 90, PHOTON)])
    assert lepton[1:3] == pytest.approx((1.0, 0.5))


@pytest.mark.parametrize(
    ("others", "is_isolated"),
    [
        ([_near(0.15, 14.9, PION)], True),
        ([_near(0.15, 15.1, PION)], False),
        ([_near(0.05, 15.1, PION)], False),
        ([_near(0.21, 500.0, PION)], True),
        ([_near(0.11, 15.1, PHOTON)], False),
        ([_near(0.05, 500.0, PHOTON)], True),
        ([_near(0.05, 500.0, NEUTRINO)], True),
        ([_near(0.1, 8.0, PION), _near(-0.1, 8.0, -PION)], False),
        ([_near(0.05, 20.0, PHOTON), _near(0.15, 17.0, PION)], True),
        ([_near(0.05, 20.0, PHOTON), _near(0.15, 19.0, PION)], False),
    ],
)
def test_others_within_a_fifth_may_carry_fifteen_percent_of_the_dressed_momentum(
    helpers: Any, root: Any, others: list[Particle], is_isolated: bool
) -> None:
    assert bool(_leptons(helpers, root, [*others, LEPTON])) is is_isolated


def test_the_cones_reach_across_the_edge_in_phi(helpers: Any, root: Any) -> None:
    at_edge = Particle(100, 0, math.pi - 0.02, ELECTRON, 1)
    across = -math.pi + 0.03
    dressed = _leptons(helpers, root, [at_edge, Particle(10, 0, across, PHOTON)])
    assert _pts(dressed) == [110]
    assert _leptons(helpers, root, [at_edge, Particle(50, 0, across, PION)]) == []


def test_leptons_of_the_flavour_come_hardest_first_after_dressing(helpers: Any, root: Any) -> None:
    particles = [
        Particle(20, 0, 0, -ELECTRON, 1),
        Particle(30, 0, 1, ELECTRON, -1),
        Particle(15, 0, 0.05, PHOTON),
        Particle(90, 0, 2, MUON, -1),
    ]
    electrons = _leptons(helpers, root, particles)
    assert _pts(electrons) == [35, 30]
    assert [lepton[3] for lepton in electrons] == [1, -1]
    assert _pts(_leptons(helpers, root, particles, MUON)) == [90]


@pytest.mark.parametrize(
    "lepton",
    [
        *(Particle(5, 0, 0, ELECTRON), Particle(4, 0, 0, ELECTRON), Particle(9, 4.91, 0, ELECTRON)),
        *(Particle(math.nan, 0, 0, ELECTRON), Particle(9, math.nan, 0, ELECTRON)),
    ],
)
def test_soft_forward_and_impossible_leptons_are_left_out(
    helpers: Any, root: Any, lepton: Particle
) -> None:
    assert _leptons(helpers, root, [lepton]) == []


def test_two_leptons_side_by_side_spoil_each_other(helpers: Any, root: Any) -> None:
    muon = _near(0.1, 50, MUON)
    assert _leptons(helpers, root, [LEPTON, muon]) == []
    assert _leptons(helpers, root, [LEPTON, muon], MUON) == []


def test_no_particle_makes_no_lepton(helpers: Any, root: Any) -> None:
    assert _leptons(helpers, root, []) == []


# --- The overlap removal -------------------------------------------------------------------


@dataclass(frozen=True)
class Object:
    """A jet, electron or muon at phi = 0."""

    eta: float
    tracks: int = 10
    candidate: bool = True


Kept = tuple[list[int], list[int], list[int]]


def _survivors(
    helpers: Any,
    root: Any,
    jets: Sequence[Object] = (),
    electrons: Sequence[Object] = (),
    muons: Sequence[Object] = (),
) -> Kept:
    def directions(objects: Sequence[Object]) -> tuple[Any, Any]:
        return root.RVecF([x.eta for x in objects]), root.RVecF([0.0] * len(objects))

    def candidates(objects: Sequence[Object]) -> Any:
        return root.RVecI([int(x.candidate) for x in objects])

    kept = helpers.remove_overlap(
        *directions(jets),
        root.RVecI([jet.tracks for jet in jets]),
        candidates(jets),
        *directions(electrons),
        candidates(electrons),
        *directions(muons),
        candidates(muons),
    )
    return list(kept.jet), list(kept.electron), list(kept.muon)


@pytest.mark.parametrize(
    ("distance", "jet", "electron"),
    [(0.0, 0, 1), (0.19, 0, 1), (0.21, 1, 0), (0.39, 1, 0), (0.41, 1, 1)],
)
def test_jet_is_the_electron_within_a_fifth_and_drops_it_within_two(
    helpers: Any, root: Any, distance: float, jet: int, electron: int
) -> None:
    kept = _survivors(helpers, root, jets=[Object(0)], electrons=[Object(distance)])
    assert kept == ([jet], [electron], [])


@pytest.mark.parametrize(
    ("distance", "tracks", "jet", "muon"),
    [(0.0, 2, 0, 1), (0.39, 2, 0, 1), (0.41, 2, 1, 1), (0.0, 3, 1, 0), (0.39, 3, 1, 0)],
)
def test_jet_near_a_muon_is_dropped_with_fewer_than_three_tracks_else_the_muon_is(
    helpers: Any, root: Any, distance: float, tracks: int, jet: int, muon: int
) -> None:
    kept = _survivors(helpers, root, jets=[Object(0, tracks)], muons=[Object(distance)])
    assert kept == ([jet], [], [muon])


@pytest.mark.parametrize("order", [1, -1])
def test_a_jet_that_is_an_electron_drops_no_other_electron(
    helpers: Any, root: Any, order: int
) -> None:
    electrons = [Object(0.1), Object(-0.3)][::order]
    assert _survivors(helpers, root, [Object(0)], electrons) == ([0], [1, 1], [])


def test_an_electron_drops_its_jet_before_another_jet_drops_it(helpers: Any, root: Any) -> None:
    kept = _survivors(helpers, root, [Object(0.3), Object(-0.1)], [Object(0)])
    assert kept == ([1, 0], [0], [])


def test_a_jet_that_is_an_electron_drops_no_muon(helpers: Any, root: Any) -> None:
    kept = _survivors(helpers, root, [Object(0)], [Object(0.1)], [Object(-0.1)])
    assert kept == ([0], [1], [1])


def test_a_jet_drops_an_electron_before_a_muon_drops_the_jet(helpers: Any, root: Any) -> None:
    kept = _survivors(helpers, root, [Object(0, tracks=1)], [Object(0.3)], [Object(-0.3)])
    assert kept == ([0], [0], [1])


@pytest.mark.parametrize("order", [1, -1])
def test_a_muon_drops_its_jet_before_another_jet_drops_it(
    helpers: Any, root: Any, order: int
) -> None:
    """Whatever the order of the jets."""
    jets = [Object(0.1, tracks=10), Object(-0.1, tracks=1)][::order]
    kept = _survivors(helpers, root, jets, muons=[Object(0)])
    assert kept == ([1, 0][::order], [], [0])


def test_only_candidates_take_part(helpers: Any, root: Any) -> None:
    ghost, real = Object(0, candidate=False), Object(0)
    assert _survivors(helpers, root, [real], [ghost], [ghost]) == ([1], [0], [0])
    assert _survivors(helpers, root, [ghost], [real], [real]) == ([0], [1], [1])


def test_nothing_survives_nothing(helpers: Any, root: Any) -> None:
    assert _survivors(helpers, root) == ([], [], [])


def _by_the_rules(jets: list[Object], electrons: list[Object], muons: list[Object]) -> Kept:
    """One rule after the other, each for all pairs."""

    def near(x: Object, others: list[Object], alive: list[int], radius: float) -> bool:
        return any(a and abs(x.eta - y.eta) < radius for y, a in zip(others, alive, strict=True))

    jet, electron, muon = ([int(x.candidate) for x in group] for group in (jets, electrons, muons))
    for i, x in enumerate(jets):
        jet[i] &= not near(x, electrons, electron, 0.2)
    for i, x in enumerate(electrons):
        electron[i] &= not near(x, jets, jet, 0.4)
    for i, x in enumerate(jets):
        jet[i] &= not (x.tracks < 3 and near(x, muons, muon, 0.4))
    for i, x in enumerate(muons):
        muon[i] &= not near(x, jets, jet, 0.4)
    return jet, electron, muon


_OBJECTS = st.lists(
    st.builds(Object, st.integers(-7, 7).map(lambda i: 0.07 * i), st.integers(1, 4), st.booleans()),
    max_size=4,
)


@settings(max_examples=120, deadline=None)
@given(jets=_OBJECTS, electrons=_OBJECTS, muons=_OBJECTS)
def test_any_objects_are_dropped_by_one_rule_after_the_other(
    helpers: Any, root: Any, jets: list[Object], electrons: list[Object], muons: list[Object]
) -> None:
    kept = _survivors(helpers, root, jets, electrons, muons)
    assert kept == _by_the_rules(jets, electrons, muons)


def test_leptons_know_their_particles(helpers: Any, root: Any) -> None:
    """Also when the harder one comes last."""
    particles = [Particle(50, 0, 0, PION, 1), Particle(30, 2, 0, ELECTRON, 1), LEPTON]
    columns: list[list[Any]] = [
        [getattr(p, name) for p in particles] for name in ("pt", "eta", "phi", "pdg_id", "charge")
    ]
    floats = [root.RVecF(column) for column in columns[:3]]
    integers = [root.RVecI(column) for column in columns[3:]]
    found = helpers.dressed_leptons(*floats, *integers, ELECTRON, MIN_PT)
    assert [int(i) for i in found.particle] == [2, 1]


def test_significance_of_impact_parameters(helpers: Any, root: Any) -> None:
    """20 um where the resolution is 10 and 14 (+) 10 um, 30 um where it is 12 (+) 12 um."""
    d0, pt, eta = [0.02, -0.02, 0.03], [1e6, 10.0, 20.0], [0.3, -1.2, -2.4]
    found = helpers.d0_significance(*(root.RVecF(x) for x in (d0, pt, eta)))
    assert list(found) == pytest.approx([2, -20 / math.hypot(10, 14), 30 / math.hypot(12, 12)])

"""Anti-kT jets, against FastJet's own Python bindings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import fastjet
import numpy as np
import pytest

MIN_PT = 20.0
R = 0.4


@dataclass(frozen=True)
class Particles:
    """Columns of one event."""

    pt: list[float]
    eta: list[float]
    phi: list[float]
    energy: list[float]
    pdg_id: list[int]
    charge: list[int]

    def with_one(self, **values: Any) -> Particles:
        """One more particle."""
        return Particles(**{k: [*v, values[k]] for k, v in vars(self).items()})


def _random_event(seed: int, n: int = 80) -> Particles:
    """Sprays about a few axes, one of them across the edge in phi, and a soft background."""
    rng = np.random.default_rng(seed)
    axes = np.array([(0.3, 3.1), (-1.2, -0.4), (2.9, 1.5)])[rng.integers(0, 3, n)]
    spread = np.where(rng.random(n) < 0.7, 0.15, 2.5)
    eta = rng.normal(axes[:, 0], spread)
    phi = np.remainder(rng.normal(axes[:, 1], spread) + np.pi, 2 * np.pi) - np.pi
    pt = rng.exponential(8, n)
    mass = rng.choice([0.0, 0.13957, 0.938], n)
    pt, eta, phi = (x.astype(np.float32).astype(float) for x in (pt, eta, phi))
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2).astype(np.float32).astype(float)
    kinds = np.array([(211, 1), (-211, -1), (22, 0), (2112, 0), (11, -1), (13, -1)])
    kind, charge = kinds[rng.integers(0, len(kinds), n)].T
    columns = (x.tolist() for x in (pt, eta, phi, energy, kind, charge))
    return Particles(*columns)


EMPTY = Particles([], [], [], [], [], [])


def _cluster(helpers: Any, root: Any, event: Particles) -> list[dict[str, float]]:
    floats = [root.RVecF(x) for x in (event.pt, event.eta, event.phi, event.energy)]
    integers = [root.RVecI(x) for x in (event.pdg_id, event.charge)]
    jets = helpers.cluster_jets(*floats, *integers, MIN_PT)
    names = ("pt", "eta", "phi", "mass", "width", "n_tracks")
    columns = {name: list(getattr(jets, name)) for name in names}
    n = len(columns["pt"])
    return [{name: column[i] for name, column in columns.items()} for i in range(n)]


def _expected(event: Particles) -> list[dict[str, float]]:
    """The same jets from Python: of all particles of ``event``, which are visible and in
    acceptance, but the muons."""
    inputs = []
    for i, (pt, eta, phi) in enumerate(zip(event.pt, event.eta, event.phi, strict=True)):
        if abs(event.pdg_id[i]) == 13:
            continue
        momentum = (pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta), event.energy[i])
        inputs.append(fastjet.PseudoJet(*momentum))
        inputs[-1].set_user_index(i)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, R)
    sequence = fastjet.ClusterSequence(inputs, definition)
    jets = sorted(sequence.inclusive_jets(MIN_PT), key=lambda jet: -jet.pt())
    found = []
    for jet in jets:
        members = [c.user_index() for c in jet.constituents()]
        distance = [
            math.hypot(
                event.eta[i] - jet.eta(),
                math.remainder(event.phi[i] - jet.phi(), 2 * math.pi),
            )
            for i in members
        ]
        total = math.fsum(event.pt[i] for i in members)
        weighted = math.fsum(event.pt[i] * dr for i, dr in zip(members, distance, strict=True))
        tracks = [i for i in members if event.charge[i] != 0 and event.pt[i] > 0.5]
        found.append(
            {
                "pt": jet.pt(),
                "eta": jet.eta(),
                "phi": math.remainder(jet.phi(), 2 * math.pi),
                "mass": jet.m(),
                "width": weighted / total,
                "n_tracks": len(tracks),
            }
        )
    return found


@pytest.mark.parametrize("seed", range(10))
def test_jets_are_those_of_the_python_bindings(helpers: Any, root: Any, seed: int) -> None:
    event = _random_event(seed)
    jets, expected = _cluster(helpers, root, event), _expected(event)
    assert len(jets) == len(expected) > 1
    for jet, wanted in zip(jets, expected, strict=True):
        assert jet == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_jets_are_hardest_first_above_the_threshold_and_in_one_turn(
    helpers: Any, root: Any
) -> None:
    for seed in range(5):
        jets = _cluster(helpers, root, _random_event(seed))
        pt = [jet["pt"] for jet in jets]
        assert pt == sorted(pt, reverse=True)
        assert pt[-1] >= MIN_PT
        assert all(-math.pi < jet["phi"] <= math.pi for jet in jets)


def test_width_of_two_particles_is_their_mean_distance_from_the_axis(
    helpers: Any, root: Any
) -> None:
    """Equal massless particles at +-0.1 about phi = 1: the axis lies between them."""
    pt = 50.0
    event = Particles([pt, pt], [0, 0], [0.9, 1.1], [pt, pt], [211, -211], [1, -1])
    (jet,) = _cluster(helpers, root, event)
    assert jet["width"] == pytest.approx(0.1, rel=1e-5)
    assert jet["phi"] == pytest.approx(1)
    assert jet["n_tracks"] == 2


def test_a_jet_of_one_particle_has_no_width(helpers: Any, root: Any) -> None:
    (jet,) = _cluster(helpers, root, Particles([50], [1], [1], [80], [22], [0]))
    assert jet["width"] == pytest.approx(0, abs=1e-6)
    assert jet["n_tracks"] == 0


@pytest.mark.parametrize(
    "left_out",
    [
        *({"pdg_id": kind} for kind in (12, -14, 16, 52, 1000022)),
        *({"eta": eta} for eta in (4.91, -5.0, math.nan)),
        {"pt": 0.0},
        *({name: math.nan} for name in ("pt", "phi", "energy")),
        {"energy": math.inf},
    ],
    ids=str,
)
def test_invisible_and_impossible_particles_never_enter(
    helpers: Any, root: Any, left_out: dict[str, Any]
) -> None:
    event = _random_event(3)
    hard = {"pt": 100.0, "eta": 0.3, "phi": 3.1, "energy": 110.0, "pdg_id": 22, "charge": 0}
    expected = _cluster(helpers, root, event)
    assert _cluster(helpers, root, event.with_one(**hard)) != expected
    assert _cluster(helpers, root, event.with_one(**(hard | left_out))) == expected


def test_soft_and_neutral_constituents_are_no_tracks(helpers: Any, root: Any) -> None:
    event = Particles(
        [100, 0.49, 0.51, 10],
        [0] * 4,
        [0] * 4,
        [100, 0.49, 0.51, 10],
        [22, 211, -211, 2112],
        [0, 1, -1, 0],
    )
    (jet,) = _cluster(helpers, root, event)
    assert jet["n_tracks"] == 1


def test_a_muon_neither_makes_a_jet_nor_is_a_track_of_one(helpers: Any, root: Any) -> None:
    muon = {"pt": 60.0, "eta": 0.1, "phi": 0.1, "energy": 60.3, "pdg_id": 13, "charge": -1}
    assert _cluster(helpers, root, EMPTY.with_one(**muon)) == []
    event = Particles([50, 40], [0, 0.1], [0, 0.1], [50, 40.2], [211, 22], [1, 0])
    assert _cluster(helpers, root, event.with_one(**muon)) == _cluster(helpers, root, event)


def test_an_isolated_muon_survives_the_overlap_removal(helpers: Any, root: Any) -> None:
    """Two soft tracks beside it: with the muon they would be a jet of three tracks."""
    event = Particles(
        [60, 2, 3, 300],
        [0, 0.2, -0.2, 1],
        [0, 0.2, 0.2, 3],
        [60, 2.1, 3.1, 470],
        [13, 211, -211, 211],
        [-1, 1, -1, 1],
    )
    jets = _cluster(helpers, root, event)
    assert [jet["pt"] for jet in jets] == [pytest.approx(300)]
    axes = [root.RVecF([jet[name] for jet in jets]) for name in ("eta", "phi")]
    none, one = root.RVecF(), root.RVecI([1])
    kept = helpers.remove_overlap(
        *axes, one, one, none, none, root.RVecI(), root.RVecF([0]), root.RVecF([0]), one
    )
    assert list(kept.muon) == [1]
    assert list(kept.jet) == [1]


def test_no_particle_makes_no_jet(helpers: Any, root: Any) -> None:
    assert _cluster(helpers, root, EMPTY) == []


def test_only_invisible_particles_make_no_jet(helpers: Any, root: Any) -> None:
    assert _cluster(helpers, root, Particles([500], [0], [0], [500], [12], [0])) == []


def test_thousands_of_particles_in_one_place_are_refused(helpers: Any, root: Any) -> None:
    """FastJet takes minutes for them; the same number in different places is no matter."""
    n = 2500
    one = Particles([1.0] * n, [0.5] * n, [1.0] * n, [2.0] * n, [211] * n, [1] * n)
    with pytest.raises(Exception, match="1000 particles in one place"):
        _cluster(helpers, root, one)
    assert _cluster(helpers, root, _random_event(1, n))

"""The detector: resolutions, efficiencies, what becomes of what is missed, and its draws."""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from analysis.config import CalorimeterResolution, Detector, Efficiency, TrackResolution
from analysis.images import imaging
from cpp_helpers import calls, declare, declare_detector, load_root
from tests.cpp_helpers.bridge import array
from tests.reference import event_hash, splitmix64

N = 20_000
KEY = 20260102
ERRORS = 5.0  # standard errors that a test allows

PERFECT = Detector(
    **dict.fromkeys(
        ("tracks", "soft_tracks", "electrons", "muons", "photons"),
        Efficiency(barrel=1, endcap=1),
    ),
    **dict.fromkeys(
        ("electromagnetic", "hadronic"), CalorimeterResolution(stochastic=0, constant=0)
    ),
    **dict.fromkeys(("tracker", "muon_tracks"), TrackResolution(slope=0, constant=0)),
)
NONE = Efficiency(barrel=0, endcap=0)
ELECTRON, MUON, PHOTON, PI0, PION, NEUTRON, NEUTRINO = 11, 13, 22, 111, 211, 2112, 12
CHARGES = {ELECTRON: -1, MUON: -1, PION: 1}


@dataclass(frozen=True)
class Measured:
    """Columns of the particles as they are measured."""

    pt: npt.NDArray[np.float32]
    energy: npt.NDArray[np.float32]
    pdg_id: npt.NDArray[np.int32]
    charge: npt.NDArray[np.int32]


def in_cpp(settings: Detector) -> Any:
    """The C++ detector, whose members have the names of the settings."""
    detector = declare().Detector()
    for name, numbers in settings:
        for key, value in numbers:
            setattr(getattr(detector, name), key, value)
    return detector


def fill(detector: Detector, columns: Mapping[str, Any], key: int = KEY) -> Measured:
    root = load_root()
    measured = declare().MeasuredParticles()
    integers = {"pdg_id", "charge"}
    vectors = [
        (root.RVecI if name in integers else root.RVecF)(columns[name])
        for name in ("pt", "eta", "energy", "pdg_id", "charge")
    ]
    measured.fill(in_cpp(detector), key, *vectors)
    return Measured(
        *(array(getattr(measured, name), np.float32) for name in ("pt", "energy")),
        *(array(getattr(measured, name), np.int32) for name in ("pdg_id", "charge")),
    )


def measure(
    detector: Detector, kind: int, pt: float = 40.0, eta: float = 0.5, n: int = N, key: int = KEY
) -> Measured:
    """One massless particle, as it is measured n times."""
    one = {"pt": pt, "eta": eta, "energy": pt * math.cosh(eta)}
    one |= {"pdg_id": kind, "charge": CHARGES.get(kind, 0)}
    return fill(detector, {name: [value] * n for name, value in one.items()}, key)


def assert_gaussian(
    found: npt.NDArray[np.float32], mean: float, relative_width: float, n: int = N
) -> None:
    """Mean and width are those expected, within their statistical errors."""
    sigma = relative_width * mean
    values = found.astype(float)
    assert abs(values.mean() - mean) < ERRORS * sigma / math.sqrt(n)
    assert abs(values.std() - sigma) < ERRORS * sigma / math.sqrt(2 * n)


def assert_share(found: npt.NDArray[np.bool_], probability: float) -> None:
    """A share is a probability within binomial errors."""
    error = math.sqrt(probability * (1 - probability) / len(found))
    assert abs(found.mean() - probability) <= ERRORS * error


def test_settings_have_the_order_of_the_numbers_in_cpp(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one array, in which images are given them."""
    numbers = (0.01 * n for n in itertools.count(1))
    settings = Detector.model_validate(
        {name: {key: next(numbers) for key, _ in values} for name, values in Detector()}
    )
    given: list[Any] = []
    monkeypatch.setattr(calls, "call", lambda *arguments: given.extend(arguments))
    monkeypatch.setattr(imaging, "jet_finder", lambda: "0")
    imaging._use_detector(None, settings)  # type: ignore[arg-type]
    name, _, array_of_settings, _ = given
    detector = in_cpp(settings)
    memory = (ctypes.c_double * 18).from_address(load_root().addressof(detector))
    assert ctypes.sizeof(memory) == load_root().gInterpreter.ProcessLine(
        "sizeof(monojet::Detector);"
    )
    assert name == "use_detector"
    assert array_of_settings.tolist() == list(memory)
    assert len(set(memory)) == 18


@pytest.mark.parametrize("energy", [20.0, 100.0, 1000.0])
@pytest.mark.parametrize(
    ("kind", "a", "b"),
    [
        (PHOTON, 0.10, 0.007),
        (PI0, 0.10, 0.007),
        (NEUTRON, 0.50, 0.03),
    ],
)
def test_calorimeters_have_the_design_resolution(
    kind: int, a: float, b: float, energy: float
) -> None:
    found = measure(Detector(), kind, pt=energy / math.cosh(1.0), eta=1.0)
    assert_gaussian(found.energy, energy, math.hypot(a / math.sqrt(energy), b))
    np.testing.assert_allclose(found.energy / found.pt, math.cosh(1.0), rtol=1e-6)


@pytest.mark.parametrize("pt", [5.0, 50.0])
def test_tracks_and_muons_have_the_design_resolution(pt: float) -> None:
    all_found = Detector(tracks=PERFECT.tracks, muons=PERFECT.muons)
    assert_gaussian(measure(all_found, PION, pt).pt, pt, math.hypot(5e-4 * pt, 0.01))
    assert_gaussian(measure(all_found, MUON, pt).pt, pt, math.hypot(1e-4 * pt, 0.01))


def test_a_muon_of_1_tev_is_measured_to_10_percent() -> None:
    assert_gaussian(
        measure(Detector(muons=PERFECT.muons), MUON, 1000.0).pt, 1000.0, math.hypot(0.1, 0.01)
    )


@pytest.mark.parametrize(("kind", "a", "b"), [(PION, 0.5, 0.03), (ELECTRON, 0.1, 0.007)])
@pytest.mark.parametrize("found", [NONE, PERFECT.tracks], ids=["missed", "found"])
def test_the_more_precise_of_track_and_calorimeter_is_taken(
    kind: int, a: float, b: float, found: Efficiency
) -> None:
    detector = Detector(tracks=found, electrons=found)
    for pt in (10.0, 400.0):
        tracker = math.hypot(5e-4 * pt, 0.01)
        calorimeter = math.hypot(a / math.sqrt(pt * math.cosh(0.5)), b)
        assert (tracker < calorimeter) == (pt == 10)
        best = calorimeter if found == NONE else min(tracker, calorimeter)
        assert_gaussian(measure(detector, kind, pt).pt, pt, best)


@pytest.mark.parametrize(
    ("kind", "pt", "name"),
    [
        (PION, 1.001, "tracks"),
        (PION, 1.0, "soft_tracks"),
        (ELECTRON, 5.0, "electrons"),
        (MUON, 5.0, "muons"),
        (PHOTON, 5.0, "photons"),
    ],
)
def test_a_share_of_the_particles_is_found(kind: int, pt: float, name: str) -> None:
    detector = Detector()
    efficiency = getattr(detector, name)
    for eta, expected in (
        (-1.49, efficiency.barrel),
        (1.51, efficiency.endcap),
        (-2.49, efficiency.endcap),
        (2.51, 0.0),
    ):
        found = measure(detector, kind, pt, eta)
        is_found = found.charge != 0 if kind in CHARGES else found.pdg_id == kind
        assert_share(is_found, expected)


def test_what_is_missed_is_taken_for_something_else() -> None:
    detector = PERFECT.model_copy(
        update=dict.fromkeys(("tracks", "soft_tracks", "electrons", "muons", "photons"), NONE)
    )
    assert {
        kind: [x.item() for x in vars(measure(detector, kind, 8.0, 0, 1)).values()]
        for kind in (PION, NEUTRON, ELECTRON, PHOTON, PI0, MUON)
    } == {
        PION: [8, 8, PION, 0],
        NEUTRON: [8, 8, NEUTRON, 0],
        ELECTRON: [8, 8, PHOTON, 0],
        PHOTON: [8, 8, 130, 0],
        PI0: [8, 8, 130, 0],
        MUON: [0, 0, MUON, 0],
    }


def _random(n: int = 500) -> dict[str, npt.NDArray[Any]]:
    rng = np.random.default_rng(1)
    kinds = [ELECTRON, MUON, PHOTON, PI0, PION, NEUTRON, NEUTRINO]
    kind = rng.choice(kinds, n)
    pt, eta = rng.exponential(10, n).astype(np.float32), rng.normal(0, 2, n).astype(np.float32)
    pt[:20] = np.geomspace(1e-6, 1, 20)
    return {
        "pt": pt,
        "eta": eta,
        "phi": rng.uniform(-3.14, 3.14, n).astype(np.float32),
        "energy": (pt * np.cosh(eta)).astype(np.float32),
        "pdg_id": kind.astype(np.int32),
        "charge": np.array([CHARGES.get(int(k), 0) for k in kind], np.int32),
    }


def test_a_perfect_detector_changes_nothing_in_its_acceptance() -> None:
    columns = _random()
    columns["eta"] = np.clip(columns["eta"], -2.49, 2.49)
    for name, values in vars(fill(PERFECT, columns)).items():
        np.testing.assert_array_equal(values, columns[name])


def test_nothing_is_measured_below_0_and_invisible_particles_stay() -> None:
    coarse = Detector(hadronic=CalorimeterResolution(stochastic=5, constant=1))
    columns = _random(5000)
    found = fill(coarse, columns)
    assert found.pt.min() == found.energy.min() == 0
    assert np.isfinite(found.energy).all()
    invisible = columns["pdg_id"] == NEUTRINO
    for name, values in vars(found).items():
        np.testing.assert_array_equal(values[invisible], columns[name][invisible])


@pytest.mark.parametrize("name", ["pt", "energy"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("kind", [PION, NEUTRON, ELECTRON, PHOTON])
def test_what_is_not_finite_stays_so(name: str, bad: float, kind: int) -> None:
    one = {"pt": 5.0, "eta": 0.0, "energy": 5.0, "pdg_id": kind, "charge": CHARGES.get(kind, 0)}
    columns = {k: [bad if k == name else v] * 100 for k, v in one.items()}
    found = fill(Detector(), columns)
    assert not np.isfinite(getattr(found, name)).any()


def test_a_particle_without_energy_is_no_number_less() -> None:
    one = {"pt": [1.0], "eta": [0.0], "energy": [0.0], "pdg_id": [NEUTRON], "charge": [0]}
    found = fill(Detector(), one)
    assert (found.pt[0], found.energy[0]) == (1, 0)


# --- The draws ----------------------------------------------------------------------------------


class Draws:
    """The draws once more."""

    def __init__(self, key: int, particle: int) -> None:
        self._state = key ^ splitmix64(particle)

    def uniform(self) -> float:
        self._state = splitmix64(self._state)
        return (self._state >> 11) / 2**53

    def normal(self) -> float:
        while True:
            x, y = 2 * self.uniform() - 1, 2 * self.uniform() - 1
            square = x * x + y * y
            if 0 < square < 1:
                return x * math.sqrt(-2 * math.log(square) / square)


def test_draws_are_those_of_python() -> None:
    for particle in range(200):
        ours, theirs = declare().Draws(KEY, particle), Draws(KEY, particle)
        for _ in range(3):
            assert ours.uniform() == theirs.uniform()
            assert ours.normal() == pytest.approx(theirs.normal(), rel=1e-14)


def test_a_key_is_of_seed_run_and_event_and_not_that_of_the_compression() -> None:
    declare()
    key = load_root().monojet.detector_key
    identities = [(s, r, e) for s in range(3) for r in range(3) for e in range(3)]
    keys = {key(*one) for one in identities}
    assert len(keys) == len(identities)
    assert not keys & {event_hash(*one) for one in identities}


def test_the_logarithm_is_that_of_libm() -> None:
    logarithm = declare().detail.logarithm
    for x in (1e-300, 1e-9, 0.3, 0.5, 0.70710678, 0.7071068, 1 - 1e-9, 1.0, 1.3, 2.0, 1e30):
        assert logarithm(x) == pytest.approx(math.log(x), rel=1e-14, abs=1e-16)


def test_resolutions_are_gaussian() -> None:
    one = CalorimeterResolution(stochastic=0, constant=0.1)
    found = measure(Detector(electromagnetic=one), PHOTON, n=100_000)
    sigmas = np.abs(found.pt.astype(float) / 40 - 1) / 0.1
    for k in (0.5, 1, 2, 3, 4):
        assert_share(sigmas > k, math.erfc(k / math.sqrt(2)))


def test_draws_depend_on_key_and_place_alone() -> None:
    columns = _random()
    whole = fill(Detector(), columns)
    again = fill(Detector(), {k: v[:100] for k, v in columns.items()})
    for name, values in vars(again).items():
        np.testing.assert_array_equal(values, getattr(whole, name)[:100])
    assert (fill(Detector(), columns, KEY + 1).pt != whole.pt).mean() > 0.5


# --- Images --------------------------------------------------------------------------------------


def _image(options: Any, columns: dict[str, npt.NDArray[Any]], event: int = 1) -> Any:
    root, helpers = load_root(), declare()
    block, empty = helpers.ImageBlock(), root.RVecF()
    summary = helpers.EventSummary()
    summary.run_number, summary.event_number = 1, event
    names = ("pt", "eta", "phi", "energy", "pdg_id", "charge")
    vectors = [(root.RVecI if n in names[4:] else root.RVecF)(columns[n]) for n in names]
    helpers.ImageMaker(options).add(block, summary, *vectors, empty, empty, empty, empty)
    return np.stack([array(channel, np.float32) for channel in block.values], axis=1)


def _options(detector: Detector | None) -> Any:
    options = declare().ImageOptions()
    options.min_particle_pt, options.min_jet_pt, options.seed, options.folds = 1.0, 20.0, 1, 2
    if detector is not None:
        declare_detector().use_detector(options, in_cpp(detector))
    return options


def test_images_hold_the_jets_of_the_measured_particles(root: Any, helpers: Any) -> None:
    columns = _random()
    hadrons = columns["pdg_id"] == NEUTRON
    columns["eta"][hadrons] = np.float32(0.2) + columns["eta"][hadrons] / 20
    columns["phi"][hadrons] = columns["phi"][hadrons] / 20
    columns["eta"] = np.clip(columns["eta"], -2.49, 2.49)
    columns["energy"] = (columns["pt"] * np.cosh(columns["eta"])).astype(np.float32)
    for detector in (PERFECT, Detector()):
        seen = fill(detector, columns, helpers.detector_key(1, 1, 1))
        jets = helpers.cluster_jets(
            *(root.RVecF(x) for x in (seen.pt, columns["eta"], columns["phi"], seen.energy)),
            *(root.RVecI(x) for x in (seen.pdg_id, seen.charge)),
            20.0,
        )
        image = _image(_options(detector), columns)
        expected = sorted(pt for pt, eta in zip(jets.pt, jets.eta, strict=True) if abs(eta) < 2.5)
        assert len(expected) > 1
        assert sorted(image[image[:, 6] > 0, 6].tolist()) == expected
        assert set(jets.width) >= set(image[image[:, 6] > 0, 7].tolist())


def test_a_perfect_detector_fills_the_particles_of_an_ideal_one() -> None:
    columns = _random()
    columns["eta"] = np.clip(columns["eta"], -2.49, 2.49)
    ideal, perfect = (_image(_options(detector), columns) for detector in (None, PERFECT))
    filled = perfect[(perfect[:, :6] != 0).any(axis=1)]
    np.testing.assert_array_equal(filled[:, :6], ideal[:, :6])
    assert not np.array_equal(_image(_options(Detector()), columns)[:, :6], ideal[:, :6])

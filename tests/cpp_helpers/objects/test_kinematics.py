"""Angles, the missing transverse momentum and which particles are visible."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

ANGLES = st.floats(-20, 20)
F32_PI = float(np.float32(math.pi))
AZIMUTHS = st.floats(-F32_PI, F32_PI, width=32)
KINDS = (11, -11, 13, -13, 22, 211, -321, 12, -14, 16, 52)
NEITHER_SEEN_NOR_COUNTED = (13, -13, 12, -14, 16, 52)


@settings(max_examples=120, deadline=None)
@given(a=ANGLES, b=ANGLES)
@example(a=math.pi, b=-math.pi)
@example(a=math.pi, b=0)
@example(a=-math.pi, b=0)
def test_difference_of_azimuths_is_in_one_turn_and_is_the_difference(
    helpers: Any, a: float, b: float
) -> None:
    difference = helpers.delta_phi(a, b)
    assert -math.pi <= difference <= math.pi
    assert difference == -helpers.delta_phi(b, a)
    assert math.cos(difference) == pytest.approx(math.cos(a - b), abs=1e-12)
    assert math.sin(difference) == pytest.approx(math.sin(a - b), abs=1e-12)


def test_distance_is_measured_across_the_edge_in_phi(helpers: Any) -> None:
    assert helpers.delta_r(1.0, 3.1, 1.3, 3.1 + 0.4 - 2 * math.pi) == pytest.approx(0.5)


def _missing(helpers: Any, root: Any, particles: list[tuple[float, float, float, int]]) -> Any:
    pt, eta, phi, kind = zip(*particles, strict=True) if particles else ((), (), (), ())
    floats = [root.RVecF(list(map(float, x))) for x in (pt, eta, phi)]
    return helpers.missing_momentum(*floats, root.RVecI(list(kind)))


def test_missing_momentum_is_that_of_numpy(helpers: Any, root: Any) -> None:
    rng = np.random.default_rng(1)
    for n in (1, 2, 10, 200):
        pt = rng.exponential(20, n).astype(np.float32)
        eta, phi = rng.uniform(-6, 6, n), rng.uniform(-np.pi, np.pi, n).astype(np.float32)
        kind = rng.choice(KINDS, n)
        met = _missing(helpers, root, list(zip(pt, eta, phi, kind.tolist(), strict=True)))
        counted = (np.abs(eta) < 4.9) & ~np.isin(kind, NEITHER_SEEN_NOR_COUNTED)
        momenta = pt[counted].astype(float) * np.exp(1j * phi[counted].astype(float))
        expected = -momenta.sum()
        assert met.pt * np.exp(1j * met.phi) == pytest.approx(expected, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "eta", "met"),
    [(211, 4.89, 100), (211, -4.91, 0), (22, 0, 100), (13, 0, 0), (-13, 0, 0), (11, 0, 100)],
)
def test_hadrons_and_electrons_in_acceptance_but_not_muons_balance_the_missing_momentum(
    helpers: Any, root: Any, kind: int, eta: float, met: float
) -> None:
    missing = _missing(helpers, root, [(100, eta, 1, kind)])
    assert missing.pt == pytest.approx(met)
    if met:
        assert missing.phi == pytest.approx(1 - math.pi)


def test_muons_and_their_photons_count_once(helpers: Any, root: Any) -> None:
    """A muon of 40 GeV that has radiated 60 in its direction: 60 are missing without it, none with
    it and the jet that balances both."""
    pt, eta, phi = (root.RVecF(x) for x in ([40, 60, 100], [0, 0, 0], [0, 0, math.pi]))
    kinds = root.RVecI([13, 22, 211])
    assert helpers.missing_momentum(pt, eta, phi, kinds).pt == pytest.approx(40)
    assert helpers.missing_momentum(pt, eta, phi, kinds, True).pt == pytest.approx(0, abs=1e-4)


def test_missing_momentum_of_no_particles_is_zero(helpers: Any, root: Any) -> None:
    missing = _missing(helpers, root, [])
    assert (missing.pt, missing.phi) == (0, 0)


@settings(max_examples=100, deadline=None)
@given(directions=st.lists(AZIMUTHS, max_size=6), phi=AZIMUTHS)
def test_smallest_difference_is_that_to_the_nearest_direction(
    helpers: Any, root: Any, directions: list[float], phi: float
) -> None:
    turns = [abs(math.remainder(d - phi, 2 * math.pi)) for d in directions]
    smallest = helpers.min_delta_phi(root.RVecF(directions), phi)
    assert smallest == pytest.approx(min(turns, default=math.pi), abs=1e-6)


ESCAPE = (
    *(12, 14, 16, 18, 39, 51, 52, 60, 1000012, 2000014, 1000022, 1000035, 1000039, 5000039),
    *(4900022, 4900101, 4900111, 4900213, 9000005, 9900014, 9900112),
)
SEEN = (
    *(1, 6, 21, 11, 13, 15, 22, 111, 130, 310, 211, 321, 2112, 2212, 3122, 5122, 100443, 9000111),
    *(9221132, 1000021, 1000024, 1000015, 1000993, 1000612, 4900001, 4900011),
    *(1000010020, 1010010030, 1000822080),
)
UNKNOWN = (0, 7, 23, 24, 25, 32, 990, 1103, 3000111, 4000011, 9000042, 9900041, 99999999, 2**31 - 1)


@pytest.mark.parametrize("sign", [1, -1])
def test_particles_are_seen_or_escape_by_their_codes(helpers: Any, sign: int) -> None:
    for codes, is_visible, is_known in (
        (ESCAPE, False, True),
        (SEEN, True, True),
        (UNKNOWN, True, False),
    ):
        for code in codes:
            assert helpers.is_visible(sign * code) == is_visible, code
            assert helpers.is_known(sign * code) == is_known, code


def test_further_codes_are_invisible_until_others_are(helpers: Any, root: Any) -> None:
    helpers.set_invisible([-9000042, 25])
    assert not helpers.is_visible(9000042)
    assert not helpers.is_visible(25)
    assert helpers.is_known(25)
    pion, new = (100.0, 0.0, 0.0, 211), (50.0, 0.0, 3.0, 9000042)
    assert _missing(helpers, root, [pion, new]).pt == pytest.approx(100)
    helpers.set_invisible([])
    assert helpers.is_visible(9000042)
    assert helpers.is_visible(25)
    with pytest.raises(Exception, match="more than 64 codes"):
        helpers.set_invisible(list(range(1, 66)))

"""Decays by the links between particles and vertices, as HepMC 3 stores them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.inputs.hepmc import is_b_hadron

B_STAR, B, D, TAU, NU_TAU, NU_MU, MUON, PION = 513, 511, 411, 15, 16, 14, 13, -211


def decays(helpers: Any, root: Any, codes: list[int], links: list[tuple[int, int]]) -> list[int]:
    """PDG codes of what has decayed; particle number n has a momentum of 20 n GeV."""
    px = root.RVecD([20.0 * n for n in range(1, len(codes) + 1)])
    zero = root.RVecD([0.0] * len(codes))
    status = root.RVecI([1] * len(codes))
    sources, targets = (root.RVecI(list(ends)) for ends in zip(*links, strict=True))
    n_vertices = -min(min(pair) for pair in links)
    record = helpers.history(sources, targets, len(codes), n_vertices)
    found = helpers.decayed_particles(record, px, zero, zero, px, root.RVecI(codes), status, 1.0)
    return list(found.pdg_id)


def test_a_hadron_counts_that_does_not_decay_to_another(helpers: Any, root: Any) -> None:
    links = [(1, -1), (-1, 2), (2, -2), (-2, 3)]
    assert decays(helpers, root, [B_STAR, B, D], links) == [B]
    assert decays(helpers, root, [B, D, PION], links) == [B]
    assert decays(helpers, root, [D, D, PION], links) == []


def test_a_tau_counts_without_another_neutrino(helpers: Any, root: Any) -> None:
    links = [(1, -1), (-1, 2), (-1, 3), (-1, 4)]
    # heavier than its neutrino it is not here: the momentum is that of the difference
    assert decays(helpers, root, [TAU, NU_TAU, PION, PION], links) == [TAU]
    assert decays(helpers, root, [TAU, NU_TAU, MUON, -NU_MU], links) == []


@pytest.mark.parametrize("link", [(0, -1), (5, -1), (1, -3), (1, 2), (-1, -2), (2**31 - 1, -1)])
def test_a_link_that_is_none_is_refused(helpers: Any, root: Any, link: tuple[int, int]) -> None:
    arguments = (root.RVecI([link[0]]), root.RVecI([link[1]]))
    with pytest.raises(Exception, match=f"an invalid link from {link[0]} to {link[1]}"):
        helpers.history(*arguments, 4, 2)


def test_b_hadrons_are_those_of_text_files(helpers: Any) -> None:
    rng = np.random.default_rng(1)
    codes = [511, -521, 531, 5122, 5, 15, 21, 411, 553, 100553, 5101, 1000512, 9000553, 10511]
    codes += rng.integers(-20_000_000, 20_000_000, 3000).tolist()
    codes += rng.integers(-6000, 6000, 3000).tolist()
    expected = is_b_hadron(np.array(codes))
    assert [helpers.is_b_hadron(code) for code in codes] == expected.tolist()
    assert expected[:4].all()


def test_impact_parameters_are_of_where_the_beams_met(helpers: Any, root: Any) -> None:
    """A beam that ends at (1, 0, 5); a particle along y from (3, 0, 5), and one from a vertex at 0,
    which lies where the one before it ends."""
    links = [(1, -1), (-1, 2), (2, -2), (-2, 3), (3, -3), (-3, 4)]
    record = helpers.history(*(root.RVecI(list(x)) for x in zip(*links, strict=True)), 4, 3)
    x, y, z = (root.RVecD(list(values)) for values in ((1, 3, 0), (0, 0, 0), (5, 5, 0)))
    px, py, pz = (root.RVecD([value] * 4) for value in (0.0, 10.0, 0.0))
    found = helpers.impact_parameters(
        record, root.RVecI([1, 2, 3]), px, py, pz, x, y, z, 10.0
    )  # in cm
    assert list(found.d0) == [0, 20, 20]
    assert list(found.z0_sin_theta) == [0, 0, 0]

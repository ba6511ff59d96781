"""Signals of real Pythia runs are invisible, and recoil as the slice says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.config import Generation
from analysis.inputs.particles import Particles
from analysis.processes import HEAVY_NEUTRINOS, PROCESSES, SIGNALS
from analysis.simulation.generate import charges, stable_particles, start_pythia

INVISIBLE = {
    "mediator": (12, 14, 16),
    "graviton": (5000039,),
    "higgs": (1000022,),
    "pseudoscalar": (52,),
}


def generated(name: str, low: float, high: float | None, n_events: int) -> Particles:
    process = PROCESSES[name]
    generator = start_pythia(process, low, high, 5)
    return stable_particles(generator.nextBatch(n_events), process.boson, charges(generator))


def missing_pt(helpers: Any, root: Any, particles: Particles) -> list[float]:
    """E_T^miss of each event, as the samples have it."""
    ends = np.cumsum(particles.counts)
    found = []
    for begin, end in zip(ends - particles.counts, ends, strict=True):
        columns = (particles.pt, particles.eta, particles.phi)
        vectors = [root.RVecF(c[begin:end].tolist()) for c in columns]
        codes = root.RVecI(particles.pdg_id[begin:end].tolist())
        found.append(float(helpers.missing_momentum(*vectors, codes).pt))
    return found


def check(helpers: Any, root: Any, name: str, low: float, high: float | None, n: int) -> None:
    particles = generated(name, low, high, n)
    assert len(particles.counts) == n
    assert (particles.weight > 0).all()
    for code in INVISIBLE[name]:
        assert not helpers.is_visible(code)
        assert not helpers.is_visible(-code)
    assert set(INVISIBLE[name]) & set(np.abs(particles.pdg_id).tolist())
    known = (particles.pdg_id == 22) | (np.abs(particles.pdg_id) < 10_000)
    dark = np.isin(np.abs(particles.pdg_id), INVISIBLE[name])
    assert (known | dark).all(), "a particle that no detector knows"
    recoil = particles.boson_pt
    assert np.isfinite(recoil).all()
    assert np.median(recoil) > 0.9 * low
    assert np.median(recoil) < (2 * low if high is None else high)
    ratio = np.array(missing_pt(helpers, root, particles)) / recoil
    assert np.median(ratio) == pytest.approx(1, abs=0.03)  # but for neutrinos and what is forward


def test_signals_are_processes() -> None:
    assert set(SIGNALS) == set(INVISIBLE)
    assert set(SIGNALS) <= set(PROCESSES)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_invisible_and_recoils(helpers: Any, root: Any, name: str) -> None:
    check(helpers, root, name, 1000, None, 30)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["low", "medium", "high"])
@pytest.mark.parametrize("name", SIGNALS)
def test_every_slice_of_a_signal(helpers: Any, root: Any, name: str, part: str) -> None:
    limits = Generation().slices[part]
    check(helpers, root, name, limits.low, limits.high, 200)


@pytest.mark.parametrize("name", HEAVY_NEUTRINOS)
def test_a_heavy_neutrino_gives_three_leptons(name: str) -> None:
    particles = generated(name, 0, None, 40)
    lepton = np.isin(np.abs(particles.pdg_id), (11, 13)) & (particles.pt > 5)
    event = np.repeat(np.arange(40), particles.counts)
    counts = np.bincount(event[lepton], minlength=40)
    assert np.mean(counts >= 3) > 0.5
    assert not np.isin(np.abs(particles.pdg_id), (9900012, 9900014, 9900112)).any()  # all decay

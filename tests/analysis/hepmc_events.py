"""HepMC files for tests: of hand-made events, and of Pythia's record."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyhepmc

from analysis.simulation.generate import MILLIBARN

MUON = (30.0, 5.0, 7.0, 13)
"""px, py, pz in GeV and PDG code."""
PION = (-200.0, 100.0, 50.0, 211)
NEUTRINO = (170.0, -105.0, -57.0, -14)

Particle = tuple[float, float, float, int]


def event(
    number: int,
    particles: Sequence[Particle] = (MUON, PION, NEUTRINO),
    weights: Sequence[float] = (1.0,),
    names: Sequence[str] = (),
    cross_section: float | None = None,
    units: tuple[Any, Any] = (pyhepmc.Units.GEV, pyhepmc.Units.MM),
) -> Any:
    """Two protons, and what they end as; the units are those that it is written in."""
    made = pyhepmc.GenEvent(pyhepmc.Units.GEV, pyhepmc.Units.MM)
    made.event_number = number
    run = pyhepmc.GenRunInfo()
    run.weight_names = list(names)
    made.run_info = run
    made.weights = list(weights)
    if particles:
        vertex = pyhepmc.GenVertex()
        for pz in (6500.0, -6500.0):
            vertex.add_particle_in(pyhepmc.GenParticle((0, 0, pz, 6500.0), 2212, 4))
        for px, py, pz, code in particles:
            energy = (px * px + py * py + pz * pz) ** 0.5
            vertex.add_particle_out(pyhepmc.GenParticle((px, py, pz, energy), code, 1))
        made.add_vertex(vertex)
    if cross_section is not None:
        set_cross_section(made, cross_section, cross_section / 10)
    made.set_units(*units)
    return made


def set_cross_section(made: Any, value: float, error: float) -> None:
    """In pb."""
    section = pyhepmc.GenCrossSection()
    section.set_cross_section(value, error)
    made.cross_section = section


def write(path: Path, events: Iterable[Any], version: int = 3) -> Path:
    """Write a file, gzipped if its name says so."""
    plain = path.with_name(path.name + ".plain")
    with pyhepmc.open(str(plain), "w", format=f"HepMC{version}") as file:
        for one in events:
            file.write(one)
    text = plain.read_bytes()
    plain.unlink()
    path.write_bytes(gzip.compress(text) if path.name.endswith(".gz") else text)
    return path


def of_pythia(generator: Any, number: int) -> Any:
    """The next event of a generator, as Pythia's own interface to HepMC makes it."""
    assert generator.next()
    record = generator.event
    made = pyhepmc.GenEvent(pyhepmc.Units.GEV, pyhepmc.Units.MM)
    made.event_number = number
    particles: list[Any] = [None]
    for i in range(1, record.size()):
        one = record[i]
        status = 4 if i in (1, 2) else 1 if one.isFinal() else 2
        particles.append(
            pyhepmc.GenParticle((one.px(), one.py(), one.pz(), one.e()), one.id(), status)
        )
    ends: dict[int, Any] = {}
    for i in range(3, record.size()):
        mothers = [m for m in record[i].motherList() if m] or [1, 2]
        vertex = next((ends[m] for m in mothers if m in ends), None)
        if vertex is None:
            vertex = pyhepmc.GenVertex()
            if record[i].hasVertex():
                at = record[i]
                vertex.position = (at.xProd(), at.yProd(), at.zProd(), at.tProd())
        for mother in mothers:
            if mother not in ends:
                ends[mother] = vertex
                vertex.add_particle_in(particles[mother])
        vertex.add_particle_out(particles[i])
    made.add_tree(particles[1:3])
    information = generator.infoPython()
    made.weights = [information.weight()]
    set_cross_section(made, information.sigmaGen() * MILLIBARN, information.sigmaErr() * MILLIBARN)
    return made

"""HepMC 3 events in a TTree, as ``WriterRootTree`` of its library rootIO writes them.

The members of ``HepMC3::GenEventData``, split into branches, so that nothing of HepMC is needed to
read them: ``include/HepMC3/Data`` and ``rootIO/src/WriterRootTree.cc`` of HepMC 3.3.1,
https://gitlab.cern.ch/hepmc/HepMC3.
"""

from __future__ import annotations

from analysis.columns import RVEC_INT
from analysis.inputs import particle_level
from analysis.inputs.format import Block, Column, Format, Source, sources

_RVEC_DOUBLE = "ROOT::VecOps::RVec<double>"

_EVENT = Block(
    {
        "run_number": Column("0u", "assumed", "there are no runs"),
        "event_number": Column("event_number", note="generators may begin anew in each file"),
        "weight": Column(
            "weights.empty() ? 1. : weights[0]", note="the first; 1 of an event that has none"
        ),
    }
)

_PARTICLES = particle_level.stable_particles(
    "monojet::stable_particles(particles_px, particles_py, particles_pz, particles_energy,"
    " particles_pid, particles_status == 1, momentum_unit == 0 ? 1e-3 : 1.)"  # MEV is 0, GEV 1
)

HEPMC_TREE = Format(
    name="hepmc_tree",
    title="HepMC 3 in ROOT trees, as its `WriterRootTree` writes them",
    trees=("hepmc3_tree",),
    markers=frozenset({"particles_pid", "momentum_unit"}),
    sources={
        **sources(("event_number", "momentum_unit"), "int"),
        **sources(("weights",), _RVEC_DOUBLE),
        **{
            f"particles_{name}": Source((RVEC_INT,), (f"particles.{name}",))
            for name in ("pid", "status")
        },
        **{
            f"particles_{part}": Source((_RVEC_DOUBLE,), (f"particles.momentum.m_v{place}",))
            for place, part in enumerate(("px", "py", "pz", "energy"), 1)
        },
    },
    blocks=(_EVENT, _PARTICLES, *particle_level.ALL),
    numbers_events=False,
)

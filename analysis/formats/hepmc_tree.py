"""HepMC 3 events in a TTree, written by ``WriterRootTree`` of its library rootIO.

The members of ``HepMC3::GenEventData`` are split into branches, so that they are read without
HepMC: ``include/HepMC3/Data`` and ``rootIO/src/WriterRootTree.cc`` of HepMC 3.3.1,
https://gitlab.cern.ch/hepmc/HepMC3.
"""

from __future__ import annotations

from analysis.formats import particle_level
from analysis.formats.columns import RVEC_INT
from analysis.formats.format import Column, ColumnGroup, Format, SourceColumn, sources

_RVEC_DOUBLE = "ROOT::VecOps::RVec<double>"

_EVENT = ColumnGroup(
    {
        "run_number": Column("0u", "assumed", "no run numbers"),
        "event_number": Column("event_number", note="generators may restart in each file"),
        "weight": Column(
            "weights.empty() ? 1. : weights[0]", note="the first; 1 if an event has none"
        ),
    }
)

_GEV = "(momentum_unit == 0 ? 1e-3 : 1.)"  # MEV is 0, GEV 1

_PARTICLES = particle_level.stable_particles(
    "monojet::stable_particles(particles_px, particles_py, particles_pz, particles_energy,"
    f" particles_pid, particles_status == 1, {_GEV})"
)

_MOMENTA = "particles_px, particles_py, particles_pz"

_HISTORY = ColumnGroup(
    {
        "record": Column(
            "monojet::history(links1, links2, particles_pid.size(), vertices_x.size())"
        ),
        "decays": Column(
            f"monojet::decayed_particles(record, {_MOMENTA}, particles_energy, particles_pid,"
            f" particles_status, {_GEV})"
        ),
        **{
            f"decayed_{part}": Column(f"decays.{part}")
            for part in ("pt", "eta", "phi", "energy", "pdg_id")
        },
        "impact": Column(
            f"monojet::impact_parameters(record, truth.place, {_MOMENTA}, vertices_x, vertices_y,"
            " vertices_z, length_unit == 0 ? 1. : 10.)"  # MM is 0, CM 1
        ),
        "all_d0": Column("impact.d0"),
        "all_z0_sin_theta": Column("impact.z0_sin_theta"),
    },
    needs=frozenset({"links1", "vertices_x"}),
)

HEPMC_TREE = Format(
    name="hepmc_tree",
    title="HepMC 3 in ROOT trees, as its `WriterRootTree` writes them",
    trees=("hepmc3_tree",),
    markers=frozenset({"particles_pid", "momentum_unit"}),
    sources={
        **sources(("event_number", "momentum_unit", "length_unit"), "int"),
        **sources(("links1", "links2"), RVEC_INT),
        **sources(("weights",), _RVEC_DOUBLE),
        **{
            f"particles_{name}": SourceColumn((RVEC_INT,), (f"particles.{name}",))
            for name in ("pid", "status")
        },
        **{
            f"particles_{part}": SourceColumn((_RVEC_DOUBLE,), (f"particles.momentum.m_v{place}",))
            for place, part in enumerate(("px", "py", "pz", "energy"), 1)
        },
        **{
            f"vertices_{part}": SourceColumn((_RVEC_DOUBLE,), (f"vertices.position.m_v{place}",))
            for place, part in enumerate(("x", "y", "z"), 1)
        },
    },
    groups=(_EVENT, _PARTICLES, *particle_level.ALL, _HISTORY, *particle_level.OF_DECAYS),
    unique_event_ids=False,
)

FORMATS = (HEPMC_TREE,)

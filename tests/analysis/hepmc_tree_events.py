"""HepMC 3 events as a tree, of the branches that HepMC's own ``WriterRootTree`` makes.

A process of its own writes them, which knows HepMC's classes by their public layout: where the
tests read them nothing of HepMC must be known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cpp_helpers import load_root
from tests.conftest import REPOSITORY

_CLASSES = """
#include <string>
#include <vector>
namespace HepMC3 {
struct FourVector { double m_v1 = 0, m_v2 = 0, m_v3 = 0, m_v4 = 0; };
struct Units { enum MomentumUnit { MEV, GEV }; enum LengthUnit { MM, CM }; };
struct GenParticleData { int pid, status; bool is_mass_set; double mass; FourVector momentum; };
struct GenVertexData { int status; FourVector position; };
struct GenEventData {
  int event_number;
  Units::MomentumUnit momentum_unit;
  Units::LengthUnit length_unit;
  std::vector<GenParticleData> particles;
  std::vector<GenVertexData> vertices;
  std::vector<double> weights;
  FourVector event_pos;
  std::vector<int> links1, links2, attribute_id;
  std::vector<std::string> attribute_name, attribute_string;
};
struct GenRunInfoData {
  std::vector<std::string> weight_names, tool_name, tool_version, tool_description,
      attribute_name, attribute_string;
};
} // namespace HepMC3
"""


def write(path: Path, events: Iterable[Any]) -> Path:
    """Write events of pyhepmc, in the units that they have."""
    said = []
    for event in events:
        columns = event.numpy.particles
        particles = [columns.pid, columns.status, columns.px, columns.py, columns.pz, columns.e]
        said.append(
            {
                "number": event.event_number,
                "units": [event.momentum_unit.name, event.length_unit.name],
                "weights": list(event.weights),
                "vertices": [
                    [getattr(vertex.position, part) for part in "xyzt"]
                    if vertex.has_set_position()
                    else [0.0] * 4
                    for vertex in event.vertices
                ],
                "links": [
                    *((one.id, v.id) for v in event.vertices for one in v.particles_in),
                    *((v.id, one.id) for v in event.vertices for one in v.particles_out),
                ],
                "particles": list(zip(*(values.tolist() for values in particles), strict=True)),
            }
        )
    subprocess.run(
        [sys.executable, "-m", __name__, str(path)],
        input=json.dumps(said),
        text=True,
        cwd=REPOSITORY,
        check=True,
    )
    return path


def _write(path: str, events: list[dict[str, Any]]) -> None:
    root = load_root()
    root.gErrorIgnoreLevel = root.kError  # without dictionaries it warns of losses; there are none
    root.gInterpreter.Declare(_CLASSES)
    event, run = root.HepMC3.GenEventData(), root.HepMC3.GenRunInfoData()
    particle, vertex = root.HepMC3.GenParticleData(), root.HepMC3.GenVertexData()
    file = root.TFile(path, "RECREATE")
    tree = root.TTree("hepmc3_tree", "hepmc3_tree")
    tree.Branch("hepmc3_event", event)
    tree.Branch("GenRunInfo", run)
    for one in events:
        event.event_number = one["number"]
        event.momentum_unit, event.length_unit = (
            getattr(root.HepMC3.Units, unit) for unit in one["units"]
        )
        event.particles.clear()
        for particle.pid, particle.status, *momentum in one["particles"]:
            for place, value in enumerate(momentum, 1):
                setattr(particle.momentum, f"m_v{place}", value)
            event.particles.push_back(particle)
        event.vertices.clear()
        for position in one["vertices"]:
            for place, value in enumerate(position, 1):
                setattr(vertex.position, f"m_v{place}", value)
            event.vertices.push_back(vertex)
        for links, which in ((event.links1, 0), (event.links2, 1)):
            links.clear()
            for pair in one["links"]:
                links.push_back(pair[which])
        event.weights.clear()
        for weight in one["weights"]:
            event.weights.push_back(weight)
        tree.Fill()
    tree.Write()
    file.Close()


if __name__ == "__main__":
    _write(sys.argv[1], json.load(sys.stdin))

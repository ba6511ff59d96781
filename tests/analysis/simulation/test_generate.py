from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from analysis.config import Config
from analysis.formats.columns import CANONICAL
from analysis.inputs import reader
from analysis.processes import PROCESSES
from analysis.simulation import generate
from analysis.workflow.run import Run
from tests.conftest import make_stage
from tests.frames import open_frame

VECTORS = ("particle_pt", "particle_pdg_id", "jet_pt", "muon_pt")
COLUMNS = ("event_number", "weight", "met_no_muons", "boson_pt", *VECTORS)


def config(tiny: Config, **generation: Any) -> Config:
    """25 events of Znunu in blocks of 10."""
    data = tiny.model_dump()
    data["samples"] = [
        {"process": "Znunu", "slice": "high", "events": 25},
        {"process": "Wmunu", "slice": "low", "events": 25},
    ]
    data["generation"] |= {"block_size": 10} | generation
    data["batch"]["start_up"] = 0
    return Config.model_validate(data)


def make(cfg: Config, output: Path, workers: int = 1) -> Run:
    run = Run(cfg, output, workers)
    make_stage("generate", run)
    return run


def contents(path: Path) -> dict[str, Any]:
    """Some columns, event by event."""
    file = reader.inspect(str(path))
    df = open_frame(file, 0, file.n_events)
    found = {column: df.Take[CANONICAL[column]](column) for column in COLUMNS}
    return {
        column: [list(v) if column in VECTORS else v for v in values.GetValue()]
        for column, values in found.items()
    }


@pytest.fixture(scope="module")
def samples(tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make(config(tiny_config), tmp_path_factory.mktemp("generated"))


def test_events_and_their_provenance_are_stored(samples: Run) -> None:
    file = reader.inspect(str(samples.sample("Znunu_high")))
    info = file.info
    assert info is not None
    assert (file.n_events, info.n_events) == (25, 25)
    assert info.sum_of_weights == 25
    assert info.cross_section == pytest.approx(0.0046, rel=0.5)  # PHYSICS: 4.60 fb, few events
    assert info.cross_section_error
    assert info.seed == 7
    assert "PhaseSpace:pTHatMin = 1000" in info.settings
    assert info.versions["pythia8mc"].startswith("8.3")
    assert set(CANONICAL) <= file.columns.keys()


def test_events_are_numbered_once_and_above_the_slice(samples: Run) -> None:
    found = contents(samples.sample("Znunu_high"))
    assert found["event_number"] == list(range(1, 26))
    assert np.median(found["boson_pt"]) > 900
    assert min(p for event in found["particle_pt"] for p in event) > 0.5
    assert np.median(found["met_no_muons"]) > 800  # the neutrinos carry the boson's momentum


def test_muons_are_found_in_wmunu_alone(samples: Run) -> None:
    def muons(name: str) -> list[Any]:
        found: list[Any] = contents(samples.sample(name))["muon_pt"]
        return found

    assert sum(len(m) > 0 for m in muons("Wmunu_low")) > 15
    assert sum(len(m) > 0 for m in muons("Znunu_high")) < 5


def test_no_partial_files_are_left(samples: Run) -> None:
    folder = samples.sample("Znunu_high").parent
    names = sorted(p.name for p in folder.iterdir())
    assert names == sorted(
        f"{n}.{s}" for n in ("Znunu_high", "Wmunu_low") for s in ("root", "manifest.json")
    )


@pytest.mark.slow
def test_the_sample_does_not_depend_on_workers(
    samples: Run, tiny_config: Config, tmp_path: Path
) -> None:
    other = make(config(tiny_config), tmp_path, workers=2)
    for name in ("Znunu_high", "Wmunu_low"):
        assert contents(other.sample(name)) == contents(samples.sample(name))


def test_a_ttree_holds_the_same_events(samples: Run, tiny_config: Config, tmp_path: Path) -> None:
    other = make(config(tiny_config, file_format="ttree"), tmp_path)
    name = "Znunu_high"
    assert contents(other.sample(name)) == contents(samples.sample(name))


def test_a_stopped_generation_resumes_with_the_blocks_it_lacks(
    samples: Run, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write_block = generate.write_block

    def stop_after_two(block: generate.EventBlock, *where: Any) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(block.index)
        write_block(block, *where)

    monkeypatch.setattr(generate, "write_block", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        make(config(tiny_config), tmp_path)
    assert not (tmp_path / "samples" / "Znunu_high.root").exists()
    remade: list[tuple[str, int]] = []

    def count(block: generate.EventBlock, *where: Any) -> None:
        remade.append((block.sample, block.index))
        write_block(block, *where)

    monkeypatch.setattr(generate, "write_block", count)
    run = make(config(tiny_config), tmp_path)
    assert remade == [("Znunu_high", 2), *(("Wmunu_low", i) for i in range(3))]
    assert contents(run.sample("Znunu_high")) == contents(samples.sample("Znunu_high"))


def test_blocks_have_different_seeds_in_pythias_range() -> None:
    base = generate.EventBlock("a", "Znunu", "high", 1000, None, 0, 0, 10, 1, 0.5, "rntuple")
    seeds = {
        dataclasses.replace(base, sample=s, index=i, seed=n).pythia_seed
        for s in "ab"
        for i in range(50)
        for n in range(5)
    }
    assert len(seeds) == 500
    assert min(seeds) >= 1
    assert max(seeds) <= 900_000_000


def test_stable_particles_balance_the_beams() -> None:
    """All final particles of a record, the forward ones too, carry 13 TeV and no transverse
    momentum; those selected are the stable ones within |eta| < 4.9."""
    generator = generate.start_pythia(PROCESSES["Wmunu"], 1000, None, 5)
    events = generator.nextBatch(5)
    particles = generate.stable_particles(events, 24, generate.charges(generator))
    final = events.prt[events.prt.status > 0]
    assert ak.to_numpy(ak.sum(final.p.e, axis=1)) == pytest.approx(13000, rel=1e-4)
    pt = np.hypot(final.p.px, final.p.py)
    inside = (pt > 0) & (np.abs(np.arcsinh(final.p.pz / ak.where(pt > 0, pt, 1))) < 4.9)
    assert particles.counts.tolist() == ak.to_list(ak.sum(inside, axis=1))
    assert (np.abs(particles.eta) < 4.9).all()
    assert set(np.unique(particles.charge)) <= {-1, 0, 1}
    electrons = particles.pdg_id == 11
    assert (particles.charge[electrons] == -1).all()
    assert (particles.boson_pt > 500).all()


def is_b_hadron(code: int) -> bool:
    """By the PDG's numbering scheme: digits n_q1, n_q2, n_q3 before that of the spin."""
    quarks = f"{code:07d}"[-4:-1]
    return code > 100 and code < 10_000_000 and "5" in quarks and quarks[-1] != "0"


def expected_decayed(event: Any) -> list[tuple[float, float, int]]:
    """(pt, eta, code) of b hadrons and visible hadronic taus of a record, particle by particle."""
    found = []
    for particle in event:
        code = abs(particle["id"])
        daughters = event[particle["daughter1"] : particle["daughter2"] + 1]
        if particle["daughter2"] < particle["daughter1"]:
            daughters = [event[particle[f"daughter{i}"]] for i in (1, 2)]
        kinds = [abs(d["id"]) for d in daughters]
        p = [particle["p"][c] for c in ("px", "py", "pz")]
        least = 5.0
        if code == 15 and 16 in kinds and not {12, 14} & set(kinds):
            neutrino = daughters[kinds.index(16)]["p"]
            p = [a - neutrino[c] for a, c in zip(p, ("px", "py", "pz"), strict=True)]
            least = 10.0
        elif not is_b_hadron(code) or any(map(is_b_hadron, kinds)):
            continue
        pt = float(np.hypot(p[0], p[1]))
        if pt > least and abs(np.arcsinh(p[2] / pt)) < 4.9:
            found.append((pt, float(np.arcsinh(p[2] / pt)), particle["id"]))
    return sorted(found, reverse=True)


def test_b_hadrons_and_visible_taus_are_those_of_the_record() -> None:
    generator = generate.start_pythia(PROCESSES["ttbar"], 0, None, 5)
    events = generator.nextBatch(25)
    decayed = generate.decayed_particles(events, generate.heaviest_quarks(generator))
    wanted = [expected_decayed(event) for event in ak.to_list(events.prt)]
    assert decayed.counts.tolist() == [len(event) for event in wanted]
    flat = [one for event in wanted for one in event]
    assert decayed.pt == pytest.approx([pt for pt, _, _ in flat], rel=1e-5)
    assert decayed.eta == pytest.approx([eta for _, eta, _ in flat], rel=1e-4, abs=1e-4)
    assert decayed.pdg_id.tolist() == [code for _, _, code in flat]
    taus = np.abs(decayed.pdg_id) == 15
    mass = np.sqrt(
        np.maximum(0, decayed.energy**2 - (decayed.pt * np.cosh(decayed.eta)) ** 2)[taus]
    )
    assert 0 < taus.sum() < len(taus)
    assert (mass < 1.78).all()  # of the tau


def test_impact_parameters_are_the_least_distances_to_the_beam() -> None:
    """Of the line through the place of birth along the momentum, stepped through."""
    generator = generate.start_pythia(PROCESSES["ttbar"], 0, None, 5)
    events = generator.nextBatch(60)
    particles = generate.stable_particles(events, 6, generate.charges(generator))
    leptons = np.isin(np.abs(particles.pdg_id), (11, 13))
    assert not particles.d0[~leptons].any()
    record = ak.flatten(events.prt)
    record = record[(record.status > 0) & ((abs(record.id) == 11) | (abs(record.id) == 13))]
    stable = [
        p
        for p in ak.to_list(record)
        if abs(np.arcsinh(p["p"]["pz"] / np.hypot(p["p"]["px"], p["p"]["py"]))) < 4.9
    ]
    assert len(stable) == leptons.sum()
    displaced = 0
    steps = np.linspace(-1, 1, 20001)[:, np.newaxis]
    for p, d0, z0 in zip(
        stable, particles.d0[leptons], particles.z0_sin_theta[leptons], strict=True
    ):
        momentum = np.array([p["p"][c] for c in ("px", "py", "pz")])
        vertex = np.array([(p["vProd"] or {}).get(c, 0.0) for c in ("px", "py", "pz")])
        pt = np.hypot(*momentum[:2])
        reach = 2 * np.linalg.norm(vertex[:2]) + 1e-9
        line = vertex + steps * reach * momentum / pt
        nearest = np.argmin(np.hypot(line[:, 0], line[:, 1]))
        tolerance = 1e-3 * float(reach) + 1e-6
        assert abs(d0) == pytest.approx(np.hypot(*line[nearest, :2]), abs=tolerance)
        sin_theta = pt / np.linalg.norm(momentum)
        assert z0 == pytest.approx(line[nearest, 2] * sin_theta, abs=tolerance)
        displaced += abs(d0) > 0.01
    assert 10 < displaced < len(stable) - 10  # from hadrons, and from the collision


def test_samples_without_slices_have_the_whole_phase_space(
    tiny_config: Config, tmp_path: Path
) -> None:
    data = tiny_config.model_dump()
    data["samples"] = [{"process": "ttbar", "events": 20}]
    data["training"]["networks"] = []
    data["anomaly"] = {}
    run = make(Config.model_validate(data), tmp_path)
    file = reader.inspect(str(run.sample("ttbar")))
    assert file.info is not None
    assert "PhaseSpace:pTHatMin = 0" in file.info.settings
    df = open_frame(file, 0, 20)
    tags, pt, taus = (df.Take[CANONICAL[name]](name) for name in ("jet_b_tag", "jet_pt", "tau_pt"))
    assert 10 < sum(sum(event) for event in tags.GetValue()) <= 60
    assert [len(event) for event in tags.GetValue()] == [len(event) for event in pt.GetValue()]
    assert all(p > 10 for event in taus.GetValue() for p in event)

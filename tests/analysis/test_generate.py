from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from analysis import generate
from analysis.columns import CANONICAL
from analysis.config import Config
from analysis.inputs import native
from analysis.pipeline import Run
from analysis.processes import PROCESSES
from tests.conftest import make_stage

VECTORS = ("particle_pt", "particle_pdg_id", "jet_pt", "muon_pt")
COLUMNS = ("event_number", "weight", "met", "boson_pt", *VECTORS)


def config(tiny: Config, **generation: Any) -> Config:
    """25 events of Znunu in blocks of 10."""
    data = tiny.model_dump()
    data["samples"] = [
        {"process": "Znunu", "slice": "high", "events": 25},
        {"process": "Wmunu", "slice": "low", "events": 25},
    ]
    data["generation"] |= {"block_size": 10} | generation
    return Config.model_validate(data)


def make(cfg: Config, output: Path, workers: int = 1) -> Run:
    run = Run(cfg, output, workers)
    make_stage("generate", run)
    return run


def contents(path: Path) -> dict[str, Any]:
    """Some columns, event by event."""
    df = native.open_range([str(path)], 0, native.inspect(str(path)).n_events)
    found = {column: df.Take[CANONICAL[column]](column) for column in COLUMNS}
    return {
        column: [list(v) if column in VECTORS else v for v in values.GetValue()]
        for column, values in found.items()
    }


@pytest.fixture(scope="module")
def samples(tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make(config(tiny_config), tmp_path_factory.mktemp("generated"))


def test_events_and_their_provenance_are_stored(samples: Run) -> None:
    file = native.inspect(str(samples.sample("Znunu_high")))
    info = file.info
    assert info is not None
    assert (file.n_events, info.n_events) == (25, 25)
    assert info.sum_of_weights == 25
    assert info.cross_section == pytest.approx(0.0046, rel=0.5)  # PHYSICS: 4.60 fb, few events
    assert info.cross_section_error
    assert info.seed == 7
    assert "PhaseSpace:pTHatMin = 1000" in info.settings
    assert info.versions["pythia8mc"].startswith("8.3")
    assert set(CANONICAL) <= file.columns


def test_events_are_numbered_once_and_above_the_slice(samples: Run) -> None:
    found = contents(samples.sample("Znunu_high"))
    assert found["event_number"] == list(range(1, 26))
    assert np.median(found["boson_pt"]) > 900
    assert min(p for event in found["particle_pt"] for p in event) > 0.5
    assert np.median(found["met"]) > 800  # the neutrinos carry the boson's momentum


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

    def stop_after_two(block: generate.Block, *where: Any) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(block.index)
        write_block(block, *where)

    monkeypatch.setattr(generate, "write_block", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        make(config(tiny_config), tmp_path)
    assert not (tmp_path / "samples" / "Znunu_high.root").exists()
    remade: list[tuple[str, int]] = []

    def count(block: generate.Block, *where: Any) -> None:
        remade.append((block.sample, block.index))
        write_block(block, *where)

    monkeypatch.setattr(generate, "write_block", count)
    run = make(config(tiny_config), tmp_path)
    assert remade == [("Znunu_high", 2), *(("Wmunu_low", i) for i in range(3))]
    assert contents(run.sample("Znunu_high")) == contents(samples.sample("Znunu_high"))


def test_blocks_have_different_seeds_in_pythias_range() -> None:
    base = generate.Block("a", "Znunu", "high", 1000, None, 0, 0, 10, 1, 0.5, "rntuple")
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
    particles = generate.stable_particles(events, 24, generate._Charges(generator))
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

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.config import Batch, CalorimeterResolution, Config, Detector
from analysis.images import imaging
from analysis.images.image_file import ImageWriter
from analysis.images.imaging_stage import imaging_targets
from analysis.inputs import cluster_ranges, reader
from analysis.workflow.run import Run
from common.runtime.errors import BatchError
from tests.conftest import REPOSITORY, TINY, WriteEvents, make_stage
from tests.frames import Opened, n_runs

RunOf = Callable[..., Run]


def with_imaging(run: Run, workers: int = 1, **imaging_changes: Any) -> Run:
    config = run.config
    changed = config.imaging.model_copy(update=imaging_changes)
    batch = config.batch.model_copy(update={"start_up": 0.0})
    changes = {"imaging": changed, "batch": batch}
    return Run(config.model_copy(update=changes), run.output, workers)


def make(run: Run) -> Path:
    return make_stage("imaging", run)[0].output


def test_an_image_holds_the_particles_and_jets_of_its_event(
    write_events: WriteEvents, run_of: RunOf
) -> None:
    path = make(run_of(Znunu=[write_events(n_events=3)]))
    with h5py.File(path) as file:
        offsets = file["cells/offsets"][:]
        assert offsets.tolist() == [0, 3, 6, 9]
        rows, columns = file["cells/row"][:3], file["cells/column"][:3]
        values = file["cells/values"][:3]
        # eta -1.21 -> row 25, 0.31 -> row 56, 2.0 -> row 90; phi 3.0 -> 123, 0.51 -> 73, -2 -> 23
        assert rows.tolist() == [25, 56, 90]
        assert columns.tolist() == [123, 73, 23]
        #           pt_all n_part charge mu e emf pt_jet width
        assert values[0] == pytest.approx([40, 1, 0, 0, 0, 1, 40, 0.2])
        assert values[1] == pytest.approx([300, 1, 1, 0, 0, 0, 300, 0.1])
        assert values[2] == pytest.approx([5, 1, -1, 0, 0, 0, 0, 0])
        assert file["compression/cell/row"][:3].tolist() == [0, 1, 2]
        assert file["compression/cell/column"][:3].tolist() == [0, 0, 0]
        assert file["compression/rowcol/column"][:3].tolist() == [2, 1, 0]
        assert file["events/event_number"][:].tolist() == [1, 2, 3]
        assert file["events/met"][:].tolist() == [260, 270, 280]
        assert file["events/pass_SR"][:].all()
        assert file.attrs["channels"][0] == "pt_all"
        assert json.loads(file.attrs["sample_info"])["cross_section"] == 2.0


def test_the_file_does_not_depend_on_blocks_or_workers(
    write_events: WriteEvents, run_of: RunOf, tmp_path: Path
) -> None:
    run = run_of(Znunu=[write_events(f"{n}.root", n_events=n) for n in (53, 1, 20)])
    reference = make(run).read_bytes()
    for workers, block_size in ((1, 7), (2, 10), (2, 53)):
        assert make(with_imaging(run, workers, block_size=block_size)).read_bytes() == reference


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=20),
    size=st.integers(1, 60),
)
def test_ranges_cover_the_file_and_end_with_a_cluster(sizes: list[int], size: int) -> None:
    ends = list(itertools.accumulate(sizes))
    ranges = list(cluster_ranges.ranges(ends, size))
    assert [begin for begin, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
    assert ranges[-1][1] == ends[-1]
    assert all(0 < end - begin <= size for begin, end in ranges)
    starts = dict(zip(ends, [0, *ends[:-1]], strict=True))
    for begin, end in ranges:
        inside = next((start, last) for last, start in starts.items() if start < end <= last)
        assert end in starts or inside[1] - max(inside[0], begin) > size


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_clusters_are_found_and_keys_may_be_of_any_whole_type(
    root: Any, write_events: WriteEvents, run_of: RunOf, tmp_path: Path, file_format: str
) -> None:
    path = write_events(
        n_events=30, file_format=file_format, event_number="(unsigned long)rdfentry_ + 1ul"
    )
    assert reader.inspect(str(path)).cluster_ends == (30,)
    with h5py.File(make(run_of(Znunu=[path]))) as file:
        assert file["events/event_number"][:].tolist() == list(range(1, 31))


def test_the_stored_losses_add_up(write_events: WriteEvents, run_of: RunOf) -> None:
    path = make(with_imaging(run_of(Znunu=[write_events(n_events=4)]), particle_threshold=10.0))
    with h5py.File(path) as file:
        attrs = file.attrs
        assert attrs["losses/particles"] == 12
        assert attrs["losses/particles_below_threshold"] == 4
        assert attrs["losses/pt_below_threshold_kev"] == 20_000_000
        assert attrs["losses/cells"] == len(file["cells/row"])
        entered = file["cells/values"][:, 0].sum()
        total = attrs["losses/pt_particles_kev"]
        lost = attrs["losses/pt_below_threshold_kev"]
        assert entered * 1e6 + lost == pytest.approx(total)
        assert attrs["losses/cells_lost/cell_60"] == 0


def test_a_crop_counts_the_cells_it_loses(write_events: WriteEvents, run_of: RunOf) -> None:
    """70 particles in one row: ten cells are beyond the 60th column."""
    n = 70
    phi = "ROOT::RVecF(ROOT::VecOps::Range(70)) * 0.08f - 3.f"
    path = write_events(
        n_events=2,
        particle_pt=f"ROOT::RVecF({n}, 2.f)",
        particle_eta=f"ROOT::RVecF({n}, 0.01f)",
        particle_phi=phi,
        particle_energy=f"ROOT::RVecF({n}, 2.f)",
        particle_pdg_id=f"ROOT::RVecI({n}, 211)",
        particle_charge=f"ROOT::RVecI({n}, 1)",
        jet_pt="ROOT::RVecF{}",
        jet_eta="ROOT::RVecF{}",
        jet_phi="ROOT::RVecF{}",
        jet_mass="ROOT::RVecF{}",
        jet_width="ROOT::RVecF{}",
        jet_n_tracks="ROOT::RVecI{}",
    )
    with h5py.File(make(run_of(Znunu=[path]))) as file:
        assert file["cells/offsets"][:].tolist() == [0, 70, 140]
        for compression in ("cell", "rowcol", "stochastic"):
            assert file.attrs[f"losses/cells_lost/{compression}_60"] == 20
            assert file.attrs[f"losses/pt_lost_kev/{compression}_60"] == 40_000_000
            assert file.attrs[f"losses/events_cropped/{compression}_60"] == 2


def test_momenta_that_are_not_finite_are_counted_and_reported(
    write_events: WriteEvents, run_of: RunOf, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_events(
        n_events=5,
        particle_pt="ROOT::RVecF{300.f, std::numeric_limits<float>::quiet_NaN(), 5.f}",
        particle_eta="ROOT::RVecF{0.31f, 0.f, std::numeric_limits<float>::infinity()}",
    )
    with caplog.at_level(logging.WARNING, "monojet"):
        result = make(run_of(Znunu=[path]))
    assert "10 particles or jets with NaN or infinite momenta" in caplog.text
    with h5py.File(result) as file:
        assert file.attrs["losses/objects_not_finite"] == 10
        assert np.isfinite(file["cells/values"][:]).all()


def test_select_keeps_only_events_of_the_region(write_events: WriteEvents, run_of: RunOf) -> None:
    path = write_events(n_events=10, met_no_muons="float(rdfentry_ < 4 ? 100 : 300)")
    run = run_of(Znunu=[path])
    with h5py.File(make(run)) as file:
        assert file["events/pass_SR"][:].sum() == 6
    with h5py.File(make(with_imaging(run, region="SR"))) as file:
        assert file["events/pass_SR"][:].tolist() == [True] * 6
        assert file["events/event_number"][:].tolist() == [5, 6, 7, 8, 9, 10]


def test_a_block_is_one_event_loop(
    write_events: WriteEvents, run_of: RunOf, opened_loops: list[Opened]
) -> None:
    make(run_of(Znunu=[write_events()]))
    assert n_runs(opened_loops) == [1]


def test_a_file_cut_short_leaves_nothing_half_written(
    write_events: WriteEvents, run_of: RunOf
) -> None:
    good, bad = write_events("good.root"), write_events("bad.root")
    run = run_of(Znunu=[good, bad])
    bad.write_bytes(bad.read_bytes()[:2000])
    with pytest.raises(BatchError, match=r"bad.root"):
        make(run)
    assert not run.images("Znunu").exists()
    (part,) = run.parts("imaging").iterdir()  # of the good file, for the next run
    with h5py.File(part) as file:
        assert len(file["events/met"]) == 20


def test_the_writer_leaves_nothing_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), ImageWriter(tmp_path / "x.h5"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_is_stored(
    write_events: WriteEvents, run_of: RunOf, tiny_config: Config
) -> None:
    run = run_of(Znunu=[write_events()])
    with h5py.File(make(run)) as file:
        assert Config.model_validate_json(file.attrs["config"]) == run.config
        assert file.attrs["schema"] == 5


# --- With a detector ----------------------------------------------------------------------------

# The same particles in each event: images differ by their draws alone.
SAME = {
    "particle_pt": "ROOT::RVecF{300.f, 40.f, 5.f}",
    "particle_energy": "ROOT::RVecF{320.f, 70.f, 20.f}",
}


def images_by_event(path: Path) -> dict[int, list[Any]]:
    with h5py.File(path) as file:
        offsets, values = file["cells/offsets"][:], file["cells/values"][:]
        numbers = file["events/event_number"][:].tolist()
    parts = np.split(values, offsets[1:-1].astype(int))
    return {number: part.tolist() for number, part in zip(numbers, parts, strict=True)}


def test_without_a_detector_the_file_is_the_same_and_fastjet_is_not_needed(
    write_events: WriteEvents, run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(Znunu=[write_events()])
    before = make(run).read_bytes()
    measured = make(with_imaging(run, detector=Detector())).read_bytes()
    monkeypatch.delattr(imaging, "jet_finder")
    assert make(with_imaging(run, detector=None)).read_bytes() == before != measured


def test_a_detector_changes_the_images_and_not_the_event_quantities(
    write_events: WriteEvents, run_of: RunOf
) -> None:
    run = run_of(Znunu=[write_events()])
    found = []
    for detector in (None, Detector()):
        path = make(with_imaging(run, detector=detector))
        with h5py.File(path) as file:
            events = {name: column[:].tolist() for name, column in file["events"].items()}
            found.append((images_by_event(path), events, file.attrs["detector"]))
    (ideal, ideal_events, none), (measured, events, settings) = found
    assert events == ideal_events
    assert measured != ideal
    assert none == ""
    assert Detector.model_validate_json(settings) == Detector()


def test_an_event_is_measured_alike_wherever_it_stands(
    write_events: WriteEvents, run_of: RunOf
) -> None:
    forwards = write_events("forwards.root", n_events=40, **SAME)
    backwards = write_events(
        "backwards.root", n_events=40, event_number="40ull - (unsigned long long)rdfentry_", **SAME
    )
    (first, second) = (
        images_by_event(make(with_imaging(run_of(Znunu=[path]), detector=Detector(), block_size=n)))
        for path, n in ((forwards, 7), (backwards, 50))
    )
    assert first == second
    assert len({str(image) for image in first.values()}) == 40


_THREADS = """
import hashlib, sys
import numpy as np
from analysis.images import imaging
from analysis.config import load
from analysis.inputs.reader import inspect
from pathlib import Path
config = load(Path(sys.argv[1]), imaging={"detector": {}})
file = inspect(sys.argv[2])
for threads in (1, 3):
    (images,) = imaging.make_images(file, [(0, 3000)], config, threads)
    digest = hashlib.sha256(np.stack(images.channels).tobytes())
    digest.update(images.columns["events/event_number"].tobytes())
    print(len(images), digest.hexdigest())
"""


def test_threads_measure_alike(root: Any, write_events: WriteEvents, tmp_path: Path) -> None:
    path = str(tmp_path / "clusters.root")
    options = root.RDF.RSnapshotOptions()
    options.fOutputFormat = root.RDF.ESnapshotOutputFormat.kTTree
    options.fAutoFlush = 100
    source = write_events(n_events=3000, **SAME)
    root.RDataFrame("events", str(source)).Snapshot("events", path, "", options)
    done = subprocess.run(
        [sys.executable, "-c", _THREADS, str(TINY), path],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    one, three = done.stdout.splitlines()
    assert one == three
    assert one.startswith("3000 ")


def test_images_of_another_detector_are_made_again(
    write_events: WriteEvents, run_of: RunOf
) -> None:
    run = run_of(Znunu=[write_events()])
    coarse = Detector(hadronic=CalorimeterResolution(stochastic=1, constant=0.1))
    detectors = (None, Detector(), coarse)
    recipes = {
        target.code_settings_hash
        for detector in detectors
        for target in imaging_targets(with_imaging(run, detector=detector))
    }
    assert len(recipes) == len(detectors)


@pytest.mark.parametrize("merge", ["copy", "link"])
def test_repeated_events_of_many_files_are_told(
    write_events: WriteEvents,
    run_of: Callable[..., Run],
    caplog: pytest.LogCaptureFixture,
    merge: Any,
) -> None:
    """Those of a few files are found by `validate`, before anything is run."""
    same = [write_events(name, n_events=20) for name in ("one.root", "two.root")]
    others = [write_events("three.root", run_number="8u")]
    run = run_of(Znunu=[*same, *others], Wtaunu=[others[0]])
    config = run.config.model_copy(update={"batch": Batch(open_files=2)})
    run = dataclasses.replace(run, config=config, merge=merge)
    target, _ = make_stage("imaging", run)
    for path in same:  # files may be unreachable where parts are merged
        path.unlink()
    with h5py.File(target.output) as file:
        imaging._warn_of_duplicates(run, target, file)
    said = [text for text in caplog.messages if "are duplicates" in text]
    assert (
        said
        == ["Znunu: 20 of 60 events are duplicates (first: run 7, event 1): list each file once"]
        * 2
    )

"""Skims hold what the input file has, by numbers computed without ROOT."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from pyarrow import parquet

from analysis.by_value import used_columns
from analysis.config import Config
from analysis.formats.columns import columns_in
from analysis.inputs.sample_info import SampleInfo
from analysis.skims import parquet_file, skim, tree_file
from analysis.skims.skim_stage import skim_targets
from analysis.workflow.run import Run
from common.runtime.errors import BatchError, ConfigError, InputError
from cpp_helpers import load_root
from tests.analysis.batch.test_faults import poison
from tests.conftest import WriteEvents, make_stage
from tests.frames import Opened, n_runs

FORMATS = ("rntuple", "ttree", "parquet")
EVENTS = {
    "weight": "0.5 + rdfentry_ % 3",
    "muon_pt": "ROOT::RVecF(rdfentry_ % 3, 20.f + rdfentry_)",
    "muon_eta": "ROOT::RVecF(rdfentry_ % 3, 0.5f)",
    "muon_phi": "ROOT::RVecF(rdfentry_ % 3, 0.25f)",
    "muon_charge": "ROOT::RVecI(rdfentry_ % 3, 1)",
    "met": "float(100. + rdfentry_)",
    "met_phi": "-1.f",
}
SELECTION: dict[str, Any] = {
    "extends": "monojet36",
    "columns": {"doubled": "2 * jet_pt"},
    "define": {
        "mt": "transverse_mass(jet_pt[0], jet_phi[0], met, met_phi)",
        "n": "muon_pt.size()",
        "odd": "n % 2 == 1",
    },
    "weights": ["weight", "1 + 0.25 * n"],
    "regions": {"hard": {"cuts": {"met": "met_no_muons > 300", "jet": "jet_pt[0] < 550"}}},
}
COLUMNS = ("met_no_muons", "jet_pt", "jet_n_tracks", "doubled", "mt", "n", "odd")

RunOf = Callable[..., Run]


@pytest.fixture
def skimming(run_of: RunOf) -> Callable[..., Run]:
    """A run with a skim: ``skimming({"Znunu": [path]}, format="parquet")``."""

    def make(
        files: dict[str, list[Path]],
        task_size: int = 100_000,
        selection: Any = SELECTION,
        sample: Any = None,
        **skim: Any,
    ) -> Run:
        run = run_of(**files)
        data = run.config.model_dump() | {
            "selection": selection,
            "skim": {"region": "hard", "columns": COLUMNS, **skim},
            "batch": {"task_size": task_size},
        }
        data["samples"] = [one | (sample or {}) for one in data["samples"]]
        return Run(Config.model_validate(data), run.output)

    return make


def made(run: Run) -> Path:
    return make_stage("skim", run)[0].output


def content(path: Path) -> Any:
    """All columns of a file, as awkward arrays."""
    if path.suffix == ".parquet":
        return ak.from_arrow(parquet.read_table(path))
    with uproot.open(path) as file:
        return file["events"].arrays()


def text(path: Path, name: str) -> Any:
    """A text of a file, which is JSON."""
    if path.suffix == ".parquet":
        return json.loads(parquet.read_schema(path).metadata[name.encode()])
    with uproot.open(path) as file:
        return json.loads(file[name].member("fTitle"))


def wanted(paths: list[Path]) -> dict[str, Any]:
    """The columns of the skim, from the input files."""
    events = ak.concatenate([content(path) for path in paths])
    events = events[(events.met_no_muons > 300) & (events.jet_pt[:, 0] < 550)]
    n = ak.num(events.muon_pt)
    pt, phi = (ak.to_numpy(x[:, 0]) for x in (events.jet_pt, events.jet_phi))
    weight = ak.to_numpy(events.weight * (1 + 0.25 * n))
    return {
        "run_number": events.run_number,
        "event_number": events.event_number,
        "weight": weight,
        "expected": weight * (36.1e3 * 2 / 100),
        "met_no_muons": events.met_no_muons,
        "jet_pt": events.jet_pt,
        "jet_n_tracks": events.jet_n_tracks,
        "doubled": 2 * events.jet_pt,
        "mt": np.sqrt(2 * pt * events.met * (1 - np.cos(phi - events.met_phi))),
        "n": n,
        "odd": n % 2 == 1,
    }


TYPES = {
    "run_number": "uint32",
    "event_number": "uint64",
    "weight": "float64",
    "expected": "float64",
    "met_no_muons": "float32",
    "jet_pt": "var * float32",
    "jet_n_tracks": "var * int32",
    "doubled": "var * float32",
    "n": "uint64",
    "odd": "bool",
}


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("input_format", ["rntuple", "ttree"])
def test_a_skim_holds_the_numbers_of_its_input(
    file_format: str, input_format: str, write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    paths = [
        write_events(f"{n}.root", n_events=n, file_format=input_format, **EVENTS) for n in (40, 11)
    ]
    run = skimming({"Znunu": paths}, format=file_format)
    path = made(run)
    assert path == run.output / "skims" / f"Znunu{run.config.skim.suffix}"  # type: ignore[union-attr]
    found, numbers = content(path), wanted(paths)
    assert found.fields == list(numbers)
    assert 20 < len(found) < 40
    for name, kind in TYPES.items():
        assert str(found[name].type).split(" * ", 1)[1] == kind, name
    for name, values in numbers.items():
        if name == "mt":
            np.testing.assert_allclose(found.mt, values, rtol=1e-5)
        else:
            assert ak.to_list(found[name]) == ak.to_list(values), name
    assert [target.state() for target in skim_targets(run)] == ["current"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_content_does_not_depend_on_the_size_of_tasks(
    file_format: str,
    write_events: WriteEvents,
    skimming: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet_file, "ROWS", 8)
    paths = [write_events(f"{n}.root", n_events=n, **EVENTS) for n in (40, 11)]
    whole = made(skimming({"Znunu": paths}, format=file_format))
    first, facts, written = content(whole), text(whole, "skim"), whole.read_bytes()
    whole.with_name("Znunu.manifest.json").unlink()
    again = made(skimming({"Znunu": paths}, task_size=7, format=file_format))
    assert ak.array_equal(content(again), first, equal_nan=True)
    assert text(again, "skim") == facts
    if file_format == "parquet":
        assert again.read_bytes() == written
        groups = parquet.ParquetFile(again).metadata
        rows = [groups.row_group(i).num_rows for i in range(groups.num_row_groups)]
        assert rows[:-1] == [8] * (len(first) // 8)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("n_events", [0, 5])  # of which none passes
def test_no_events(
    file_format: str, n_events: int, write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    path = made(
        skimming(
            {"Znunu": [write_events(n_events=n_events, **EVENTS)]},
            format=file_format,
            task_size=2,
        )
    )
    found = content(path)
    assert len(found) == 0
    assert {*found.fields} == {*TYPES, "mt"}
    assert text(path, "sample_info")["n_events"] == n_events
    assert text(path, "skim")["columns"]["jet_pt"] == "ROOT::VecOps::RVec<float>"


def test_the_events_of_one_file_among_files_without(
    write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    paths = [write_events(f"{i}.root", n_events=n, **EVENTS) for i, n in enumerate((0, 30, 0, 3))]
    found = content(made(skimming({"Znunu": paths})))
    assert found.event_number.tolist() == wanted(paths)["event_number"].tolist()


def test_all_events(write_events: WriteEvents, skimming: Callable[..., Run]) -> None:
    path = write_events(n_events=20, **EVENTS)
    found = content(made(skimming({"Znunu": [path]}, region=None, columns=["met"])))
    assert found.fields == ["run_number", "event_number", "weight", "expected", "met"]
    assert found.met.tolist() == content(path).met.tolist()


@pytest.mark.parametrize("file_format", ["rntuple", "parquet"])
def test_the_facts_about_the_sample(
    file_format: str, write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    path = made(skimming({"Znunu": [write_events(n_events=20, **EVENTS)]}, format=file_format))
    info = SampleInfo.from_json(json.dumps(text(path, "sample_info")))
    assert (info.name, info.process, info.n_events) == ("Znunu", "Znunu", 20)
    assert (info.cross_section, info.sum_of_weights, info.shared) == (2.0, 100.0, True)
    facts = text(path, "skim")
    assert facts["region"] == "hard"
    assert facts["weights"][0] == "weight"
    assert facts["normalisation"] == 36.1e3 * 2 / 100
    assert [(one["begin"], one["end"]) for one in facts["files"]] == [(0, 20)]


def test_expected_events_that_are_not_known(
    write_events: WriteEvents, skimming: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    paths = [write_events(n_events=20, **EVENTS)]
    with caplog.at_level(logging.WARNING, "monojet"):
        found = content(made(skimming({"Znunu": paths}, sample={"cross_section": None})))
    assert "expected" not in found.fields
    assert found.weight.tolist() == wanted(paths)["weight"].tolist()
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith(
        "skim of Znunu: column 'expected' is left out: sample 'Znunu' has no cross_section"
    )


def test_data_have_their_own_weight(
    write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    paths = [write_events(n_events=20, **EVENTS)]
    sample = {"data": True, "cross_section": None, "sum_of_weights": None}
    found = content(made(skimming({"measured": paths}, sample=sample)))
    events = content(paths[0])
    assert found.weight.tolist() == events.weight[events.met_no_muons > 300].tolist()
    assert found.expected.tolist() == found.weight.tolist()


def test_a_column_of_the_file_with_the_name_of_a_definition(
    write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    path = write_events(n_events=20, mt="-5.", **EVENTS)
    selection = SELECTION | {"columns": {"of_file": "mt"}}
    found = content(
        made(skimming({"Znunu": [path]}, selection=selection, columns=["mt", "of_file"]))
    )
    assert set(found.of_file.tolist()) == {-5.0}
    np.testing.assert_allclose(found.mt, wanted([path])["mt"], rtol=1e-5)


def test_a_type_that_no_skim_holds(
    write_events: WriteEvents, skimming: Callable[..., Run], opened_loops: list[Opened]
) -> None:
    selection = SELECTION | {"define": {"words": 'std::string("a")'}, "weights": ["weight"]}
    run = skimming(
        {"Znunu": [write_events(**EVENTS)]}, selection=selection, columns=["met", "words"]
    )
    with pytest.raises(
        BatchError, match=r"events\.root: column 'words' of 'skim\.columns' is string, but a"
    ):
        made(run)
    assert set(n_runs(opened_loops)) == {0}


def test_a_column_that_a_file_lacks(
    write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    run = skimming({"Znunu": [write_events()]}, columns=["met"])
    with pytest.raises(InputError, match=r"no column 'met', which skim\.columns needs"):
        made(run)


def test_files_whose_types_differ(write_events: WriteEvents, skimming: Callable[..., Run]) -> None:
    paths = [
        write_events(f"{kind}.root", n_events=20, own=f"{kind}(rdfentry_)", **EVENTS)
        for kind in ("float", "double")
    ]
    selection = SELECTION | {"columns": {"mine": "own"}}
    run = skimming({"Znunu": paths}, selection=selection, columns=["mine"])
    with pytest.raises(
        InputError, match=r"double\.root: column 'mine' is double, but float in .*fl"
    ):
        made(run)
    assert not run.skim("Znunu", ".root").exists()


@pytest.mark.parametrize("number", ["NAN", "INFINITY"])
def test_a_weight_that_is_not_finite(
    number: str, write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    changed = EVENTS | {"weight": f"rdfentry_ == 19 ? double({number}) : 1."}
    run = skimming({"Znunu": [write_events(n_events=20, **changed)]})
    with pytest.raises(BatchError, match=r"events\.root: 'weight' is not finite \(events that pas"):
        made(run)


def test_a_damaged_file_is_named_or_skipped(
    write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    good, bad = (write_events(f"{name}.root", n_events=2000, **EVENTS) for name in ("good", "bad"))
    poison(bad)
    run = skimming({"Znunu": [bad, good]})
    with pytest.raises(BatchError, match=r"bad\.root: the event loop failed: .*corruption"):
        made(run)
    path = made(dataclasses.replace(run, skip_bad_files=True))
    assert content(path).event_number.tolist() == wanted([good])["event_number"].tolist()
    (skipped,) = text(path, "skim")["skipped_files"]
    assert skipped["file"] == str(bad)


def test_a_task_is_one_event_loop(
    write_events: WriteEvents, skimming: Callable[..., Run], opened_loops: list[Opened]
) -> None:
    made(skimming({"Znunu": [write_events(n_events=20, **EVENTS)]}, task_size=10))
    assert n_runs(opened_loops) == [1, 1]


@contextlib.contextmanager
def two_threads() -> Iterator[None]:
    load_root().EnableImplicitMT(2)
    try:
        yield
    finally:
        load_root().DisableImplicitMT()


def test_one_thread_reads_and_merges_where_other_stages_use_several(
    write_events: WriteEvents, skimming: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several would mix the order of events."""
    slots: list[int] = []

    def recorded(*arguments: Any, **named: Any) -> int:
        slots.append(int(load_root().GetThreadPoolSize()))
        return tree_file.write_events(*arguments, **named)

    monkeypatch.setattr(skim, "write_events", recorded)
    paths = [write_events(f"{i}.root", n_events=20, **EVENTS) for i in range(2)]
    with two_threads():
        found = content(made(skimming({"Znunu": paths}, region=None, columns=["met"])))
        assert load_root().IsImplicitMTEnabled()
    assert slots == [0, 0, 0]  # of no pool: two parts, and the output
    assert found.event_number.tolist() == [*range(1, 21)] * 2


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
@pytest.mark.parametrize("n_events", [60, 2])  # of which none passes
def test_a_skim_as_input_gives_the_same_yields(
    file_format: str, n_events: int, write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    """The sums of weights before any cut are those of the whole sample."""
    paths = [write_events(f"{i}.root", n_events=n_events, **EVENTS) for i in range(2)]
    selection = SELECTION | {"use": ["hard"]}
    run = skimming({"Znunu": paths}, selection=selection)
    used = columns_in(used_columns(run.config.selection.resolved, ["hard"]))
    columns = {*used} - {"run_number", "event_number", "weight"}
    without_networks: dict[str, Any] = {"training": {}, "evaluation": {}}
    run = skimming(
        {"Znunu": paths}, selection=selection, format=file_format, columns=sorted(columns)
    )
    run = Run(Config.model_validate(run.config.model_dump() | without_networks), run.output)
    skimmed = made(run)
    (target,) = make_stage("cutflow", run)
    before = json.loads(target.output.read_text())["samples"]["Znunu"]

    data = run.config.model_dump() | {"skim": None}
    data["selection"] = selection | {"weights": ["weight"], "columns": {}}
    data["samples"] = [{"process": "Znunu", "files": [str(skimmed)]}]
    (target,) = make_stage("cutflow", Run(Config.model_validate(data), run.output / "again"))
    after = json.loads(target.output.read_text())["samples"]["Znunu"]
    for key in ("normalisation", "sum_of_weights", "cross_section"):
        assert after[key] == before[key]
    assert after["regions"]["hard"]["bins"] == before["regions"]["hard"]["bins"]
    passing = {one["steps"]["jet"]["entries"] for one in (after["regions"]["hard"],)}
    assert passing == {len(content(skimmed))}
    assert math.isfinite(after["normalisation"])


def test_skims_of_two_regions_are_one_sample(
    write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    """The sum of weights, which each states, counts once."""
    paths = {"Znunu": [write_events(n_events=60, **EVENTS)]}
    cuts = {"low": "met_no_muons < 400", "high": "met_no_muons >= 400"}
    regions = {name: {"cuts": {"met": cut}} for name, cut in cuts.items()}
    skims = []
    for region in cuts:
        run = skimming(paths, selection=SELECTION | {"regions": regions}, region=region)
        skims.append(made(dataclasses.replace(run, output=run.output / region)))
    both = skimming(
        {"Znunu": skims},
        selection={"extends": "monojet36"},
        sample={"cross_section": None, "sum_of_weights": None},
        region=None,
        columns=["jet_pt"],
    )
    found = content(made(both))
    assert len(found) == 60
    events = content(paths["Znunu"][0])
    weights = events.weight * (1 + 0.25 * ak.num(events.muon_pt)) * (36.1e3 * 2 / 100)
    assert float(ak.sum(found.expected)) == pytest.approx(float(ak.sum(weights)))


def test_skims_of_the_halves_of_a_sample_are_not_one(
    write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    """Although they state the same sum of weights, which is that of one of them."""
    skims = []
    for name in "ab":
        run = skimming({"Znunu": [write_events(f"{name}.root", n_events=30, **EVENTS)]})
        skims.append(made(dataclasses.replace(run, output=run.output / name)))
    with pytest.raises(InputError, match=r"Znunu, events .* of dataset .*Znunu, events "):
        made(
            skimming(
                {"Znunu": skims},
                selection={"extends": "monojet36"},
                columns=["jet_pt"],
                region=None,
            )
        )


def test_the_stage_needs_its_section(run_of: RunOf, write_events: WriteEvents) -> None:
    with pytest.raises(ConfigError, match="requires 'skim' in the configuration"):
        skim_targets(run_of(Znunu=[write_events()]))


def test_a_change_of_a_cut_of_the_region_counts(
    write_events: WriteEvents, skimming: Callable[..., Run]
) -> None:
    paths = {"Znunu": [write_events(**EVENTS)]}

    def fingerprint(**changes: Any) -> str:
        (target,) = skim_targets(skimming(paths, selection=SELECTION | changes))
        return target.fingerprint

    before = fingerprint()
    assert fingerprint(regions={"hard": {"cuts": {"met": "met_no_muons > 301"}}}) != before
    assert fingerprint(weights=["weight"]) != before
    more = SELECTION["regions"] | {"soft": {"cuts": {"met": "met_no_muons > 10"}}}
    assert fingerprint(regions=more) == before

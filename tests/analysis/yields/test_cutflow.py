from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis.config import Config, FileSample
from analysis.rdf.yields import ExactYield, Yield
from analysis.workflow.run import Run
from analysis.yields import provenance_notes
from analysis.yields.cutflow_model import (
    BosonPt,
    Cutflow,
    CutflowTable,
    ProcessCutflow,
    SampleCutflow,
)
from analysis.yields.cutflow_part import NETWORK, ExactCutflow, add, rounded
from analysis.yields.cutflow_stage import cutflow_targets
from analysis.yields.cutflow_tables import tables
from common.runtime import files
from common.runtime.errors import BatchError, ConfigError, InputError, NormalisationError
from selections import monojet36
from tests.analysis.cutflow_samples import cutflow_sample
from tests.analysis.plain import PLAIN
from tests.conftest import WriteEvents, make_stage
from tests.frames import Opened, n_runs

RunOf = Callable[..., Run]
NETWORKS = ("pfn+none", "maxpool+rowcol")


def write_scores(run: Run, sample: str, events: list[int], scores: list[float]) -> None:
    path = run.scores(sample)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = 1
        file["run_number"] = np.full(len(events), 7, np.uint32)
        file["event_number"] = np.array(events, np.uint64)
        for network in NETWORKS:
            file[f"score/{network}"] = np.array(scores, np.float32)


@pytest.fixture
def run(write_events: WriteEvents, run_of: RunOf) -> Run:
    """Ten events of weight 2: MET 200, 300, ..., 1100; the last has an electron."""
    electron = "rdfentry_ == 9 ? ROOT::RVecF{{{0}}} : ROOT::RVecF{{}}"
    path = write_events(
        n_events=10,
        weight="2.0",
        met_no_muons="float(200. + 100 * rdfentry_)",
        electron_pt=electron.format("30.f"),
        electron_eta=electron.format("-1.9f"),
        electron_phi=electron.format("1.f"),
        electron_charge="rdfentry_ == 9 ? ROOT::RVecI{1} : ROOT::RVecI{}",
    )
    made = run_of(Znunu=[path], Wtaunu=[write_events("other.root", n_events=1)])
    write_scores(made, "Wtaunu", [1], [0.0])
    cuts = {name: {"signal_efficiency": 0.9, "thresholds": [0.5, 0.5]} for name in NETWORKS}
    files.write_json(made.table("evaluation"), cuts)
    # in another order than the events: scores are joined by key
    write_scores(made, "Znunu", list(range(10, 0, -1)), [i % 2 for i in range(10, 0, -1)])
    return made


def make(run: Run) -> CutflowTable:
    make_stage("cutflow", run)
    return CutflowTable.read(run.table("cutflow"))


def test_each_cut_counts_what_is_left(run: Run) -> None:
    sample = make(run).samples["Znunu"]
    flow = sample.regions["SR"]
    assert {k: y.entries for k, y in flow.steps.items()} == {
        "all events": 10,
        "met": 9,
        "leading_jet": 9,
        "n_jets": 9,
        "delta_phi": 9,
        "electron_veto": 8,
        "muon_veto": 8,
    }
    assert flow.steps["met"] == Yield(9, 18.0, 36.0)
    assert flow.bins["IM1"].entries == 8
    assert flow.bins["IM5"].entries == 5  # MET 600 ... 1000
    assert flow.bins["EM4"].entries == 1  # 500: the upper edge belongs to the bin
    assert flow.bins["EM5"].entries == 1
    assert sum(flow.bins[f"EM{i}"].entries for i in range(1, 11)) == flow.bins["IM1"].entries
    assert sample.normalisation == pytest.approx(36.1 * 1000 * 2.0 / 100.0)
    no_veto = sample.regions["SR_no_veto"]
    assert no_veto.bins["IM1"].entries == 9


def test_scores_are_joined_by_key(run: Run) -> None:
    """Events 3, 5, 7, 9 of the selected 2 ... 9 have score 1."""
    flow = make(run).samples["Znunu"].regions["SR"]
    for network in NETWORKS:
        assert flow.networks[network]["IM1"].entries == 4
        assert flow.networks[network]["IM10"].entries == 0  # event 9 has MET 1000, not above


def test_a_missing_score_is_an_error(run: Run) -> None:
    write_scores(run, "Znunu", list(range(2, 12)), [1.0] * 10)
    with pytest.raises(BatchError, match="no score for run 7, event 1"):
        make(run)
    write_scores(run, "Znunu", list(range(1, 10)), [1.0] * 9)
    with pytest.raises(BatchError, match="no score for run 7, event 10"):
        make(run)


def selecting(run: Run, region: str) -> Run:
    imaging = run.config.imaging.model_copy(update={"region": region})
    return dataclasses.replace(run, config=run.config.model_copy(update={"imaging": imaging}))


def test_events_without_images_need_no_scores(run: Run) -> None:
    write_scores(run, "Znunu", list(range(2, 11)), [1.0] * 9)
    flow = make(selecting(run, "SR_no_veto")).samples["Znunu"].regions["SR_no_veto"]
    assert flow.networks[NETWORKS[0]]["IM1"].entries == 9


def test_a_selection_that_a_region_needs_more_than_is_refused(run: Run) -> None:
    with pytest.raises(ConfigError, match="'region: SR' leaves out events of region SR_no_veto"):
        cutflow_targets(selecting(run, "SR"))


def test_a_double_score_is_an_error(run: Run) -> None:
    write_scores(run, "Znunu", [1, 1, *range(3, 11)], [1.0] * 10)
    with pytest.raises(BatchError, match="two scores for run 7, event 1"):
        make(run)


def test_a_weight_that_is_not_finite_is_an_error(run: Run, write_events: WriteEvents) -> None:
    write_events("other.root", n_events=1, weight="double(NAN)")
    with pytest.raises(BatchError, match=r"other.root: column 'weight': not finite, .*events: 1"):
        make(run)
    assert not run.table("cutflow").exists()


@pytest.mark.parametrize("key", ["cross_section", "sum_of_weights"])
def test_an_unknown_normalisation_stops_before_the_loop(run: Run, key: str) -> None:
    first, *others = run.config.samples
    samples = (first.model_copy(update={key: None}), *others)
    bare = dataclasses.replace(run, config=run.config.model_copy(update={"samples": samples}))
    with pytest.raises(NormalisationError, match=f"'Znunu' has no {key}"):
        make(bare)
    assert not run.table("cutflow").exists()


def test_a_sample_is_one_event_loop(run: Run, opened_loops: list[Opened]) -> None:
    make(run)
    assert n_runs(opened_loops) == [1, 1]


def test_cutflows_scale() -> None:
    y, half = Yield(4, 8.0, 16.0), Yield(4, 4.0, 4.0)
    found = Cutflow({"all events": y}, {"all": y}, {"net": {"all": y}}).scaled(0.5)
    assert found == Cutflow({"all events": half}, {"all": half}, {"net": {"all": half}})
    assert Yield(1, 3.0, 9.0).stat_error == 3.0


def test_exact_cutflows_add_and_are_rounded_once() -> None:
    """1 is lost beside 2^53 + 1, which is no double, but not beside the exact sum."""

    def exact(n: int, *weights: float) -> ExactCutflow:
        y = ExactYield(n, *(sum(map(Fraction, weights), Fraction(0)) for _ in range(2)))
        return {"steps": {"all events": y}, "bins": {"all": y}, f"{NETWORK}net": {"all": y}}

    both = rounded(add(exact(2, 2.0**53, 1.0), exact(1, 1.0)))
    y = Yield(3, 2.0**53 + 2, 2.0**53 + 2)
    assert both == Cutflow({"all events": y}, {"all": y}, {"net": {"all": y}})


def test_the_table_reads_back_what_it_wrote(run: Run) -> None:
    table = make(run)
    before = run.table("cutflow").read_bytes()
    table.write(run.table("cutflow"))
    assert run.table("cutflow").read_bytes() == before


def test_a_damaged_table_names_the_stage_that_makes_it(run: Run) -> None:
    path = run.table("cutflow")
    with pytest.raises(InputError, match=r"cutflow\.json: cannot read: .*--stage cutflow"):
        CutflowTable.read(path)
    path.write_text('{"luminosity": 36.1, "networks": {}}')
    with pytest.raises(
        InputError, match=r"cutflow\.json: cannot read: 'samples': .*--stage cutflow"
    ):
        CutflowTable.read(path)


def test_slices_of_a_process_add(run: Run) -> None:
    table = make(run)
    sample = table.samples["Znunu"]
    table.samples["again"] = sample
    once = sample.regions["SR"].steps["met"]
    twice = table.processes("SR")["Znunu"].steps["met"]
    assert twice.entries == 18
    assert twice.events == pytest.approx(2 * sample.normalisation * once.sumw)


def fold_of(event: int, run_number: int = 7) -> int:
    """The fold of an event, of two, as in docs/formats.md; written anew here."""

    def mix(x: int) -> int:
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    return mix(mix(mix(0x666F6C64) ^ run_number) ^ event) % 2


def test_each_event_is_cut_at_the_threshold_of_its_fold(run: Run) -> None:
    """Scores are 0 and 1: with a threshold beyond 1 in fold 0, only odd events of fold 1 pass."""
    cuts = {n: {"signal_efficiency": 0.9, "thresholds": [1.5, 0.5]} for n in NETWORKS}
    files.write_json(run.table("evaluation"), cuts)
    flow = make(run).samples["Znunu"].regions["SR"]
    expected = sum(fold_of(event) == 1 for event in (3, 5, 7, 9))
    assert 0 < expected < 4
    assert flow.networks[NETWORKS[0]]["IM1"].entries == expected


def one_sample(**changes: Any) -> CutflowTable:
    """A sample of 1000 events of weight 2, of which 250 pass a cut."""
    cutflow = Cutflow(
        {"all events": Yield(1000, 2000.0, 4000.0)}, {"all": Yield(250, 500.0, 1000.0)}
    )
    known: dict[str, Any] = {
        "cross_section": 2.0,
        "cross_section_error": 0.04,
        "sum_of_weights": 2000.0,
        "sum_of_weights_squared": 4000.0,
    }
    sample = cutflow_sample("Znunu", {"SR": cutflow}, 50.0, **known)
    return CutflowTable(36.1, {}, {"Znunu": dataclasses.replace(sample, **changes)})


def test_all_events_have_the_error_of_the_cross_section_alone() -> None:
    found = one_sample().processes("SR")["Znunu"]
    whole, passing = found.steps["all events"], found.bins["all"]
    assert (whole.events, whole.statistical) == (100_000, 0)
    assert whole.error == whole.cross_section == pytest.approx(2000)
    # binomial: 250 of 1000
    assert passing.statistical == pytest.approx(100_000 * (0.25 * 0.75 / 1000) ** 0.5)
    assert passing.cross_section == pytest.approx(500)
    assert passing.error == pytest.approx((passing.statistical**2 + 500**2) ** 0.5)


def test_without_squared_weights_the_error_is_an_upper_limit_and_said_to_be() -> None:
    found = one_sample(sum_of_weights_squared=None).processes("SR")["Znunu"]
    assert found.bins["all"].statistical == pytest.approx(50 * 1000**0.5)
    cut = {name: Yield(1000, 2000.0, 4000.0) for name in ("all events", *monojet_cuts())}
    bins = {b.name: Yield() for b in (*monojet36.INCLUSIVE, *monojet36.EXCLUSIVE)} | {
        "all": Yield(250, 500.0, 1000.0)
    }
    regions = {"SR": Cutflow(cut, bins)}
    table = one_sample(sum_of_weights_squared=None, regions=regions)
    assert "squared weights of Znunu" in tables(table, PLAIN)[0].text()
    assert "squared weights" not in tables(one_sample(regions=regions), PLAIN)[0].text()


def monojet_cuts() -> list[str]:
    return [cut.name for cut in monojet36.SR.cuts]


def test_errors_of_slices_add_in_quadrature() -> None:
    table = one_sample()
    table.samples["high"] = one_sample(cross_section_error=0.02).samples["Znunu"]
    whole = table.processes("SR")["Znunu"].steps["all events"]
    assert whole.cross_section == pytest.approx((2000**2 + 1000**2) ** 0.5)


def test_tables_name_every_cut(run: Run, tmp_path: Path) -> None:
    text = tables(make(run), PLAIN)[0].markdown()
    for fragment in ("250", "at most four jets", "no muon", "pfn+none"):
        assert fragment in text
    assert (run.output / "tables" / "cutflow.tex").exists()


def test_without_networks_neither_images_nor_scores_are_needed(
    write_events: WriteEvents, run_of: RunOf
) -> None:
    path = write_events(n_events=10, weight="2.0", met_no_muons="float(200. + 100 * rdfentry_)")
    made = run_of(mine=[path])
    config = made.config.model_dump() | {"training": {}}
    made = dataclasses.replace(made, config=Config.model_validate(config))
    (sample,) = make(made).samples.values()
    assert sample.regions["SR"].steps["all events"].entries == 10
    assert sample.regions["SR"].steps["met"].entries == 9
    text = made.table("cutflow_mine").with_suffix(".txt").read_text()
    assert "Cut-flow of mine" in text
    assert "network" not in text
    assert "Cross-sections of events from files are those of the files" in text
    assert "generated here" not in text


@pytest.mark.parametrize(
    ("slices", "name"),
    [
        ([(280, 500), (500, 1000), (1000, None)], "> 280 GeV"),
        ([(1000, None), (280, 500)], "280–500 and > 1000 GeV"),
        ([(100, 200), (200, 280)], "100–280 GeV"),
        ([(100, None), (200, 280)], "> 100 GeV"),
        ([(1000, None), (1000, None), (280, 500)], "280–500 and > 1000 GeV"),
        ([(280, 500), None], None),
        ([], None),
    ],
)
def test_all_events_of_slices_say_where_they_begin(
    slices: list[BosonPt | None], name: str | None
) -> None:
    found = provenance_notes.all_events(slices)
    expected = r"all events, boson $p_\mathrm{T}$ " + name if name else "all events"
    assert found == expected


@pytest.mark.parametrize(
    ("slices", "lacking"),
    [
        ([(280, 500), (500, None)], ""),
        ([(280, 500), (1000, None)], "500–1000"),
        ([(100, 200), (280, 500), (1000, 2000)], "200–280 or 500–1000 or above 2000"),
        ([None, (280, 500)], ""),
    ],
)
def test_slices_that_are_missing_are_named(slices: list[BosonPt | None], lacking: str) -> None:
    found = provenance_notes.gaps("Znunu", slices)
    said = f"Znunu: no event of boson pT {lacking} GeV was generated"
    assert [one.startswith(said) for one in found] == [True] * bool(lacking)


def test_an_empty_edge_says_what_one_event_would_be() -> None:
    """One event of 100 in all is 1 % of the region; of a sample of 1, more than all of it."""
    for n, said in ((100, "0 (one event: 0.02)"), (1, "0 (one event: all)")):
        whole, near = (
            ProcessCutflow((SampleCutflow("Znunu", Cutflow(steps, bins), 1.0, None, None, 0.0),))
            for steps, bins in (
                ({}, {"IM1": Yield(50, 10.0, 2.0)}),
                ({"all events": Yield(n, 20.0, 4.0)}, {"IM1": Yield()}),
            )
        )
        assert provenance_notes.edge_share(near, whole, "IM1") == said


def test_notes_are_of_the_samples_at_hand(tiny_config: Config) -> None:
    first = tiny_config.samples[0]
    assert provenance_notes.origin(first) == "generated"
    assert provenance_notes.boson_pt(tiny_config, first) == (1000, None)
    user = FileSample.model_validate({"process": "mine", "files": "a.root"})
    assert provenance_notes.origin(user) == "files"
    assert provenance_notes.boson_pt(tiny_config, user) is None
    assert provenance_notes.origin(user.model_copy(update={"data": True})) == "measured"
    generated, files_, data = (
        cutflow_sample("mine", {}, origin=origin) for origin in ("generated", "files", "measured")
    )
    assert len(provenance_notes.notes([generated, generated, files_])) == 3  # and of errors
    (note,) = provenance_notes.notes([data])
    assert note.startswith("Data are counted, not normalised")
    assert "simulation" not in note


def test_a_cross_section_that_changes_makes_the_cutflow_again(tmp_path: Path) -> None:
    """Without networks, too, where no images stand between."""

    def fingerprint(cross_section: float) -> str:
        sample = {"process": "mine", "files": str(tmp_path / "a.root")}
        sample |= {"cross_section": cross_section}  # type: ignore[dict-item]
        config = Config.model_validate({"name": "own", "samples": [sample]})
        (target,) = cutflow_targets(Run(config, tmp_path))
        return target.fingerprint

    assert fingerprint(1.0) != fingerprint(2.0)


def test_regions_say_which_share_lies_at_the_edge_of_what_is_generated(
    write_events: WriteEvents, tiny_config: Config, tmp_path: Path
) -> None:
    """Of slices from 280 GeV on: below 308 GeV."""
    samples = [s for s in tiny_config.samples if s.name in ("Znunu_low", "Znunu_high")]
    config = tiny_config.model_dump() | {
        "samples": [s.model_dump() for s in samples],
        "training": {},
    }
    run = Run(Config.model_validate(config), tmp_path / "run")
    events = {"low": "float(260 + 20 * rdfentry_)", "high": "1000.f"}
    (run.output / "samples").mkdir(parents=True)
    for slice_, boson_pt in events.items():
        met = "float(260 + 40 * rdfentry_)"
        made = write_events(n_events=10, met_no_muons=met, boson_pt=boson_pt)
        made.rename(run.sample(f"Znunu_{slice_}"))
    given = {"cross_section": 1.0, "sum_of_weights": 10.0}
    data = make(
        dataclasses.replace(
            run,
            config=run.config.model_copy(
                update={"samples": tuple(s.model_copy(update=given) for s in run.config.samples)}
            ),
        )
    )
    found = {table.name: table for table in tables(data, run.config)}
    bins = found["cutflow_regions"]
    rows = {row[0]: row for row in bins.rows}
    assert bins.columns == ["bin", "Znunu", "Znunu, at the edge"]
    assert rows["IM1"][2].startswith("0.15")  # 260, 280 and 300 GeV, of 20 events
    assert rows["IM10"][2] == "-"
    assert found["cutflow"].rows[0][0].endswith("280–500 and > 1000 GeV")
    gap = "Znunu: no event of boson pT 500–1000 GeV was generated"
    assert all(gap in found[name].markdown() for name in ("cutflow", "cutflow_regions"))
    assert gap in provenance_notes.completeness(data)
    assert "Znunu 0.15" in provenance_notes.completeness(data)
    assert "complete if the share is small" in bins.markdown()


def test_only_samples_of_slices_and_with_a_boson_have_an_edge(tiny_config: Config) -> None:
    first = tiny_config.samples[0]
    assert provenance_notes.edge(tiny_config, first) == pytest.approx(1.1 * 280)
    user = FileSample.model_validate({"process": "Znunu", "files": "a.root"})
    assert provenance_notes.edge(tiny_config, user) is None
    multijet = first.model_copy(update={"process": "multijet"})
    assert provenance_notes.edge(tiny_config, multijet) is None

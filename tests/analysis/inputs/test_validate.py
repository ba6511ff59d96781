"""The check of all inputs before anything is run."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.inputs import validate
from analysis.inputs.validate_stage import validate_targets
from analysis.workflow.run import Run
from common.runtime.errors import InputError
from tests.analysis.formats.test_nanoaod import write_nano
from tests.conftest import WriteEvents

RunOf = Callable[..., Run]


def report(run: Run) -> list[dict[str, Any]]:
    done: list[Any] = []
    targets = validate_targets(run)
    validate.run(run, targets, done.append)
    assert done == ([] if run.skip_bad_files else targets)
    found: list[dict[str, Any]] = json.loads(run.table("validation").read_text())
    return found


def problems(run: Run) -> list[str]:
    with pytest.raises(InputError) as error:
        validate.run(run, validate_targets(run), lambda _: None)
    return str(error.value).splitlines()


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_good_files_are_listed(write_events: WriteEvents, run_of: RunOf, file_format: str) -> None:
    one = write_events("one.root", file_format=file_format)
    two = write_events("two.root", file_format=file_format, run_number="8u")
    assert report(run_of(Znunu=[one, two])) == [
        {"sample": "Znunu", "file": str(path), "format": "native", "events": "20", "state": "good"}
        for path in (one, two)
    ]


def test_all_problems_are_named_at_once(
    write_events: WriteEvents, run_of: RunOf, tmp_path: Path
) -> None:
    """Everything that is wrong with any file of any sample, and the good ones beside."""
    good = write_events("good.root")
    (tmp_path / "empty.root").touch()
    (tmp_path / "text.root").write_text("not a ROOT file")
    cut = write_events("cut.root", n_events=2000, run_number="3u")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    weights = write_events("weights.root", run_number="4u", weight="rdfentry_ < 3 ? 0. / 0. : 1.")
    in_mev = write_events(
        "in_mev.root", run_number="5u", met_no_muons="2.6e5f", jet_pt="ROOT::RVecF{3e5f}"
    )
    in_tev = write_events("in_tev.root", run_number="6u", jet_pt="ROOT::RVecF{0.3f}")
    names = ("empty.root", "text.root")
    bad = [*(tmp_path / name for name in names), cut, weights, in_mev, in_tev]
    run = run_of(Znunu=[good, *bad[:4]], Wtaunu=bad[4:])
    found = problems(run)
    expected = [
        r"empty.root: empty: it has 0 bytes",
        r"text.root: not a ROOT file",
        r"cut.root: .*(truncated|cannot read)",
        r"weights.root: 3 weights are not finite",
        r"in_mev.root: 'met_no_muons' is up to 2.6e\+05 GeV: is it in MeV",
        r"in_mev.root: 'jet_pt' is up to 3e\+05 GeV: is it in MeV",
        r"in_tev.root: 'jet_pt' is at most 0.3 GeV: is it in TeV",
    ]
    assert len(found) == len(expected), found
    for text in expected:
        assert any(re.search(text, line) for line in found), text


def test_events_that_are_there_twice_are_found(write_events: WriteEvents, run_of: RunOf) -> None:
    one = write_events("one.root", n_events=20)
    other = write_events("two.root", n_events=5, run_number="8u")
    third = write_events("three.root", n_events=30, event_number="18ull + rdfentry_")
    within = write_events("within.root", run_number="9u", event_number="1ull + rdfentry_ / 2")
    assert problems(run_of(Znunu=[one, other, third, within])) == [
        f"{third}: 3 of its events duplicate events in {one} (first: run 7, event 18): give each "
        "event once",
        f"{within}: 10 of its events duplicate events in the same file (first: run 9, event 1): "
        "give each event once",
    ]
    # samples may have events of the same number
    assert len(report(run_of(Znunu=[one], Wtaunu=[third]))) == 2


def test_bad_files_may_be_left_out(
    write_events: WriteEvents, run_of: RunOf, tmp_path: Path
) -> None:
    (tmp_path / "text.root").write_text("not a ROOT file")
    run = replace(run_of(Znunu=[write_events(), tmp_path / "text.root"]), skip_bad_files=True)
    assert [one["state"] for one in report(run)] == ["good", "bad"]


def test_weights_that_are_all_zero_are_those_of_measured_events(
    write_events: WriteEvents, run_of: RunOf
) -> None:
    (found,) = problems(run_of(Znunu=[write_events(weight="0.")]))
    assert "all weights are 0: mark collision data with --data" in found


def test_a_missing_file_hides_no_other_problem(
    write_events: WriteEvents, run_of: RunOf, tmp_path: Path
) -> None:
    (tmp_path / "empty.root").touch()
    names = [write_events(), tmp_path / "absent.root", tmp_path / "empty.root"]
    absent, empty = problems(run_of(Znunu=names))
    assert absent == f"{tmp_path}/absent.root: no such file"
    assert empty.startswith(f"{tmp_path}/empty.root: empty")


@pytest.mark.slow
def test_a_file_that_crashes_root_is_a_problem_like_others(
    write_events: WriteEvents, run_of: RunOf, tmp_path: Path
) -> None:
    """What uproot says of a tree is not compressed: it can be damaged so that ROOT dies of it."""
    intact = write_nano(tmp_path / "nano.root").read_bytes()
    bad = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        content = np.frombuffer(intact, np.uint8).copy()
        where = rng.integers(0, len(content), 100)
        content[where] ^= rng.integers(1, 256, len(where)).astype(np.uint8)
        bad.append(tmp_path / f"damaged_{seed}.root")
        bad[-1].write_bytes(content.tobytes())
    (tmp_path / "empty.root").touch()
    found = problems(run_of(Znunu=[write_events(), *bad, tmp_path / "empty.root"]))
    assert [line.split(": ")[0] for line in found] == [*map(str, bad), f"{tmp_path}/empty.root"]
    assert any("the process that worked on it died" in line for line in found)


def test_what_the_user_is_told_of_a_good_file(
    write_events: WriteEvents,
    run_of: RunOf,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A particle that no list knows, unless the configuration does; muons of no identification."""
    codes = "ROOT::RVecI{211, 9000042, 9000042}"
    path = str(write_events(n_events=2, particle_pdg_id=codes))
    nano = str(write_nano(tmp_path / "n.root", drop=("Muon_looseId", "Muon_isPFcand")))
    run = run_of(mine=[path], nano=[nano])
    listed = run.config.model_copy(update={"invisible": (9000042,)})
    mine, cms = run.config.samples
    with caplog.at_level(logging.WARNING, "monojet"):
        assert not validate._check_file(replace(run, config=listed), mine, path).problems
        assert "unknown" not in caplog.text
        assert not validate._check_file(run, mine, path).problems
        assert f"{path}: its first events have 4 stable particles of unknown" in caplog.text
        assert not validate._check_file(run, cms, nano).problems
        assert f"{nano}: no Muon_looseId" in caplog.text

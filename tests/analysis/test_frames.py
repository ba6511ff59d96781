"""Samples as data frames give the numbers of the stages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.config import Config
from analysis.frames import frames
from analysis.workflow.run import Run
from common.runtime.errors import ConfigError, InputError
from common.schema.matrices import MatrixFile
from tests.analysis.three_lepton_events import E1, E2, E3, M1, Event, columns_of, runs_in
from tests.conftest import WriteEvents, make_stage

COLUMNS = columns_of([Event((E1, E2, M1)), Event((E1, E2, E3)), Event((E1, E2))] * 20)


def test_three_leptons(write_events: WriteEvents, tmp_path: Path, tiny_config: Config) -> None:
    path = write_events(n_events=60, weight="1. + rdfentry_ % 2", **COLUMNS)
    run = runs_in(tmp_path, tiny_config)(
        anomaly={"rmm": {"fakes": {"electron": 1e-3, "muon": 1e-3}}}, WZ=path, WR_N=path
    )
    make_stage("rmm", run)
    found = frames(run, "three_lepton")
    assert list(found) == ["WZ", "WR_N"]
    for name, df in found.items():
        with MatrixFile(run.matrices(name)) as file:
            flow = json.loads(file.attribute("cutflow"))
        assert df.Sum("expected").GetValue() == pytest.approx(flow["hard"]["sumw"])
        assert df.Count().GetValue() == flow["hard"]["entries"]
    electrons = frames(run, "eee")["WZ"].Take["int"]("n_muons").GetValue()
    assert set(electrons) == {0}


def test_all_events_of_all_files(
    write_events: WriteEvents, run_of: Callable[..., Run], tmp_path: Path
) -> None:
    paths = [write_events(f"{n}.root", n_events=n, weight="2.") for n in (10, 30)]
    df = frames(run_of(Znunu=paths))["Znunu"]
    assert df.Count().GetValue() == 40
    assert df.Sum("expected").GetValue() == pytest.approx(80 * 36.1e3 * 2 / 100)
    assert sorted(df.Take["float"]("met_no_muons").GetValue()) == sorted(
        260 + 10 * i for n in (10, 30) for i in range(n)
    )


def test_a_region_of_the_monojet_selection(
    write_events: WriteEvents, run_of: Callable[..., Run]
) -> None:
    run = run_of(Znunu=[write_events(n_events=30)])
    passing = frames(run, "SR")["Znunu"].Count().GetValue()
    assert 0 < passing <= 30


def test_what_cannot_be(write_events: WriteEvents, run_of: Callable[..., Run]) -> None:
    run = run_of(Znunu=[write_events("a.root"), write_events("b.root", boson_pt=None)])
    with pytest.raises(InputError, match=r"b\.root: of another format than .*a\.root"):
        frames(run)
    run = run_of(Znunu=[write_events("c.root")])
    with pytest.raises(ConfigError, match="no region 'SP'.*SR"):
        frames(run, "SP")
    with pytest.raises(ConfigError, match="requires 'anomaly'"):
        frames(run, "three_lepton")
    with pytest.raises(InputError, match="particle_pt|jet_n_tracks"):
        frames(run_of(Znunu=[write_events("d.root", jet_n_tracks=None)]), "SR")

"""Convert HepMC files to the columns of generated events, and refuse damaged files."""

from __future__ import annotations

import gzip
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyhepmc
import pytest

from analysis.cli.configure import configuration
from analysis.cli.options import parser
from analysis.config import Config
from analysis.images.imaging_stage import image_target
from analysis.inputs import hepmc, reader
from analysis.inputs.cluster_ranges import input_ranges
from analysis.inputs.sample_info import run_number_of
from analysis.inputs.validate import run as validate
from analysis.inputs.validate_stage import validate_targets
from analysis.processes import PROCESSES
from analysis.simulation import event_file, generate
from analysis.simulation.convert_stage import convert_targets
from analysis.workflow.run import Run
from common.runtime.errors import ConfigError, InputError
from tests.analysis.hepmc_events import MUON, NEUTRINO, PION, event, write
from tests.analysis.simulation.converted import (
    TTBAR,
    WMUNU,
    Convert,
    contents,
    generated_and_converted,
    info,
    refused,
    require_same,
)
from tests.conftest import make_stage, shared_file


@pytest.fixture
def convert(tiny_config: Config, tmp_path: Path) -> Convert:
    """Convert files to a sample of a process, "mine" unless said otherwise."""

    def convert(*paths: Path | str, workers: int = 1, skip: bool = False, **sample: Any) -> Run:
        data = tiny_config.model_dump()
        files = [str(path) for path in paths]
        data["samples"] = [{"process": "mine", "files": files} | sample]
        data["training"]["networks"] = []
        data["anomaly"] = {}
        data["batch"]["start_up"] = 0
        run = Run(Config.model_validate(data), tmp_path / "run", workers, skip_bad_files=skip)
        make_stage("convert", run)
        return run

    return convert


@pytest.mark.slow
def test_columns_are_those_of_the_generated_events(convert: Convert, tmp_path: Path) -> None:
    wanted, got, said = generated_and_converted(TTBAR, 2, convert, tmp_path / "a.hepmc.gz")
    require_same(wanted, got, "boson_pt")  # of two top quarks that of the last in the record
    assert ak.all(got["boson_pt"] > 0)
    assert ak.sum(ak.num(got["tau_pt"])) > 2
    assert ak.sum(got["jet_b_tag"]) > 30
    assert said.sum_of_weights == TTBAR.n_events
    assert said.cross_section == pytest.approx(55, rel=0.3)


@pytest.mark.slow
def test_so_are_those_of_a_boson_and_muons(convert: Convert, tmp_path: Path) -> None:
    wanted, got, _ = generated_and_converted(WMUNU, 3, convert, tmp_path / "a.hepmc")
    require_same(wanted, got)
    assert ak.sum(ak.num(got["muon_pt"])) > 5


def test_impact_parameters_are_from_where_the_beams_met(convert: Convert, tmp_path: Path) -> None:
    """A muon along x, from 1 mm beside it; the collision lies elsewhere in ATLAS's files."""
    x, y, z = 0.3, -0.2, 40.0
    made = event(1, ())
    collision, decay = pyhepmc.GenVertex((x, y, z, 0)), pyhepmc.GenVertex((x, y + 1, z + 2, 0))
    for pz in (6500.0, -6500.0):
        collision.add_particle_in(pyhepmc.GenParticle((0, 0, pz, 6500.0), 2212, 4))
    tau = pyhepmc.GenParticle((50, 0, 0, 50.0), 15, 2)
    collision.add_particle_out(tau)
    decay.add_particle_in(tau)
    decay.add_particle_out(pyhepmc.GenParticle((50, 0, 0, 50.0), 13, 1))
    for vertex in (collision, decay):
        made.add_vertex(vertex)
    path = write(tmp_path / "a.hepmc", [made])
    ((_, particles, _),) = list(hepmc.EventReader(str(path), 0, 0, {13: -1}))
    assert abs(particles.d0) == pytest.approx([1.0])
    assert particles.z0_sin_theta == pytest.approx([2.0])


def test_units_of_the_file_become_gev(convert: Convert, tmp_path: Path) -> None:
    units = (pyhepmc.Units.MEV, pyhepmc.Units.CM)
    run = convert(write(tmp_path / "a.hepmc2", [event(1, units=units)], version=2))
    assert b"U MEV CM" in (tmp_path / "a.hepmc2").read_bytes()
    found = contents(run.sample("mine"))
    assert ak.to_list(found["particle_pdg_id"]) == [[13, 211, -14]]
    assert ak.to_list(found["particle_charge"]) == [[-1, 1, 0]]
    assert found["particle_pt"][0, 0] == pytest.approx(np.hypot(*MUON[:2]))
    assert found["met"][0] == pytest.approx(np.hypot(*NEUTRINO[:2]))
    assert found["met_no_muons"][0] == pytest.approx(np.hypot(*PION[:2]), rel=1e-6)
    assert found["run_number"][0] == run_number_of("mine")
    assert np.isnan(found["boson_pt"][0])


@pytest.mark.slow
def test_files_of_both_versions_make_one_sample(convert: Convert, tmp_path: Path) -> None:
    a = write(tmp_path / "a.hepmc", [event(i, cross_section=2.0 * i) for i in (1, 2)])
    b = write(
        tmp_path / "b.hepmc2.gz", [event(i, weights=(0.5,), cross_section=7.0) for i in (1, 5)], 2
    )
    run = convert(a, b, workers=2)
    found = contents(run.sample("mine"))
    shift = 1 << hepmc.FILE_SHIFT
    assert ak.to_list(found["event_number"]) == [1, 2, shift + 1, shift + 5]
    assert ak.to_list(found["weight"]) == [1, 1, 0.5, 0.5]
    said = info(run)
    assert (said.n_events, said.sum_of_weights, said.sum_of_weights_squared) == (4, 3.0, 2.5)
    assert said.cross_section == pytest.approx(5.5)  # of 4, the last of its file, and of 7


def test_files_of_different_cross_sections_are_no_sample(convert: Convert, tmp_path: Path) -> None:
    """Their mean would be of neither; where the configuration gives one, it is the user's word."""
    a, b = (
        write(tmp_path / f"{i}.hepmc", [event(1, cross_section=section)])
        for i, section in enumerate((12.5, 1250.0))
    )
    message = r"0.hepmc is 12.5 pb, that of .*1.hepmc 1250 pb: .*'dataset'"
    with pytest.raises(InputError, match=message):
        convert(a, b)
    convert(a, b, cross_section=12.5)


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_blocks_are_joined_in_order(
    file_format: str, convert: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hepmc, "BATCH", 1)
    monkeypatch.setattr(event_file, "OPEN_BLOCKS", 3)  # 7 blocks, then 3
    path = write(tmp_path / "a.hepmc", [event(i, weights=(i,)) for i in range(1, 8)])
    found = contents(convert(path).sample("mine"))
    assert ak.to_list(found["event_number"]) == [*range(1, 8)]
    assert ak.to_list(found["weight"]) == [*range(1, 8)]
    assert ak.all(ak.num(found["particle_pt"]) == 3)


def test_numbers_that_do_not_rise_are_made_to(
    convert: Convert, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.hepmc", [event(i) for i in (3, 4, 0, 0, 9)])
    with caplog.at_level(logging.WARNING, "monojet"):
        found = contents(convert(path).sample("mine"))
    assert ak.to_list(found["event_number"]) == [3, 4, 5, 6, 9]
    assert "renumbered 2 events" in caplog.text


def test_later_stages_read_the_converted_file(convert: Convert, tmp_path: Path) -> None:
    path = write(tmp_path / "a.hepmc", [event(i) for i in (1, 2)])
    run = convert(path)
    (sample,) = run.config.samples
    needs = reader.Needs(frozenset({"met_no_muons", "particle_pt"}), "the test")
    (found,) = input_ranges(run, "mine", needs)
    assert (found.file, found.begin, found.end) == ("samples/mine.root", 0, 2)
    (converted,) = convert_targets(run)
    assert converted.state() == "current"
    images = image_target(run, sample)
    before = images.fingerprint
    assert images.upstream == (converted,)
    assert images.input_files == ()
    write(path, [event(i) for i in (1, 2, 3)])
    assert convert_targets(run)[0].state() == "stale"
    assert image_target(run, sample).fingerprint != before


def test_input_of_the_command_line_is_converted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hepmc.gz", [event(1)])
    options = parser().parse_args(["--input", str(path), "--process", "mine"])
    (sample,) = configuration(options).samples
    assert sample.converted
    options = parser().parse_args(["--input", "a.dat", "--process", "mine", "--format", "hepmc"])
    assert configuration(options).samples[0].converted
    for wrong in (["--format", "mini"], ["--input", "b.root"]):
        with pytest.raises(ConfigError, match="HepMC"):
            configuration(parser().parse_args(["--input", str(path), "--process", "mine", *wrong]))


def test_a_weight_is_chosen_by_index_or_name(convert: Convert, tmp_path: Path) -> None:
    names, weights = ("nominal", "muR = 2"), (1.0, 3.0)
    path = write(tmp_path / "a.hepmc", [event(i, weights=weights, names=names) for i in (1, 2)])
    for weight, total in ((0, 2), (1, 6), ("nominal", 2), ("muR = 2", 6)):
        assert info(convert(path, hepmc_weight=weight)).sum_of_weights == total, weight
    for weight in (2, "muR = 3"):
        (tmp_path / "run/samples/mine.root").unlink()
        (tmp_path / "run/samples/mine.manifest.json").unlink()
        message = refused(convert, path, hepmc_weight=weight)
        assert f"event 1: no weight '{weight}' among 2" in message
        convert(path)


@pytest.mark.parametrize("weight", [0, 1, "nominal", "muR = 2"])
def test_both_versions_state_one_cross_section_for_all_weights(
    convert: Convert, tmp_path: Path, weight: int | str
) -> None:
    found = []
    for version in (2, 3):
        made = [
            event(i, weights=(1.0, 3.0), names=("nominal", "muR = 2"), cross_section=section)
            for i, section in ((1, 10.0), (2, 12.5))
        ]
        path = write(tmp_path / f"a.hepmc{version}", made, version)
        found.append(info(convert(path, hepmc_weight=weight)))
    for one in found:
        assert one.sum_of_weights == (2 if weight in (0, "nominal") else 6)
        assert (one.cross_section, one.cross_section_error) == (12.5, 1.25)  # of the last event


@pytest.mark.parametrize(
    ("weights", "warning"),
    [
        ([(0.0,), (0.0,)], "add up to 0"),
        ([(1.0,), (-1.0,)], "add up to 0"),
        ([(1e-9, 2.0), (1e-9, 2.0)], "are ~ 0 compared with those of index 1"),
        ([(1.0, 2.0), (-0.5, 2.0)], ""),
    ],
)
def test_weights_of_nothing_are_warned_of(
    weights: list[tuple[float, ...]], warning: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("a", "b")[: len(weights[0])]
    made = [event(i, weights=w, names=names) for i, w in enumerate(weights)]
    path = write(tmp_path / "a.hepmc", made)
    with caplog.at_level(logging.WARNING, "monojet"):
        read = hepmc.EventReader(str(path), 0, 0, {13: -1, 211: 1, -14: 0})
        assert len(list(read)) == 1
    assert (warning in caplog.text) if warning else not caplog.text


def test_an_event_without_particles_does_not_end_the_file(convert: Convert, tmp_path: Path) -> None:
    path = write(tmp_path / "a.hepmc", [event(1), event(2, ()), event(3)])
    run = convert(path)
    found = contents(run.sample("mine"))
    assert ak.to_list(ak.num(found["particle_pt"])) == [3, 0, 3]
    assert found["met_no_muons"][1] == 0
    assert info(run).sum_of_weights == 3
    only = write(tmp_path / "b.hepmc", [event(1, ())])
    assert info(convert(only)).n_events == 1


def test_particles_that_are_not_finite_are_left_out(
    convert: Convert, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = (float("nan"), 1.0, 1.0, 211)
    path = write(tmp_path / "a.hepmc", [event(1, (MUON, wrong, NEUTRINO))])
    with caplog.at_level(logging.WARNING, "monojet"):
        found = contents(convert(path).sample("mine"))
    assert ak.to_list(found["particle_pdg_id"]) == [[13, -14]]
    assert "left out 1 particles that are not finite" in caplog.text


def test_particles_that_no_list_knows_are_warned_of(
    convert: Convert, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recoil = (200.0, -100.0, -50.0, 9000042)
    path = write(tmp_path / "a.hepmc", [event(1, [PION, recoil]), event(2)])
    with caplog.at_level(logging.WARNING, "monojet"):
        run = convert(path)
    assert f"{path}: 1 stable particles of unknown PDG codes, 9000042 (1), are" in caplog.text
    assert contents(run.sample("mine"))["met_no_muons"][0] == pytest.approx(0, abs=1e-3)
    caplog.clear()
    told = replace(run, config=run.config.model_copy(update={"invisible": (9000042,)}))
    make_stage("convert", told)
    assert "unknown" not in caplog.text
    assert contents(told.sample("mine"))["met_no_muons"][0] == pytest.approx(np.hypot(200, 100))


def _damages() -> Iterator[tuple[str, Callable[[bytes], bytes], str]]:
    def lines(text: bytes) -> list[bytes]:
        return text.splitlines(keepends=True)

    def last(text: bytes) -> int:
        return text.rindex(b"\nP ")

    yield "empty", lambda text: b"", "empty"
    yield "no events", lambda text: b"".join((*lines(text)[:2], lines(text)[-2])), "without events"
    yield "header alone", lambda text: b"".join(lines(text)[:2]), "without events"
    yield "no header", lambda text: text[text.index(b"E 1") :], "no header"
    yield "garbage", lambda text: bytes(range(256)) * 100, "no header"
    yield "of another format", lambda text: b"<LesHouchesEvents version='3.0'>\n", "no header"
    yield "cut in an event", lambda text: text[: last(text) + 1], "has the number 2)"
    yield "cut in a line", lambda text: text[: last(text) + 15], "has the number 2)"
    yield "cut in a number", lambda text: text[: text.rindex(b"\nHepMC")][:-1], "has the number 2)"
    yield (
        "garbage within",
        lambda text: text[: last(text)] + b"\n\x00\xff\n" + text[last(text) + 1 :],
        "garbage in the event",
    )
    yield (
        "a line is missing",
        lambda text: text.replace(lines(text[text.index(b"\nP ") + 1 :])[0], b"", 1),
        "is incomplete",
    )
    yield "cut .gz", lambda text: gzip.compress(text)[:-20], "truncated"
    yield "damaged .gz", lambda text: gzip.compress(text)[:40] + b"xxxx" * 40, "damaged"
    yield "more particles than there are", _announcing_more, "is incomplete"
    yield "weight of NaN", lambda text: text, "event"


def _announcing_more(text: bytes) -> bytes:
    """Of the vertices of version 2, or of the event of version 3."""
    one_more = re.sub(rb"^(V (?:\S+ ){7})3 ", rb"\g<1>2000000000 ", text, flags=re.MULTILINE)
    return re.sub(rb"^(E \S+ 1) 5$", rb"\1 2000000000", one_more, flags=re.MULTILINE)


def test_a_particle_before_any_vertex_is_refused(tmp_path: Path) -> None:
    """pyhepmc would end the process."""
    path = write(tmp_path / "a.hepmc", [event(1)], version=2)
    lines = path.read_bytes().splitlines(keepends=True)
    units = next(i for i, line in enumerate(lines) if line.startswith(b"U "))
    particle = next(i for i, line in enumerate(lines) if line.startswith(b"P "))
    lines[units], lines[particle] = lines[particle], lines[units]
    path.write_bytes(b"".join(lines))
    with pytest.raises(InputError, match="is incomplete"):
        list(hepmc.events(str(path)))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("case", "damage", "message"), list(_damages()), ids=lambda x: str(x)[:18])
def test_damaged_files_are_refused(
    version: int,
    case: str,
    damage: Callable[[bytes], bytes],
    message: str,
    convert: Convert,
    tmp_path: Path,
) -> None:
    weight = np.nan if case == "weight of NaN" else 1.0
    path = write(tmp_path / "a.hepmc", [event(1), event(2), event(3, weights=(weight,))], version)
    path.write_bytes(damage(path.read_bytes()))
    said = refused(convert, path)
    assert str(path) in said
    assert message in said


def test_a_file_that_ends_without_the_mark_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.hepmc2", [event(1), event(2)], version=2)
    text = path.read_bytes()
    path.write_bytes(text[: text.index(b"HepMC::IO_GenEvent-END")])
    with caplog.at_level(logging.WARNING, "monojet"):
        assert len(list(hepmc.events(str(path)))) == 2
    assert "no line marks its end" in caplog.text


def test_joined_files_are_read_to_their_end(tmp_path: Path) -> None:
    text = write(tmp_path / "a.hepmc", [event(1), event(2)]).read_bytes()
    other = write(tmp_path / "b.hepmc", [event(1)], version=2).read_bytes()
    (tmp_path / "c.hepmc").write_bytes(text + text + other)
    assert [e.event_number for e in hepmc.events(str(tmp_path / "c.hepmc"))] == [1, 2, 1, 2, 1]


def test_bad_files_can_be_left_out(convert: Convert, tmp_path: Path) -> None:
    good = write(tmp_path / "b.hepmc", [event(1)])
    bad = tmp_path / "a.hepmc"
    bad.write_bytes(good.read_bytes()[:-80])
    run = convert(bad, good, skip=True)
    assert ak.to_list(contents(run.sample("mine"))["event_number"]) == [
        (1 << hepmc.FILE_SHIFT) + 1  # whether or not the first is good
    ]
    assert "left out" in info(run).settings[1]
    assert str(bad) in info(run).settings[1]


def test_validation_looks_at_the_first_event(convert: Convert, tmp_path: Path) -> None:
    good = write(tmp_path / "a.hepmc", [event(1)])
    run = convert(good)
    targets = validate_targets(run)
    validate(run, targets, lambda target: None)
    (row,) = json.loads(targets[0].output.read_text())
    assert row["state"].startswith("good so far")
    good.write_bytes(good.read_bytes()[100:])
    with pytest.raises(InputError, match="no header"):
        validate(run, targets, lambda target: None)


def test_b_hadrons_are_those_of_pythia() -> None:
    generator = generate.start_pythia(PROCESSES["ttbar"], 0, None, 5)
    heaviest = generate.heaviest_quarks(generator)
    data, codes = generator.particleData, [1]
    while following := data.nextId(codes[-1]):
        codes.append(following)
    wanted = [heaviest[code] == 5 for code in codes]
    assert hepmc.is_b_hadron(np.array(codes)).tolist() == wanted
    assert hepmc.is_b_hadron(-np.array(codes)).tolist() == wanted
    assert sum(wanted) > 50


def test_real_events_of_sherpa(convert: Convert, caplog: pytest.LogCaptureFixture) -> None:
    path = shared_file("hepmc2_pp_13TeV_6events.hepmc")
    with caplog.at_level(logging.WARNING, "monojet"):
        run = convert(path, workers=1)
    assert "are ~ 0 compared with those of index" in caplog.text
    found = contents(run.sample("mine"))
    assert ak.to_list(found["event_number"]) == [*range(6)]
    assert info(run).cross_section == pytest.approx(721.3570636263)
    visible = 0.0
    event = next(hepmc.events(str(path)))
    for particle in event.particles:
        p = particle.momentum
        if particle.status == 1 and particle.abs_pid not in (12, 14, 16) and abs(p.eta()) < 4.9:
            visible += p.px + 1j * p.py
    assert found["met"][0] == pytest.approx(abs(visible), rel=1e-4)
    assert ak.all(found["particle_pt"] > run.config.generation.stored_particle_min_pt)
    by_name = convert(path, hepmc_weight="MUR0.5_MUF1_PDF261000")
    assert info(by_name).sum_of_weights == pytest.approx(
        sum(e.weights[1] for e in hepmc.events(str(path)))
    )

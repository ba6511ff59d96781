"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

from tests.conftest import REPOSITORY, TINY, WriteEvents

PROGRAM = [sys.executable, str(REPOSITORY / "run_analysis.py")]


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )


def fails(*arguments: object) -> str:
    """Run to an error: exit code 2, one line, no traceback; returns the line."""
    done = call(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1, done.stderr
    return errors[0]


@pytest.mark.parametrize("option", ["--help", "--list", "--dry-run", "--version"])
def test_looking_around_needs_neither_root_nor_keras(option: str, tmp_path: Path) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['run_analysis.py', {option!r}, '--output', {str(tmp_path / 'none')!r}]\n"
        f"try:\n    runpy.run_path({str(REPOSITORY / 'run_analysis.py')!r}, run_name='__main__')\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "heavy = {'ROOT', 'keras', 'tensorflow', 'h5py', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not (tmp_path / "none").exists()


def test_training_runs_without_root() -> None:
    code = (
        "import sys\n"
        "import training.classifier.fit, training.classifier.evaluation\n"
        "import training.classifier.score\n"
        "import training.autoencoder.fit, training.autoencoder.denoised\n"
        "assert not {'ROOT', 'cpp_helpers'} & set(sys.modules), sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_unknown_names_get_the_nearest_valid_one(tmp_path: Path) -> None:
    assert "(did you mean 'imaging'?)" in fails("--stage", "imagin")
    assert "unknown region 'SRR' (did you mean 'SR'?)" in fails("--select", "SRR", "--list")
    assert "at least 1" in fails("--workers", 0)
    assert "at least 1" in fails("--events", 0)
    given = ("--input", tmp_path / "a.root", "--process", "Znunu", "--events", 5)
    assert "--events limits generated samples, not --input" in fails(*given)
    assert "require --input" in fails("--process", "Znunu")
    assert "require --input" in fails("--format", "native")
    assert "require --input" in fails("--data")
    common = ("--input", tmp_path / "*.root", "--process", "x", "--list")
    assert "unknown format 'minni' (did you mean 'mini'?)" in fails("--format", "minni", *common)
    assert "cannot read the configuration" in fails("--config", tmp_path / "absent.yaml")


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent.root"
    line = fails(
        "--stage", "imaging", "--input", absent, "--process", "Znunu", "--output", tmp_path
    )
    assert f"{absent}: no such file" in line


def test_a_bad_input_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    bad = tmp_path / "bad.root"
    bad.write_bytes(b"no ROOT file")
    output = tmp_path / "run"
    common = ("--stage", "imaging", "--process", "Znunu", "--output", output)
    assert f"{bad}: not a ROOT file" in fails("--input", bad, *common)
    assert [p for p in output.rglob("*") if p.is_file()] == []


def test_a_column_that_a_stage_lacks_is_named(tmp_path: Path, write_events: WriteEvents) -> None:
    path, output = write_events(particle_eta=None), tmp_path / "run"
    line = fails(
        *("--stage", "imaging", "--input", path, "--format", "native", "--process", "Znunu"),
        *("--output", output, "--workers", 1),
    )
    assert f"{path}: no column 'particle_eta', which imaging needs" in line
    assert not list(output.rglob("*.h5"))


def test_all_bad_files_are_named_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.root").write_bytes(b"no ROOT file")
    pattern = tmp_path / "*.root"
    done = call("--stage", "validate", "--input", pattern, "--process", "x", "--output", tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("not a ROOT file") == 2


@pytest.mark.slow
def test_bad_files_are_left_out_when_asked_to(tmp_path: Path, write_events: WriteEvents) -> None:
    (tmp_path / "bad.root").write_bytes(b"no ROOT file")
    write_events("good.root")
    arguments = ["--stage", "imaging", "--input", tmp_path / "*.root", "--process", "Znunu"]
    done = call(*arguments, "--output", tmp_path / "run", "--skip-bad-files", "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert f"skipped: {tmp_path / 'bad.root'}: not a ROOT file" in done.stderr
    with h5py.File(tmp_path / "run" / "images" / "Znunu.h5") as file:
        assert len(file["events/met"]) == 20
        assert json.loads(file.attrs["skipped_files"])[0]["file"] == str(tmp_path / "bad.root")


def test_a_traceback_is_shown_with_v_only(tmp_path: Path) -> None:
    done = call("--config", tmp_path / "absent.yaml", "-v")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_an_unwritable_output_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    assert "choose another --output" in fails("--stage", "validate", "--output", blocker / "run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_named_and_nothing_half_written(
    tmp_path: Path, write_events: WriteEvents
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    size = "size=300k"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a file system here")
    try:
        files = write_events(n_events=100_000)
        line = fails(
            "--stage", "imaging", "--input", files, "--process", "Znunu", "--output", small / "run"
        )
        assert "cannot write" in line
        assert not list(small.rglob("*.h5*"))
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_imaging_alone_on_a_users_file(tmp_path: Path, write_events: WriteEvents) -> None:
    files = write_events()
    arguments = ("--stage", "imaging", "--input", files, "--process", "Znunu", "--output", tmp_path)
    done = call(*arguments, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "no cross_section and no sum_of_weights: the cut-flow will need it" in done.stderr
    assert "Images, and the shares of cells / of their pT that a crop loses" in done.stdout
    assert (tmp_path / "images" / "Znunu.h5").exists()
    manifest = json.loads((tmp_path / "images" / "Znunu.manifest.json").read_text())
    assert list(manifest["input_files"]) == [str(files)]
    again = call(*arguments)
    assert "imaging: up to date" in again.stderr
    files.touch()
    assert f"images/Znunu.h5: {files} changed\n" in call(*arguments, "--dry-run").stdout


def test_a_stage_alone_is_refused_where_what_it_needs_is_not_there(tmp_path: Path) -> None:
    error = fails("--config", TINY, "--stage", "training", "--only", "--output", tmp_path)
    assert "Znunu_high.h5: missing: make it with --stage imaging" in error
    assert not (tmp_path / "samples").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file_format", "others"),
    [("ttree", ((2, 1), (1, 3), (2, 2))), ("rntuple", ((2, 2),))],
)
def test_images_do_not_depend_on_workers_and_threads(
    tmp_path: Path, write_events: WriteEvents, file_format: str, others: tuple[tuple[int, int], ...]
) -> None:
    """Of several clusters, so that the threads have something to share."""
    path = write_events(
        n_events=60_000,
        file_format=file_format,
        particle_pt="ROOT::RVecF{300.f, 40.f, 5.f + rdfentry_ % 1000}",
    )
    arguments = ("--stage", "imaging", "--input", path, "--process", "Znunu", "-q", "--output")
    found = set()
    for workers, threads in ((1, 1), *others):
        output = tmp_path / f"{workers}{threads}"
        done = call(*arguments, output, "--workers", workers, "--threads", threads)
        assert done.returncode == 0, done.stderr
        found.add((output / "images" / "Znunu.h5").read_bytes())
    assert len(found) == 1


@pytest.mark.slow
def test_killed_at_any_moment_no_file_looks_whole_and_the_next_run_finishes(
    tmp_path: Path, write_events: WriteEvents
) -> None:
    path = write_events(n_events=100_000)
    arguments = ["--stage", "imaging", "--input", path, "--process", "Znunu", "--workers", 2]
    for reference in (tmp_path / "compiling", tmp_path / "reference"):
        start = time.monotonic()
        assert call(*arguments, "--output", reference).returncode == 0
        duration = time.monotonic() - start
    expected = (reference / "images" / "Znunu.h5").read_bytes()
    rng = random.Random(1)
    killed = 0
    for _ in range(4):
        command = [*PROGRAM, *map(str, [*arguments, "--output", tmp_path / "run"])]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.2, 0.9) * duration)
            shutil.rmtree(tmp_path / "run")  # it was faster
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
            for written in tmp_path.glob("run/images/*.h5"):  # then only its workers were left
                assert written.read_bytes() == expected
            if list(tmp_path.glob("run/images/*.manifest.json")):
                assert list(tmp_path.glob("run/images/*.h5"))
    assert killed >= 2
    done = call(*arguments, "--output", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    made = tmp_path / "run" / "images"
    assert {p.name for p in made.iterdir()} == {"Znunu.h5", "Znunu.manifest.json"}
    assert (made / "Znunu.h5").read_bytes() == expected


@pytest.mark.slow
def test_ctrl_c_exits_with_130_and_the_next_run_resumes(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    samples = [{"process": p, "slice": "high", "events": 150} for p in ("Znunu", "Wtaunu")]
    batch = {"start_up": 0}
    settings = {"name": "c", "samples": samples, "generation": {"block_size": 50}, "batch": batch}
    config.write_text(json.dumps(settings))  # which is YAML, too
    arguments = ["--config", config, "--output", tmp_path, "--stage", "generate", "--workers", 2]
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # where the tests run in the background, Ctrl-C is ignored: not so in this process
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob("parts/generate/*.root")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "run the same command again to resume" in stderr
    assert "Traceback" not in stderr
    assert not list(tmp_path.rglob("*.partial"))
    blocks = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("parts/generate/*.root")}
    assert blocks
    done = call(*arguments)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("samples/*.root"))) == len(samples)
    assert not (tmp_path / "parts").exists()


def test_each_run_has_a_folder_of_its_own(tmp_path: Path, write_events: WriteEvents) -> None:
    """What options change does not go where the configured run is, nor over another run."""

    def listed(*arguments: object) -> str:
        return call(*arguments, "--list").stdout.splitlines()[0].split()[-1]

    files = write_events()
    common = ("--input", files, "--process", "Znunu")
    assert listed() == "runs/quickstart"
    assert listed("--events", 50) == "runs/quickstart_50_events"
    assert listed("--seed", 3, "--select", "SR") == "runs/quickstart_seed3_SR"
    assert listed(*common) == "runs/quickstart_Znunu"
    assert listed(*common, "--output", tmp_path) == str(tmp_path)
    assert listed("--models", "runs/other") == "runs/quickstart_by_other"


@pytest.mark.slow
def test_a_folder_that_holds_another_run_is_refused(
    tmp_path: Path, write_events: WriteEvents
) -> None:
    files, output = write_events(), tmp_path / "run"
    common = ("--process", "Znunu", "--output", output, "--workers", 1)
    assert call("--stage", "validate", "--input", tmp_path / "no.root", *common).returncode == 2
    assert call("--stage", "validate", "--input", files, *common).returncode == 0
    others = (
        ("--stage", "validate", "--input", write_events("other.root"), *common),
        ("--stage", "generate", "--output", output),
        ("--stage", "validate", "--input", files, *common, "--seed", 5),
    )
    for arguments in others:
        for last in ((), ("--dry-run",)):
            line = fails(*arguments, *last)
            assert f"{output}: holds another run (quickstart.yaml --input {files}" in line
            assert "choose another --output, or overwrite it with --force" in line
    assert call(*others[0], "--force").returncode == 0
    assert call(*others[0]).returncode == 0  # which it is now


def test_several_files_after_one_option_are_all_taken(
    tmp_path: Path, write_events: WriteEvents
) -> None:
    """As where the shell expands a glob."""
    files = [write_events(f"{name}.root", run_number=f"{i}u") for i, name in enumerate("abc", 1)]
    done = call(
        *("--stage", "validate", "--output", tmp_path / "run"),
        *("--input", *files[:2], "--process", "Znunu", "--input", files[2], "--process", "mine"),
    )
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "run" / "tables" / "validation.json").read_text())
    assert [row["sample"] for row in table] == ["Znunu", "Znunu", "mine"]

"""Files on an XRootD server: read as local ones are, and what happens when the server goes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
import yaml

from analysis.inputs import reader, root_file
from common.runtime.errors import InputError
from cpp_helpers import load_root
from tests.conftest import REPOSITORY, TINY, WriteEvents
from tests.daemons import free_ports
from tests.frames import open_frame
from tests.xrootd import ADDRESS, QUICK, Server, program, relay

NOISE = """
#ifndef MONOJET_TEST_NOISE
#define MONOJET_TEST_NOISE
#include <TRandom.h>
ROOT::RVecF noise(float low, float high) {
  ROOT::RVecF values(1500);
  for (float &value : values) value = gRandom->Uniform(low, high);
  return values;
}
#endif
"""


@pytest.fixture
def server() -> Iterator[Server]:
    if program() is None:
        pytest.skip("no xrootd (Debian's xrootd-server)")
    # not in pytest's directory: that is for this user alone
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        one = Server(Path(directory))
        one.start()
        yield one
        one.kill()


def put(server: Server, path: Path) -> str:
    shutil.copy(path, server.data / path.name)
    return server.url(path.name)


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_a_remote_file_is_read_as_a_local_one(
    server: Server, write_events: WriteEvents, file_format: str
) -> None:
    path = write_events(file_format=file_format, n_events=50)
    remote = put(server, path)
    path.unlink()
    file = reader.inspect(remote)
    assert file.n_events == 50
    df = load_root().RDF.AsRNode(open_frame(file, 10, 50))
    found = df.AsNumpy(["event_number", "met_no_muons"])
    assert found["event_number"].tolist() == list(range(11, 51))
    assert found["met_no_muons"][0] == 360
    with pytest.raises(InputError, match=r"absent\.root: .*no such file"):
        reader.inspect(server.url("absent.root"))


def test_a_server_that_comes_late_is_asked_again(
    server: Server, write_events: WriteEvents, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    remote = put(server, write_events())
    waited: list[float] = []

    def nap(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            server.start()

    server.kill()
    monkeypatch.setattr(root_file, "_sleep", nap)
    assert reader.inspect(remote).n_events == 20
    assert waited == list(root_file.RETRY_AFTER[:2])
    assert "again in 1 s" in caplog.text


def test_a_server_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(root_file, "_sleep", waited.append)
    with pytest.raises(InputError, match=r"root://.*/x\.root: .*[Cc]onnection"):
        reader.inspect(f"root://{ADDRESS}:{free_ports(1, ADDRESS)[0]}//data/x.root")
    assert waited == list(root_file.RETRY_AFTER)


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_a_server_that_dies_in_the_middle_of_a_file(
    server: Server, write_events: WriteEvents, tmp_path: Path, file_format: str
) -> None:
    """One line says so, nothing half-written is left, and once the server is back the same command
    goes on with what is there."""
    load_root().gInterpreter.Declare(NOISE)
    noise, angle = "noise(0, 100)", "noise(-3, 3)"
    path = write_events(
        file_format=file_format,
        n_events=4000,
        particle_pt=noise,
        particle_eta=angle,
        particle_phi=angle,
        particle_energy=noise,
        particle_pdg_id="ROOT::RVecI(1500, 211)",
        particle_charge="ROOT::RVecI(1500, 1)",
    )
    put(server, path)
    good = write_events("good.root")
    output = tmp_path / "run"
    config = tmp_path / "remote.yaml"

    def run(url: str) -> subprocess.CompletedProcess[str]:
        settings = yaml.safe_load(TINY.read_text())
        settings["batch"] = {"retries": 0}
        config.write_text(yaml.safe_dump(settings))
        arguments = ["--config", str(config), "--stage", "imaging", "--output", str(output)]
        arguments += ["--workers", "1", "--input", str(good), "--input", url]
        arguments += ["--process", "Znunu", "--process", "Wtaunu"]
        return subprocess.run(
            [sys.executable, "run_analysis.py", *arguments],
            cwd=REPOSITORY,
            env=os.environ | QUICK,
            capture_output=True,
            text=True,
            timeout=300,
        )

    images = {name: output / "images" / f"{name}.h5" for name in ("Znunu", "Wtaunu")}
    with relay(server, dies_after=path.stat().st_size // 2) as port:
        died = run(server.url(path.name, port))
    assert died.returncode == 2, died.stderr
    errors = [line for line in died.stderr.splitlines() if line.startswith("ERROR")]
    assert f"root://{ADDRESS}" in errors[0]
    assert re.search(r"\[FATAL\] (Connection|Socket) error", errors[0])
    assert "Traceback" not in died.stderr
    assert not images["Wtaunu"].exists()

    with relay(server, port):
        done = run(server.url(path.name, port))
    assert done.returncode == 0, done.stderr
    assert "imaging: Wtaunu" in done.stderr  # and not the other once more
    with h5py.File(images["Wtaunu"]) as file:
        np.testing.assert_array_equal(file["events/event_number"], np.arange(1, 4001))

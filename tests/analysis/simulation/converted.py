"""Compare converted HepMC files with the events that `generate` writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import pytest

from analysis.formats.columns import CANONICAL
from analysis.inputs import reader
from analysis.inputs.sample_info import SampleInfo
from analysis.processes import PROCESSES
from analysis.simulation import event_file, generate
from analysis.workflow.run import Run
from common.runtime.errors import BatchError
from tests.analysis.hepmc_events import of_pythia, write
from tests.frames import open_frame

TTBAR = generate.EventBlock("ttbar", "ttbar", None, 0, None, 0, 0, 30, 3, 0.5, "rntuple")
WMUNU = generate.EventBlock("Wmunu_low", "Wmunu", "low", 280, 500, 0, 0, 10, 3, 0.5, "rntuple")
UNORDERED = ("particle_", "photon_", "jet_", "electron_", "muon_")

Convert = Callable[..., Run]


def refused(convert: Convert, *paths: Path, **sample: Any) -> str:
    """Return why files are refused; require that no output is left."""
    with pytest.raises(BatchError) as error:
        convert(*paths, **sample)
    left = [p for p in (paths[0].parent / "run").rglob("*") if p.is_file()]
    assert left == []
    return str(error.value)


def contents(path: Path) -> dict[str, Any]:
    """Return all canonical columns."""
    file = reader.inspect(str(path))
    df = open_frame(file, 0, file.n_events)
    found = {name: df.Take[kind](name) for name, kind in CANONICAL.items()}
    return {
        name: ak.Array([list(x) for x in h.GetValue()] if "RVec" in CANONICAL[name] else list(h))
        for name, h in found.items()
    }


def info(run: Run, name: str = "mine") -> SampleInfo:
    return event_file.info_of(run.sample(name))


def in_order(found: dict[str, Any], name: str) -> Any:
    """Return a column with objects by falling pT, as HepMC files have their own order."""
    kind = next((k for k in UNORDERED if name.startswith(k)), None)
    if kind is None:
        return found[name]
    return found[name][ak.argsort(found[f"{kind}pt"], ascending=False, stable=True)]


def generated_and_converted(
    block: generate.EventBlock, version: int, convert: Convert, path: Path
) -> tuple[dict[str, Any], dict[str, Any], SampleInfo]:
    """Return the columns that `generate` writes, and `convert` from the same events as HepMC."""
    written = path.with_name("generated.root")
    generate.write_block(block, written)
    process = PROCESSES[block.process]
    generator = generate.start_pythia(process, block.pt_low, block.pt_high, block.pythia_seed)
    write(path, [of_pythia(generator, i + 1) for i in range(block.n_events)], version)
    run = convert(path, process=block.process, slice=block.slice)
    return contents(written), contents(run.sample(block.sample)), info(run, block.sample)


def require_same(wanted: dict[str, Any], got: dict[str, Any], *but: str) -> None:
    """Require that all columns agree within rounding."""
    for name in wanted.keys() - {*but}:
        a, b = in_order(wanted, name), in_order(got, name)
        if a.ndim > 1:
            assert ak.all(ak.num(a) == ak.num(b)), name
        expected = ak.to_numpy(ak.flatten(a, axis=None))
        assert ak.to_numpy(ak.flatten(b, axis=None)) == pytest.approx(
            expected, rel=2e-4, abs=2e-4
        ), name

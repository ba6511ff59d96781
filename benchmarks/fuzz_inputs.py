"""Damaged input files: each must give a one-line error or a correct result.

``python -m benchmarks.fuzz_inputs --format delphes --files 500 --seed 1``. Counts crashes, hangs
and silent zeros. Seed files are written by the writers of the tests; with ``--real``, the real
files in $MONOJET_TEST_DATA are damaged instead. Each damaged file is read as by a stage (inspected,
checked for required columns, all canonical columns summed in one event loop; HepMC: as by the
conversion) in a separate process with limits on time and memory, forked from one in which cling has
compiled everything. A file depends only on the seed and its index: ``--only INDEX`` makes it again
and prints the outcome.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import math
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # a process with threads cannot be forked safely

import numpy as np

from analysis.inputs import reader
from benchmarks.fuzz_damages import BYTES
from benchmarks.fuzz_layouts import KINDS, REAL, TOTALS, Kind, Sums
from common.runtime.errors import MonojetError
from cpp_helpers import declare_jets, load_root

MEMORY = 3 << 30
"""Additional bytes of address space that a child may use."""
CORRECT, CHANGED, ERROR, REPORTED = "correct", "changed", "error", "last words"
"""``last words``: ROOT crashed; the process exited with 2 and a line that names the file."""
FAILURES = ("other exception", "silent zero", "fewer events", "crash", "hang", "ended")
"""``ended``: the process exited without such a line."""


@dataclass(frozen=True)
class Outcome:
    """The result of reading a damaged file."""

    index: int
    damage: str
    result: str
    text: str = ""
    seconds: float = 0.0


@dataclass
class Fuzzer:
    """Damage files of one kind and read them."""

    kind: Kind
    folder: Path
    seed: int = 1
    limit: float = 60.0
    """Maximum seconds per file."""
    real: Path | None = None
    path: Path = field(init=False)
    needs: reader.Needs | None = field(init=False)
    intact: Sums = field(init=False)

    def __post_init__(self) -> None:
        declare_jets()
        if not hasattr(load_root(), "fuzz"):
            load_root().gInterpreter.Declare(TOTALS)
        self.path = self.real or self.kind.write(self.folder)
        self.needs = self.kind.needs(str(self.path))
        self.intact = self.kind.read(str(self.path), self.needs)
        if not self.intact["events"]:
            raise AssertionError("the intact file has no events")

    def outcomes(self, indices: range | list[int]) -> Iterator[Outcome]:
        """Yield the outcome of each file, in order."""
        damages = tuple(BYTES) if self.real else self.kind.damages
        for index in indices:
            yield self._outcome(index, damages[index % len(damages)])

    def _outcome(self, index: int, damage: str) -> Outcome:
        source, sink = os.pipe()
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            os.close(source)
            self._in_child(index, damage, sink)
        os.close(sink)
        status = self._wait(child)
        with os.fdopen(source, "rb") as pipe:
            output = pipe.read().decode(errors="replace")
        seconds = time.monotonic() - start
        result, _, text = output.partition("\n")
        errors = self._errors.read_text(errors="replace").splitlines()
        words = [line for line in errors if line.startswith(f"ERROR {self._path(index)}: ")]
        if status is None:
            result, text = "hang", output
        elif os.WIFSIGNALED(status):
            result, text = "crash", signal.Signals(os.WTERMSIG(status)).name
        elif os.WEXITSTATUS(status) == 2 and words:
            result, text = REPORTED, words[-1]
        elif os.WEXITSTATUS(status):
            result, text = "ended", f"exit {os.WEXITSTATUS(status)}: {errors[-1:]}"
        for left in self.folder.glob(f"damaged_{index}.*"):
            left.unlink()
        return Outcome(index, damage, result, text, round(seconds, 2))

    def _path(self, index: int) -> Path:
        return self.folder / f"damaged_{index}{self.path.suffix}"

    @property
    def _errors(self) -> Path:
        return self.folder / "errors.txt"

    def _wait(self, child: int) -> int | None:
        end = time.monotonic() + self.limit
        while time.monotonic() < end:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return status
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None

    def _in_child(self, index: int, damage: str, sink: int) -> None:
        result, text = "damage failed", ""
        quiet = os.open(self._errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        now = pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
        path = self._path(index)
        try:
            self._damage(index, damage, path)
            result, text = self._read(damage, path)
        except Exception:
            text = traceback.format_exc()
        os.write(sink, f"{result}\n{text}"[:60000].encode())
        os._exit(0)

    def _damage(self, index: int, damage: str, path: Path) -> None:
        rng = np.random.default_rng([self.seed, index])
        if damage in BYTES:
            path.write_bytes(BYTES[damage](rng, self.path.read_bytes()))
        else:
            assert self.kind.rewrite is not None
            self.kind.rewrite(rng, damage, self.path, path)

    def _read(self, damage: str, path: Path) -> tuple[str, str]:
        try:
            sums = self.kind.read(str(path), self.needs)
        except MonojetError as error:
            named = str(path) in str(error) and "\n" not in str(error)
            return ERROR if named else "other exception", str(error)
        except BaseException:
            return "other exception", traceback.format_exc()
        changed = {
            name: (value, sums.get(name, math.nan))
            for name, value in self.intact.items()
            if not _same(value, sums.get(name, math.nan))
        }
        text = json.dumps(changed)
        if sums["events"] < self.intact["events"]:
            return "fewer events", text
        zero = [name for name, (was, now) in changed.items() if was and now == 0]
        if zero and damage in BYTES:
            return "silent zero", text
        return (CHANGED, text) if changed else (CORRECT, "")


def _same(a: float, b: float) -> bool:
    return a == b or math.isclose(a, b, rel_tol=1e-12) or (math.isnan(a) and math.isnan(b))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--format", choices=KINDS, required=True)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=60.0, help="maximum seconds per file")
    parser.add_argument("--real", action="store_true", help="damage the real file")
    parser.add_argument("--only", type=int, help="only the file with this index")
    parser.add_argument("--output", type=Path, help="JSON file of all outcomes")
    options = parser.parse_args()
    real = Path(os.environ["MONOJET_TEST_DATA"]) / REAL[options.format] if options.real else None
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(KINDS[options.format], Path(folder), options.seed, options.limit, real=real)
        print("threads before forking:", len(list(Path("/proc/self/task").iterdir())))
        indices = range(options.files) if options.only is None else [options.only]
        found = []
        for outcome in fuzzer.outcomes(indices):
            found.append(outcome)
            if outcome.result in (*FAILURES, "damage failed") or options.only is not None:
                print(outcome.index, outcome.damage, outcome.result, outcome.text[-700:])
                sys.stdout.flush()
    for damage in dict.fromkeys(one.damage for one in found):
        counts = Counter(one.result for one in found if one.damage == damage)
        print(f"{damage}: {dict(counts)}")
    print("all:", dict(Counter(one.result for one in found)))
    if options.output:
        text = json.dumps([vars(one) for one in found], indent=0)
        options.output.write_text(text)


if __name__ == "__main__":
    main()

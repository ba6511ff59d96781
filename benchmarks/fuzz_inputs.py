"""Damaged input files: an error of one line or a correct result, no crash, hang or silent zero.

``python -m benchmarks.fuzz_inputs --format delphes --files 500 --seed 1``. Seed files are written
by the tests' writers; with ``--real`` the real ones of $MONOJET_TEST_DATA are damaged instead. Each
damaged file is read as a stage reads it (inspected, required, all canonical columns summed in one
event loop; HepMC: as it is converted) in a process of its own, forked from one in which cling has
compiled everything, with limits on time and memory. A file is given by the seed and its index
alone: ``--only INDEX`` makes it again and prints what comes of it.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # a process with threads cannot be forked safely

import awkward as ak
import numpy as np
import uproot

from analysis.formats.columns import CANONICAL
from analysis.formats.format import Layout
from analysis.images import imaging
from analysis.inputs import hepmc, reader
from analysis.monojet import cutflow
from common.runtime.errors import InputError, MonojetError
from cpp_helpers import declare_jets, load_root
from cpp_helpers.errors import failure_of
from tests.analysis import hepmc_events, hepmc_tree_events, mini_events, xaod_events
from tests.analysis import three_lepton_events as leptons
from tests.analysis.formats import test_delphes, test_nanoaod
from tests.conftest import EVENTS

MEMORY = 3 << 30
"""Bytes of address space that a child may take beyond what it begins with."""
CORRECT, CHANGED, ERROR, TOLD = "correct", "changed", "error", "last words"
"""``last words``: ROOT crashed; the process ended with 2 and a line that names the file."""
FAILURES = ("other exception", "silent zero", "fewer events", "crash", "hang", "ended")
"""``ended``: without such a line."""

Rng = np.random.Generator
Sums = dict[str, float]

_TOTALS = """
#include <ROOT/RDataFrame.hxx>
namespace fuzz {
template <typename T> double weighed(const T &value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return double(value);
  } else {
    double sum = 0.;
    for (std::size_t i = 0; i < value.size(); ++i)
      sum += double(value[i]) * (i + 1.);
    return sum;
  }
}
template <typename T>
ROOT::RDF::RResultPtr<double> total(ROOT::RDF::RNode df, const std::string &name) {
  return df.Aggregate([](double sum, const T &value) { return sum + weighed(value); },
                      [](double a, double b) { return a + b; }, name, 0.);
}
}
"""


@dataclass(frozen=True)
class Kind:
    """What is damaged: files of one layout."""

    name: str
    write: Callable[[Path], Path]
    """A seed file in a folder."""
    rewrite: Callable[[Rng, str, Path, Path], None] | None = None
    """Writes a damaged file from the seed, by the name of the damage."""
    layout: Layout = Layout()  # noqa: RUF009
    damages: tuple[str, ...] = ()

    def needs(self, path: str) -> reader.Needs | None:
        """What the first stage needs that can work with the intact file."""
        columns = reader.inspect(path, self.layout).columns.keys()
        stages = (imaging.needs(), cutflow.needs())
        return next((needs for needs in stages if needs.columns <= columns), None)

    def read(self, path: str, needs: reader.Needs | None) -> Sums:
        """Sums over all events, as a stage would read them."""
        file = reader.inspect(path, self.layout)
        if needs is not None:
            reader.require_columns(file, needs)
        df = load_root().RDF.AsRNode(reader.open_range(file, 0, file.n_events))
        try:
            count = df.Count()
            booked = {
                name: load_root().fuzz.total[kind](df, name)
                for name, kind in CANONICAL.items()
                if name in file.columns
            }
            sums = {name: float(result.GetValue()) for name, result in booked.items()}
        except Exception as error:  # as the stages do
            raise InputError(f"{path}: the event loop failed: {failure_of(error)}") from error
        if count.GetValue() != file.n_events:
            raise AssertionError(f"read {count.GetValue()} of {file.n_events} events")
        return {"events": float(file.n_events)} | sums


class HepmcKind(Kind):
    """HepMC ascii files."""

    def needs(self, path: str) -> None:
        """Nothing that could be missing."""
        return

    def read(self, path: str, needs: reader.Needs | None) -> Sums:
        """Sums over all events, as they are converted."""
        sums: dict[str, float] = defaultdict(float)
        events = hepmc.Events(path, 0, 0, defaultdict(int))
        for numbers, particles, decayed in events:
            sums["numbers"] += float(numbers.sum())
            for part in (particles, decayed):
                for name, value in vars(part).items():
                    if isinstance(value, np.ndarray):
                        total = float(np.nansum(value.astype(float)))
                        sums[f"{type(part).__name__}.{name}"] += total
        return {"events": float(events.n_events), "weights": events.sum_of_weights, **sums}


# Bytes


def truncated(rng: Rng, content: bytes) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def flipped(rng: Rng, content: bytes) -> bytes:
    changed = np.frombuffer(content, np.uint8).copy()
    where = rng.integers(0, len(changed), int(10 ** rng.uniform(0, 2)))
    changed[where] ^= rng.integers(1, 256, len(where)).astype(np.uint8)
    return changed.tobytes()


def flipped_ends(rng: Rng, content: bytes) -> bytes:
    """Within the first and last kilobytes: header, keys, streamer information."""
    size = min(int(rng.choice([100, 1000, 4000])), len(content) // 2)
    changed = np.frombuffer(content, np.uint8).copy()
    where = rng.integers(0, size, rng.integers(1, 11))
    where = np.where(rng.random(len(where)) < 0.5, where, len(content) - 1 - where)
    changed[where] ^= rng.integers(1, 256, len(where)).astype(np.uint8)
    return changed.tobytes()


def block(rng: Rng, content: bytes) -> bytes:
    """A block of zeros, or one twice."""
    begin = int(rng.integers(0, len(content)))
    end = min(len(content), begin + int(rng.choice([16, 512, 4096])))
    if rng.random() < 0.5:
        return content[:begin] + bytes(end - begin) + content[end:]
    return content[:end] + content[begin:end] + content[end:]


BYTES = {f.__name__: f for f in (truncated, flipped, flipped_ends, block)}

# Columns

COLUMNS = ("missing", "swapped", "other_type", "not_finite", "huge", "multiplicity", "lengths")
_TYPES = ("float64", "float32", "int32", "int64", "uint8", "bool")


def group_of(name: str) -> str:
    """The object that a column belongs to."""
    return re.split("[_.]", name)[0]


def change_arrays(rng: Rng, damage: str, columns: dict[str, Any], used: list[str]) -> None:
    """Damage some columns, as awkward arrays, of those that are read."""
    one = str(rng.choice([name for name in used if ak.count(columns[name])]))
    jagged = [name for name in used if columns[name].ndim > 1 and ak.count(columns[name])]
    if damage == "missing":
        del columns[one]
    elif damage == "swapped":
        other = str(rng.choice([name for name in used if name != one]))
        columns[one], columns[other] = columns[other], columns[one]
    elif damage == "other_type":
        kind = str(rng.choice([*_TYPES, "vector"]))
        if kind == "vector" or columns[one].ndim > 2:
            columns[one] = (
                ak.num(columns[one]) if columns[one].ndim > 1 else ak.singletons(columns[one])
            )
        else:
            columns[one] = ak.values_astype(columns[one], kind)
    elif damage in ("not_finite", "huge"):
        values = [math.nan, math.inf, -math.inf] if damage == "not_finite" else [1e30, -1e30, 3e38]
        flat = ak.to_numpy(ak.flatten(columns[one], axis=None)).copy()
        hit = rng.random(len(flat)) < rng.choice([0.05, 1.0])
        if flat.dtype.kind == "f":
            flat[hit] = rng.choice(values, hit.sum())
        else:
            flat[hit] = np.iinfo(flat.dtype).max if flat.dtype.kind in "iu" else True
        counts = ak.num(columns[one]) if columns[one].ndim > 1 else None
        columns[one] = ak.Array(flat) if counts is None else ak.unflatten(ak.Array(flat), counts)
    elif damage == "multiplicity":
        one = str(rng.choice(jagged))
        event = int(rng.integers(0, len(columns[one])))
        size = int(rng.choice([0, 1000, 100_000, 1_000_000]))
        for name in jagged:
            if group_of(name) == group_of(one):
                _resize(columns, name, event, size)
    elif damage == "lengths":
        one = str(rng.choice(jagged))
        event = int(rng.integers(0, len(columns[one])))
        size = len(columns[one][event]) + int(rng.choice([-1, 1, 100]))
        _resize(columns, one, event, max(size, 0))


def _resize(columns: dict[str, Any], name: str, event: int, size: int) -> None:
    column = columns[name]
    values = ak.to_numpy(ak.flatten(column))
    values = values if len(values) else np.zeros(1, values.dtype)
    counts = ak.to_numpy(ak.num(column)).copy()
    begin = int(counts[:event].sum())
    own = values[begin : begin + counts[event]]
    new = np.resize(own if len(own) else values, size)
    joined = np.concatenate([values[:begin], new, values[begin + counts[event] :]])
    counts[event] = size
    columns[name] = ak.unflatten(ak.Array(joined[: counts.sum()]), counts)


def rewrite_arrays(
    tree: str,
    ntuple: bool = False,
    layout: Layout = Layout(),  # noqa: B008
) -> Callable[[Rng, str, Path, Path], None]:
    def rewrite(rng: Rng, damage: str, seed: Path, path: Path) -> None:
        stored = sorted(set(reader.inspect(str(seed), layout).stored.values()))
        with uproot.open(seed) as file:
            columns = {name: file[tree][name].array() for name in stored}
        change_arrays(rng, damage, columns, stored)
        with uproot.recreate(path) as file:
            if ntuple:
                file.mkrntuple(tree, columns)
            else:
                counted = {name: ak.to_packed(value) for name, value in columns.items()}
                file.mktree(tree, {k: v.type for k, v in counted.items()})
                file[tree].extend(counted)

    return rewrite


def rewrite_expressions(
    write: Callable[[Path, Mapping[str, str]], Path], columns: Callable[[], dict[str, str]]
) -> Callable[[Rng, str, Path, Path], None]:
    """Of columns that are C++ expressions."""

    def rewrite(rng: Rng, damage: str, seed: Path, path: Path) -> None:
        changed = columns()
        names = sorted(changed)
        plain = [n for n in names if re.fullmatch(r"std::vector<[\w ]+>\{[^{}?]+\}", changed[n])]
        plain = [n for n in plain if "string" not in changed[n]]
        floats = [n for n in plain if "<float>" in changed[n]]
        one = str(rng.choice(plain))
        kind = re.sub(r"\{.*", "", changed[one])
        if damage == "missing":
            del changed[str(rng.choice(names))]
        elif damage == "swapped":
            a, b = (str(x) for x in rng.choice(names, 2, replace=False))
            changed[a], changed[b] = changed[b], changed[a]
        elif damage == "other_type":
            kinds = ["std::vector<double>{1., 2.}", "std::vector<long long>{1, 2}", "1.f", "2"]
            changed[one] = str(rng.choice([*kinds, "std::vector<std::vector<float>>{{1.f}}"]))
        elif damage in ("not_finite", "huge"):
            value = ["NAN", "INFINITY", "-INFINITY"] if damage == "not_finite" else ["3e38f"]
            one = str(rng.choice(floats))
            changed[one] = re.sub(r"[-\d][\w.]*f", str(rng.choice(value)), changed[one], count=1)
        elif damage == "multiplicity":
            size = int(rng.choice([0, 1000, 100_000, 1_000_000]))
            for name in plain:
                if name.split(".")[0] == one.split(".")[0]:
                    kind = re.sub(r"\{.*", "", changed[name])
                    first = re.search(r"\{([^,}]+)", changed[name])
                    changed[name] = f"{kind}({size}, {first[1] if first else 1})"
        else:
            first = re.search(r"\{([^,}]+)", changed[one])
            changed[one] = f"{kind}({int(rng.choice([0, 1, 4, 100]))}, {first[1] if first else 1})"
        write(path, changed)

    return rewrite


# HepMC

HEPMC = ("lines_swapped", "number_replaced", "absurd_count", "line_missing", "compressed")


def rewrite_hepmc(rng: Rng, damage: str, seed: Path, path: Path) -> None:
    content = seed.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    lines = content.splitlines(keepends=True)
    at = int(rng.integers(0, len(lines)))
    if damage == "lines_swapped":
        other = int(rng.integers(0, len(lines)))
        lines[at], lines[other] = lines[other], lines[at]
    elif damage == "line_missing":
        del lines[at]
    elif damage in ("number_replaced", "absurd_count"):
        counts = damage == "absurd_count"
        chosen = [i for i, x in enumerate(lines) if x[:1] in (b"EV" if counts else b"EVPWCU")]
        chosen = [i for i in chosen if len(lines[i].split()) > 1]
        at = int(rng.choice(chosen))
        words = lines[at].split()
        values = [b"0", b"1000000", b"2147483647", b"-5", b"99999999999999"]
        if not counts:
            values = [b"nan", b"1e400", b"-1", b"inf", b"x", b""]
        words[int(rng.integers(1, len(words)))] = values[int(rng.integers(0, len(values)))]
        lines[at] = b" ".join(words) + b"\n"
    content = b"".join(lines)
    if damage == "compressed":
        content = BYTES[str(rng.choice(list(BYTES)))](rng, gzip.compress(content))
    path.write_bytes(content)


# Layouts


def _native(ntuple: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        root = load_root()
        df = root.RDataFrame(50)
        for name, expression in EVENTS.items():
            df = df.Define(name, expression)
        options = root.RDF.RSnapshotOptions()
        formats = root.RDF.ESnapshotOutputFormat
        options.fOutputFormat = formats.kRNTuple if ntuple else formats.kTTree
        path = folder / "native.root"
        df.Snapshot("events", str(path), list(EVENTS), options)
        return path

    return write


def _mini(folder: Path) -> Path:
    events = [event for event, _ in leptons.EVENTS.values()]
    columns = mini_events.columns_of(events)
    return mini_events.write_mini(folder / "mini.root", len(events), columns)


def _xaod(columns: Callable[[], dict[str, str]]) -> dict[str, Any]:
    def write(path: Path, chosen: Mapping[str, str]) -> Path:
        return xaod_events.write(path, CollectionTree=dict(chosen), MetaData=xaod_events.SUMS)

    return {
        "write": lambda folder: write(folder / "xaod.root", columns()),
        "rewrite": rewrite_expressions(write, columns),
    }


def _hepmc(name: str, version: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        events = [hepmc_events.event(i, cross_section=2.0) for i in range(1, 21)]
        return hepmc_events.write(folder / name, events, version)

    return write


def _hepmc_tree(folder: Path) -> Path:
    return hepmc_tree_events.write(folder / "tree.root", map(hepmc_events.event, range(1, 21)))


def _delphes(folder: Path) -> Path:
    return test_delphes.write_delphes(folder / "delphes.root")


_EFLOW = Layout("delphes_eflow")
_ALL = (*BYTES, *COLUMNS)
_OF_HEPMC = (*BYTES, *HEPMC)
KINDS = {
    kind.name: kind
    for kind in (
        Kind("native", _native(False), rewrite_arrays("events"), damages=_ALL),
        Kind("native_rntuple", _native(True), rewrite_arrays("events", True), damages=_ALL),
        Kind("mini", _mini, rewrite_arrays("mini"), damages=_ALL),
        Kind("delphes", _delphes, rewrite_arrays("Delphes"), damages=_ALL),
        Kind(
            "delphes_eflow",
            _delphes,
            rewrite_arrays("Delphes", layout=_EFLOW),
            _EFLOW,
            damages=_ALL,
        ),
        Kind(
            "nanoaod",
            lambda folder: test_nanoaod.write_nano(folder / "nano.root", candidates=True),
            rewrite_arrays("Events"),
            damages=_ALL,
        ),
        Kind("daod", **_xaod(xaod_events.truth1), damages=_ALL),
        Kind("physlite", **_xaod(xaod_events.physlite), damages=_ALL),
        Kind("hepmc_tree", _hepmc_tree, rewrite_arrays("hepmc3_tree"), damages=_ALL),
        HepmcKind("hepmc2", _hepmc("events.hepmc", 2), rewrite_hepmc, damages=_OF_HEPMC),
        HepmcKind("hepmc3", _hepmc("events.hepmc", 3), rewrite_hepmc, damages=_OF_HEPMC),
    )
}
REAL = {
    "mini": "atlas_open_data_13TeV_A_4lep.root",
    "delphes": "delphes_ttbar_10events.root",
    "daod": "daod_exot15_mc_10events.root",
    "physlite": "daod_physlite_22_ttbar_100events.root",
    "hepmc2": "hepmc2_pp_13TeV_6events.hepmc",
}


@dataclass(frozen=True)
class Outcome:
    """What came of a damaged file."""

    index: int
    damage: str
    result: str
    text: str = ""
    seconds: float = 0.0


@dataclass
class Fuzzer:
    """Damages one kind of file, and reads what it made."""

    kind: Kind
    folder: Path
    seed: int = 1
    limit: float = 60.0
    """Seconds that a file may take."""
    real: Path | None = None
    path: Path = field(init=False)
    needs: reader.Needs | None = field(init=False)
    intact: Sums = field(init=False)

    def __post_init__(self) -> None:
        declare_jets()
        if not hasattr(load_root(), "fuzz"):
            load_root().gInterpreter.Declare(_TOTALS)
        self.path = self.real or self.kind.write(self.folder)
        self.needs = self.kind.needs(str(self.path))
        self.intact = self.kind.read(str(self.path), self.needs)
        if not self.intact["events"]:
            raise AssertionError("the intact file has no events")

    def outcomes(self, indices: range | list[int]) -> Iterator[Outcome]:
        """Of each file, in order."""
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
        with os.fdopen(source, "rb") as told:
            said = told.read().decode(errors="replace")
        seconds = time.monotonic() - start
        result, _, text = said.partition("\n")
        errors = self._errors.read_text(errors="replace").splitlines()
        words = [line for line in errors if line.startswith(f"ERROR {self._path(index)}: ")]
        if status is None:
            result, text = "hang", said
        elif os.WIFSIGNALED(status):
            result, text = "crash", signal.Signals(os.WTERMSIG(status)).name
        elif os.WEXITSTATUS(status) == 2 and words:
            result, text = TOLD, words[-1]
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
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a file may take")
    parser.add_argument("--real", action="store_true", help="damage the real file")
    parser.add_argument("--only", type=int, help="one file alone")
    parser.add_argument("--output", type=Path, help="a JSON file of all outcomes")
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

"""The RDataFrame action: the image builder event by event, its counters, seeds and folds."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cpp_helpers import declare, load_root
from tests.cpp_helpers.bridge import Builder, Sparse, array, compress
from tests.reference import Address, Jet, Particle, event_hash

MIN_PARTICLE_PT, MIN_JET_PT = 1.0, 20.0
INVISIBLE = (12, -14, 16, 52)
N_QUANTITIES = 2

# --- Events in memory, as columns ----------------------------------------------------------


@dataclass(frozen=True)
class Event:
    run: int
    number: int
    particles: tuple[Particle, ...] = ()
    jets: tuple[Jet, ...] = ()
    weight: float = 1.0


_CODE = """
namespace monojet_test {
struct Event {
  unsigned int run;
  unsigned long long number;
  double weight;
  ROOT::RVecF pt, eta, phi, energy;
  ROOT::RVecI pdg_id, charge;
  ROOT::RVecF jet_pt, jet_eta, jet_phi, jet_width;
};
inline std::vector<Event> &events() {
  static std::vector<Event> held;
  return held;
}
} // namespace monojet_test
"""

_COLUMNS = {
    "run_number": "run",
    "event_number": "number",
    "weight": "weight",
    **{f"particle_{x}": x for x in ("pt", "eta", "phi", "energy", "pdg_id", "charge")},
    **{x: x for x in ("jet_pt", "jet_eta", "jet_phi", "jet_width")},
}


@functools.cache
def _declared() -> Any:
    helpers = declare()
    if not load_root().gInterpreter.Declare(_CODE):
        raise RuntimeError("cling could not compile the test's events")
    return helpers


def _fill(held: Any, event: Event) -> None:
    root = load_root()
    held.run, held.number, held.weight = event.run, event.number, event.weight
    for name in ("pt", "eta", "phi", "energy"):
        setattr(held, name, root.RVecF([getattr(p, name) for p in event.particles]))
    for name in ("pdg_id", "charge"):
        setattr(held, name, root.RVecI([getattr(p, name) for p in event.particles]))
    for name in ("pt", "eta", "phi", "width"):
        setattr(held, f"jet_{name}", root.RVecF([getattr(j, name) for j in event.jets]))


_VECTORS = {
    **dict.fromkeys(("run_number",), np.uint32),
    **dict.fromkeys(("event_number", "regions", "offsets"), np.uint64),
    **dict.fromkeys(("weight",), np.float64),
    **dict.fromkeys(("fold", "kept_rows", "kept_columns"), np.uint8),
}
_COMPRESSIONS = ("none", "cell", "rowcol", "stochastic")
_NUMBERS = (
    *("n_particles", "n_below_threshold", "n_outside", "n_not_finite"),
    *("pt_particles_keV", "pt_below_threshold_keV", "pt_outside_keV"),
)


@dataclass(frozen=True)
class Block:
    """The result of one event loop, as arrays and numbers."""

    arrays: dict[str, npt.NDArray[Any]]
    numbers: dict[str, float]
    n_runs: int

    def image(self, i: int) -> Sparse:
        """The image of the i-th event."""
        return Sparse(self.addresses("none", i), self.arrays["values"][self._cells(i)])

    def addresses(self, compression: str, i: int) -> list[Address]:
        """The addresses of its cells after a compression."""
        cells = self._cells(i)
        lines = (self.arrays[f"{compression}_{x}"][cells].tolist() for x in ("row", "column"))
        return list(zip(*lines, strict=True))

    def kept(self, lines: str, i: int) -> list[int]:
        """The bits of the lines kept by the stochastic compression."""
        packed = self.arrays[f"kept_{lines}"].reshape(len(self.arrays["offsets"]) - 1, -1)[i]
        n = {"rows": 100, "columns": 126}[lines]
        return [int(packed[k // 8]) >> k % 8 & 1 for k in range(n)]

    def _cells(self, i: int) -> slice:
        return slice(*self.arrays["offsets"][i : i + 2].tolist())


@functools.cache
def _loop(events: tuple[Event, ...], seed: int = 1, folds: int = 3) -> Block:
    helpers, root = _declared(), load_root()
    root.monojet_test.events().resize(len(events))
    for held, event in zip(root.monojet_test.events(), events, strict=True):
        _fill(held, event)
    df = source = root.RDataFrame(len(events))
    for column, member in _COLUMNS.items():
        df = df.Define(column, f"monojet_test::events()[rdfentry_].{member}")
    df = df.Define(
        "monojet_event_summary",
        "monojet::EventSummary{run_number, event_number, weight, rdfentry_ + 5ull,"
        " {float(rdfentry_), 0.5f}}",
    )
    options = helpers.ImageOptions()
    options.min_particle_pt, options.min_jet_pt = MIN_PARTICLE_PT, MIN_JET_PT
    options.seed, options.folds = seed, folds
    block = helpers.ImageBlock()
    helpers.make_images(root.RDF.AsRNode(df), options, block)
    arrays = {name: array(getattr(block, name), dtype) for name, dtype in _VECTORS.items()}
    for name, addresses in zip(_COMPRESSIONS, block.addresses, strict=True):
        arrays[f"{name}_row"] = array(addresses.row, np.uint8)
        arrays[f"{name}_column"] = array(addresses.column, np.uint8)
    arrays["values"] = np.stack([array(channel, np.float32) for channel in block.values], axis=1)
    arrays["quantities"] = np.stack([array(x, np.float32) for x in block.quantities], axis=1)
    return Block(
        arrays,
        {name: float(getattr(block, name)) for name in _NUMBERS},
        source.GetNRuns(),
    )


# --- Their contents ----------------------------------------------------------------------------


def _random_event(rng: np.random.Generator, run: int, number: int, n_particles: int) -> Event:
    """Particles of all kinds: seen and not, soft and hard, inside and outside the grid."""
    kinds = [(211, 1), (-211, -1), (22, 0), (11, -1), (-13, 1), *((k, 0) for k in INVISIBLE)]

    def objects(n: int, pt: float) -> list[list[float]]:
        """pt, eta, phi and a fourth number, as single-precision columns hold them."""
        directions = rng.uniform((-3, -3.14), (3, 3.14), (n, 2))
        columns = (rng.exponential(pt, n), *directions.T, rng.uniform(0, 0.4, n))
        rows: list[list[float]] = np.array(columns, np.float32).T.tolist()
        return rows

    particles = []
    for pt, eta, phi, energy in objects(n_particles, pt=4):
        kind, charge = kinds[rng.integers(len(kinds))]
        particles.append(Particle(pt, eta, phi, energy, kind, charge))
    jets = tuple(Jet(*numbers) for numbers in objects(4, pt=40))
    return Event(run, number, tuple(particles), jets, float(rng.normal()))


GOOD = Particle(50.0, 0.0, 0.0, 60.0, 211, 1)
BROKEN = tuple(
    broken
    for bad in (math.nan, math.inf)
    for broken in (
        *(replace(GOOD, pt=bad), replace(GOOD, eta=bad)),
        *(replace(GOOD, phi=bad), replace(GOOD, energy=bad)),
    )
)
BROKEN_JETS = tuple(Jet(*np.where(np.arange(4) == i, math.nan, 50).tolist()) for i in range(4))
AT_THRESHOLD = Event(3, 8, (replace(GOOD, pt=MIN_PARTICLE_PT),), (Jet(MIN_JET_PT, 0.0, 0.0, 0.1),))


@functools.cache
def _events() -> tuple[Event, ...]:
    rng = np.random.default_rng(1)
    sizes = (40, 0, 1, 300, 2000, 25)
    random = [_random_event(rng, 1 + i // 3, 2**40 + i % 3, n) for i, n in enumerate(sizes)]
    return (*random, Event(3, 7, (*BROKEN, GOOD), BROKEN_JETS), AT_THRESHOLD)


def _is_finite(x: Particle | Jet) -> bool:
    return all(math.isfinite(value) for value in vars(x).values())


def _is_inside(x: Particle | Jet) -> bool:
    return -2.5 <= x.eta < 2.5


def _seen(event: Event) -> list[Particle]:
    return [p for p in event.particles if p.pdg_id not in INVISIBLE]


# --- One loop ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def block() -> Block:
    return _loop(_events())


def test_one_booked_result_is_one_event_loop(block: Block) -> None:
    assert block.n_runs == 1


def test_event_columns_are_those_of_the_events_in_their_order(block: Block) -> None:
    n = len(_events())
    columns = {name: array.tolist() for name, array in block.arrays.items()}
    assert columns["run_number"] == [event.run for event in _events()]
    assert columns["event_number"] == [event.number for event in _events()]
    assert columns["weight"] == [event.weight for event in _events()]
    assert columns["regions"] == [i + 5 for i in range(n)]
    assert columns["quantities"] == [[i, 0.5] + [0] * 7 for i in range(n)]
    assert (columns["offsets"][0], len(columns["offsets"])) == (0, n + 1)


def test_images_are_those_of_the_builder_event_by_event(block: Block) -> None:
    builder = Builder()
    for i, event in enumerate(_events()):
        builder.add([p for p in _seen(event) if _is_finite(p) and p.pt > MIN_PARTICLE_PT])
        builder.add([j for j in event.jets if _is_finite(j) and j.pt > MIN_JET_PT])
        expected, found = builder.read_out(), block.image(i)
        assert found.cells == expected.cells
        np.testing.assert_array_equal(found.values, expected.values)
    assert len(block.arrays["none_row"]) == block.arrays["offsets"][-1]


def test_addresses_are_those_of_the_compressions_event_by_event(block: Block) -> None:
    for i, event in enumerate(_events()):
        cells = block.image(i).cells
        hash_of_event = event_hash(1, event.run, event.number)
        for name in ("cell", "rowcol", "stochastic"):
            expected = compress(name, cells, hash_of_event)
            assert block.addresses(name, i) == expected.cells
        assert block.kept("rows", i) == expected.kept_rows.tolist()
        assert block.kept("columns", i) == expected.kept_columns.tolist()


def test_what_is_soft_outside_or_not_finite_is_counted(block: Block) -> None:
    seen = [p for event in _events() for p in _seen(event)]
    finite = [p for p in seen if _is_finite(p)]
    soft = [p for p in finite if p.pt <= MIN_PARTICLE_PT]
    outside = [p for p in finite if p.pt > MIN_PARTICLE_PT and not _is_inside(p)]
    broken_jets = [j for event in _events() for j in event.jets if not _is_finite(j)]
    assert block.numbers == {
        "n_particles": len(seen),
        "n_below_threshold": len(soft),
        "n_outside": len(outside),
        "n_not_finite": len(seen) - len(finite) + len(broken_jets),
        "pt_particles_keV": pytest.approx(math.fsum(p.pt for p in finite) * 1e6),
        "pt_below_threshold_keV": pytest.approx(math.fsum(p.pt for p in soft) * 1e6),
        "pt_outside_keV": pytest.approx(math.fsum(p.pt for p in outside) * 1e6),
    }
    assert min(len(soft), len(outside), len(BROKEN), len(broken_jets)) > 0


def test_nothing_is_lost_but_what_is_counted(block: Block) -> None:
    values = block.arrays["values"].astype(float)
    entered, numbers = values.sum(axis=0), block.numbers
    lost = numbers["n_below_threshold"] + numbers["n_outside"] + len(BROKEN)
    assert entered[1] + lost == numbers["n_particles"]
    lost = numbers["pt_below_threshold_keV"] + numbers["pt_outside_keV"]
    assert entered[0] * 1e6 + lost == pytest.approx(numbers["pt_particles_keV"], rel=1e-6)


def test_at_a_threshold_nothing_enters(block: Block) -> None:
    assert block.image(_events().index(AT_THRESHOLD)).cells == []


# --- Several loops ------------------------------------------------------------------------------

_IDENTITIES = tuple(
    Event(run, number, (GOOD,)) for run in (0, 1, 2**32 - 1) for number in (*range(40), 2**64 - 1)
)


def test_an_event_is_compressed_alike_wherever_it_stands_and_whatever_it_weighs(
    block: Block,
) -> None:
    n = len(_events())
    again = _loop(tuple(replace(event, weight=9.0) for event in reversed(_events())))
    for i in range(n):
        for name in _COMPRESSIONS:
            assert again.addresses(name, n - 1 - i) == block.addresses(name, i)
        for lines in ("rows", "columns"):
            assert again.kept(lines, n - 1 - i) == block.kept(lines, i)


def test_another_seed_changes_the_stochastic_compression_and_nothing_else(block: Block) -> None:
    other = _loop(_events(), seed=2)
    changed = {
        name for name in block.arrays if not np.array_equal(other.arrays[name], block.arrays[name])
    }
    assert changed == {"stochastic_row", "stochastic_column", "kept_rows", "kept_columns"}


def test_fold_depends_on_run_and_event_alone() -> None:
    folds = _loop(_IDENTITIES, folds=5).arrays["fold"]
    other = [replace(event, particles=(), weight=3.0) for event in reversed(_IDENTITIES)]
    np.testing.assert_array_equal(_loop(tuple(other), seed=9, folds=5).arrays["fold"], folds[::-1])


def test_folds_are_about_equal_and_not_alike_in_two_runs() -> None:
    folds = _loop(_IDENTITIES, folds=5).arrays["fold"]
    counts = np.bincount(folds, minlength=5)
    assert len(counts) == 5
    assert np.abs(counts - len(folds) / 5).max() < 5 * math.sqrt(len(folds) * 0.2 * 0.8)
    first, second, third = np.split(folds, 3)
    assert (first != second).any()
    assert (first != third).any()


def test_no_event_makes_an_empty_block() -> None:
    empty = _loop(())
    assert empty.arrays["offsets"].tolist() == [0]
    assert all(len(array) == 0 for name, array in empty.arrays.items() if name != "offsets")

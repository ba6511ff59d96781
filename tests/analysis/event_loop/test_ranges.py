"""Event loops over files: all types of numbers, pages of any size, ranges one after another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.event_loop.events import Booked, EventLoop, Events
from analysis.rdf import yields
from tests.cpp_helpers.bridge import implicit_mt
from tests.frames import taken

TYPES = {
    "bool": "rdfentry_ % 3 == 0",
    "float": "rdfentry_ + 0.5f",
    "double": "rdfentry_ + 0.25",
    "unsigned char": "rdfentry_ % 256",
    "short": "-int(rdfentry_)",
    "unsigned short": "rdfentry_",
    "int": "-int(rdfentry_)",
    "unsigned int": "rdfentry_",
    "long long": "-(long long)rdfentry_",
    "unsigned long long": "rdfentry_ << 40",
}
N = 500
Write = Callable[..., Path]


def name_of(kind: str) -> str:
    return kind.replace(" ", "_").removesuffix("_int")


@pytest.fixture
def write(root: Any, tmp_path: Path) -> Write:
    """Write a number and a vector, of 0 to 6 elements, of each type; in pages of some bytes."""

    def written(file_format: str, page: int = 8192) -> Path:
        df = root.RDataFrame(N)
        for kind, text in TYPES.items():
            df = df.Define(f"one_{name_of(kind)}", f"({kind})({text})")
            vector = f"ROOT::RVec<{kind}>(rdfentry_ % 7, ({kind})({text}))"
            df = df.Define(f"all_{name_of(kind)}", vector)
        options = root.RDF.RSnapshotOptions()
        if file_format == "rntuple":
            options.fOutputFormat = root.RDF.ESnapshotOutputFormat.kRNTuple
            options.fInitialUnzippedPageSize = min(page, 256)
            options.fMaxUnzippedPageSize = page
            options.fApproxZippedClusterSize = 4000
            options.fMaxUnzippedClusterSize = 16000
        path = tmp_path / f"{file_format}_{page}.root"
        df.Snapshot("events", str(path), "", options)
        return path

    return written


def opened(path: Path, begin: int = 0, end: int = N) -> Events:
    return EventLoop("events", [str(path)], begin, end).events()


@pytest.mark.parametrize("page", [16, 8192])
def test_all_types_of_numbers_are_read_from_pages(write: Write, page: int) -> None:
    events = opened(write("rntuple", page), 20, 480)
    kinds: dict[str, str] = {}
    for kind in TYPES:
        name = name_of(kind)
        vector = f"ROOT::VecOps::RVec<{kind}>"
        events = events.source(f"one_{name}", f"one_{name}", f"one_{name}", kind)
        events = events.source(f"all_{name}", f"all_{name}", f"all_{name}", vector)
        kinds |= {f"one_{name}": kind, f"all_{name}": vector}
    found = taken(events, kinds)
    assert found["one_float"] == [i + 0.5 for i in range(20, 480)]
    assert found["one_unsigned_long_long"] == [i << 40 for i in range(20, 480)]
    for kind in TYPES:
        ones, vectors = found[f"one_{name_of(kind)}"], found[f"all_{name_of(kind)}"]
        if kind == "unsigned char":
            ones = [ord(one) for one in ones]
        assert vectors == [[one] * (i % 7) for i, one in enumerate(ones, start=20)]


def count(events: Events) -> Booked:
    events = events.source("met", "met", "one_float", "float")
    events = events.source("weight", "weight", "one_double", "double")
    return yields.book(events, "met", "weight", [])


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
@pytest.mark.parametrize("compiler", ["library", "jit"])
@pytest.mark.parametrize("threads", [1, 3])
def test_ranges_one_after_another(
    write: Write, file_format: str, compiler: str, threads: int, monkeypatch: Any
) -> None:
    monkeypatch.setenv("MONOJET_HELPERS", compiler)
    ranges = [(10, 130), (130, 131), (200, 500)]
    path = write(file_format)
    with implicit_mt(threads):
        events = opened(path, 10, 500)
        one = count(events)
        for (begin, end), _ in zip(ranges, events.loop.run_in_parts(ranges), strict=True):
            (found,) = yields.read_out(one)
            assert found.entries == end - begin
            assert found.sumw == sum(i + 0.25 for i in range(begin, end))


def test_a_column_of_another_type_is_told(write: Write) -> None:
    path = write("rntuple")
    events = opened(path).source("met", "met", "all_float", "float")
    events = events.source("weight", "weight", "one_double", "double")
    one = yields.book(events, "met", "weight", [])
    with pytest.raises(Exception, match="all_float"):
        one.events.loop.run()

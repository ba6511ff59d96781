"""Imaging relative to a bare read and to columnar Python, by workers, and its memory.

``python -m benchmarks.imaging [--events N] [--input FILE.root] [--rounds N] [PART ...]``

Without ``--input``, events are generated first (several minutes) and repeated to at least
``--events``. Parts (default: all):

``read``      imaging, including the HDF5 file, relative to a bare RDataFrame loop over the same
              branches, on the RNTuple and on a zlib TTree of it; one thread, CPU time, without
              start-up, alternating in one process; the median of the ratios.
``columnar``  the same relative to ``benchmarks.columnar`` (uproot, awkward, numpy), events per
              second.
``checks``    the same relative to imaging without the check that all columns of an object have the
              same length.
``workers``   two workers relative to one: the additional time for three times more events.
``threads``   two threads in one worker relative to one, likewise.
``memory``    peak resident memory of runs over the events and over ten times as many.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from analysis.config import Config, load
from analysis.formats.native import TREE
from analysis.images import imaging
from analysis.images.image_file import ImageWriter
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import ranges
from benchmarks.event_files import NUMBERS, VECTORS, generate, repeat, run_imaging, to_tree
from benchmarks.measure import QUICKSTART, cpu_seconds
from cpp_helpers import declare, load_root

PARTS = ("read", "columnar", "checks", "workers", "threads", "memory")


def bare_read(path: Path) -> None:
    """Run a loop that only reads the branches that imaging reads."""
    sizes = [f"{name}.size()" for name in VECTORS]
    expression = " + ".join((*NUMBERS, *sizes))
    df = load_root().RDataFrame(TREE, str(path)).Define("touched", f"double({expression})")
    df.Sum["double"]("touched").GetValue()


def make_images(path: Path, output: Path, config: Config) -> None:
    """Fill and write the images of a file, as one worker and its parent do."""
    file = reader.inspect(str(path))
    with ImageWriter(output) as writer:
        blocks = list(ranges(file.cluster_ends, config.imaging.block_size))
        for images in imaging.make_images(file, blocks, config):
            writer.append(images)


def against_bare_read(paths: dict[str, Path], folder: Path, rounds: int) -> None:
    config = load(QUICKSTART)
    targets = {"RNTuple": 2.0, "TTree": 1.3}
    for name, path in paths.items():
        output = folder / "images.h5"
        n_events = reader.inspect(str(path)).n_events
        read = functools.partial(bare_read, path)
        make = functools.partial(make_images, path, output, config)
        read()
        make()
        bare, images = [], []
        for _ in range(rounds):
            bare.append(cpu_seconds(read))
            output.unlink()
            images.append(cpu_seconds(make))
        ratio = statistics.median(i / b for i, b in zip(images, bare, strict=True))
        print(
            f"{name}: imaging / bare read = {ratio:.2f} (target {targets[name]}); "
            f"{n_events / statistics.median(images):.0f} and "
            f"{n_events / statistics.median(bare):.0f} events/s; "
            f"{output.stat().st_size / n_events / 1000:.2f} kB per event (target 1.3)"
        )


def against_columnar(paths: dict[str, Path], folder: Path, rounds: int) -> None:
    from benchmarks import columnar

    config = load(QUICKSTART)
    targets = {"RNTuple": 5, "TTree": 2}
    for name, path in paths.items():
        output, other = folder / "images.h5", folder / "columnar.h5"
        make = functools.partial(make_images, path, output, config)
        by_columns = functools.partial(
            columnar.make_images, path, other, seed=config.seed, folds=config.training.folds
        )
        make()
        ratios = []
        for _ in range(rounds):
            output.unlink()
            other.unlink(missing_ok=True)
            ours, theirs = cpu_seconds(make), cpu_seconds(by_columns)
            ratios.append(theirs / ours)
        print(
            f"{name}: {statistics.median(ratios):.1f} times as fast as columnar Python "
            f"(target {targets[name]}), which makes "
            f"{reader.inspect(str(path)).n_events / theirs:.0f} events/s"
        )


def _unchecked(definer: Any, step: Any, name: str) -> str:
    """Return the name of a column, without the check that columns have the same length."""
    return name


def against_unchecked(paths: dict[str, Path], folder: Path, rounds: int) -> None:
    config = load(QUICKSTART)
    for name, path in paths.items():
        output = folder / "images.h5"
        make = functools.partial(make_images, path, output, config)
        ratios = []
        for number in range(rounds + 1):
            output.unlink(missing_ok=True)
            checked = cpu_seconds(make)
            output.unlink()
            with mock.patch.object(reader._Definer, "_of_same_length", _unchecked):
                unchecked = cpu_seconds(make)
            if number:  # the first round compiles
                ratios.append(checked / unchecked)
        print(f"{name}: with checks of lengths / without = {statistics.median(ratios):.3f}")


def slope(path: Path, folder: Path, *options: str) -> float:
    """Return the wall-clock seconds to image the file once more, without start-up."""
    paths = [folder / f"{path.stem}_{i}.root" for i in range(4)]
    for again in paths:
        if not again.exists():
            again.symlink_to(path)
    return (
        run_imaging(paths, folder, *options)[0] - run_imaging(paths[:1], folder, *options)[0]
    ) / 3


def speed_up(path: Path, folder: Path, rounds: int, one: list[str], two: list[str]) -> float:
    return statistics.median(
        slope(path, folder, *one) / slope(path, folder, *two) for _ in range(rounds)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    options: Any = parser.parse_args()
    parts = options.parts or PARTS
    declare()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = {"RNTuple": folder / "rntuple.root", "TTree": folder / "ttree.root"}
        sources = [options.input] if options.input else generate(folder)
        repeat(sources, options.events, paths["RNTuple"])
        to_tree(paths["RNTuple"], paths["TTree"])
        if "read" in parts:
            against_bare_read(paths, folder, options.rounds)
        if "columnar" in parts:
            against_columnar(paths, folder, min(options.rounds, 3))
        if "checks" in parts:
            against_unchecked(paths, folder, options.rounds)
        for part in ("workers", "threads"):
            if part in parts:
                other = {"workers": "threads", "threads": "workers"}[part]
                one, two = ([f"--{part}", n, f"--{other}", "1"] for n in ("1", "2"))
                ratio = speed_up(paths["RNTuple"], folder, min(options.rounds, 3), one, two)
                target = " (target 1.8)" if part == "workers" else ""
                print(f"two {part} / one = {ratio:.2f}{target}")
        if "memory" in parts:
            for workers in ("1", "2"):
                few, many = (
                    run_imaging([paths["RNTuple"]] * n, folder, "--workers", workers)[1]
                    for n in (1, 10)
                )
                print(
                    f"peak memory, {workers} worker(s): {few:.0f} MB, with ten times the events "
                    f"{many:.0f} MB: {many / few:.2f} (target 1.1)"
                )


if __name__ == "__main__":
    main()

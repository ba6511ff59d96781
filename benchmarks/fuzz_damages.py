"""Damages of event files, drawn at random (`benchmarks.fuzz_inputs`)."""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from analysis.formats.format import Layout
from analysis.inputs import reader

Rng = np.random.Generator
Rewrite = Callable[[Rng, str, Path, Path], None]
"""Write a damaged file (last argument) from a seed file, by the name of the damage."""

# Bytes


def truncated(rng: Rng, content: bytes) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def flipped(rng: Rng, content: bytes) -> bytes:
    changed = np.frombuffer(content, np.uint8).copy()
    where = rng.integers(0, len(changed), int(10 ** rng.uniform(0, 2)))
    changed[where] ^= rng.integers(1, 256, len(where)).astype(np.uint8)
    return changed.tobytes()


def flipped_ends(rng: Rng, content: bytes) -> bytes:
    """Flip bytes in the first and last kilobytes: header, keys, streamer information."""
    size = min(int(rng.choice([100, 1000, 4000])), len(content) // 2)
    changed = np.frombuffer(content, np.uint8).copy()
    where = rng.integers(0, size, rng.integers(1, 11))
    where = np.where(rng.random(len(where)) < 0.5, where, len(content) - 1 - where)
    changed[where] ^= rng.integers(1, 256, len(where)).astype(np.uint8)
    return changed.tobytes()


def block(rng: Rng, content: bytes) -> bytes:
    """Replace a block by zeros, or repeat it."""
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
    """Return the object of a column."""
    return re.split("[_.]", name)[0]


def change_arrays(rng: Rng, damage: str, columns: dict[str, Any], used: list[str]) -> None:
    """Damage some of the used columns, given as awkward arrays."""
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
    flat = np.concatenate([values[:begin], new, values[begin + counts[event] :]])
    counts[event] = size
    columns[name] = ak.unflatten(ak.Array(flat[: counts.sum()]), counts)


def rewrite_arrays(
    tree: str,
    ntuple: bool = False,
    layout: Layout = Layout(),  # noqa: B008
) -> Rewrite:
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
) -> Rewrite:
    """Return a function that damages columns given as C++ expressions."""

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

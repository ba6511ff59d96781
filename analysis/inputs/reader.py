"""Files of events of any format: recognised, checked, and opened with the canonical columns.

Everything that can be wrong with a file is found here, before an event loop is booked: a failure
inside a loop would leave the process unusable.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.formats.columns import CANONICAL, PREFIX, converts, names_in, own, plain_type, renamed
from analysis.formats.custom import custom
from analysis.formats.format import (
    IS_DATA,
    Column,
    Format,
    Layout,
)
from analysis.formats.registry import FORMATS
from analysis.inputs import bookkeeping
from analysis.inputs.cross_sections import cross_section_of
from analysis.inputs.sample_info import SampleInfo
from common.runtime.errors import InputError
from cpp_helpers import declare, declare_jets, load_root
from cpp_helpers.errors import Diagnostics, cause_of, diagnostics, failure_of, forget_errors

log = logging.getLogger("monojet")

_sleep = time.sleep
RETRY_AFTER = (1, 4, 16)
"""Seconds after which a server is asked again that could not be reached."""

_CONNECTION = re.compile("connection|socket|time-?out|expired|stream error", re.IGNORECASE)
_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")
_FOLDER = "TDirectoryFile"
_OLD_NTUPLE = "ROOT::Experimental::RNTuple"
"""Of ROOT before 6.34, whose format was not final."""


@dataclass(frozen=True)
class File:
    """A checked input file.

    ``stored`` are the sources it has, by what it calls them; of these ``converted`` are numbers of
    another type than expressions take, with that type, and ``mistyped`` those that cannot be read,
    with what is wrong. ``data`` says whether its events were measured.
    """

    path: str
    format: Format
    tree: str
    stored: Mapping[str, str]
    cluster_ends: tuple[int, ...]
    info: SampleInfo | None
    data: bool
    converted: Mapping[str, str] = field(default_factory=dict)
    mistyped: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_events(self) -> int:
        """Number of events."""
        return self.cluster_ends[-1] if self.cluster_ends else 0

    @property
    def unity(self) -> frozenset[str]:
        """Sources that measured events lack, and that stand for a factor of 1."""
        return self.format.only_simulated - self.stored.keys() if self.data else frozenset()

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """The canonical columns that it gives and those that they are made of, in order."""
        return {n: c for n, c in self._chosen.items() if n not in self.unreadable}

    @cached_property
    def unreadable(self) -> Mapping[str, str]:
        """The mistyped sources and the columns that are made of them, with what is wrong."""
        found = dict(self.mistyped)
        for name, column in self._chosen.items():
            bad = sorted(names_in(column.expression) & found.keys())
            if bad:
                found[name] = found[bad[0]]
        return found

    @cached_property
    def _chosen(self) -> Mapping[str, Column]:
        return self.format.chosen(self.stored.keys() | self.unity)


@dataclass(frozen=True)
class Needs:
    """The canonical columns that something cannot do without, and what that is."""

    columns: frozenset[str]
    purpose: str


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep ROOT's own messages from the user while our checks look at a file."""
    root = load_root()
    level = root.gErrorIgnoreLevel
    root.gErrorIgnoreLevel = root.kFatal
    try:
        yield
    finally:
        root.gErrorIgnoreLevel = level


def inspect(path: str, layout: Layout = Layout(), data: bool = False) -> File:  # noqa: B008
    """Open a file, find its format unless that is given, and check what will be read of it.

    Raises:
        InputError: the file is missing, not a ROOT file, truncated, of no known format or not of
            the given one, or a branch was not filled for each of its events.
    """
    root = load_root()
    declare().opened(path)
    with quiet(), _damage_named(path), _open(path) as handle:
        if handle.TestBit(root.TFile.kRecovered):
            raise InputError(f"{path}: truncated: the file was not closed when it was written")
        _refuse_old_ntuples(path, handle, layout)
        found, tree, types = _recognised(path, handle, layout)
        stored = _stored(found, types)
        _require_filled(path, tree, stored)
        cluster_ends = _cluster_ends(path, tree)
        n_events = cluster_ends[-1] if cluster_ends else 0
        info = _info(path, handle, found, stored, tree, n_events, data)
    file = File(
        path, found, tree, stored, cluster_ends, info, data, *_of_other_types(found, stored, types)
    )
    if layout.columns and n_events:
        _require_described(file, layout)
        _opened([file], 0, 0)  # whether the expressions compile
    return file


def _require_described(file: File, layout: Layout) -> None:
    """Stop where a column that the configuration describes is made of one that is not there."""
    for name, expression in layout.columns:
        if name not in file.columns:
            known = file.columns.keys() | file.stored.keys()
            absent = min(names_in(expression) & CANONICAL.keys() - known, default=name)
            raise InputError(
                f"{file.path}: column '{name}' = '{expression}' cannot be made: '{file.tree}' has "
                f"no column '{absent}'"
            )


@contextlib.contextmanager
def _damage_named(path: str) -> Iterator[None]:
    """Whatever else is thrown where a file is not what it should be becomes an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # of Python, or what cppyy makes of a C++ exception
        raise InputError(f"{path}: damaged: {cause_of(error)}") from error


def _open(path: str) -> Any:
    """An open ROOT file. Of a server that does not answer it is asked for again, after a while."""
    remote = "://" in path
    if not remote and Path(path).is_dir():
        raise InputError(f"{path}: a directory: name its files, '{path}/*.root'")
    if not remote and not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    if not remote and Path(path).stat().st_size == 0:
        raise InputError(f"{path}: empty: it has 0 bytes")
    for wait in (*RETRY_AFTER, None) if remote else (None,):
        forget_errors()
        try:
            handle = load_root().TFile.Open(path)
        except OSError as error:
            cause = failure_of(error) if remote else _what_is_wrong(path)
            if wait is None or not _CONNECTION.search(cause):
                raise InputError(f"{path}: {cause}") from error
            log.warning("%s: %s: again in %d s", path, cause, wait)
            _sleep(wait)
            continue
        if not handle or handle.IsZombie():
            raise InputError(f"{path}: {_what_is_wrong(path)}")
        return handle
    raise AssertionError


def _what_is_wrong(path: str) -> str:
    """With what is no ROOT file, or is a damaged one."""
    if "://" not in path:
        with Path(path).open("rb") as file:
            if file.read(4) != b"root":
                return "not a ROOT file"
    return "a ROOT file that is truncated or damaged"


def _recognised(path: str, handle: Any, layout: Layout) -> tuple[Format, str, dict[str, str]]:
    """The format of a file, its tree or ntuple there, and the `_columns` of that."""
    if layout.columns:
        trees = _trees(handle)
        tree = _only_tree(path, trees, handle) if layout.tree is None else layout.tree
        if tree not in trees:
            raise InputError(f"{path}: no tree or ntuple '{tree}' ({_held(handle)})")
        found = custom(layout, _columns(path, tree, None))
        return found, tree, _columns(path, tree, found)
    keys = _keys(handle)
    formats = FORMATS if layout.format is None else {layout.format: FORMATS[layout.format]}
    lacking = ""
    for one in formats.values():
        for tree in one.trees:
            if keys.get(tree) not in _TREES:
                continue
            types = _columns(path, tree, one)
            if not types and not _cluster_ends(path, tree):
                return one, tree, types  # nothing was kept, not even the columns
            for marker in sorted(one.markers):
                if one.spelt(marker, types) is None:
                    lacking = lacking or (
                        f"'{tree}' has no column '{one.spellings(marker)[0]}', by which the format "
                        f"'{one.name}' is told"
                    )
                    break
            else:
                return one, tree, types
    names = dict.fromkeys(f"'{name}'" for one in formats.values() for name in one.trees)
    problem = lacking or f"no tree or ntuple {' or '.join(names)} ({_held(handle)})"
    raise InputError(
        f"{path}: {problem}: docs/inputs.md has the formats that can be read, and how to describe "
        "another"
    )


def _refuse_old_ntuples(path: str, handle: Any, layout: Layout) -> None:
    """Stop where what would be read is an RNTuple that no ROOT since 6.34 reads."""
    if layout.tree is None and any(kind in _TREES for kind in _keys(handle).values()):
        return  # without a look into its folders, each a request to a server
    keys = dict(_all_keys(handle))
    old = sorted(name for name, kind in keys.items() if kind == _OLD_NTUPLE)
    if old and (layout.tree in old or not any(kind in _TREES for kind in keys.values())):
        raise InputError(
            f"{path}: '{old[0]}' is an RNTuple of a format before 1.0, which no ROOT since 6.34 "
            "can read: copy it to a TTree with the ROOT that wrote it (RDataFrame::Snapshot), or "
            "make it again with a newer one"
        )


def _keys(folder: Any) -> dict[str, str]:
    """What lies in a file or a folder of it, and of which class it is."""
    return {str(key.GetName()): str(key.GetClassName()) for key in folder.GetListOfKeys()}


def _all_keys(handle: Any, within: str = "") -> Iterator[tuple[str, str]]:
    """What lies in a file and all its folders, by path, and of which class it is."""
    for name, kind in _keys(handle.GetDirectory(within) if within else handle).items():
        if kind == _FOLDER:
            yield from _all_keys(handle, f"{within}{name}/")
        else:
            yield f"{within}{name}", kind


def _trees(handle: Any) -> list[str]:
    """The trees and ntuples of a file, by path."""
    return sorted(name for name, kind in _all_keys(handle) if kind in _TREES)


def _only_tree(path: str, trees: Sequence[str], handle: Any) -> str:
    """The name of a file's only tree or ntuple."""
    if len(trees) != 1:
        raise InputError(
            f"{path}: not one tree or ntuple but {len(trees)} ({_held(handle)}): say which with "
            "'tree' beside 'columns' of the sample"
        )
    return trees[0]


def _held(handle: Any) -> str:
    shown = sorted(" ".join(name.split()) for name in dict(_all_keys(handle)))
    more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
    return f"the file holds: {', '.join(shown[:10]) or 'nothing'}{more}"


def _stored(found: Format, types: Collection[str]) -> dict[str, str]:
    """The sources that a file has, by what it calls them."""
    spelt = {name: found.spelt(name, types) for name in found.sources}
    return {name: column for name, column in spelt.items() if column is not None}


def _of_other_types(
    found: Format, stored: Mapping[str, str], types: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The sources that are to be converted, with the type that expressions take, and those that
    cannot be, with what is wrong."""
    converted, mistyped = {}, {}
    for name, column in stored.items():
        wanted, kind = found.sources[name].types, plain_type(types[column])
        if not wanted or kind in wanted:
            continue
        fit = next((one for one in wanted if converts(kind, one)), None)
        if fit is not None:
            converted[name] = fit
        else:
            mistyped[name] = (
                f"column '{column}' is {types[column]}, not {' or '.join(wanted)} as in the format "
                f"'{found.name}'"
            )
    return converted, mistyped


def _require_filled(path: str, tree: str, stored: Mapping[str, str]) -> None:
    """Stop where a branch has another number of entries than its tree: ROOT would read its last
    value again and again."""
    one = declare().misfilled(tree, path, list(stored.values()))
    if one.branch:
        raise InputError(
            f"{path}: branch '{one.branch}' was filled for {one.entries} of the {one.of_tree} "
            f"entries of '{tree}': its values belong to no event: write the file again"
        )


def _columns(path: str, tree: str, found: Format | None) -> dict[str, str]:
    """The columns of a tree and, of those that a format reads, the types: others may have none that
    ROOT knows."""
    wanted = {name for one in found.sources for name in found.spellings(one)} if found else ()
    try:
        df = load_root().RDataFrame(tree, path)
        names = [str(name) for name in df.GetColumnNames()]
        return {name: str(df.GetColumnType(name)) if name in wanted else "" for name in names}
    except Exception as error:  # whatever cppyy makes of a C++ exception
        raise InputError(f"{path}: cannot read '{tree}': {cause_of(error)}") from error


def _cluster_ends(path: str, tree: str) -> tuple[int, ...]:
    """The entry after the last of each cluster."""
    try:
        return tuple(int(end) for end in declare().cluster_ends(tree, path))
    except Exception as error:  # whatever cppyy makes of a C++ exception
        raise InputError(f"{path}: cannot read '{tree}': {cause_of(error)}") from error


def _info(
    path: str,
    handle: Any,
    found: Format,
    stored: Mapping[str, str],
    tree: str,
    n_events: int,
    data: bool,
) -> SampleInfo | None:
    """What a file says of its sample, if anything; that of measured events says nothing."""
    if found.info in _keys(handle):
        return SampleInfo.from_json(str(handle.Get(found.info).GetTitle()))
    if data:
        return None
    info = SampleInfo("", "", n_events=n_events)
    if found.dataset is not None and found.dataset in stored and n_events:
        number = declare().first_number(tree, path, stored[found.dataset])
        info = replace(info, dataset=str(number), cross_section=cross_section_of(number))
    if found.bookkeeping is not None and (sums := bookkeeping.read(path, found.bookkeeping)):
        info = replace(info, sum_of_weights=sums[0], sum_of_weights_squared=sums[1])
    if found.sum_of_weights is not None:
        cross_section, sum_of_weights = (
            _first(handle.Get(tree), name) for name in (found.cross_section, found.sum_of_weights)
        )
        info = replace(
            info, cross_section=cross_section, sum_of_weights=sum_of_weights, shared=True
        )
    return None if info == SampleInfo("", "", n_events=n_events) else info


def _first(tree: Any, column: str | None) -> float | None:
    """The first entry of a column of a tree, if there is one and it can be."""
    leaf = tree.GetLeaf(column) if column else None
    if not leaf or leaf.GetBranch().GetEntry(0) <= 0:
        return None
    value = float(leaf.GetValue())
    return value if 0 < value < math.inf else None


def require_columns(file: File, needs: Needs) -> None:
    """Stop where a file cannot give the canonical columns that are needed.

    Raises:
        InputError: it names the first of them, the format, the file, and the cause. Not of a file
            without events, which may lack all.
    """
    if not file.n_events:
        return
    missing = sorted(needs.columns - file.columns.keys())
    if not missing:
        return
    first, one = missing[0], file.format
    absent = one.lacking(first, file.stored.keys() | file.unity)
    if first in file.unreadable:
        cause = file.unreadable[first]
    elif absent is None:
        cause = f"the format '{one.name}' cannot give it"
    else:
        column = one.spellings(absent)[0]
        cause = f"the file lacks column '{column}' of the format '{one.name}'"
        if absent in one.only_simulated:
            cause += ", which only measured events may: say 'data: true' of them, or --data"
    others = f" (nor {', '.join(missing[1:])})" if missing[1:] else ""
    raise InputError(
        f"{file.path}: no column '{first}', which {needs.purpose} needs: {cause}{others}"
    )


def open_range(file: File, begin: int, end: int) -> Any:
    """An RDataFrame over entries [begin, end) of a file, with all canonical columns it gives.

    What the file holds as it should be is not touched; the rest is defined, and computed only for
    events in which it is asked for.
    """
    return _opened([file], begin, end)


def open_files(files: Sequence[File]) -> Any:
    """The same over all entries of some files, one after the other.

    Raises:
        InputError: they are not of one format, with the same columns.
    """
    with_events = [file for file in files if file.n_events] or files[:1]
    first = with_events[0]
    for file in with_events:
        if _layout(file) != _layout(first):
            raise InputError(
                f"{file.path}: of another format than {first.path}, or with other columns: "
                "make them two samples"
            )
    return _opened(with_events, 0, sum(file.n_events for file in with_events))


def _layout(file: File) -> tuple[object, ...]:
    return (file.format, file.tree, file.stored, file.unity, file.converted, file.mistyped)


def _opened(files: Sequence[File], begin: int, end: int) -> Any:
    file = files[0]
    clusters = any("cluster_jets" in column.expression for column in file.columns.values())
    helpers = declare_jets() if clusters else declare()
    helpers.opened(", ".join(file.path for file in files))
    forget_errors()
    if not any(file.n_events for file in files):
        return _no_events(helpers)
    with quiet():  # ROOT warns of types it has no dictionary for, which nothing reads
        df = helpers.open_range(file.tree, [f.path for f in files], begin, end)
    df, names = _sources(df, helpers, file)
    firsts: dict[str, str] = {}  # columns that tell how many objects of a kind there are
    for name, column in file.columns.items():
        df = _made(df, helpers, file, name, column, names)
        names[name] = own(name)
        if "RVec" in CANONICAL.get(name, ""):
            first = firsts.setdefault(name.split("_")[0], name)
            if first != name:
                df = _of_one_length(df, name, first)
    return df


def _no_events(helpers: Any) -> Any:
    """A data frame without events that has all canonical columns."""
    df = helpers.no_events()
    for name, kind in CANONICAL.items():
        df = helpers.define(df, name, f"{kind}{{}}" if "RVec" in kind else f"({kind})0")
    return df


def _sources(df: Any, helpers: Any, file: File) -> tuple[Any, dict[str, str]]:
    """The data frame with the sources of a file as expressions take them, and what they are called
    there."""
    names: dict[str, str] = {}
    if file.format.only_simulated:
        names[IS_DATA] = own(IS_DATA)
        df = helpers.define_per_sample(df, names[IS_DATA], "true" if file.data else "false")
    for source in sorted(file.unity):
        names[source] = PREFIX + source
        df = helpers.define_per_sample(df, names[source], "1.f")
    for source, stored in file.stored.items():
        if source in file.mistyped or (source == stored and source not in file.converted):
            continue
        names[source] = PREFIX + source
        if source not in file.converted:
            df = helpers.alias(df, names[source], stored)
            continue
        column = f"{names[source]}_in_file"
        df = helpers.alias(df, column, stored)
        df = helpers.define(df, names[source], f"monojet::as<{file.converted[source]}>({column})")
    return df, names


def _of_one_length(df: Any, name: str, first: str) -> Any:
    return declare().with_length_of(df, name, first)


def _made(
    df: Any, helpers: Any, file: File, name: str, column: Column, names: Mapping[str, str]
) -> Any:
    """The data frame with a column."""
    kind = CANONICAL.get(name)
    if (
        column.expression == name
        and name not in names
        and file.format.sources[name].types == (kind,)
    ):
        return df
    expression = renamed(column.expression, names)
    if kind:
        expression = f"monojet::as<{kind}>({expression})"
    said = Diagnostics()
    try:
        with diagnostics(said):
            return helpers.define(df, own(name), expression)
    except Exception as error:
        raise InputError(
            f"{file.path}: column '{name}' = '{column.expression}' cannot be made: "
            f"{said.first_error() or cause_of(error)}"
        ) from error

"""Write chosen columns of the events of a region, one file per sample.

A task is one event loop over a range of a file; its part is a ROOT file with the events that pass.
Parts are merged in the order of the input, where the sum of weights of the whole sample is known,
so that the output does not depend on the size of tasks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from analysis.config import Config, Sample, Skim
from analysis.config.skim import EXPECTED, KEYS, WEIGHT
from analysis.event_loop.columns import Computed, refused
from analysis.event_loop.events import EventLoop, Events
from analysis.formats.columns import names_in, own
from analysis.formats.native import INFO, TREE
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import info_of, input_ranges, task_input
from analysis.inputs.root_file import write_texts
from analysis.inputs.sample_info import (
    InputRange,
    SampleInfo,
    add_range,
    combine,
    configured,
    info_of_ranges,
    normalisation,
)
from analysis.rdf.regions import without_blind
from analysis.rdf.weights import define_weight, factor_keys
from analysis.skims import parquet_file
from analysis.skims.column_types import is_stored_as, stored_type
from analysis.skims.skim_part import SkimPart
from analysis.skims.tree_file import MARGIN, one_thread, write_events
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from analysis.workflow.versions import versions
from common.runtime import files
from common.runtime.errors import BatchError, InputError, NormalisationError, OutputError
from common.tasks import Provenance, Range, Skipped, Task
from cpp_helpers import calls
from selections.cuts import Cut, Definition, used_definitions

log = logging.getLogger("monojet")

SKIM = "skim"
"""Name of the text in each skim that says how it was made."""

_FACTOR = "events_of_a_weight"


def ranges(run: Run, target: Target) -> Iterable[Range]:
    """Return the events of the target's sample, cut into tasks."""
    return input_ranges(run, target.name, needs(run.config, run.config.sample(target.name)))


def needs(config: Config, sample: Sample) -> reader.Needs:
    """Return the columns that the skim of a sample uses."""
    skim = _settings(config)
    used_by = {
        word: f"selection.{key}"
        for key, text in config.selection.texts()
        for word in names_in(text)
    }
    return reader.Needs.of(
        "the skim",
        skim.expressions(config.selection.resolved, data=sample.data),
        *(*KEYS, "weight"),
        extra=config.further_columns,
        used_by=used_by | dict.fromkeys(skim.columns, "skim.columns"),
    )


def _settings(config: Config) -> Skim:
    assert config.skim is not None, "the stage has no targets without"
    return config.skim


def make_part(run: Run, task: Task, path: Path) -> int:
    """Write the events of a task that pass, in one event loop; return the number of events read.

    Raises:
        InputError: the file cannot be read, or a column or a weight cannot be written.
    """
    config, name = run.config, task.range.sample
    sample, skim = config.sample(name), _settings(config)
    file = task_input(run, task)
    reader.require_columns(file, needs(config, sample))
    begin, end = task.range.begin, file.n_events if task.range.end is None else task.range.end
    files.require_space(path, MARGIN)
    with one_thread(), files.whole(path) as partial:
        events, words = _passing(reader.open_events(file, begin, end), config, sample)
        found = events.types(words.values())
        types = {column: _type(file, column, found[word]) for column, word in words.items()}
        for column, word in words.items():
            if not is_stored_as(found[word], types[column]):
                events, words[column] = _converted(events, column, word, types[column])
        cut = Cut("not_finite", f"!std::isfinite({words[WEIGHT]})", "")
        not_finite = events.passing(cut).book(lambda node: calls.make("book_count", node), {})
        ttree = skim.format == "ttree"
        n_events = write_events(events, partial, words, ttree=ttree, source=file.path)
        if n := int(not_finite.result.array("count")[0]):
            raise InputError(f"{file.path}: '{WEIGHT}' is not finite (events that pass: {n})")
        info = info_of(run, name, file)
        facts = SkimPart(
            task.code_settings_hash, InputRange.of(task, end, info), info, types, n_events
        )
        facts.write(partial)
    return end - begin


def _passing(events: Events, config: Config, sample: Sample) -> tuple[Events, dict[str, str]]:
    """Return the events that pass, and the columns to write with their names in expressions."""
    skim, selection = _settings(config), config.selection.resolved
    keys = config.selection.keys("selection.")
    expressions = skim.expressions(selection, data=sample.data)
    events = events.define(used_definitions(selection.definitions, expressions), keys)
    events, weight = define_weight(events, selection, data=sample.data, keys=factor_keys(selection))
    events = without_blind(events, selection, data=sample.data)
    region = None if skim.region is None else selection.regions[skim.region]
    for cut in region.cuts if region else ():
        events = events.passing(cut, keys.get(f"{skim.region} {cut.name}", ""))
    chosen = {column: column for column in skim.columns}
    return events, {**{key: key for key in KEYS}, WEIGHT: weight, **chosen}


def _converted(events: Events, column: str, word: str, kind: str) -> tuple[Events, str]:
    """Return the events with a column in the type in which it is stored, and its name."""
    name, text = f"stored_{column}", f"monojet::as<{kind}>({word})"
    made = Computed(text, events.words_in(word), refused(column, text))
    return events.define_column(name, made), name


def _type(file: reader.File, column: str, found: str) -> str:
    """Return the C++ type in which a column of a type is stored.

    Raises:
        InputError: a skim cannot hold it.
    """
    if column == WEIGHT:
        return "double"
    stored = stored_type(found)
    if stored is None:
        raise InputError(
            f"{file.path}: column '{column}' of 'skim.columns' is {found}, but a skim holds "
            "numbers, bool and vectors of these: define such a column from it under "
            "'selection.define'"
        )
    return stored


def provenance(path: Path) -> Provenance:
    """Return the origin of a part.

    Raises:
        BatchError: the part is damaged.
    """
    return SkimPart.read(path).provenance


# --- Merge ----------------------------------------------------------------------------------------


def merge(run: Run, target: Target, parts: Parts) -> None:
    """Write the events of all parts of a sample to its file."""
    config, output = run.config, target.output
    sample, skim = config.sample(target.name), _settings(config)
    made = [(part.path, SkimPart.read(part.path)) for part in parts]
    if not made:
        raise BatchError(f"sample '{target.name}': none of its files could be read")
    sources: list[InputRange] = []
    for _, part in made:
        add_range(sources, part.source)
    info = _info(sources, made[0][1].info, sample)
    factor = _factor(info, config)
    types = _types([part for _, part in made])
    if factor is not None:
        keys = {name: types.pop(name) for name in (*KEYS, WEIGHT)}
        types = {**keys, EXPECTED: "double", **types}
    facts = _facts(target, info, factor, types, sources, parts.skipped, run)
    n_events = sum(part.n_events for _, part in made)
    paths = [path for path, part in made if part.n_events]

    output.parent.mkdir(parents=True, exist_ok=True)
    files.remove_partials(output.parent, output.name)
    files.require_space(output, MARGIN + sum(path.stat().st_size for path in paths))
    with files.whole(output) as partial:
        if skim.format == "parquet":
            written = parquet_file.write(partial, paths, types, facts, factor)
        else:
            written = _write_root(partial, paths, n_events, types, factor, skim, target)
            write_texts(partial, facts)
        if written != n_events:
            raise OutputError(f"{output}: {written} events instead of the {n_events} of its parts")
    read = sum(source.end - source.begin for source in sources)
    log.info("%s: %d of %d events", output, n_events, read)


def _info(sources: Sequence[InputRange], first: SampleInfo, sample: Sample) -> SampleInfo:
    """Return the facts about the whole sample before any cut.

    Each skim of the sample states them. The dataset names the input, as the sums of skims of
    different inputs must not be taken for those of one.
    """
    if any(source.n_events for source in sources):
        info = info_of_ranges(sources, first, sample)
    else:
        info = configured(combine([source.info(first) for source in sources]), sample)
    if sample.data:
        return dataclasses.replace(info, shared=True)
    read = [(one.file, one.input_version, one.begin, one.end) for one in sources]
    digest = hashlib.blake2b(json.dumps(read).encode(), digest_size=4).hexdigest()
    dataset = f"{info.dataset or info.name}, events {digest}"
    return dataclasses.replace(info, shared=True, dataset=dataset)


def _factor(info: SampleInfo, config: Config) -> float | None:
    """Return the factor from weights to expected events; None if it is not known."""
    try:
        return normalisation(info, config)
    except NormalisationError as error:
        log.warning("skim of %s: column '%s' is left out: %s", info.name, EXPECTED, error)
        return None


def _types(made: Sequence[SkimPart]) -> dict[str, str]:
    """Return the types of the columns, which must agree. Those of files without events, which may
    be guessed, count only if there are no others.

    Raises:
        InputError: two files differ.
    """
    with_events = [part for part in made if part.source.end > part.source.begin] or made[:1]
    first = with_events[0]
    for part in with_events:
        for name, kind in part.types.items():
            if kind != first.types[name]:
                raise InputError(
                    f"{part.source.file}: column '{name}' is {kind}, but {first.types[name]} in "
                    f"{first.source.file}: convert it under 'columns', or make them two samples"
                )
    return dict(first.types)


def _facts(
    target: Target,
    info: SampleInfo,
    factor: float | None,
    types: Mapping[str, str],
    sources: Sequence[InputRange],
    skipped: Sequence[Skipped],
    run: Run,
) -> dict[str, str]:
    """Return the texts beside the events: facts about the sample, and how the skim was made."""
    made = {
        "sample": target.name,
        "region": _settings(run.config).region,
        "weights": target.settings["weights"],
        "luminosity": run.config.luminosity,
        "normalisation": factor,
        "columns": dict(types),
        "files": [dataclasses.asdict(source) for source in sources],
        "skipped_files": [dataclasses.asdict(one) for one in skipped],
        "code_settings_hash": target.code_settings_hash,
        "versions": versions(),
    }
    return {INFO: info.to_json(), SKIM: json.dumps(made)}


def _write_root(
    path: Path,
    parts: Sequence[Path],
    n_events: int,
    types: Mapping[str, str],
    factor: float | None,
    skim: Skim,
    target: Target,
) -> int:
    loop = EventLoop(TREE, [str(part) for part in parts], 0, n_events if parts else 0)
    events = loop.events()
    for name, kind in types.items():
        if name != EXPECTED:
            events = events.source(name, own(name), name, kind)
    if factor is not None:
        events = events.number(_FACTOR, "double", factor)
        events = events.define([Definition(EXPECTED, f"{WEIGHT} * {_FACTOR}")])
    with one_thread():
        return write_events(
            events,
            path,
            {name: name for name in types},
            ttree=skim.format == "ttree",
            source=f"the parts of {target.output}",
        )


WORK = PartitionedWork(
    ranges=ranges, make_part=make_part, provenance=provenance, merge=merge, suffix=".root"
)

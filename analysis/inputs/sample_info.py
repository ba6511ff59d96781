"""Facts about a sample beside its events: cross-section, sum of weights, provenance."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.config import Config, Sample
from common.runtime.errors import BatchError, InputError
from common.stats.normalisation import luminosity_scale
from common.tasks import Task


@dataclass(frozen=True)
class SampleInfo:
    """Facts about a sample, stored as JSON with it. Cross-sections in pb; sums before any cut."""

    name: str
    process: str
    slice: str | None = None
    dataset: str | None = None
    """Number or name of the simulated dataset of a file; None if unknown."""
    n_events: int | None = None
    cross_section: float | None = None
    cross_section_error: float | None = None
    sum_of_weights: float | None = None
    sum_of_weights_squared: float | None = None
    shared: bool = False
    """Each file states the sum of weights of the whole sample, so that these do not add."""
    seed: int | None = None
    settings: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text stored in a file."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SampleInfo:
        """Return the inverse of `to_json`; ignore keys of later versions."""
        known = {f.name for f in dataclasses.fields(cls)}
        data: dict[str, Any] = {k: v for k, v in json.loads(text).items() if k in known}
        data["settings"] = tuple(data.get("settings", ()))
        return cls(**data)


def run_number_of(name: str) -> int:
    """Return the run number of a sample made here, which depends on its name only."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) >> 1


def combine(infos: Sequence[SampleInfo]) -> SampleInfo:
    """Combine the facts of the files or blocks of one dataset.

    Weights add; cross-sections, each an estimate of the same value, are averaged over events. If
    each file describes the whole dataset (``shared``), the values must agree, else they become
    unknown. Of a file without events, only the weights count.
    """
    events = [info.n_events or 0 for info in infos]
    total = sum(events)
    with_events = [info for info in infos if info.n_events] or infos[:1]
    first = with_events[0]

    if first.shared:
        stated = {(info.cross_section, info.sum_of_weights) for info in with_events}
        if len(stated) > 1:
            first = dataclasses.replace(first, cross_section=None, sum_of_weights=None)
        return dataclasses.replace(first, n_events=total)

    def add(name: str) -> float | None:
        values = [getattr(info, name) for info in infos]
        return None if None in values else float(sum(values))

    cross_section = error = None
    if total and all(info.cross_section is not None for info in with_events):
        shares = [((info.n_events or 0) / total, info) for info in with_events]
        cross_section = sum(s * (i.cross_section or 0) for s, i in shares)
        error = sum((s * (i.cross_section_error or 0)) ** 2 for s, i in shares) ** 0.5
    return dataclasses.replace(
        first,
        n_events=total,
        sum_of_weights=add("sum_of_weights"),
        sum_of_weights_squared=add("sum_of_weights_squared"),
        cross_section=cross_section,
        cross_section_error=error,
    )


@dataclass(frozen=True)
class InputRange:
    """The entries [begin, end) read from a file, and facts about the whole file: its events and
    their weights before any cut."""

    file: str
    input_version: str
    begin: int
    end: int
    n_events: int
    cross_section: float | None = None
    cross_section_error: float | None = None
    sum_of_weights: float | None = None
    sum_of_weights_squared: float | None = None
    dataset: str | None = None

    @classmethod
    def of(cls, task: Task, end: int, info: SampleInfo) -> InputRange:
        """Return the range that a task reads, up to entry ``end``, of a file with these facts."""
        return cls(
            task.range.file,
            task.input_version,
            task.range.begin,
            end,
            info.n_events or 0,
            info.cross_section,
            info.cross_section_error,
            info.sum_of_weights,
            info.sum_of_weights_squared,
            info.dataset,
        )

    def info(self, of_sample: SampleInfo) -> SampleInfo:
        """Return ``of_sample`` with the facts about this file."""
        return dataclasses.replace(
            of_sample,
            n_events=self.n_events,
            cross_section=self.cross_section,
            cross_section_error=self.cross_section_error,
            sum_of_weights=self.sum_of_weights,
            sum_of_weights_squared=self.sum_of_weights_squared,
            dataset=self.dataset,
        )


def add_range(ranges: list[InputRange], added: InputRange) -> None:
    """Append a range, merged with the last one if both are of one file.

    Raises:
        BatchError: the range does not continue the last one of its file.
    """
    last = ranges[-1] if ranges else None
    if last is not None and last.file == added.file:
        if added.begin != last.end or added.input_version != last.input_version:
            raise BatchError(
                f"{added.file}: entries {added.begin} to {added.end} after "
                f"{last.begin} to {last.end}: some are missing or there twice"
            )
        ranges[-1] = dataclasses.replace(last, end=added.end)
    else:
        ranges.append(added)


def require_one_dataset(sample: str, infos: Iterable[tuple[str, SampleInfo]]) -> None:
    """Stop if files, given with their facts, are of several datasets, or if none has events.

    Raises:
        InputError: it names two of the files and their datasets.
    """
    n_events = 0
    file, first = "", None
    for path, info in infos:
        n_events += info.n_events or 0
        if info.dataset is None:
            continue
        if first is not None and info.dataset != first.dataset:
            raise InputError(
                f"sample '{sample}': {file} is of dataset {first.dataset}, {path} of dataset "
                f"{info.dataset}: each has its own cross-section and sum of weights: make them two "
                "samples with different 'dataset'"
            )
        file, first = path, info
    if not n_events:
        raise InputError(f"sample '{sample}': none of its files has events")


def info_of_ranges(ranges: Sequence[InputRange], first: SampleInfo, sample: Sample) -> SampleInfo:
    """Combine the facts about the files of a sample, other facts in ``first``, and the
    configuration.

    Raises:
        InputError: the files are of several datasets, or have no events.
    """
    infos = [one.info(first) for one in ranges]
    require_one_dataset(sample.name, zip((one.file for one in ranges), infos, strict=True))
    return configured(combine(infos), sample)


def configured(info: SampleInfo, sample: Sample) -> SampleInfo:
    """Return ``info`` with the values of the configuration, which take precedence.

    The error or sum of squares that belongs to a replaced value becomes unknown.
    """
    own_sum, own_cross_section = sample.sum_of_weights, sample.cross_section
    return dataclasses.replace(
        info,
        name=sample.name,
        process=sample.process,
        slice=sample.slice,
        cross_section=own_cross_section or info.cross_section,
        cross_section_error=None if own_cross_section else info.cross_section_error,
        sum_of_weights=own_sum or info.sum_of_weights,
        sum_of_weights_squared=None if own_sum else info.sum_of_weights_squared,
    )


def normalisation(info: SampleInfo, config: Config) -> float:
    """Return the factor from event weights to expected events: luminosity x sigma x k / sum of
    weights; 1 for collision data.

    Raises:
        NormalisationError: the cross-section or the sum of weights is not known.
    """
    if config.sample(info.name).data:
        return 1.0
    return luminosity_scale(
        info.name,
        info.cross_section,
        info.sum_of_weights,
        luminosity=config.luminosity,
        k_factor=config.sample(info.name).k_factor,
    )

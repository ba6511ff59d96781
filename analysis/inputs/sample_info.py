"""What is known of a sample beside its events: cross-section, sum of weights, provenance."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.config import Config, Sample
from common.runtime.errors import BatchError, InputError
from common.stats.normalisation import expected_per_weight
from common.tasks import Task


@dataclass(frozen=True)
class SampleInfo:
    """Stored as JSON with the sample. Cross-sections in pb; sums of weights before any cut."""

    name: str
    process: str
    slice: str | None = None
    dataset: str | None = None
    """The simulated dataset that a file belongs to, by its number or name; None if unknown."""
    n_events: int | None = None
    cross_section: float | None = None
    cross_section_error: float | None = None
    sum_of_weights: float | None = None
    sum_of_weights_squared: float | None = None
    shared: bool = False
    """Each file states the sum of weights of the whole sample: sums do not add."""
    seed: int | None = None
    settings: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """As stored in a file."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SampleInfo:
        """Inverse of `to_json`; keys of later versions are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        data: dict[str, Any] = {k: v for k, v in json.loads(text).items() if k in known}
        data["settings"] = tuple(data.get("settings", ()))
        return cls(**data)


def run_number_of(name: str) -> int:
    """A number for a sample made here, the same whatever else is configured."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) >> 1


def combine(infos: Sequence[SampleInfo]) -> SampleInfo:
    """One dataset from its files or blocks: weights add, cross-sections, each an estimate of the
    same, average over events. Where each file speaks of the whole dataset, they must say the same,
    or nothing is known. A file without events counts by its weights alone."""
    events = [info.n_events or 0 for info in infos]
    total = sum(events)
    with_events = [info for info in infos if info.n_events] or infos[:1]
    first = with_events[0]

    if first.shared:
        said = {(info.cross_section, info.sum_of_weights) for info in with_events}
        if len(said) > 1:
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
class Source:
    """The entries [begin, end) that were read of a file, and what the whole file says of its
    events and their weights before any cut."""

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
    def of(cls, task: Task, end: int, info: SampleInfo) -> Source:
        """What a task reads, up to entry ``end``, of a file that says ``info`` of itself."""
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
        """What the file says, where all else is as in ``of_sample``."""
        return dataclasses.replace(
            of_sample,
            n_events=self.n_events,
            cross_section=self.cross_section,
            cross_section_error=self.cross_section_error,
            sum_of_weights=self.sum_of_weights,
            sum_of_weights_squared=self.sum_of_weights_squared,
            dataset=self.dataset,
        )


def add_source(sources: list[Source], source: Source) -> None:
    """Add what a further part has read; ranges of one file become one.

    Raises:
        BatchError: a range of the file is missing or there twice.
    """
    last = sources[-1] if sources else None
    if last is not None and last.file == source.file:
        if source.begin != last.end or source.input_version != last.input_version:
            raise BatchError(
                f"{source.file}: entries {source.begin} to {source.end} after "
                f"{last.begin} to {last.end}: some are missing or there twice"
            )
        sources[-1] = dataclasses.replace(last, end=source.end)
    else:
        sources.append(source)


def require_one_dataset(sample: str, said: Iterable[tuple[str, SampleInfo]]) -> None:
    """Stop where files, each with what it says, are of several datasets, as each of these has a
    cross-section and a sum of weights of its own, or where none has events.

    Raises:
        InputError: it names two of the files and their datasets.
    """
    n_events = 0
    file, first = "", None
    for path, info in said:
        n_events += info.n_events or 0
        if info.dataset is None:
            continue
        if first is not None and info.dataset != first.dataset:
            raise InputError(
                f"sample '{sample}': {file} is of dataset {first.dataset}, {path} of dataset "
                f"{info.dataset}: each has its own cross-section and sum of weights: make them two "
                "samples, told apart by 'slice'"
            )
        file, first = path, info
    if not n_events:
        raise InputError(f"sample '{sample}': none of its files has events")


def of_sources(sources: Sequence[Source], first: SampleInfo, sample: Sample) -> SampleInfo:
    """What is known of a sample from what was read of its files, of which ``first`` says all else,
    and from the configuration.

    Raises:
        InputError: the files are of several datasets, or have no events.
    """
    infos = [source.info(first) for source in sources]
    require_one_dataset(sample.name, zip((source.file for source in sources), infos, strict=True))
    return configured(combine(infos), sample)


def configured(info: SampleInfo, sample: Sample) -> SampleInfo:
    """``info`` with what the configuration says of the sample; the configuration wins.

    What belongs to a number of the file that it replaces is no longer known.
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
    """Factor from event weights to expected events: luminosity x sigma x k / sum of weights; 1 for
    measured events.

    Raises:
        NormalisationError: the cross-section or the sum of weights is not known.
    """
    if config.sample(info.name).data:
        return 1.0
    return expected_per_weight(
        info.name,
        info.cross_section,
        info.sum_of_weights,
        luminosity=config.luminosity,
        k_factor=config.sample(info.name).k_factor,
    )

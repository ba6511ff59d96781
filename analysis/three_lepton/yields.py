"""Events with three leptons by their anomaly scores: expected yields, from RDataFrame, and counts.

Scores come back by key. Only events that no autoencoder has seen count: those of the test, scaled
up by their share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.config import Config, Sample
from analysis.datasets import background_samples
from analysis.formats.columns import own
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import input_of, input_ranges
from analysis.matrices import rmm
from analysis.matrices.rmm_file import PSEUDO_DATA, TEST, VALIDATION, read_attribute, read_events
from analysis.rdf.regions import define, define_per_sample, require
from analysis.rdf.score_tables import load_scores
from analysis.rdf.yields import ExactYield, Yield, read_out
from analysis.workflow.run import Run
from common.runtime.errors import InputError
from common.schema.scores import read_scores_of
from cpp_helpers import declare, load_root
from cpp_helpers.errors import failure_of
from selections import three_lepton
from selections.cuts import Cut, Definition

Floats = npt.NDArray[np.float64]
Bins = dict[str, dict[str, list[Yield]]]
"""Yields by autoencoder and channel: below the first edge of scores, between, above the last."""


@dataclass(frozen=True)
class Events:
    """Events of a part of a sample: what is expected of each, and its scores by autoencoder."""

    weight: Floats
    scores: Mapping[str, Floats]


def test_share(config: Config, sample: Sample) -> float:
    """Share of a sample's events that are of the test."""
    low, high = rmm.test_window(sample, config.anomaly_search)
    return min(high, 1.0) - low


def read_scored(run: Run, sample: Sample, names: Sequence[str], part: int = TEST) -> Events:
    """The events of a part of a sample, scaled up by its share, with some scores: of the test, the
    validation, or those that pseudo-data are drawn from.

    Raises:
        InputError: a file is missing or damaged, or the scores are of other events.
    """
    path = run.matrices(sample.name)
    columns = read_events(path, ["run_number", "event_number", "weight", "part"])
    scores = run.anomaly_scores(sample.name)
    scored = read_scores_of(columns, path, scores, names, "anomaly_scoring")
    chosen = columns["part"] == part
    split = run.config.anomaly_search.rmm.split
    shares = {VALIDATION: split.validation, PSEUDO_DATA: split.pseudo_data}
    share = test_share(run.config, sample) if part == TEST else shares[part]
    factor = float(read_attribute(path, "normalisation")) / share
    return Events(
        columns["weight"][chosen] * factor,
        {name: scored[name][chosen].astype(np.float64) for name in names},
    )


def joined(samples: Sequence[Events]) -> Events:
    """The events of some samples."""
    return Events(
        np.concatenate([s.weight for s in samples]),
        {n: np.concatenate([s.scores[n] for s in samples]) for n in samples[0].scores},
    )


def errors_of_means(run: Run, edges: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Statistical errors of the background that pseudo-data are to have above each edge."""
    squares = {name: np.zeros(len(bounds)) for name, bounds in edges.items()}
    for sample in background_samples(run.config):
        drawn = read_scored(run, sample, list(edges), PSEUDO_DATA)
        for name, bounds in edges.items():
            above = drawn.scores[name][:, np.newaxis] >= np.asarray(bounds, np.float32)
            squares[name] += drawn.weight**2 @ above
    return {name: np.sqrt(total).tolist() for name, total in squares.items()}


def expected_yields(run: Run, sample: Sample, edges: Mapping[str, Sequence[float]]) -> Bins:
    """Expected events by autoencoder and channel between the edges, from RDataFrame."""
    sums: dict[str, dict[str, list[ExactYield]]] = {}
    for piece in input_ranges(run, sample.name, rmm.needs(run.config.anomaly_search.rmm)):
        file = input_of(run, sample.name, piece.file)
        end = file.n_events if piece.end is None else piece.end
        found = _event_loop(run, sample, file, piece.begin, end, edges)
        for name, channels in found.items():
            for channel, bins in channels.items():
                known = sums.setdefault(name, {}).get(channel, [ExactYield()] * len(bins))
                sums[name][channel] = [a + b for a, b in zip(known, bins, strict=True)]
    factor = float(read_attribute(run.matrices(sample.name), "normalisation"))
    factor /= test_share(run.config, sample)
    return {
        name: {
            channel: [y.rounded().scaled(factor) for y in bins]
            for channel, bins in channels.items()
        }
        for name, channels in sums.items()
    }


def _event_loop(
    run: Run,
    sample: Sample,
    file: reader.File,
    begin: int,
    end: int,
    edges: Mapping[str, Sequence[float]],
) -> dict[str, dict[str, list[ExactYield]]]:
    search = run.config.anomaly_search
    load_scores(run.anomaly_scores(sample.name), tuple(edges))
    df = rmm.selected(reader.open_range(file, begin, end), file, search)
    low, high = rmm.test_window(sample, search)
    df = define_per_sample(df, "test_low", f"{low!r}")
    df = define_per_sample(df, "test_high", f"{high!r}")
    draw = f"float({rmm.DRAW})"
    df = require(df, Cut("test", f"{draw} >= float(test_low) && {draw} < float(test_high)", "test"))
    scores = [
        Definition(f"score_{i}", f"monojet::score({i}, run_number, event_number)")
        for i in range(len(edges))
    ]
    df = define(df, scores)
    booked = {}
    for channel in three_lepton.CHANNELS:
        of_channel = require(df, three_lepton.REGIONS[channel].cuts[-1])
        for i, (name, bounds) in enumerate(edges.items()):
            below = [float(np.nextafter(np.float32(b), np.float32(-np.inf))) for b in bounds]
            booked[name, channel] = declare().book_yields(
                of_channel, own(f"score_{i}"), own("event_weight"), below
            )
    root = load_root()
    try:
        root.RDF.RunGraphs(list(booked.values()))
    except Exception as error:  # whatever cppyy makes of a C++ exception
        raise InputError(f"{file.path}: the event loop failed: {failure_of(error)}") from error
    found: dict[str, dict[str, list[ExactYield]]] = {name: {} for name in edges}
    for (name, channel), y in booked.items():
        found[name][channel] = read_out(y.GetValue())
    return found


def counts_of_pseudo_data(run: Run, name: str, edges: Mapping[str, Sequence[float]]) -> Bins:
    """Pseudo-data by autoencoder and channel between the edges. They are no events of a sample
    that could be read again, so they are counted from their matrices."""
    path = run.matrices(name)
    columns = read_events(path, ["run_number", "event_number", "n_muons"])
    scores = read_scores_of(columns, path, run.anomaly_scores(name), list(edges), "anomaly_scoring")
    found: Bins = {}
    for autoencoder, bounds in edges.items():
        between = np.searchsorted(np.asarray(bounds, np.float32), scores[autoencoder], side="right")
        found[autoencoder] = {
            channel: [
                Yield(n, n, n)
                for n in np.bincount(
                    between[columns["n_muons"] == n_muons], minlength=len(bounds) + 1
                ).tolist()
            ]
            for n_muons, channel in enumerate(three_lepton.CHANNELS)
        }
    return found

"""Expected yields between thresholds of anomaly scores, from one event loop per sample.

Events look up their scores by key. Only test events count, scaled up by their share.
"""

from __future__ import annotations

import numpy as np

from analysis.config import Sample
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import input_of, input_ranges
from analysis.matrices import rmm
from analysis.matrices.subsets import DRAW, test_share, test_window
from analysis.rdf.score_tables import load_scores
from analysis.rdf.yields import ExactYield, book, read_out
from analysis.three_lepton.scored_events import Bins, Thresholds
from analysis.workflow.run import Run
from common.schema.matrices import read_normalisation
from cpp_helpers.errors import event_loop_errors
from selections import three_lepton
from selections.cuts import Cut, Definition


def expected_yields(run: Run, sample: Sample, thresholds: Thresholds) -> Bins:
    """Return expected events by autoencoder and channel between the thresholds."""
    sums: dict[str, dict[str, list[ExactYield]]] = {}
    for piece in input_ranges(run, sample.name, rmm.needs(run.config.anomaly_search.rmm)):
        file = input_of(run, sample.name, piece.file)
        end = file.n_events if piece.end is None else piece.end
        found = _event_loop(run, sample, file, piece.begin, end, thresholds)
        for name, channels in found.items():
            for channel, bins in channels.items():
                known = sums.setdefault(name, {}).get(channel, [ExactYield()] * len(bins))
                sums[name][channel] = [a + b for a, b in zip(known, bins, strict=True)]
    factor = read_normalisation(run.matrices(sample.name))
    factor /= test_share(sample, run.config.anomaly_search)
    return {
        name: {
            channel: [y.rounded().scaled(factor) for y in bins]
            for channel, bins in channels.items()
        }
        for name, channels in sums.items()
    }


def _event_loop(
    run: Run, sample: Sample, file: reader.File, begin: int, end: int, thresholds: Thresholds
) -> dict[str, dict[str, list[ExactYield]]]:
    search = run.config.anomaly_search
    load_scores(run.anomaly_scores(sample.name), tuple(thresholds))
    events = rmm.selected(reader.open_events(file, begin, end), file, search)
    low, high = test_window(sample, search)
    events = events.number("test_low", "double", low).number("test_high", "double", high)
    draw = f"float({DRAW})"
    events = events.passing(
        Cut("test", f"{draw} >= float(test_low) && {draw} < float(test_high)", "test")
    )
    scores = [
        Definition(f"score_{i}", f"monojet::score({i}, run_number, event_number)")
        for i in range(len(thresholds))
    ]
    events = events.define(scores)
    booked = {}
    for channel in three_lepton.CHANNELS:
        in_channel = events.passing(three_lepton.REGIONS[channel].cuts[-1])
        for i, (name, bounds) in enumerate(thresholds.items()):
            below = [float(np.nextafter(np.float32(b), np.float32(-np.inf))) for b in bounds]
            booked[name, channel] = book(in_channel, f"score_{i}", "event_weight", below)
    with event_loop_errors(file.path):
        events.loop.run()
    found: dict[str, dict[str, list[ExactYield]]] = {name: {} for name in thresholds}
    for (name, channel), y in booked.items():
        found[name][channel] = read_out(y)
    return found

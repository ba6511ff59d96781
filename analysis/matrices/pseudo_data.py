"""Draw pseudo-data from the simulation, with and without a signal.

Each event of the subset reserved for pseudo-data is copied a Poisson number of times, whose mean is
the expected events of the event. The count in any region is then a Poisson number with the summed
weights as its mean, even with repeated events. Each copy has weight 1 and its own key.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.config import PseudoData, Sample
from analysis.inputs.sample_info import run_number_of
from analysis.sample_roles import background_samples, signal_samples
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from analysis.workflow.versions import versions
from common.runtime.errors import InputError
from common.schema.matrices import FEATURES, MatrixFile, MatrixWriter, Subset

log = logging.getLogger("monojet")

_COPIED = ("names", "objects", "sqrt_s_GeV", "rapidity_scale")  # attributes


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Draw the pseudo-data of the targets."""
    sets = {pseudo.name: pseudo for pseudo in run.config.anomaly_search.pseudo_data}
    for target in targets:
        _draw(run, sets[target.name], target)
        done(target)


def _draw(run: Run, pseudo: PseudoData, target: Target) -> None:
    config = run.config
    share = config.anomaly_search.rmm.split.pseudo_data
    factors = dict.fromkeys(background_samples(config), 1.0)
    factors |= {s: pseudo.signal_strength[s.process] for s in _injected(run, pseudo)}
    drawn: dict[str, int] = {}
    n_events = n_different = 0
    with MatrixWriter(target.output) as writer:
        for sample, factor in factors.items():
            # one generator per sample, so that the background is the same with a signal
            rng = np.random.default_rng([config.seed, *sample.name.encode()])
            first = n_events
            with MatrixFile(run.matrices(sample.name)) as file:
                scale = file.normalisation * factor / share
                for columns in file.blocks():
                    copies = _copies(sample, columns, scale, rng)
                    n_different += int(np.count_nonzero(copies))
                    chosen = {k: np.repeat(v, copies, axis=0) for k, v in columns.items()}
                    writer.append(_renumbered(chosen, target, n_events))
                    n_events += int(copies.sum())
                attributes = {name: file.attribute(name) for name in _COPIED}
            drawn[sample.name] = n_events - first
        writer.attributes = attributes | {
            "code_settings_hash": target.code_settings_hash,
            "sample": target.name,
            "process": target.name,
            "data": False,
            "normalisation": 1.0,
            "drawn": json.dumps(drawn),
            "versions": json.dumps(versions()),
        }
    if n_events > 2 * n_different:
        log.warning(
            "%s: %d events are copies of %d simulated events: spectra will have spikes: generate "
            "more events, or lower the luminosity",
            target.name,
            n_events,
            n_different,
        )


def _injected(run: Run, pseudo: PseudoData) -> list[Sample]:
    return [s for s in signal_samples(run.config) if s.process in pseudo.signal_strength]


def _copies(
    sample: Sample, columns: dict[str, Any], scale: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return the number of copies of each event."""
    reserved = columns["events/subset"] == Subset.PSEUDO_DATA
    mean = np.where(reserved, columns["events/weight"] * scale, 0.0)
    if np.any(mean < 0):
        raise InputError(
            f"sample '{sample.name}': an event has a negative weight: pseudo-data cannot be drawn "
            "from it: leave the sample or 'pseudo_data' out"
        )
    return rng.poisson(mean)


def _renumbered(columns: dict[str, Any], target: Target, n_before: int) -> dict[str, Any]:
    """Return the events with weight 1 and new keys."""
    n = len(columns[FEATURES])
    return columns | {
        "events/weight": np.ones(n),
        "events/subset": np.full(n, Subset.TEST, np.uint8),
        "events/run_number": np.full(n, run_number_of(target.name), np.uint32),
        "events/event_number": np.arange(n_before + 1, n_before + n + 1, dtype=np.uint64),
    }

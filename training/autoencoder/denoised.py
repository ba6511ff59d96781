"""What denoising autoencoders make of events that they did not learn from.

Of the samples that they learned from these are the events that watched the training, which chose
its best epoch but no weight; of other samples all. Each is looked at twice: with noise, which is to
be taken out, and without it, for the score.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.datasets import background_samples
from common.runtime import files
from common.schema import hdf5
from common.schema.hdf5 import create_file
from common.stats.measured import Measured
from common.stats.normalisation import expected_per_weight
from common.stats.roc import Scored, weighted_auc
from common.tables import Table
from training.autoencoder.autoencoder import WINDOW, anomaly_score
from training.autoencoder.denoising import Denoiser, pictures, with_noise
from training.classifier.score import image_settings
from training.data.dataset import Floats, ImageFiles, Mask, Range

if TYPE_CHECKING:
    from analysis.config import Sample
    from analysis.workflow.run import Run

SCHEMA = 1
SHOWN = 2  # events a sample whose pictures are kept


@dataclass(frozen=True)
class Errors:
    """Mean squared errors of scaled pictures, over cells and events: how far the noisy picture and
    what is made of it are from the clean one."""

    events: int
    noisy: float
    reconstruction: float


@dataclass(frozen=True)
class Judged:
    """All that is said of one denoising autoencoder; ``background`` is what it learned from,
    together, and ``samples`` those with an event."""

    denoiser: str
    background: Errors
    samples: dict[str, Errors]
    median_score: dict[str, float]
    auc: dict[str, Measured]


@dataclass(frozen=True)
class Seen:
    """Held-out events of a sample: their scores and squared errors, (events,), and pictures of a
    few in GeV, (k, rows, columns): those nearest to the median score."""

    scored: Scored
    noisy: Floats
    reconstruction: Floats
    shown: dict[str, Floats]


def judge(run: Run, table: Path) -> None:
    """Write the table of all denoising autoencoders of a run, and a file of pictures by each.

    Raises:
        InputError: an image file or an autoencoder cannot be used.
        NormalisationError: the cross-section or the sum of weights of a sample is not known.
    """
    judged = []
    for spec in run.config.anomaly_search.denoising:
        denoiser = Denoiser(spec, run.model(spec.name))
        found = {s: _seen(run, s, denoiser) for s in run.config.samples}
        events = {s: seen for s, seen in found.items() if len(seen.noisy)}
        write_pictures(run.denoised(spec.name), events)
        judged.append(_judged(run, denoiser, events))
    denoising_table(judged).write_beside(table)
    files.write_json(table, [asdict(one) for one in judged])


def _seen(run: Run, sample: Sample, denoiser: Denoiser) -> Seen:
    config, spec = run.config, denoiser.spec
    path = run.images(sample.name)
    with ImageFiles([path], [0], spec.compression, image_settings(run)) as images:
        chosen = images.passing(spec.select)
        if sample in background_samples(config):
            chosen &= images.in_validation(config.training.validation_fraction)
        score, noisy, reconstruction = np.empty((3, np.count_nonzero(chosen)), np.float32)
        weight = np.empty(len(score))
        last = 0
        for events in images.ranges(WINDOW):
            (mine,) = np.nonzero(events.of(chosen))
            first, last = last, last + len(mine)
            here = slice(first, last)
            pt = pictures(images.read(events), mine, spec)
            clean = denoiser.scaled(pt)
            noise = denoiser.scaled(with_noise(pt, spec, (config.seed, events.begin)))
            score[here] = anomaly_score(clean, denoiser.clean(clean))
            noisy[here] = _squared(noise - clean)
            reconstruction[here] = _squared(denoiser.clean(noise) - clean)
            weight[here] = images.columns(events, ("weight",))["weight"][mine]
        weight *= _expected_per_weight(run, sample, path)
        shown = _shown(images, chosen, score, denoiser, config.seed)
    return Seen(Scored(score, weight), noisy, reconstruction, shown)


def _squared(difference: Floats) -> Floats:
    """Mean over the cells of each event."""
    mean: Floats = np.square(difference).mean(axis=(1, 2, 3))
    return mean


def _expected_per_weight(run: Run, sample: Sample, path: Path) -> float:
    if sample.data:
        return 1.0
    with hdf5.open_file(path) as file:
        info = json.loads(file.attrs["sample_info"])
    return expected_per_weight(
        sample.name,
        info["cross_section"],
        info["sum_of_weights"],
        luminosity=run.config.luminosity,
        k_factor=sample.k_factor,
    )


def _shown(
    images: ImageFiles, chosen: Mask, score: Floats, denoiser: Denoiser, seed: int
) -> dict[str, Floats]:
    if not len(score):
        return {}
    nearest = np.argsort(np.abs(score - np.median(score)), kind="stable")[:SHOWN]
    places = np.flatnonzero(chosen)[nearest].tolist()
    alone = [(Range(0, place, place + 1, place), np.array([0])) for place in places]
    clean = pictures(images.gather(alone), np.arange(len(alone)), denoiser.spec)
    noisy = with_noise(clean, denoiser.spec, (seed, len(images)))
    found = {"clean": clean, "noisy": noisy, "reconstruction": denoiser.reconstruct(noisy)}
    return {name: pt[..., 0] for name, pt in found.items()}


def write_pictures(path: Path, events: dict[Sample, Seen]) -> None:
    """Write the pictures that are shown of all samples."""
    shown = {sample: seen.shown for sample, seen in events.items()}
    with files.whole(path) as partial, create_file(partial, []) as file:
        for name in ("clean", "noisy", "reconstruction"):
            pt = np.concatenate([of_sample[name] for of_sample in shown.values()])
            file.create_dataset(name, data=pt, chunks=True, fletcher32=True)
        file.attrs["process"] = [s.process for s, pt in shown.items() for _ in pt["clean"]]
        file.attrs["schema"] = SCHEMA


def _judged(run: Run, denoiser: Denoiser, events: dict[Sample, Seen]) -> Judged:
    config = run.config
    background = [events[s] for s in background_samples(config) if s in events]
    scored = Scored(
        np.concatenate([seen.scored.score for seen in background]),
        np.concatenate([seen.scored.weight for seen in background]),
    )
    return Judged(
        denoiser.spec.name,
        _errors(background),
        {s.name: _errors([seen]) for s, seen in events.items()},
        {s.name: float(np.median(seen.scored.score)) for s, seen in events.items()},
        {
            s.name: weighted_auc(seen.scored, scored, config.seed)
            for s, seen in events.items()
            if s.process in config.anomaly_search.signals
        },
    )


def _errors(events: Sequence[Seen]) -> Errors:
    noisy, reconstruction = (
        np.concatenate(errors)
        for errors in zip(*((seen.noisy, seen.reconstruction) for seen in events), strict=True)
    )
    return Errors(len(noisy), float(noisy.mean()), float(reconstruction.mean()))


def denoising_table(judged: Sequence[Judged]) -> Table:
    """Squared errors, scores and areas by sample."""

    def row(name: str, sample: str, errors: Errors, *last: str) -> list[str]:
        squared = (f"{errors.noisy:.4g}", f"{errors.reconstruction:.4g}")
        return [name, sample, f"{errors.events}", *squared, *last]

    rows = []
    for one in judged:
        rows.append(row(one.denoiser, "all backgrounds", one.background, "", ""))
        for name, errors in one.samples.items():
            area = str(one.auc.get(name, "-"))
            rows.append(row(one.denoiser, name, errors, f"{one.median_score[name]:.2f}", area))
    return Table(
        name="denoising",
        title="Pictures of events with their noise taken out",
        columns=(
            *("denoiser", "sample", "held-out events"),
            *("squared error with noise", "of the reconstruction"),
            *("median score", "AUC"),
        ),
        rows=rows,
        notes=(
            "Squared errors are of scaled pictures, ln(1 + pT / mean), to those without noise: "
            "means over cells and events, which count alike. The score is that of pictures without "
            "noise; AUC the area under the ROC curve against all held-out backgrounds together, "
            "weighted by events expected, with the error of bootstrap replicas. The held-out "
            "events of backgrounds are those that watched the training: no weight of the network "
            "was fitted to them, but they chose its best epoch.",
        ),
    )

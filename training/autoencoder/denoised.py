"""Evaluate denoising autoencoders on held-out events.

Held-out events of the training samples are the validation events, which chose the best epoch but no
weight; of other samples all events. Pictures with noise measure its removal, those without noise
give the score.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.sample_roles import background_samples
from common.runtime import files
from common.schema import hdf5
from common.schema.hdf5 import create_file
from common.stats.normalisation import luminosity_scale
from common.stats.roc import Scored, weighted_auc
from common.tables import Table
from training.autoencoder.autoencoder import WINDOW, anomaly_score
from training.autoencoder.denoising import Denoiser, pictures, with_noise
from training.autoencoder.denoising_model import DenoisingResult, SquaredErrors
from training.data.image_reader import EventRange, ImageFiles
from training.data.image_settings import image_settings
from training.data.sparse_images import Floats, Mask

if TYPE_CHECKING:
    from analysis.config import Sample
    from analysis.workflow.run import Run

SCHEMA = 1
SHOWN = 2  # pictures stored per sample


@dataclass(frozen=True)
class HeldOutEvents:
    """Held-out events of a sample: scores and squared errors, shape (events,).

    ``shown`` holds pictures in GeV, (k, rows, columns), of the events nearest to the median score.
    """

    scored: Scored
    noisy: Floats
    reconstruction: Floats
    shown: dict[str, Floats]


def evaluate(run: Run, table: Path) -> None:
    """Write the table of all denoising autoencoders of a run, and a file of pictures of each.

    Raises:
        InputError: an image file or an autoencoder cannot be used.
        NormalisationError: the cross-section or the sum of weights of a sample is unknown.
    """
    results = []
    for spec in run.config.anomaly_search.denoising:
        denoiser = Denoiser(spec, run.model(spec.name))
        found = {s: _held_out(run, s, denoiser) for s in run.config.samples}
        events = {s: held_out for s, held_out in found.items() if len(held_out.noisy)}
        write_pictures(run.denoised(spec.name), events)
        results.append(_result(run, denoiser, events))
    denoising_table(results).write_beside(table)
    files.write_json(table, [asdict(result) for result in results])


def _held_out(run: Run, sample: Sample, denoiser: Denoiser) -> HeldOutEvents:
    config, spec = run.config, denoiser.spec
    path = run.images(sample.name)
    with ImageFiles([path], [0], spec.compression, image_settings(run)) as images:
        chosen = images.passing(spec.region)
        if sample in background_samples(config):
            chosen &= images.in_validation(config.training.validation_fraction)
        score, noisy, reconstruction = np.empty((3, np.count_nonzero(chosen)), np.float32)
        weight = np.empty(len(score))
        last = 0
        for events in images.ranges(WINDOW):
            (rows,) = np.nonzero(events.view(chosen))
            first, last = last, last + len(rows)
            here = slice(first, last)
            pt = pictures(images.read(events), rows, spec)
            clean = denoiser.scaled(pt)
            noise = denoiser.scaled(with_noise(pt, spec, (config.seed, events.begin)))
            score[here] = anomaly_score(clean, denoiser.clean(clean))
            noisy[here] = _squared(noise - clean)
            reconstruction[here] = _squared(denoiser.clean(noise) - clean)
            weight[here] = images.columns(events, ("weight",))["weight"][rows]
        weight *= _luminosity_scale(run, sample, path)
        shown = _shown(images, chosen, score, denoiser, config.seed)
    return HeldOutEvents(Scored(score, weight), noisy, reconstruction, shown)


def _squared(difference: Floats) -> Floats:
    """Return the mean square over the cells of each event."""
    mean: Floats = np.square(difference).mean(axis=(1, 2, 3))
    return mean


def _luminosity_scale(run: Run, sample: Sample, path: Path) -> float:
    if sample.data:
        return 1.0
    with hdf5.open_file(path) as file:
        info = json.loads(file.attrs["sample_info"])
    return luminosity_scale(
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
    single = [(EventRange(0, place, place + 1, place), np.array([0])) for place in places]
    clean = pictures(images.read_selected(single), np.arange(len(single)), denoiser.spec)
    noisy = with_noise(clean, denoiser.spec, (seed, len(images)))
    found = {"clean": clean, "noisy": noisy, "reconstruction": denoiser.reconstruct(noisy)}
    return {name: pt[..., 0] for name, pt in found.items()}


def write_pictures(path: Path, events: dict[Sample, HeldOutEvents]) -> None:
    """Write the stored pictures of all samples."""
    shown = {sample: held_out.shown for sample, held_out in events.items()}
    with files.whole(path) as partial, create_file(partial, []) as file:
        for name in ("clean", "noisy", "reconstruction"):
            pt = np.concatenate([by_name[name] for by_name in shown.values()])
            file.create_dataset(name, data=pt, chunks=True, fletcher32=True)
        file.attrs["process"] = [s.process for s, pt in shown.items() for _ in pt["clean"]]
        file.attrs["schema"] = SCHEMA


def _result(run: Run, denoiser: Denoiser, events: dict[Sample, HeldOutEvents]) -> DenoisingResult:
    config = run.config
    background = [events[s] for s in background_samples(config) if s in events]
    scored = Scored(
        np.concatenate([one.scored.score for one in background]),
        np.concatenate([one.scored.weight for one in background]),
    )
    return DenoisingResult(
        denoiser.spec.name,
        _errors(background),
        {s.name: _errors([one]) for s, one in events.items()},
        {s.name: float(np.median(one.scored.score)) for s, one in events.items()},
        {
            s.name: weighted_auc(one.scored, scored, config.seed)
            for s, one in events.items()
            if s.process in config.anomaly_search.signals
        },
    )


def _errors(events: Sequence[HeldOutEvents]) -> SquaredErrors:
    noisy, reconstruction = (
        np.concatenate(errors)
        for errors in zip(*((one.noisy, one.reconstruction) for one in events), strict=True)
    )
    return SquaredErrors(len(noisy), float(noisy.mean()), float(reconstruction.mean()))


def denoising_table(results: Sequence[DenoisingResult]) -> Table:
    """Return squared errors, scores and AUCs by sample."""

    def row(name: str, sample: str, errors: SquaredErrors, *last: str) -> list[str]:
        squared = (f"{errors.noisy:.4g}", f"{errors.reconstruction:.4g}")
        return [name, sample, f"{errors.events}", *squared, *last]

    rows = []
    for one in results:
        rows.append(row(one.denoiser, "all backgrounds", one.background, "", ""))
        for name, errors in one.samples.items():
            area = str(one.auc.get(name, "-"))
            rows.append(row(one.denoiser, name, errors, f"{one.median_score[name]:.2f}", area))
    return Table(
        name="denoising",
        title="Denoising of pictures of events",
        columns=(
            *("denoiser", "sample", "held-out events"),
            *("squared error with noise", "of the reconstruction"),
            *("median score", "AUC"),
        ),
        rows=rows,
        notes=(
            "Squared errors: differences from scaled pictures, ln(1 + pT / mean), without noise; "
            "unweighted means over cells and events. Scores are those of pictures without noise. "
            "AUC: area under the ROC curve against all held-out background events together, "
            "weighted by expected events, with the error of bootstrap replicas. Held-out events of "
            "backgrounds are validation events: no weight of the network was fitted to them, but "
            "they chose its best epoch.",
        ),
    )

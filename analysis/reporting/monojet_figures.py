"""All figures of a run: which results go to which function of `plots`, and the captions."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from analysis.datasets import judging_samples
from analysis.monojet.cutflow import WorkingPoint, by_process, simulated_alone
from analysis.monojet.published import thesis
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.runtime.progress import progress
from plots import style
from plots.monojet import cutflow, images, scores, sensitivity, signals, thresholds, training
from plots.results import Sample
from selections import monojet36

# A figure's name, how to draw it, and its caption.
Captioned = tuple[str, Callable[[], Figure], str]
Figures = Callable[[Run], Iterator[Captioned]]


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Make all figures that the run has results for, and their list."""
    (target,) = targets
    make(run, figures, target)
    done(target)


def make(run: Run, figures: Figures, target: Target) -> None:
    """Draw all of some figures, and write their list as the target."""
    captions = {name: caption for name, _, caption in figures(run)}
    made = []
    context = multiprocessing.get_context("spawn")  # ROOT and TensorFlow hold threads
    with (
        progress("draw", len(captions), "figures") as bar,
        ProcessPoolExecutor(min(run.workers, len(captions)), context) as pool,
    ):
        drawn = pool.map(draw, [(run, figures, name) for name in captions])
        for name, written in zip(captions, drawn, strict=True):
            made.append({"name": name, "files": written, "caption": captions[name]})
            bar.advance(1)
    files.write_json(target.output, made)


def draw(task: tuple[Run, Figures, str]) -> list[str]:
    """Draw one figure of a run and save it; returns the names of its files."""
    run, figures, wanted = task
    build = next(build for name, build, _ in figures(run) if name == wanted)
    return [path.name for path in style.save(build(), run.plots / wanted)]


def figures(run: Run) -> Iterator[Captioned]:
    """All figures that the run has results for, not yet drawn."""
    flow_data = _read(run, "cutflow")
    results = _read(run, "evaluation")
    reference = thesis()
    samples = [
        Sample(
            process=sample["process"],
            slice=sample["slice"],
            normalisation=sample["normalisation"],
            images=run.images(name),
            scores=run.scores(name),
        )
        for name, sample in flow_data["samples"].items()
        if not sample.get("data")
    ]
    further = simulated_alone(flow_data, "Drawn")
    yield from _images(run, samples)
    for network in results:
        yield from _network(run, network, samples, results[network], reference, further)
    yield (
        "roc",
        partial(thresholds.roc_curves, list(results.values()), reference),
        "Background rejection against signal efficiency of all networks, on events they were not "
        "trained on, where at least ten background events pass: the mean over folds at equal "
        "signal efficiency. Errors of the areas (AUC): statistical, and the spread between "
        "trainings. The thesis had other generators and inputs.",
    )
    yield from _yields(run, flow_data, results)
    yield from _sensitivity(_read(run, "sensitivity"), flow_data["luminosity"], reference)
    yield from _signals(_read(run, "signals"))


def _read(run: Run, table: str) -> Any:
    return json.loads(run.table(table).read_text())


def _images(run: Run, samples: Sequence[Sample]) -> Iterator[Captioned]:
    judged = judging_samples(run.config, run.config.training.signal_networks()[0])
    path = run.images(next(name for name, label in judged.items() if label == 1))
    event = images.read_event(path, images.typical_event(path))
    yield (
        "event_compressions",
        partial(images.compressions, event),
        "One background event with a typical number of cells: the electromagnetic fraction of each "
        "cell, uncompressed and after the three compressions, cropped as the thesis's networks see "
        "it (figures 9 to 12 of the thesis).",
    )
    yield (
        "event_channels",
        partial(images.channels, event),
        "The same event, uncompressed, in all eight channels. Cells that are not empty but 0 in a "
        "channel are grey.",
    )
    slices = run.config.training.slices
    learned = [sample for sample in samples if sample.slice in slices] or samples
    mean = "Transverse momentum in each cell, averaged over the events of a process before any "
    mean += "selection, in the slices that the networks learn from."
    yield "mean_images", partial(images.mean_images, learned), mean
    yield (
        "mean_images_aligned",
        partial(images.mean_images, learned, aligned=True),
        f"{mean} Each event is rotated so that its missing transverse momentum points to 0.",
    )


def _network(
    run: Run, network: str, samples: Sequence[Sample], result: Any, reference: Any, further: str
) -> Iterator[Captioned]:
    name = style.network(network)
    spec = next(s for s in run.config.training.networks if s.name == network)
    steps = None if spec.steps is None else spec.watch.every
    values = "Training values are running means over an epoch."
    if steps is not None:
        values = f"On {spec.watch.events} events of each, drawn anew every {steps} steps."
    histories = [
        training.read_history(run.model(network) / f"fold{fold}.csv")
        for fold in range(run.config.folds)
    ]
    yield (
        f"training_{network}",
        partial(
            training.training_curves,
            network,
            histories,
            steps,
            "test" if spec.watches_test else "validation",
        ),
        f"Training of {name}: accuracy and loss in each fold (figures 13 to 16 of the thesis). "
        f"{values}",
    )
    yield (
        f"scores_{network}",
        partial(
            scores.score_distributions,
            network,
            samples,
            result["thresholds"],
            run.config.training.slices,
        ),
        f"Scores of {name} by process, of events it was not trained on, before any selection, "
        "normalised to unit area (figure 18 of the thesis). Vertical lines are the "
        f"thresholds of the folds.{further}",
    )
    yield (
        f"thresholds_{network}",
        partial(thresholds.threshold_scan, result, reference),
        f"Precision, recall and what follows from them for {name} (figure 17 of the thesis), "
        "the mean of the folds at one threshold for all. The star is where the folds cut, each at "
        "its own. Grey: "
        "table 2 of the thesis as printed, of a simulation with other generators and inputs; the "
        "row 0.55 of its cell + strides is a misprint (0.714 for 0.814).",
    )


def _yields(run: Run, flow_data: Any, results: Any) -> Iterator[Captioned]:
    flows = by_process(flow_data, monojet36.SR.name)
    luminosity = flow_data["luminosity"]
    points = {name: WorkingPoint.of(data) for name, data in flow_data["networks"].items()}
    yield (
        "cutflow",
        partial(cutflow.cutflow, flows, monojet36.SR, points, luminosity),
        "Expected events after each cut of the signal region, and after all cuts and one network. "
        "Leading-order cross-sections; errors are statistical, of the efficiency in the "
        "simulation, and of the cross-sections, in quadrature."
        f"{simulated_alone(flow_data, 'Drawn')}",
    )
    best = max(flow_data["networks"], key=lambda network: results[network]["auc"]["value"])
    yield (
        "met_spectrum",
        partial(
            cutflow.met_spectrum,
            flows,
            monojet36.EXCLUSIVE,
            best,
            points[best],
            luminosity,
        ),
        "Missing transverse momentum in the signal region, before and after "
        f"{style.network(best)}, the network with the largest area under its ROC curve. "
        "Leading-order cross-sections; processes that the run has no sample of are left out. The "
        "shapes of signals mean something, their cross-sections little: see the physics notes."
        f"{_generated_above(run)}{simulated_alone(flow_data, 'Drawn')}",
    )


def _generated_above(run: Run) -> str:
    slices = run.config.generation.slices
    used = [slices[s.slice].low for s in run.config.samples if s.generated and s.slice]
    if not used or min(used) <= monojet36.EXCLUSIVE[0].low:
        return ""
    return (
        f" Bosons are generated above {min(used):g} GeV: below that and somewhat above it, events "
        "are missing."
    )


def _sensitivity(ratios: Any, luminosity: float, reference: Any) -> Iterator[Captioned]:
    regions = {region.name: region.low for region in monojet36.INCLUSIVE}
    published = reference["sensitivity_ratio"]["cell_strides"]
    for network in dict.fromkeys(ratio["network"] for ratio in ratios):
        chosen = [ratio for ratio in ratios if ratio["network"] == network]
        yield (
            f"sensitivity_{network}",
            partial(
                sensitivity.sensitivity_ratios, network, chosen, regions, published, luminosity
            ),
            f"Sensitivity to dark matter with {style.network(network)} relative to none, in the "
            "inclusive signal regions. Dark matter is taken to pass as Znunu does. As published: "
            "pass rates from before the lepton veto, as in the thesis. Consistent: of events after "
            "the whole selection. Errors are statistical, of the cross-sections and between "
            "trainings; they are correlated between regions.",
        )


def _signals(comparisons: Any) -> Iterator[Captioned]:
    for network in dict.fromkeys(comparison["network"] for comparison in comparisons):
        chosen = [c for c in comparisons if c["network"] == network]
        yield (
            f"signals_{network}",
            partial(signals.pass_rates, network, chosen, monojet36.EXCLUSIVE),
            f"Share of Znunu and of the simulated signals that {style.network(network)} selects, "
            "in the exclusive signal regions, and the ratio of the two: 1 where the thesis's "
            "assumption holds, that dark matter passes as Znunu does. Errors are statistical; the "
            "band is that of Znunu.",
        )

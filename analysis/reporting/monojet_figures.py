"""Figures of a run: which results go to which function of `plots`, and captions.

Those of the selection are in `analysis.reporting.selection_figures`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from analysis.monojet.published import Thesis, thesis
from analysis.monojet.sensitivity_model import SensitivityRatio, read_sensitivity
from analysis.monojet.signals_model import SignalComparison, read_signals
from analysis.reporting import selection_figures
from analysis.reporting.figures import Captioned, Heading, make
from analysis.sample_roles import evaluation_samples, in_slices
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from analysis.yields.cutflow_model import CutflowTable
from analysis.yields.provenance_notes import simulated_alone
from plots import style
from plots.monojet import cutflow, images, scores, sensitivity, signals, thresholds, training
from plots.results import SampleFiles
from selections.selection import Binning
from training.classifier.evaluation_model import NetworkEvaluation, read_evaluation


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Draw all figures of a run and write their list."""
    (target,) = targets
    make(run, figures, target)
    done(target)


def figures(run: Run) -> Iterator[Captioned | Heading]:
    """Yield all figures of a run, not yet drawn."""
    table = CutflowTable.read(run.table("cutflow"))
    yield from selection_figures.figures(run, table)
    if "training" in run.config.studies:
        yield from network_figures(run, table)


def network_figures(run: Run, table: CutflowTable) -> Iterator[Captioned | Heading]:
    """Yield the figures of the networks that a run has trained, not yet drawn."""
    evaluation = read_evaluation(run.table("evaluation"))
    reference = thesis()
    samples = [
        SampleFiles(
            process=sample.process,
            slice=sample.slice,
            normalisation=sample.normalisation,
            images=run.images(name),
            scores=run.scores(name),
        )
        for name, sample in table.samples.items()
        if not sample.data
    ]
    yield Heading("Networks")
    yield _roc(evaluation, reference)
    for network, result in evaluation.items():
        yield _training(run, network)
        yield _scores(run, network, samples, result, simulated_alone(table, "Drawn"))
        yield _thresholds(network, result, reference)
    yield Heading("Selection by networks")
    yield from _met_spectrum(run, table, evaluation)
    ratios = read_sensitivity(run.table("sensitivity"))
    yield from _sensitivity(run, ratios, table.luminosity, reference)
    yield from _signals(run, read_signals(run.table("signals")))
    yield Heading("Images")
    yield from _images(run, samples)


def _roc(evaluation: Mapping[str, NetworkEvaluation], reference: Thesis) -> Captioned:
    return (
        "roc",
        partial(thresholds.roc_curves, list(evaluation.values()), reference),
        "Background rejection against signal efficiency of all networks, on events they were not "
        "trained on, where at least ten background events pass: the mean over folds at equal "
        "signal efficiency. Errors of the areas (AUC): statistical, and the spread between "
        "trainings. The thesis had other generators and inputs.",
    )


def _images(run: Run, samples: Sequence[SampleFiles]) -> Iterator[Captioned]:
    judged = evaluation_samples(run.config, run.config.training.signal_networks()[0])
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
    learned = [sample for sample in samples if in_slices(sample.slice, slices)] or samples
    mean = "Transverse momentum in each cell, averaged over the events of a process before any "
    mean += "selection, in the slices that the networks learn from."
    yield "mean_images", partial(images.mean_images, learned), mean
    yield (
        "mean_images_aligned",
        partial(images.mean_images, learned, aligned=True),
        f"{mean} Each event is rotated so that its missing transverse momentum points to 0.",
    )


def _training(run: Run, network: str) -> Captioned:
    spec = next(s for s in run.config.training.networks if s.name == network)
    steps = None if spec.max_steps is None else spec.early_stopping.interval
    values = "Training values are running means over an epoch."
    if steps is not None:
        values = f"On {spec.early_stopping.events} events of each, drawn anew every {steps} steps."
    histories = [
        training.read_history(run.model(network) / f"fold{fold}.csv")
        for fold in range(run.config.folds)
    ]
    watched = "test" if spec.watches_test else "validation"
    return (
        f"training_{network}",
        partial(training.training_curves, network, histories, steps, watched),
        f"Training of {style.network(network)}: accuracy and loss in each fold (figures 13 to 16 "
        f"of the thesis). {values}",
    )


def _scores(
    run: Run, network: str, samples: Sequence[SampleFiles], result: NetworkEvaluation, note: str
) -> Captioned:
    slices = run.config.training.slices
    return (
        f"scores_{network}",
        partial(scores.score_distributions, network, samples, result.thresholds, slices),
        f"Scores of {style.network(network)} by process, of events it was not trained on, before "
        "any selection, normalised to unit area (figure 18 of the thesis). Vertical lines are the "
        f"thresholds of the folds.{note}",
    )


def _thresholds(network: str, result: NetworkEvaluation, reference: Thesis) -> Captioned:
    return (
        f"thresholds_{network}",
        partial(thresholds.threshold_scan, result, reference),
        f"Precision, recall and what follows from them for {style.network(network)} (figure 17 of "
        "the thesis), the mean of the folds at one threshold for all. The star is where the folds "
        "cut, each at its own. Grey: table 2 of the thesis as printed, of a simulation with other "
        "generators and inputs; the row 0.55 of its cell + strides is a misprint (0.714 for "
        "0.814).",
    )


def _met_spectrum(
    run: Run, table: CutflowTable, evaluation: Mapping[str, NetworkEvaluation]
) -> Iterator[Captioned]:
    region = table.regions[0]
    best = max(table.networks, key=lambda network: evaluation[network].auc.value)
    yield (
        "met_spectrum",
        partial(
            cutflow.met_spectrum,
            table.processes(region),
            _bins(run),
            best,
            table.networks[best],
            table.luminosity,
            signals=run.config.signals,
            text=region,
        ),
        f"Missing transverse momentum in {region}, before and after "
        f"{style.network(best)}, the network with the largest area under its ROC curve. "
        "Leading-order cross-sections; processes that the run has no sample of are left out. Only "
        "the shapes of the signals are meaningful, not their normalisation (docs/physics.md)."
        f"{_generated_above(run)}{simulated_alone(table, 'Drawn')}",
    )


def _bins(run: Run) -> Binning:
    return run.config.selection.resolved.binning


def _generated_above(run: Run) -> str:
    slices = run.config.generation.slices
    used = [slices[s.slice].low for s in run.config.samples if s.generated and s.slice]
    if not used or min(used) <= _bins(run).edges[0]:
        return ""
    return (
        f" Bosons are generated above {min(used):g} GeV: below that and somewhat above it, events "
        "are missing."
    )


def _sensitivity(
    run: Run, ratios: Sequence[SensitivityRatio], luminosity: float, reference: Thesis
) -> Iterator[Captioned]:
    regions = {one.name: one.low for one in _bins(run).inclusive}
    published = reference.sensitivity_ratio
    for network in dict.fromkeys(ratio.network for ratio in ratios):
        chosen = [ratio for ratio in ratios if ratio.network == network]
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


def _signals(run: Run, comparisons: Sequence[SignalComparison]) -> Iterator[Captioned]:
    for network in dict.fromkeys(comparison.network for comparison in comparisons):
        chosen = [c for c in comparisons if c.network == network]
        yield (
            f"signals_{network}",
            partial(signals.pass_rates, network, chosen, _bins(run).exclusive),
            f"Share of Znunu and of the simulated signals that {style.network(network)} selects, "
            "in the exclusive signal regions, and the ratio of the two: 1 where the thesis's "
            "assumption holds, that dark matter passes as Znunu does. Errors are statistical; the "
            "band is that of Znunu.",
        )

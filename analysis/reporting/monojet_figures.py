"""Figures of the monojet study: which results go to which function of `plots`, and captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from analysis.monojet.published import Thesis, thesis
from analysis.monojet.sensitivity_model import SensitivityRatio, read_sensitivity
from analysis.monojet.signals_model import SignalComparison, read_signals
from analysis.reporting.figures import Captioned, make
from analysis.sample_roles import evaluation_samples
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from analysis.yields.cutflow_model import CutflowTable
from analysis.yields.provenance_notes import simulated_alone
from plots import style
from plots.monojet import cutflow, images, scores, sensitivity, signals, thresholds, training
from plots.results import SampleFiles
from selections import monojet36
from training.classifier.evaluation_model import NetworkEvaluation, read_evaluation


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Draw all figures of a run and write their list."""
    (target,) = targets
    make(run, figures, target)
    done(target)


def figures(run: Run) -> Iterator[Captioned]:
    """Yield all figures of a run, not yet drawn."""
    table = CutflowTable.read(run.table("cutflow"))
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
    yield from _images(run, samples)
    for network, result in evaluation.items():
        yield _training(run, network)
        yield _scores(run, network, samples, result, simulated_alone(table, "Drawn"))
        yield _thresholds(network, result, reference)
    yield (
        "roc",
        partial(thresholds.roc_curves, list(evaluation.values()), reference),
        "Background rejection against signal efficiency of all networks, on events they were not "
        "trained on, where at least ten background events pass: the mean over folds at equal "
        "signal efficiency. Errors of the areas (AUC): statistical, and the spread between "
        "trainings. The thesis had other generators and inputs.",
    )
    yield from _yields(run, table, evaluation)
    ratios = read_sensitivity(run.table("sensitivity"))
    yield from _sensitivity(ratios, table.luminosity, reference)
    yield from _signals(read_signals(run.table("signals")))


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
    learned = [sample for sample in samples if sample.slice in slices] or samples
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


def _yields(
    run: Run, table: CutflowTable, evaluation: Mapping[str, NetworkEvaluation]
) -> Iterator[Captioned]:
    cutflows = table.processes(monojet36.SR.name)
    note = simulated_alone(table, "Drawn")
    yield (
        "cutflow",
        partial(cutflow.cutflow, cutflows, monojet36.SR, table.networks, table.luminosity),
        "Expected events after each cut of the signal region, and after all cuts and one network. "
        "Leading-order cross-sections; errors are statistical, of the efficiency in the "
        f"simulation, and of the cross-sections, in quadrature.{note}",
    )
    best = max(table.networks, key=lambda network: evaluation[network].auc.value)
    yield (
        "met_spectrum",
        partial(
            cutflow.met_spectrum,
            cutflows,
            monojet36.EXCLUSIVE,
            best,
            table.networks[best],
            table.luminosity,
        ),
        "Missing transverse momentum in the signal region, before and after "
        f"{style.network(best)}, the network with the largest area under its ROC curve. "
        "Leading-order cross-sections; processes that the run has no sample of are left out. Only "
        "the shapes of the signals are meaningful, not their normalisation (docs/physics.md)."
        f"{_generated_above(run)}{note}",
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


def _sensitivity(
    ratios: Sequence[SensitivityRatio], luminosity: float, reference: Thesis
) -> Iterator[Captioned]:
    regions = {region.name: region.low for region in monojet36.INCLUSIVE}
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


def _signals(comparisons: Sequence[SignalComparison]) -> Iterator[Captioned]:
    for network in dict.fromkeys(comparison.network for comparison in comparisons):
        chosen = [c for c in comparisons if c.network == network]
        yield (
            f"signals_{network}",
            partial(signals.pass_rates, network, chosen, monojet36.EXCLUSIVE),
            f"Share of Znunu and of the simulated signals that {style.network(network)} selects, "
            "in the exclusive signal regions, and the ratio of the two: 1 where the thesis's "
            "assumption holds, that dark matter passes as Znunu does. Errors are statistical; the "
            "band is that of Znunu.",
        )

"""Evaluate all networks and write their tables: thresholds, AUC, pass rates, threshold scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from analysis.config import NetworkTraining
from analysis.sample_roles import evaluation_samples, threshold_samples, training_samples
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.runtime.errors import InputError
from common.schema import hdf5
from common.schema.scores import IDENTITY, read_scores
from common.stats.measured import measured_share
from common.stats.normalisation import relative_weights
from common.stats.roc import Scored
from common.tables import Table
from training.classifier.evaluate import Classes, evaluate
from training.classifier.evaluation_model import NetworkEvaluation

NOT_TRAINED = "not trained: as by chance"


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Evaluate all networks of a run and write the tables."""
    config = run.config
    names = [spec.name for spec in config.training.networks]
    events = {
        sample.name: read_scores(run.scores(sample.name), names, identity=IDENTITY)
        for sample in config.analysis_samples()
    }
    weights = {name: relative_weights(columns["weight"]) for name, columns in events.items()}
    results = []
    for spec in config.training.networks:
        samples = {
            name: [
                Scored(columns[spec.name][mine], weights[name][mine])
                for mine in _by_fold(columns["fold"], config.folds)
            ]
            for name, columns in events.items()
        }
        judged = [
            _classes_of({n: samples[n][fold] for n in samples}, evaluation_samples(config, spec))
            for fold in range(config.folds)
        ]
        results.append(
            evaluate(
                spec.name,
                [choosing_events(run, spec, fold) for fold in range(config.folds)],
                judged,
                samples,
                thresholds=config.evaluation.thresholds,
                bootstrap=config.evaluation.bootstrap,
                seed=config.seed,
            )
        )
    (target,) = targets
    _summary(results).write_beside(target.output)
    for table in (*_scans(results), *_class_tables(run)):
        table.write_beside(target.output.with_name(f"{table.name}.json"))
    files.write_json(target.output, {r.network: asdict(r) for r in results})
    done(target)


def _by_fold(fold: npt.NDArray[np.uint8], folds: int) -> list[npt.NDArray[np.bool_]]:
    return [(fold == i) | (folds == 1) for i in range(folds)]


def _classes_of(samples: Mapping[str, Scored], labels: Mapping[str, int]) -> Classes:
    """Return the signal and the background events of some samples, by the labels of these."""

    def merged(some: Sequence[Scored]) -> Scored:
        return Scored(
            np.concatenate([s.score for s in some]), np.concatenate([s.weight for s in some])
        )

    signal, background = (
        merged([samples[n] for n, label in labels.items() if (label > 0) == is_background])
        for is_background in (False, True)
    )
    return signal, background


def choosing_events(run: Run, spec: NetworkTraining, fold: int) -> Classes:
    """Return the validation events of a fold, scored by its network, which choose its threshold.

    They belong to the processes and slices that judge all networks. A network that learns from none
    of these uses all its validation events.

    Raises:
        InputError: the file of these scores is missing or damaged, or lacks one of the classes.
    """
    path = run.model(spec.name) / f"fold{fold}.h5"
    try:
        with hdf5.open_file(path) as file:
            score, weight, sample = (file[n][:] for n in ("score", "weight", "sample"))
            names = [str(name) for name in file.attrs["samples"]]
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path}: no scores of the events that choose the threshold ({error}): make them with "
            "--stage training --force"
        ) from error
    of = {n: Scored(score[sample == i], weight[sample == i]) for i, n in enumerate(names)}
    for labels in (threshold_samples(run.config, spec), training_samples(run.config, spec)):
        known = {name: label for name, label in labels.items() if name in of}
        if {label > 0 for name, label in known.items() if len(of[name].score)} == {False, True}:
            return _classes_of(of, known)
    raise InputError(
        f"{path}: no signal or no background event to choose the threshold by: more events or a "
        "larger training.validation_fraction are needed"
    )


def _summary(results: Sequence[NetworkEvaluation]) -> Table:
    """Return the table of all networks: thresholds, performance, pass rates by sample."""
    samples = list(results[0].pass_rates)
    rows: list[list[str]] = []
    lines: tuple[tuple[str, Callable[[NetworkEvaluation], str]], ...] = (
        ("held-out signal events", lambda r: f"{r.n_signal}"),
        ("held-out background events", lambda r: f"{r.n_background}"),
        ("trained", lambda r: "yes" if r.trained else NOT_TRAINED),
        ("signal efficiency, chosen", lambda r: f"{r.signal_efficiency:.3f}"),
        ("thresholds by fold", lambda r: " / ".join(f"{t:.3f}" for t in r.thresholds)),
        ("precision", lambda r: str(r.precision)),
        ("recall", lambda r: str(r.recall)),
        ("(precision + recall)/2", lambda r: str(r.mean_precision_recall)),
        ("precision × recall", lambda r: str(r.precision_times_recall)),
        ("accuracy", lambda r: str(r.accuracy)),
        ("AUC", lambda r: str(r.auc)),
        *(
            (
                f"background rejected at {100 * float(at):g}% signal efficiency",
                lambda r, at=at: str(r.background_rejected_fraction[at]),
            )
            for at in results[0].background_rejected_fraction
        ),
    )
    for text, get in lines:
        rows.append([text, *(get(result) for result in results)])
    rows += [[f"selected, {name}", *(str(r.pass_rates[name]) for r in results)] for name in samples]
    return Table(
        name="evaluation",
        title="Networks on events they were not trained on",
        columns=("", *(result.network for result in results)),
        rows=rows,
        notes=(
            "Means over the networks of all folds, each on the events of its fold; for samples "
            "(selected) the share of all events, each cut at the threshold of its fold. The first "
            "error is statistical (bootstrap replicas; for pass rates from counting), the second, "
            "for several folds, the spread between trainings: the standard error of the mean of K "
            "networks, s/√K, which includes the statistical one; for two networks it is itself "
            "known to some 75 %. Signal and background have equal total weight. The signal "
            "efficiency is that of the largest precision × recall on validation events, where each "
            "fold has the threshold that gives this efficiency; the judged events choose nothing. "
            f"{NOT_TRAINED[0].upper()}{NOT_TRAINED[1:]}: an AUC of 0.5 within two errors; "
            "(P + R)/2 = 0.75 then corresponds to accepting all events.",
        ),
    )


def _scans(results: Sequence[NetworkEvaluation]) -> list[Table]:
    return [
        Table(
            name=f"thresholds_{result.network}",
            title=f"Threshold scan of {result.network}",
            columns=("threshold", "precision", "recall", "(P + R)/2", "P × R", "accuracy"),
            rows=[
                [
                    f"{row.threshold:.2f}",
                    f"{row.precision:.3f}",
                    f"{row.recall:.3f}",
                    f"{row.mean_precision_recall:.3f}",
                    f"{row.precision_times_recall:.3f}",
                    f"{row.accuracy:.3f}",
                ]
                for row in result.scan
            ],
        )
        for result in results
    ]


def _class_tables(run: Run) -> Iterator[Table]:
    """Yield for each multi-class network the fractions of events that it assigns to each class."""
    config = run.config
    for spec in config.training.networks:
        if not spec.multiclass:
            continue
        processes = config.training.classes_of(spec)
        rows = []
        for sample in config.analysis_samples():
            if sample.process not in processes:
                continue
            column = spec.columns[1]
            columns = read_scores(run.scores(sample.name), [column], identity=IDENTITY)
            found, weight = columns[column], columns["weight"]
            if weight.sum() <= 0:
                continue
            whole = float(weight.sum()), float((weight**2).sum())
            shares = []
            for i in processes.values():
                mine = weight[found == i]
                shares.append(measured_share((float(mine.sum()), float((mine**2).sum())), whole))
            rows.append([sample.name, f"{len(found)}", *map(str, shares)])
        yield Table(
            name=f"classes_{spec.name}",
            title=f"Classification of each process by {spec.name}",
            columns=("sample", "events", *processes),
            rows=rows,
            notes=("Shares of events by their most probable class, with statistical errors.",),
        )

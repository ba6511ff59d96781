"""The stages of this room that work as a whole: train, evaluate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from common import files, hdf5
from common.errors import InputError
from common.measured import measured_share
from common.roc import Scored
from common.score_file import IDENTITY, read_scores, write_scores
from common.tables import Table
from selections import three_lepton
from training.dataset import Labelled, relative_weights
from training.evaluate import Classes, Evaluation
from training.evaluate import evaluate as evaluate_network
from training.features import feature_blocks, read_identity
from training.score import image_settings

if TYPE_CHECKING:
    from analysis.config import NetworkTraining
    from analysis.pipeline import Run, Target

Done = Callable[["Target"], None]

NOT_TRAINED = "not trained: as by chance"


def train(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Train the networks of the targets."""
    from training import fit

    config = run.config
    specs = {spec.name: spec for spec in config.training.networks}
    for target in targets:
        fit.train(
            specs[target.name],
            _labelled(run, config.training_samples(specs[target.name])),
            run.model(target.name),
            folds=config.folds,
            validation_fraction=config.training.validation_fraction,
            seed=config.seed,
            recipe=target.fingerprint[:12],
            settings=image_settings(run),
            test=_labelled(run, config.watched_samples(specs[target.name]))
            if config.own_training_samples
            else None,
        )
        done(target)


def _labelled(run: Run, labels: Mapping[str, int]) -> Labelled:
    return Labelled([run.images(name) for name in labels], list(labels.values()))


def train_autoencoders(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Train the autoencoders of the targets, after the search for their settings if any."""
    from training import fit_autoencoder, tuning

    config = run.config
    paths = [run.matrices(sample.name) for sample in config.normal_samples()]
    specs = {spec.name: spec for spec in config.search.autoencoders}
    for target in targets:
        spec, folder, recipe = specs[target.name], run.model(target.name), target.fingerprint[:12]
        if spec.tuning is not None:
            spec = tuning.tune(spec, paths, folder, seed=config.seed, recipe=recipe)
        fit_autoencoder.fit(spec, paths, folder, seed=config.seed, recipe=recipe)
        done(target)


def score_anomalies(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Score the events of the targets' samples by all autoencoders."""
    from training.autoencoder import Autoencoder

    names = [spec.name for spec in run.config.search.autoencoders]
    autoencoders = {name: Autoencoder(run.model(name)) for name in names}
    for target in targets:
        path = run.matrices(target.name)
        blocks = [
            {name: encoder.score(block) for name, encoder in autoencoders.items()}
            for block in feature_blocks(path)
        ]
        scores = {name: np.concatenate([block[name] for block in blocks]) for name in names}
        write_scores(target.output, read_identity(path), scores)
        done(target)


def leave_out(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Train the first autoencoder without each background process, and each channel."""
    from training.left_out import Group
    from training.left_out import leave_out as train_without

    config = run.config
    normal = config.normal_samples()
    groups = []
    if "process" in config.search.left_out:
        for process in dict.fromkeys(s.process for s in normal):
            places = tuple(i for i, s in enumerate(normal) if s.process == process)
            groups.append(Group("process", process, places))
    if "channel" in config.search.left_out:
        groups += [Group("channel", name, (n,)) for n, name in enumerate(three_lepton.CHANNELS)]
    (target,) = targets
    spec = config.search.autoencoders[0]
    folder = run.model(spec.name)
    # as trained: a search may have changed it
    record = json.loads((folder / "training.json").read_text())["autoencoder"]
    found = list(
        train_without(
            type(spec).model_validate(record),
            groups,
            [run.matrices(sample.name) for sample in normal],
            folder,
            seed=config.seed,
            recipe=target.fingerprint[:12],
        )
    )
    table = Table(
        name="left_out",
        title=f"Parts of the background that {spec.name} was not shown",
        columns=(
            *("left out", "test events", "others"),
            *("AUC, not shown", "AUC, shown"),
        ),
        rows=[
            [
                f"{one.kind} {one.name}",
                f"{one.n_left_out}",
                f"{one.n_others}",
                str(one.auc),
                str(one.auc_when_shown),
            ]
            for one in found
        ],
        notes=(
            "AUC: area under the ROC curve of what was left out against the rest of the "
            "background, of weighted test events, by an autoencoder that was trained without it, "
            "and by the usual one. Above 0.5 it is the more anomalous. Errors from bootstrap "
            "replicas.",
        ),
    )
    table.write_beside(target.output)
    files.write_json(target.output, [asdict(one) for one in found])
    done(target)


def inspect(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Look at what the autoencoders of the targets do to the test events of all samples."""
    from training.autoencoder import Autoencoder
    from training.inspection import inspect as inspect_one

    config = run.config
    findings = json.loads(run.table("anomaly").read_text())
    thresholds = {one["autoencoder"]: one["regions"][-1]["threshold"] for one in findings}
    samples = {s.name: (s.process, run.matrices(s.name)) for s in config.samples}
    normal = {sample.name for sample in config.normal_samples()}
    for target in targets:
        name = target.name
        inspect_one(Autoencoder(run.model(name)), samples, normal, thresholds[name], target.output)
        done(target)


def denoise(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Train the denoising autoencoders of the targets, and say what all of them do."""
    from training import denoised, denoising

    config = run.config
    paths = [run.images(sample.name) for sample in config.normal_samples()]
    specs = {spec.name: spec for spec in config.search.denoising}
    for target in targets:
        if target.name in specs:
            denoising.fit_denoising(
                specs[target.name],
                paths,
                run.model(target.name),
                validation_fraction=config.training.validation_fraction,
                seed=config.seed,
                recipe=target.fingerprint[:12],
                settings=image_settings(run),
            )
        else:
            denoised.judge(run, target.output)
        done(target)


def evaluate(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Tables of all networks: where they cut, areas, pass rates by sample; threshold scans."""
    config = run.config
    names = [spec.name for spec in config.training.networks]
    events = {
        sample.name: read_scores(run.scores(sample.name), names, identity=IDENTITY)
        for sample in config.analysed()
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
            _classes_of({n: samples[n][fold] for n in samples}, config.test_samples(spec))
            for fold in range(config.folds)
        ]
        results.append(
            evaluate_network(
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
    _tables(results).write_beside(target.output)
    for table in (*_scans(results), *_classes(run)):
        table.write_beside(target.output.with_name(f"{table.name}.json"))
    files.write_json(target.output, {r.network: r.to_json() for r in results})
    done(target)


def _by_fold(fold: npt.NDArray[np.uint8], folds: int) -> list[npt.NDArray[np.bool_]]:
    return [(fold == i) | (folds == 1) for i in range(folds)]


def _classes_of(samples: Mapping[str, Scored], labels: Mapping[str, int]) -> Classes:
    """Signal and background of some samples' events."""

    def joined(parts: Sequence[Scored]) -> Scored:
        return Scored(
            np.concatenate([p.score for p in parts]), np.concatenate([p.weight for p in parts])
        )

    signal, background = (
        joined([samples[n] for n, label in labels.items() if (label > 0) == is_background])
        for is_background in (False, True)
    )
    return signal, background


def choosing_events(run: Run, spec: NetworkTraining, fold: int) -> Classes:
    """The events that choose where the network of a fold cuts, scored by it.

    They are of the processes and slices that all networks are judged by; of a network that learns
    from none of these, all that it has.

    Raises:
        InputError: the network was trained before such events were kept, or the file is damaged.
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
    for labels in (run.config.choosing_samples(spec), run.config.training_samples(spec)):
        known = {name: label for name, label in labels.items() if name in of}
        if {label > 0 for name, label in known.items() if len(of[name].score)} == {False, True}:
            return _classes_of(of, known)
    raise InputError(
        f"{path}: no signal or no background event to choose the threshold by: more events or a "
        "larger training.validation_fraction are needed"
    )


def _tables(results: Sequence[Evaluation]) -> Table:
    samples = list(results[0].pass_rates)
    rows: list[list[str]] = []
    lines: tuple[tuple[str, Callable[[Evaluation], str]], ...] = (
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
                lambda r, at=at: str(r.rejection[at]),
            )
            for at in results[0].rejection
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
            "Means over the networks of all folds, each on the events of its fold; of samples "
            "(selected) the share of all events, each cut at the threshold of its fold. The first "
            "error is statistical (bootstrap replicas; of the pass rates from counting), the "
            "second, of several folds, the spread between trainings: the standard error of the "
            "mean of K networks, s/√K, which holds the statistical one; of two networks it is "
            "itself known "
            "to some 75 %. Signal and background have equal total weight. The signal efficiency is "
            "that of the largest precision × recall on events that watched the training, and each "
            "fold has the threshold that gives it there: the events that judge choose nothing. "
            f"{NOT_TRAINED[0].upper()}{NOT_TRAINED[1:]}: an AUC of 0.5 within two errors; there "
            "(P + R)/2 = 0.75 is that of taking everything for signal.",
        ),
    )


def _scans(results: Sequence[Evaluation]) -> list[Table]:
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


def _classes(run: Run) -> Iterator[Table]:
    """Of each network that tells several backgrounds apart: what it takes each process for."""
    config = run.config
    for spec in config.training.networks:
        if not spec.multiclass:
            continue
        processes = config.classes_of(spec)
        rows = []
        for sample in config.analysed():
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
            title=f"What {spec.name} takes each process for",
            columns=("sample", "events", *processes),
            rows=rows,
            notes=("Shares of events by their most probable class, with statistical errors.",),
        )

"""Results of a run as one file, and of many runs as one table.

The report writes ``results.json``. Files of runs worth keeping are in ``docs/results``; their table
is docs/results.md:

    python -m analysis.reporting.results --output docs/results.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from analysis.config import Config
from analysis.monojet.sensitivity_model import (
    AS_PUBLISHED,
    CONSISTENT,
    IM1_SPLIT,
    OWN_THRESHOLD,
    SensitivityRatio,
    read_sensitivity,
)
from analysis.workflow.run import Run
from analysis.workflow.versions import versions
from common.repository import REPOSITORY
from common.runtime import files
from common.runtime.errors import InputError, MonojetError
from common.runtime.machine import cores, processor
from common.stats.measured import Averaged, Measured
from common.tables import Table
from training.classifier.evaluation_model import NetworkEvaluation, read_evaluation
from training.classifier.records import read_training_record

SCHEMA = 2
KEPT = "docs/results/*.json"
SIGNAL_EFFICIENCY = "0.919"  # of cell + strides in the thesis at its best threshold
THESIS_EVENTS = 140_000  # training events of both classes in the thesis
OLDER = " (before)"
_SIZES = {THESIS_EVENTS: "full", THESIS_EVENTS // 10: "tenth"}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class TrainingSummary(_Model):
    """Size and cost of a network; for several folds, the mean of one."""

    parameters: int
    flops_an_event: float | None
    events: int
    validation_events: int
    steps: int
    epochs: float
    seconds: float
    events_per_second: float | None
    device: str | None
    backend: str


class EvaluationSummary(_Model):
    """Performance on events that the network was not trained on.

    Files of schema 1 have ``best_threshold``, one for all folds, chosen by the judged events.
    """

    signal_events: int
    background_events: int
    best_threshold: float | None = None
    signal_efficiency: float | None = None
    thresholds: list[float] = []
    trained: bool | None = None
    mean_precision_recall: Averaged
    precision_times_recall: Averaged
    accuracy: Averaged
    auc: Averaged
    background_rejected_fraction: dict[str, Averaged] = Field(
        validation_alias=AliasChoices("background_rejected_fraction", "rejection")
    )
    pass_rates: dict[str, Averaged]


class SensitivitySummary(_Model):
    """The sensitivity ratio in one region, with its total error and the components of this."""

    rate_definition: str = Field(validation_alias=AliasChoices("rate_definition", "version"))
    region: str
    ratio: Measured
    statistical: float | None = None
    cross_section: float | None = None
    spread: float | None = None
    largest: float
    largest_error: float | None = None


class NetworkSummary(_Model):
    """Settings and results of one network."""

    name: str
    settings: dict[str, Any]
    training: TrainingSummary
    evaluation: EvaluationSummary
    sensitivity: list[SensitivitySummary]

    def ratio(self, rate_definition: str, region: str) -> Measured | None:
        """Return the sensitivity ratio; None if the region has no events."""
        wanted = (rate_definition, region)
        found = (s.ratio for s in self.sensitivity if (s.rate_definition, s.region) == wanted)
        return next(found, None)


class Device(_Model):
    """The machine that wrote the results; with its GPU if this trained the networks."""

    processor: str
    cores: int
    gpu: str | None


class Results(_Model):
    """The results of a run."""

    schema_version: Literal[1, 2] = Field(alias="schema")
    run: str
    seed: int
    learned_events: int | None  # of signal and background, in generated samples
    configuration: dict[str, Any]
    versions: dict[str, str]
    device: Device
    networks: list[NetworkSummary]

    @property
    def title(self) -> str:
        """Return the name of the run, with a mark for results of schema 1."""
        return self.run + OLDER * (self.schema_version < SCHEMA)

    @property
    def size(self) -> str:
        """Return the number of training events, relative to the thesis if possible."""
        if self.learned_events is None:
            return "-"
        return _SIZES.get(self.learned_events, f"{self.learned_events} events")


# --- One run -----------------------------------------------------------------------------


def training_summary(run: Run, network: str) -> TrainingSummary:
    """Return the size and the cost of a network, from the record of its training.

    Raises:
        InputError: the record is missing or damaged.
    """
    record = read_training_record(run.model(network))
    folds = record.folds
    flops = [fold.flops_an_event for fold in folds if fold.flops_an_event is not None]

    return TrainingSummary(
        parameters=record.parameters,
        flops_an_event=_mean(flops) if len(flops) == len(folds) else None,
        events=int(_mean(fold.events for fold in folds)),
        validation_events=int(_mean(fold.validation_events for fold in folds)),
        steps=int(_mean(fold.steps for fold in folds)),
        epochs=_mean(fold.epochs for fold in folds),
        seconds=_mean(fold.seconds for fold in folds),
        events_per_second=_mean(fold.events_per_second for fold in folds),
        device=", ".join(dict.fromkeys(fold.device for fold in folds)) or None,
        backend=", ".join(dict.fromkeys(fold.backend for fold in folds)),
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(sum(found)) / len(found)


def of_run(run: Run) -> Results:
    """Return the results of a finished run; without networks that it trained, it has none of
    these."""
    config = run.config
    networks = _of_networks(run) if "training" in config.studies else []
    used = {network.training.device for network in networks}
    gpus = sorted(device for device in used if device and device != processor())
    return Results(
        schema_version=SCHEMA,
        run=config.name,
        seed=config.seed,
        learned_events=_learned_events(config) if networks else None,
        configuration=config.model_dump(mode="json", exclude={"batch"}),
        versions=versions(),
        device=Device(processor=processor(), cores=cores(), gpu=", ".join(gpus) or None),
        networks=networks,
    )


def _of_networks(run: Run) -> list[NetworkSummary]:
    evaluation = read_evaluation(run.table("evaluation"))
    ratios = read_sensitivity(run.table("sensitivity"))
    return [
        NetworkSummary(
            name=spec.name,
            settings=spec.model_dump(mode="json"),
            training=training_summary(run, spec.name),
            evaluation=_evaluation(evaluation[spec.name]),
            sensitivity=[_sensitivity(r) for r in ratios if r.network == spec.name],
        )
        for spec in run.config.training.networks
    ]


def _evaluation(result: NetworkEvaluation) -> EvaluationSummary:
    return EvaluationSummary(
        signal_events=result.n_signal,
        background_events=result.n_background,
        signal_efficiency=result.signal_efficiency,
        thresholds=result.thresholds,
        trained=result.trained,
        mean_precision_recall=result.mean_precision_recall,
        precision_times_recall=result.precision_times_recall,
        accuracy=result.accuracy,
        auc=result.auc,
        background_rejected_fraction=result.background_rejected_fraction,
        pass_rates=result.pass_rates,
    )


def _sensitivity(ratio: SensitivityRatio) -> SensitivitySummary:
    return SensitivitySummary(
        rate_definition=ratio.rate_definition,
        region=ratio.region,
        ratio=Measured(ratio.ratio, ratio.error),
        statistical=ratio.statistical,
        cross_section=ratio.cross_section,
        spread=ratio.spread,
        largest=ratio.largest,
        largest_error=ratio.largest_error,
    )


def _learned_events(config: Config) -> int | None:
    """Return the number of events of the two classes in the training slices; None if unknown."""
    learned = config.training
    role = "training" if config.own_training_samples else "analysis"
    counts = [
        sample.events
        for sample in config.samples
        if sample.role == role
        and sample.process in (learned.signal, learned.background)
        and (sample.slice is None or sample.slice in learned.slices)
    ]
    return None if None in counts else sum(n for n in counts if n)


# --- Many runs ------------------------------------------------------------------------------


def kept() -> list[Path]:
    """Return the files of results in this repository."""
    return sorted(REPOSITORY.glob(KEPT))


def read(path: Path) -> Results:
    """Read a file of results.

    Raises:
        InputError: the file cannot be read or has another content.
    """
    try:
        return Results.model_validate_json(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot read the results: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not the results of a run: not text") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"'{where}': {first['msg']}" if where else first["msg"]
        raise InputError(
            f"{path}: not the results of a run, or of another version: {problem}: make it again "
            "with --stage report"
        ) from error


def tables(results: Sequence[Results]) -> list[Table]:
    """Return the tables of all networks of all runs: cost and performance, gain in sensitivity."""
    return [_networks(results), _gains(results)]


def _networks(results: Sequence[Results]) -> Table:
    rows = [_row(result, network) for result in results for network in result.networks]
    return Table(
        name="results",
        title="All networks",
        columns=(
            "run",
            "size",
            "network",
            "parameters",
            "MFLOP per event",
            "trained on (events, steps, device)",
            "hours",
            "scored events/s",
            "(P + R)/2",
            "AUC",
            f"background rejected at {100 * float(SIGNAL_EFFICIENCY):g} % signal efficiency",
        ),
        rows=rows,
        notes=(
            f"Size: number of training events relative to the {THESIS_EVENTS} of the thesis (full, "
            "a tenth), or the number itself. Rejection: simulated events that the network was not "
            "trained on, at the signal efficiency that cell + strides has in the thesis at its "
            "best threshold. Hours of training, and events scored per second, on the device "
            "named. With several folds, the mean: the first error is statistical, the second the "
            "spread between trainings." + _before(results),
        ),
    )


def _before(results: Sequence[Results]) -> str:
    """Return the note on results of schema 1, if any."""
    if all(result.schema_version == SCHEMA for result in results):
        return ""
    return (
        f"{OLDER}: made before folds were evaluated separately: one threshold for all folds, "
        "chosen on the evaluation events; statistical errors only. To be rerun."
    )


def _row(result: Results, network: NetworkSummary) -> list[str]:
    training, evaluation = network.training, network.evaluation
    flops, speed = training.flops_an_event, training.events_per_second
    return [
        result.title,
        result.size,
        network.name,
        f"{training.parameters}",
        "-" if flops is None else f"{flops / 1e6:.4g}",
        f"{training.events}, {training.steps}, {training.device or '-'}",
        f"{training.seconds / 3600:.2f}",
        "-" if speed is None else f"{speed:.0f}",
        str(evaluation.mean_precision_recall),
        str(evaluation.auc),
        str(evaluation.background_rejected_fraction.get(SIGNAL_EFFICIENCY, "-")),
    ]


def _gains(results: Sequence[Results]) -> Table:
    columns = {
        "IM1, as published": (AS_PUBLISHED, "IM1"),
        "own threshold": (AS_PUBLISHED + OWN_THRESHOLD, "IM1"),
        "IM1, consistent": (CONSISTENT, "IM1"),
        "own threshold ": (CONSISTENT + OWN_THRESHOLD, "IM1"),
        "above 1 TeV, as published": (AS_PUBLISHED, "IM10"),
        "split of IM1": (IM1_SPLIT, "IM10"),
        "split of IM1, own threshold": (IM1_SPLIT + OWN_THRESHOLD, "IM10"),
    }
    return Table(
        name="gains",
        title="Sensitivity with a network relative to without",
        columns=("run", "network", *(column.strip() for column in columns)),
        rows=[
            [
                result.title,
                network.name,
                *(str(network.ratio(*which) or "-") for which in columns.values()),
            ]
            for result in results
            for network in result.networks
            if network.sensitivity
        ],
        notes=(
            "IM1 is missing transverse momentum above 250 GeV. As published: before the lepton "
            "veto; consistent: after the whole selection. Threshold: of the largest precision × "
            "recall in the high slice, or the network's own for the largest ratio, chosen by other "
            "events than those it is measured by. Split of IM1: the background above 1 TeV is made "
            "up as that of IM1, the only one whose make-up is published. Errors are statistical, "
            "of the cross-sections and between trainings." + _before(results),
        ),
        empty="no run has a ratio: see the note of its sensitivity table",
    )


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m analysis.reporting.results",
        description="One table of the results of many runs.",
    )
    made.add_argument(
        "results", nargs="*", type=Path, metavar="RESULTS.json", help=f"default: {KEPT}"
    )
    made.add_argument("--output", "-o", type=Path, metavar="TABLE.md", help="default: print it")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        found = tables([read(path) for path in options.results or kept()])
        text = "# Results\n\n" + "\n".join(table.markdown() for table in found)
        if options.output:
            files.write_text(options.output, text)
        else:
            print(text, end="")
    except MonojetError as error:
        print(f"ERROR {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

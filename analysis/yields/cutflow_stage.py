"""Stage ``cutflow``: weighted yields and histograms of the selection, with and without networks."""

from __future__ import annotations

from typing import Any

from analysis.by_value import counted, dump, labels, reading, used_columns
from analysis.config import Config, Sample
from analysis.processes import IRREDUCIBLE
from analysis.simulation.sources import event_source
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage, PartitionedWork
from analysis.workflow.target import Target, shared
from common.runtime.errors import ConfigError
from selections.selection import Correction, Selection
from training.classifier.evaluation_stage import evaluation_targets
from training.classifier.scoring_stage import scoring_targets


@shared
def cutflow_targets(run: Run) -> list[Target]:
    """Return the target of the cut-flow of all samples, with and without each network.

    Raises:
        ConfigError: events of a region have no images, and therefore no scores, or the evaluation
            of the trained networks is missing.
    """
    config = run.config
    selection = config.selection.resolved
    networks, taken = bool(config.training.networks), bool(config.training.models)
    if taken and not run.evaluation.exists():
        raise ConfigError(
            f"{run.evaluation}: missing, but the cut-flow needs its thresholds: make it with "
            "--stage evaluation of that run"
        )
    judged = () if taken else tuple(evaluation_targets(run))
    if networks:
        _require_images_of_all_regions(config.imaging.region, selection)
    sources = [event_source(run, sample) for sample in config.analysis_samples()]
    return [
        Target(
            "cutflow",
            "cutflow",
            run.table("cutflow"),
            (__name__, *dict.fromkeys(m for source in sources for m in source.modules)),
            settings={
                "luminosity": config.luminosity,
                "selection": counted(selection),
                "labels": labels(selection),
                "signals": list(config.signals),
                "samples": {s.name: _normalised(config, s) for s in config.analysis_samples()},
                "invisible": config.invisible,
                "irreducible": IRREDUCIBLE,
            },
            upstream=(
                (*judged, *scoring_targets(run))
                if networks
                else tuple(target for source in sources for target in source.upstream)
            ),
            input_files=(
                *((str(run.evaluation),) if taken else ()),
                *(path for source in sources for path in source.input_files),
                *(one.file for one in selection.weights if isinstance(one, Correction)),
            ),
            extra_outputs=(run.histograms, run.histograms.with_suffix(".root")),
        )
    ]


def _require_images_of_all_regions(name: str | None, selection: Selection) -> None:
    if name is None:
        return
    selected = {cut.expression for cut in selection.regions[name].cuts}
    for used in selection.used:
        if not selected <= {cut.expression for cut in selection.regions[used].cuts}:
            raise ConfigError(
                f"'region: {name}' leaves out events of region {used}, whose scores "
                "the cut-flow needs: choose a wider region, or only earlier stages"
            )


def _normalised(config: Config, sample: Sample) -> Any:
    """Return the settings of a sample that affect its expected events and how files are read."""
    return {
        **dump(sample, "cross_section", "sum_of_weights", "k_factor"),
        **reading(config, sample, used_columns(config.selection.resolved)),
    }


def _work() -> PartitionedWork:
    from analysis.yields.cutflow import WORK

    return WORK


STAGE = PartitionedStage(
    name="cutflow",
    summary="weighted yields and histograms of all regions, with and without the networks",
    reads="samples, scores, evaluation",
    writes="tables/{cutflow,yields}, histograms",
    targets=cutflow_targets,
    work=_work,
    study="selection",
    after=("validate",),
    tables=("cutflow", "yields", "acceptance"),
)

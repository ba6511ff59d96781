"""Stage ``sensitivity``: measure the gain in sensitivity from the networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from analysis.by_value import regions_of
from analysis.processes import IRREDUCIBLE
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared
from analysis.yields.cutflow_stage import cutflow_targets


@shared
def sensitivity_targets(run: Run) -> list[Target]:
    """Return the target of the sensitivity ratios."""
    selection = run.config.selection.resolved
    return [
        Target(
            "sensitivity",
            "sensitivity",
            run.table("sensitivity"),
            (__name__,),
            settings={
                "selection": regions_of(selection, [*selection.used]),
                "binning": dataclasses.asdict(selection.binning),
                "irreducible": IRREDUCIBLE,
            },
            upstream=tuple(cutflow_targets(run)),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from analysis.monojet.sensitivity import run as measure

    measure(run, targets, done)


STAGE = Stage(
    name="sensitivity",
    summary="gain in sensitivity in every signal region",
    reads="cutflow",
    writes="tables/sensitivity",
    targets=sensitivity_targets,
    run=_run,
    study="training",
    tables=("sensitivity",),
)

"""Stage ``signals``: compare how signals and Znunu pass the networks."""

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
def signals_targets(run: Run) -> list[Target]:
    """Return the target of the comparison of all signals with Znunu."""
    selection = run.config.selection.resolved
    return [
        Target(
            "signals",
            "signals",
            run.table("signals"),
            (__name__,),
            settings={
                "selection": regions_of(selection, selection.used),
                "binning": dataclasses.asdict(selection.binning),
                "irreducible": IRREDUCIBLE,
                "signals": list(run.config.signals),
            },
            upstream=tuple(cutflow_targets(run)),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from analysis.monojet.signals import run as compare

    compare(run, targets, done)


STAGE = Stage(
    name="signals",
    summary="compare how signals and Znunu pass the networks",
    reads="cutflow",
    writes="tables/signals",
    targets=signals_targets,
    run=_run,
    study="training",
    tables=("signals",),
)

"""Stage ``validate``: check the input files before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.by_value import dump, reading
from analysis.formats.registry import MODULE_OF
from analysis.inputs.paths import expand
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared

TRAITS = ("signal", "label", "colour")
"""Keys of samples that concern tables and figures only."""


@shared
def validate_targets(run: Run) -> list[Target]:
    """Return one report on all input files."""
    config = run.config
    given = [sample for sample in config.samples if not sample.generated]
    if not given:
        return []
    return [
        Target(
            "validate",
            "inputs",
            run.table("validation"),
            (__name__, *MODULE_OF.values()),
            settings={
                "samples": [
                    {
                        key: value
                        for key, value in dump(sample).items()
                        if key not in (*TRAITS, "columns")
                    }
                    | reading(config, sample, ["weight"])
                    for sample in given
                ],
                "invisible": config.invisible,
            },
            input_files=tuple(path for s in given for path in expand(s.files)),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from analysis.inputs.validate import run as validate

    validate(run, targets, done)


STAGE = Stage(
    name="validate",
    summary="check the input files before anything runs",
    reads="input files",
    writes="tables/validation",
    targets=validate_targets,
    run=_run,
    tables=("validation",),
)

"""The registry is a list of names; a stage is added by one file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from analysis.workflow.registry import MODULES, stages
from tests.conftest import REPOSITORY

STAGE = '''
"""Stage ``count``: count the samples."""

from analysis.images.imaging_stage import imaging_targets
from analysis.workflow.stage import Stage
from analysis.workflow.target import Target


def count_targets(run):
    return [
        Target(
            "count",
            "count",
            run.table("count"),
            (__name__,),
            settings={"what": "images"},
            upstream=tuple(imaging_targets(run)),
        )
    ]


def _run(run, targets, done):
    for target in targets:
        target.output.parent.mkdir(parents=True, exist_ok=True)
        target.output.write_text(str(len(run.config.samples)))
        done(target)


STAGE = Stage(
    name="count", summary="count the samples", reads="images", writes="tables/count",
    targets=count_targets, run=_run,
)
'''


def test_names_are_unique_and_modules_are_named_as_stages_are() -> None:
    names = [stage.name for stage in stages()]
    assert len({*names}) == len(names)
    assert all(module.endswith("_stage") for module in MODULES)


def test_every_stage_module_is_registered() -> None:
    found = {
        str(path.relative_to(REPOSITORY)).removesuffix(".py").replace("/", ".")
        for room in ("analysis", "training")
        for path in (REPOSITORY / room).rglob("*_stage.py")
    }
    assert found == {*MODULES}


def test_one_file_adds_a_stage(tmp_path: Path) -> None:
    """It is listed, needs what it is made from, runs and is up to date."""
    (tmp_path / "count_stage.py").write_text(STAGE)
    code = (
        "import sys\n"
        "from analysis.workflow import registry\n"
        "registry.MODULES += ('count_stage',)\n"
        "from analysis.config import CONFIGS, load\n"
        "from analysis.workflow.execute import execute, needs, to_make, with_needs\n"
        "from analysis.workflow.run import Run\n"
        "from pathlib import Path\n"
        "run = Run(load(CONFIGS / 'tiny.yaml'), Path(sys.argv[1]))\n"
        "stage = registry.stage_named('count')\n"
        "execute([stage], run, (), lambda *_: None)\n"
        "import json\n"
        "print(json.dumps([\n"
        "    sorted(needs(stage, run)),\n"
        "    [one.name for one in with_needs(['count'], registry.stages(), run)],\n"
        "    len(to_make(stage, run, False)),\n"
        "    run.table('count').read_text(),\n"
        "]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        env={"PYTHONPATH": f"{REPOSITORY}:{tmp_path}", "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    needed, order, left, content = json.loads(done.stdout.splitlines()[-1])
    assert needed == ["imaging"]
    assert order == ["validate", "generate", "imaging", "count"]
    assert left == 0
    assert content == "7"

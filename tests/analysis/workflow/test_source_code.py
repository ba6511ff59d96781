"""What makes an output is found in the sources, and nothing else makes it stale.

The tests work on a copy of the sources, in which they change files.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.config import CONFIGS, load
from analysis.workflow import source_code
from analysis.workflow.registry import MODULES, stages
from analysis.workflow.run import Run
from analysis.workflow.source_code import BY_VALUE, NEUTRAL, code_of
from analysis.workflow.target import Target
from common.runtime import files
from tests.conftest import REPOSITORY

ROOMS = ("analysis", "common", "cpp_helpers", "plots", "selections", "training")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the sources, which fingerprints are made of."""
    copy = tmp_path_factory.mktemp("repository")
    for room in ROOMS:
        shutil.copytree(
            REPOSITORY / room, copy / room, ignore=shutil.ignore_patterns("__pycache__")
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_code, "REPOSITORY", copy)
        patch.setattr(files, "cache_folders", lambda: iter(()))
        source_code.forget()
        yield copy
    source_code.forget()


@pytest.fixture
def change(tree: Path) -> Iterator[Callable[[str, Callable[[str], str]], None]]:
    """Change a file of the copy until the test ends."""
    kept: dict[Path, str] = {}

    def edit(path: str, new: Callable[[str], str]) -> None:
        text = (tree / path).read_text()
        kept.setdefault(tree / path, text)
        (tree / path).write_text(new(text))
        source_code.forget(sources=False)

    yield edit
    for path, text in kept.items():
        path.write_text(text)
    source_code.forget(sources=False)


def targets(folder: Path, **selection: Any) -> dict[tuple[str, str], Target]:
    """All targets of both tiny studies, by stage and name; the first study that has one counts."""
    found: dict[tuple[str, str], Target] = {}
    for name in ("tiny", "anomaly_tiny"):
        changed: dict[str, Any] = {"skim": {"region": "SR", "columns": ["met"]}}
        if selection:
            changed["selection"] = {"extends": "monojet36", **selection}
        run = Run(load(CONFIGS / f"{name}.yaml", **changed), folder / name)
        for stage in stages():
            if stage.study is None or stage.study in run.config.studies:
                for target in stage.targets(run):
                    found[name, f"{stage.name}:{target.name}"] = target
    return found


def fingerprints(folder: Path, **selection: Any) -> dict[tuple[str, str], str]:
    return {key: target.fingerprint for key, target in targets(folder, **selection).items()}


def stale(folder: Path, before: dict[tuple[str, str], str], **selection: Any) -> set[str]:
    """The stages with a target whose fingerprint has changed."""
    now = fingerprints(folder, **selection)
    return {key[1].split(":")[0] for key, one in before.items() if now[key] != one}


def ancestors(target: Target) -> Iterator[Target]:
    yield target
    for one in target.upstream:
        yield from ancestors(one)


Change = Callable[[str, Callable[[str], str]], None]


def reached_by_files(folder: Path) -> dict[str, set[str]]:
    """The stages that a file is the code of, or that are made from these."""
    found: dict[str, set[str]] = {}
    for key, target in targets(folder).items():
        for path in {path for one in ancestors(target) for path in one.code}:
            found.setdefault(path, set()).add(key[1].split(":")[0])
    return found


def require_exact(tree: Path, folder: Path, change: Change, sources: Iterable[str]) -> None:
    """Change files one by one: each makes stale what it reaches, and nothing else."""
    before, reached = fingerprints(folder), reached_by_files(folder)
    for path in sources:
        line = "\n_touched = 1\n" if path.endswith(".py") else "\nint touched;\n"
        text = (tree / path).read_text()
        change(path, lambda text, line=line: text + line)  # type: ignore[misc]
        assert stale(folder, before) == reached.get(path, set()), path
        change(path, lambda _, text=text: text)  # type: ignore[misc]


def sources_of(tree: Path) -> list[str]:
    return [
        str(path.relative_to(tree))
        for path in sorted(tree.rglob("*"))
        if path.suffix in (".py", ".hxx", ".cxx")
    ]


@pytest.mark.slow
def test_a_change_makes_stale_what_it_reaches_and_nothing_else(
    tree: Path, tmp_path: Path, change: Change
) -> None:
    """Of each source file, for each stage."""
    require_exact(tree, tmp_path, change, sources_of(tree))


def test_a_change_in_each_room_makes_stale_what_it_reaches(
    tree: Path, tmp_path: Path, change: Change
) -> None:
    rooms = {str(Path(path).parent): path for path in sources_of(tree)}  # the last file of each
    require_exact(tree, tmp_path, change, rooms.values())


@pytest.mark.parametrize(
    ("path", "stages_of_it"),
    [
        ("analysis/formats/nanoaod.py", ""),  # which no sample of these studies can have
        ("analysis/formats/registry.py", ""),  # likewise: a further format is none of theirs
        ("analysis/formats/native.py", "anomaly cutflow generate imaging rmm skim"),
        ("analysis/images/imaging.py", "imaging"),
        ("analysis/yields/cutflow.py", "cutflow"),
        ("analysis/yields/cutflow_model.py", "cutflow plots report sensitivity signals"),
        ("analysis/monojet/selected_events.py", "sensitivity"),
        ("analysis/reference/thesis_tables.json", "plots report sensitivity"),
        ("analysis/inputs/cross_sections.yaml", "anomaly cutflow imaging rmm skim"),
        ("analysis/reporting/page.py", "anomaly_report report"),
        ("analysis/three_lepton/significance.py", "anomaly"),
        ("common/runtime/progress.py", ""),
        ("cpp_helpers/imaging/images.hxx", "imaging"),
        ("cpp_helpers/rdf/scores.hxx", "anomaly cutflow"),
        ("cpp_helpers/three_lepton/rmm.hxx", "anomaly rmm"),
        ("plots/monojet/cutflow.py", "plots"),
        ("plots/style.py", "anomaly_plots plots"),
        ("selections/monojet36.py", ""),  # what it says enters by value
        ("training/autoencoder/denoised.py", "denoising"),
        ("training/classifier/evaluate.py", "evaluation"),
        ("training/classifier/fold.py", "training"),
        ("training/classifier/score.py", "scoring"),
        ("training/data/scaling.py", "anomaly_scoring autoencoders denoising inspection left_out"),
        ("training/networks/sets.py", "training"),
    ],
)
def test_a_file_is_the_code_of_these_stages(path: str, stages_of_it: str, tmp_path: Path) -> None:
    """Written by hand, from what the modules do."""
    found = {key[1].split(":")[0] for key, one in targets(tmp_path).items() if path in one.code}
    assert found == {*stages_of_it.split()}


def test_comments_docstrings_and_formatting_make_nothing_stale(
    tree: Path, tmp_path: Path, change: Change
) -> None:
    before = fingerprints(tmp_path)
    for path in sorted(tree.rglob("*.py")):
        body = ast.parse(path.read_text()).body
        docstring = f'"""{"Other words." * 3}"""\n' if len(body) > 1 else ""

        def reworded(text: str, docstring: str = docstring) -> str:
            tree = ast.parse(text)
            lines = text.splitlines(keepends=True)
            if docstring and ast.get_docstring(tree) is not None:
                lines[: tree.body[0].end_lineno] = [docstring, "\n\n"]
            return "".join(lines) + "\n\n# a comment\n"

        change(str(path.relative_to(tree)), reworded)
    for path in sorted(tree.rglob("*.?xx")):
        change(str(path.relative_to(tree)), lambda text: f"// a comment\n{text}\n/* and one */\n")
    assert stale(tmp_path, before) == set()


def test_a_module_that_becomes_a_package_is_found(tree: Path) -> None:
    """Its importers, which stay as they are, were parsed before."""
    module, package = tree / "common" / "tables.py", tree / "common" / "tables"
    assert "common/tables.py" in code_of(["analysis.yields.cutflow_stage"])
    package.mkdir()
    module.rename(package / "__init__.py")
    source_code.forget(sources=False)
    try:
        found = code_of(["analysis.yields.cutflow_stage"])
    finally:
        (package / "__init__.py").rename(module)
        package.rmdir()
        source_code.forget(sources=False)
    assert "common/tables/__init__.py" in found
    assert "common/tables.py" not in found


REMADE = {"cutflow", "sensitivity", "signals", "plots", "report", "anomaly_report"}
"""Stages that a change of the counted selection concerns; reports show the configuration."""


def test_a_new_region_makes_no_image_and_no_network_stale(tmp_path: Path) -> None:
    before = fingerprints(tmp_path)
    region = {"extends": "SR", "add": {"harder": "met_no_muons > 500"}}
    changed = stale(tmp_path, before, regions={"harder": region})
    assert changed == REMADE


def test_a_new_histogram_makes_no_image_and_no_network_stale(tmp_path: Path) -> None:
    before = fingerprints(tmp_path)
    histograms = {"leading_jet_phi": {"bins": [-3.2, 0, 3.2]}}
    changed = stale(tmp_path, before, histograms=histograms)
    assert changed == REMADE


def test_a_cut_that_images_record_makes_them_stale(tmp_path: Path) -> None:
    before = fingerprints(tmp_path)
    region = {"extends": "SR", "replace": {"muon_veto": "n_muons < 2"}}
    changed = stale(tmp_path, before, regions={"SR": region})
    assert {"imaging", "training", "scoring", "cutflow"} <= changed


_IMPORTED = """
import ast, importlib, inspect, json, os, sys
from importlib.util import find_spec
rooms, modules, baseline, heavy = json.loads(sys.argv[1])
for name in heavy:
    importlib.import_module(name)
found = {}
for name in ("", *modules):  # each in a process of its own, which has imported no other
    read, write = os.pipe()
    if not os.fork():
        for one in [name] if name else baseline:
            importlib.import_module(one)
        tree = ast.parse(inspect.getsource(sys.modules[name])) if name else ast.Module([], [])
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.col_offset:
                exec(compile(ast.Module([node], []), "imports", "exec"), {})
        with os.fdopen(write, "w") as pipe:
            json.dump([one for one in sys.modules if one.split(".")[0] in rooms], pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        found[name] = json.load(pipe)
    os.wait()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """Our modules that Python imports for each stage: its module, and what its functions import.

    Of no stage: those imported by what enters by value or decides no result, and by the modules of
    all stages as such.
    """
    left_out = [one for one in (*BY_VALUE, *NEUTRAL) if one not in ("selections", "analysis.batch")]
    heavy = ["numpy", "h5py", "pandas", "keras", "matplotlib.pyplot", "sklearn.metrics", "pydantic"]
    done = subprocess.run(
        [
            *(sys.executable, "-c", _IMPORTED),
            json.dumps([ROOMS, MODULES, [*left_out, *MODULES], heavy]),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name: {*found} for name, found in json.loads(done.stdout.splitlines()[-1]).items()}


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_what_a_stage_imports_is_found(module: str, imported: dict[str, set[str]]) -> None:
    found = {path.removesuffix(".py").removesuffix("/__init__") for path in code_of([module])}
    checked = 0
    for name in imported[module] - imported[""]:
        left_out = any(f"{name}.".startswith(f"{one}.") for one in (*BY_VALUE, *NEUTRAL))
        package = (REPOSITORY / name.replace(".", "/")).is_dir()  # which holds a docstring
        if not (left_out or package or name.endswith("_stage")):
            assert name.replace(".", "/") in found, name
            checked += 1
    assert checked


def test_a_stage_does_not_depend_on_the_version_of_python() -> None:
    """The hash leaves out what is empty: fields of the syntax tree that later versions add."""
    function = ast.parse("def f(x: int) -> int:\n    return x\n")
    assert "type_params" not in source_code._canonical(function)
    assert "type_comment" not in source_code._canonical(function)

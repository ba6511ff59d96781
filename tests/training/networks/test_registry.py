"""Networks are found by name; each depends on the module that defines it, and on no other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from analysis.config import Config, parse_network
from analysis.workflow.run import Run
from common.repository import REPOSITORY
from training.classifier.training_stage import training_targets
from training.networks.registry import NETWORKS, builder, module_of


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_builder(name: str) -> None:
    assert builder(name).__module__ == module_of(name)


@pytest.mark.parametrize(("name", "module"), [("strides", "thesis"), ("pfn", "sets")])
def test_a_training_depends_on_the_module_of_its_network(
    tiny_config: Config, tmp_path: Path, name: str, module: str
) -> None:
    networks = (parse_network({"network": name}),)
    training = tiny_config.training.model_copy(update={"networks": networks})
    run = Run(tiny_config.model_copy(update={"training": training}), tmp_path)
    (target,) = training_targets(run)
    modules = {Path(path).stem for path in target.code if path.startswith("training/networks/")}
    assert modules & {"thesis", "image", "sets"} == {module}
    assert "training/classifier/score.py" not in target.code


def test_the_names_need_no_keras() -> None:
    code = "import sys, training.networks.registry; print('keras' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    assert found.stdout == "False\n"

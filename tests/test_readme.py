"""What the README shows can be done as printed."""

from __future__ import annotations

import re

import pytest
import yaml

from analysis.config import Config
from run_analysis import parser
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


def test_the_configuration_shown_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    assert Config.model_validate(yaml.safe_load(block)).name == "mine"


@pytest.mark.parametrize(
    "command", re.findall(r"^python run_analysis.py ([^#\n]*)", README, flags=re.MULTILINE)
)
def test_the_options_shown_exist(command: str) -> None:
    parser().parse_args(command.replace("'", "").split())


def test_the_files_it_points_to_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (REPOSITORY / target).exists(), target

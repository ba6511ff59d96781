"""What the README shows can be done as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from analysis.cli.options import parser
from analysis.config import Config
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def test_the_configuration_shown_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    assert Config.model_validate(yaml.safe_load(block)).name == "mine"


@pytest.mark.parametrize(
    "command",
    [
        command
        for page in PAGES
        for command in re.findall(
            r"^python run_analysis.py ([^#\n]*)", page.read_text(), flags=re.MULTILINE
        )
    ],
)
def test_the_options_shown_exist(command: str) -> None:
    parser().parse_args(command.replace("'", "").split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_it_points_to_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target

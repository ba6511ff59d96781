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
    blocks = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    names = [Config.model_validate(yaml.safe_load(block)).name for block in blocks]
    assert names == ["mine", "own_analysis"]


def test_an_analysis_of_ones_own_is_shown_as_it_is() -> None:
    """On one page of YAML, of at most 25 lines."""
    path = REPOSITORY / "analysis" / "configs" / "own_analysis.yaml"
    lines = path.read_text().splitlines()
    assert len(lines) <= 25
    shown = "\n".join(lines[1:])  # without the comment
    for page in (README, (REPOSITORY / "docs" / "own_analysis.md").read_text()):
        assert shown in page


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

"""A page: first screen, contents, sections, and what it shows of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.config import Config
from analysis.reporting import page
from analysis.workflow.run import Run
from analysis.workflow.target import Target
from tests.analysis.reporting.made_up import list_figures, png


@pytest.fixture
def run(tiny_config: Config, tmp_path: Path) -> Run:
    found = Run(tiny_config, tmp_path)
    list_figures(
        found,
        {
            "one": ("First, $x^2$.", "Spectra"),
            "two": ("Second.", "Spectra"),
            "three": ("Third.", "Cuts"),
        },
    )
    return found


def written(run: Run, *sections: str, head: page.Head | None = None) -> tuple[str, str]:
    """The page and the text of a report."""
    page.write(run, Target("report", "report", run.output / "report.html", ()), sections, head)
    return (run.output / "report.html").read_text(), (run.output / "report.md").read_text()


def test_contents_stand_between_the_first_lines_and_the_sections(run: Run) -> None:
    found, text = written(run, "# Title", "An introduction.", "## First", "x", "## The second", "")
    assert text == (
        "# Title\n\nAn introduction.\n\n- [First](#first)\n- [The second](#the-second)\n\n"
        "## First\n\nx\n\n## The second\n"
    )
    order = ["<h1>Title", "An introduction", "<nav>", 'href="#the-second"', 'id="first"']
    places = [found.index(part) for part in order]
    assert places == sorted(places)
    assert "<title>tiny</title>" in found


def test_a_page_without_sections_has_no_contents(run: Run) -> None:
    found, text = written(run, "# Title")
    assert "<nav>" not in found
    assert text == "# Title\n"


def test_the_first_screen_has_facts_tiles_and_figures(run: Run) -> None:
    (figure, *_) = page.listed(run.plots / "figures.json")
    head = page.Head(
        "A <run>",
        "What it is.",
        {"luminosity": "36.1 fb⁻¹", "selection": "`own`"},
        [page.Tile("1.0 ± 0.1", "ratio", r"as $S/\sqrt{B}$"), page.Tile("2|3", "b", "c")],
        [figure],
    )
    found, text = written(run, "## A", "b", head=head)
    assert "<h1>A &lt;run&gt;</h1>" in found
    assert "<dt>luminosity</dt><dd>36.1 fb⁻¹</dd>" in found
    assert "<dd><code>own</code></dd>" in found
    assert found.count('class="tile"') == 2
    assert "<strong>1.0 ± 0.1</strong><b>ratio</b>" in found
    assert "<msqrt>" in found
    assert found.index("</header>") < found.index("<nav>")
    assert "- luminosity: 36.1 fb⁻¹\n- selection: `own`" in text
    assert "| **1.0 ± 0.1** | **2\\|3** |\n| :---: | :---: |\n| ratio | b |" in text
    assert "![one](plots/one.png)\n\n*First, $x^2$.*" in text


def test_figures_stand_below_their_headings_but_for_some(run: Run) -> None:
    found = list(page.figures(run.plots / "figures.json", but=["one"]))
    assert found == [
        "## Figures",
        "### Spectra",
        "![two](plots/two.png)\n\n*Second.*",
        "### Cuts",
        "![three](plots/three.png)\n\n*Third.*",
    ]
    assert list(page.figures(run.plots / "figures.json", but=["one", "two", "three"])) == []


def test_of_very_many_figures_some_of_each_heading_are_shown(run: Run) -> None:
    names = [f"{heading}{i}" for heading in "abc" for i in range(4)]
    list_figures(run, {name: (f"{name}.", name[0]) for name in names})
    found = "\n".join(page.figures(run.plots / "figures.json", most=7))
    assert found.count("![") == 6
    assert "![b1]" in found
    assert "files: [b2](plots/b2.png), [b3](plots/b3.png)." in found
    assert "\n".join(page.figures(run.plots / "figures.json", most=12)).count("![") == 12
    assert "\n".join(page.figures(run.plots / "figures.json", most=1)).count("![") == 3


def test_a_list_without_headings_has_none(run: Run) -> None:
    path = run.plots / "figures.json"
    path.write_text(json.dumps([{"name": "a", "files": ["a.png"], "caption": "A."}]))
    assert list(page.figures(path)) == ["## Figures", "![a](plots/a.png)\n\n*A.*"]
    path.write_text("[]")
    assert list(page.figures(path)) == []


def test_the_page_needs_no_other_file(run: Run) -> None:
    (run.plots / "two.png").write_bytes(png(50, 10))
    found, _ = written(run, *page.figures(run.plots / "figures.json"))
    assert found.count('src="data:image/png;base64,') == 3
    assert "plots/" not in found
    assert "http" not in found
    assert "@media print" in found


def test_settings_are_those_that_differ_from_their_defaults(run: Run) -> None:
    text = "\n\n".join(page.origin(run))
    assert "name: tiny" in text
    assert "luminosity: 36.1" in text  # its default, but of interest
    assert "block_size: 100" in text
    assert "null" not in text
    assert "\nbatch:" not in text
    assert "numpy 2" in text


def test_the_last_note_of_a_table_says_why_it_is_empty(run: Run) -> None:
    path = run.table("sensitivity").with_suffix(".md")
    path.parent.mkdir(parents=True)
    path.write_text("**T**\n\n| a |\n| --- |\n\n*Empty: no sample.*\n")
    assert page.note(run, "sensitivity") == "*Empty: no sample.*"

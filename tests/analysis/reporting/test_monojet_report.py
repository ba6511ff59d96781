"""The report of a run: its numbers first, then sections, for any configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from analysis.config import Config
from analysis.reporting import monojet_report, results
from analysis.workflow.run import Run
from analysis.workflow.target import Target
from common.stats.measured import Averaged, Measured
from tests.analysis.reporting.made_up import config, list_figures, make_run


def written(run: Run) -> tuple[str, str]:
    """The page and the text of the report."""
    target = Target(
        "report",
        "report",
        run.output / "report.html",
        (),
        extra_outputs=(run.output / "results.json",),
    )
    monojet_report.run(run, [target], lambda _: None)
    return target.output.read_text(), (run.output / "report.md").read_text()


def headings(text: str) -> list[str]:
    return re.findall(r"^## (.*)$", text, flags=re.MULTILINE)


@pytest.fixture
def selected(tmp_path: Path) -> Any:
    """A function that makes runs of selections without networks."""

    def make(*processes: str, **selection: Any) -> Run:
        made = config({"extends": "monojet36", "use": ["SR", "CR2mu"], **selection}, processes)
        run = make_run(tmp_path / "run", made)
        list_figures(
            run,
            {
                "cutflow_SR": ("Steps of $E_\\mathrm{T}^\\mathrm{miss}$.", "Cut-flows"),
                "cutflow_CR2mu": ("Steps.", "Cut-flows"),
                "stack_SR_met": ("A spectrum.", "Histograms of SR"),
            },
        )
        return run

    return make


# --- With networks --------------------------------------------------------------------------------


def test_a_run_with_networks_has_all_sections(finished: Run) -> None:
    page, text = written(finished)
    assert headings(text) == [
        *("Selection", "Yields", "Networks", "Sensitivity", "Signals", "The thesis and this run"),
        *("Figures", "Samples", "Configuration", "Versions"),
    ]
    assert [text.count(f"](#{one})") for one in ("selection", "the-thesis-and-this-run")] == [1, 1]
    for word in ("Curves.", "Wmunu rejected, high slice", "luminosity: 36.1", "numpy"):
        assert word in page
        assert word in text
    assert "![roc](plots/roc.png)" in text
    assert page.count('src="data:image/png;base64,') == 4
    assert 'src="plots' not in page
    assert "http" not in page


def test_its_numbers_are_those_of_the_best_network(finished: Run) -> None:
    page, text = written(finished)
    assert (
        "| **0.930 ± 0.010** | **1.100 ± 0.010** | **1.050 ± 0.010** |\n"
        "| :---: | :---: | :---: |\n"
        "| AUC of strides+cell | sensitivity in IM1, as published | "
        "sensitivity in IM1, consistent |"
    ) in text
    assert page.count('class="tile"') == 3
    first_screen = page[: page.index("</header>")]
    assert 'alt="roc"' in first_screen
    assert 'alt="sensitivity_strides+cell"' in first_screen
    assert 'alt="event_channels"' not in first_screen


def test_the_sensitivity_is_short_and_the_whole_table_a_link(finished: Run) -> None:
    _, text = written(finished)
    section = text.split("## Sensitivity")[1].split("\n## ")[0]
    assert "| strides+cell | as published | 1.100 ± 0.010 | 1.020 ± 0.010 |" in section
    assert "[tables/sensitivity.md](tables/sensitivity.md)" in section
    assert "[tables/sensitivity.json](tables/sensitivity.json)" in section


def test_without_ratios_the_reason_is_given(finished: Run) -> None:
    finished.table("sensitivity").write_text("[]")
    finished.table("sensitivity").with_suffix(".md").write_text("**T**\n\n*Empty: no Wmunu.*\n")
    page, text = written(finished)
    assert "## Sensitivity\n\n*Empty: no Wmunu.*" in text
    assert page.count('class="tile"') == 3  # the yields have numbers, too
    assert "background in SR" in text


def test_other_networks_than_the_thesiss_are_not_compared(finished: Run) -> None:
    evaluation = json.loads(finished.table("evaluation").read_text())
    data = finished.config.model_dump()
    data["training"]["networks"] = [{"network": "resnet", "compression": "cell"}]
    run = Run(Config.model_validate(data), finished.output)
    (name,) = (one.name for one in run.config.training.networks)
    run.table("evaluation").write_text(json.dumps({name: evaluation["strides+cell"]}))
    (run.output / "models" / "strides+cell").rename(run.model(name))
    _, text = written(run)
    assert "The thesis and this run" not in headings(text)


def test_the_results_are_a_file_that_can_be_read(finished: Run) -> None:
    written(finished)
    found = results.read(finished.output / "results.json")
    assert (found.run, found.seed, found.learned_events) == ("tiny", 7, 600)
    assert found.configuration["luminosity"] == 36.1
    assert "batch" not in found.configuration
    assert found.versions["numpy"]
    assert found.device.processor
    (network,) = found.networks
    assert network.settings["compression"] == "cell"
    assert (network.training.events, network.training.flops_an_event) == (200, None)
    assert network.evaluation.signal_events == 120
    assert network.evaluation.background_rejected_fraction == {"0.919": Averaged(0.8, 0.01)}
    assert len(network.evaluation.pass_rates) == 9
    assert network.ratio("as published", "IM10") == Measured(1.02, 0.01)
    assert network.ratio("consistent", "IM10") is None


# --- Without networks -----------------------------------------------------------------------------


def test_a_run_without_networks_has_a_report(selected: Any) -> None:
    run = selected("Znunu", "Wtaunu", "model", "measured", blind=["CR2mu"])
    page, text = written(run)
    assert headings(text) == [
        *("Selection", "Yields", "Figures", "Samples", "Configuration", "Versions"),
    ]
    for word in ("background in SR", "observed in SR", "data over background in SR"):
        assert word in text
    assert "- backgrounds: Znunu, Wtaunu\n- signals: model\n- data: measured\n" in text
    assert "- samples: 4 samples of 4 processes, 108,800 events" in text
    assert "- networks" not in text
    first_screen = page[: page.index("</header>")]
    assert 'alt="stack_SR_met"' in first_screen
    assert 'alt="cutflow_SR"' in first_screen
    assert 'alt="cutflow_CR2mu"' not in first_screen
    assert "hidden in CR2mu" in text
    found = results.read(run.output / "results.json")
    assert (found.networks, found.learned_events) == ([], None)


def test_formulas_are_drawn_in_the_page_and_stay_in_the_text(selected: Any) -> None:
    page, text = written(selected("Znunu", "model"))
    body = page[page.index("<body>") : page.index('id="configuration"')]
    assert "$" not in body
    assert "mathrm" not in body
    assert body.count("<math") > 10
    assert "$E_\\mathrm{T}^\\mathrm{miss} > 250$ GeV" in text


def test_data_alone_have_a_report(selected: Any) -> None:
    _, text = written(selected("measured"))
    assert "- data: measured" in text
    assert "- backgrounds" not in text
    assert "| **1000** | **1000** |" in text


def test_hidden_data_alone_have_a_report_without_numbers(selected: Any) -> None:
    page, text = written(selected("measured", blind=["SR", "CR2mu"]))
    assert "**1000**" not in text
    assert 'class="tile"' not in page


def test_results_of_other_runs_are_not_in_the_way(selected: Any) -> None:
    _, text = written(selected("Znunu", "Wtaunu"))
    for path in results.kept():
        assert path.stem not in text

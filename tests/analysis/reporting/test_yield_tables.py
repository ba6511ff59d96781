"""Tables of the yields have all processes side by side."""

from __future__ import annotations

from dataclasses import replace

from analysis.config import Config
from analysis.reporting import yield_tables
from common.tables import Table
from tests.analysis.reporting.made_up import config, cutflow_table

SELECTION = {"extends": "monojet36", "use": ["SR", "CR2mu"], "blind": ["SR"]}


def rows(table: Table) -> dict[str, list[str]]:
    return {row[0]: list(row[1:]) for row in table.rows}


def test_a_cut_flow_has_backgrounds_their_sum_signals_and_data() -> None:
    made = config(SELECTION)
    table = yield_tables.cutflow(cutflow_table(made), made, "CR2mu")
    assert table.columns == (
        *("cut", "Znunu", "Wtaunu", "all backgrounds"),
        *("model (signal)", "measured (data)"),
    )
    found = rows(table)
    assert [*found][:2] == ["all events", r"$E_\mathrm{T}^\mathrm{miss} > 250$ GeV"]
    assert found["two muons"] == [
        "1600 ± 170",  # 2 x 800 events: 2 √800 and 10 %
        "800 ± 89",
        "2400 ± 190",
        "400 ± 49",
        "2000",
    ]


def test_hidden_data_have_no_column() -> None:
    made = config(SELECTION)
    table = yield_tables.cutflow(cutflow_table(made), made, "SR")
    assert table.columns[-1] == "model (signal)"


def test_one_background_has_no_sum() -> None:
    made = config(SELECTION, ("Znunu", "model"))
    table = yield_tables.cutflow(cutflow_table(made), made, "SR")
    assert table.columns == ("cut", "Znunu", "model (signal)")


def test_data_alone_have_a_cut_flow() -> None:
    made = config({"extends": "monojet36"}, ("measured",))
    table = yield_tables.cutflow(cutflow_table(made), made, "SR")
    assert table.columns == ("cut", "measured (data)")


def test_empty_steps_are_zero() -> None:
    made = config(SELECTION, ("Znunu",))
    table = cutflow_table(made)
    (sample,) = table.samples.values()
    steps = {name: y.scaled(0) for name, y in sample.regions["SR"].steps.items()}
    empty = {name: replace(y, entries=0) for name, y in steps.items()}
    cutflow = replace(sample.regions["SR"], steps=empty)
    changed = replace(sample, regions={"SR": cutflow})
    made_table = yield_tables.cutflow(replace(table, samples={"Znunu": changed}), made, "SR")
    assert {cell for row in made_table.rows for cell in row[1:]} == {"0"}


def test_tables_come_in_the_order_of_reading() -> None:
    made = config(SELECTION)
    found = [one.name for one in yield_tables.tables(cutflow_table(made), made)]
    assert found == ["yields", "acceptance", "events_SR", "events_CR2mu", "cutflow_regions"]


def test_files_of_all_tables_are_linked() -> None:
    made = config(SELECTION)
    found = yield_tables.links(cutflow_table(made), made)
    assert (
        "[cutflow](tables/cutflow.md), [cutflow_Wtaunu](tables/cutflow_Wtaunu.md), "
        "[cutflow_model](tables/cutflow_model.md); the names of those"
    ) in found
    assert (
        "Signal bins: [cutflow_regions](tables/cutflow_regions.md), "
        "[cutflow_regions_CR2mu](tables/cutflow_regions_CR2mu.md)."
    ) in found
    assert "[histograms.h5](histograms.h5)" in found


def test_columns_of_networks_are_left_to_the_file() -> None:
    table = Table(
        "t",
        "Events, before and after each network",
        ("bin", "Z", "Z, pfn+none", "Z, at the edge"),
        [["IM1", "1", "2", "3"]],
    )
    found = yield_tables.without_networks(table, ["pfn+none"])
    assert (found.title, found.columns) == ("Events", ["bin", "Z", "Z, at the edge"])
    assert found.rows == [["IM1", "1", "3"]]
    assert yield_tables.without_networks(table, []) is table


def samples(made: Config) -> dict[str, list[str]]:
    return rows(yield_tables.samples(cutflow_table(made), made))


def test_samples_have_roles_events_and_cross_sections() -> None:
    made = config({"extends": "monojet36"})
    assert samples(made) == {
        "Znunu": ["background", "files", "25600", "3.00 ± 0.30", "1.2"],
        "Wtaunu": ["background", "files", "12800", "3.00 ± 0.30", "1"],
        "model": ["signal", "files", "6400", "3.00 ± 0.30", "1"],
        "measured": ["data", "files", "64000", "-", "-"],
    }
    assert yield_tables.n_events(cutflow_table(made)) == 108800


def test_the_number_of_hidden_events_is_not_told() -> None:
    made = config({"extends": "monojet36", "blind": ["SR_no_veto"]})
    assert samples(made)["measured"] == ["data", "files", "hidden", "-", "-"]
    assert yield_tables.n_events(cutflow_table(made)) == 44800

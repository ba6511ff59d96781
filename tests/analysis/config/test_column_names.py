"""Free names of columns are allowed, slips of canonical ones are not."""

from __future__ import annotations

import pytest

from analysis.config.column_names import misspelt, require_column_name
from analysis.formats.columns import CANONICAL


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Jet_pt", "jet_pt"),
        ("jetpt", "jet_pt"),
        ("MET", "met"),
        ("runNumber", "run_number"),
        ("jet_ptt", "jet_pt"),
        ("jett_pt", "jet_pt"),
        ("mett", "met"),
        ("jte_pt", "jet_pt"),
        ("wieght", "weight"),
        ("jets_pt", "jet_pt"),
        ("muons_pt", "muon_pt"),
        ("muom_pt", "muon_pt"),
        ("weigt", "weight"),
        ("weights", "weight"),
        ("elektron_pt", "electron_pt"),
        ("jet_wdith", "jet_width"),
        ("met_no_muon", "met_no_muons"),
        ("electron_z0_sin_teta", "electron_z0_sin_theta"),
    ],
)
def test_a_slip_of_a_canonical_column_is_refused(name: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"^column '{name}' looks like '{meant}' misspelt"):
        require_column_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("mt", "mht", "mht_phi", "met2", "met_sig", "ht", "bjet_pt", "jet1_pt", "jet_px"),
        *("jet_et", "jet_e", "jet_pt_2", "weight2", "weight_pileup", "tag_pt", "lepton_pt", "_x"),
        *("my_column", "jvt"),
    ],
)
def test_other_names_are_free(name: str) -> None:
    require_column_name(name)


def test_canonical_columns_are_no_slips_of_each_other() -> None:
    for name in CANONICAL:
        require_column_name(name)
        assert misspelt(name, [one for one in CANONICAL if one != name]) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("full_met", "^'full_met' is now called 'met'$"),
        ("1st", "^column '1st': only letters, digits and _, no digit first"),
        ("jet pt", "only letters, digits and _"),
        ("größe", "only letters, digits and _"),
        ("class", "no word of C.*: rename it$"),
        ("is_data", "no word of C"),
        ("rdfentry_", "no word of C"),
        ("std", "^column 'std': reserved: rename it$"),
        ("monojet", "reserved"),
        ("monojet_x", "reserved"),
    ],
)
def test_what_no_column_can_be_called_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        require_column_name(name)

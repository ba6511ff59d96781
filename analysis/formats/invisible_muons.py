"""Missing transverse momentum with muons as invisible, for files in which they are visible."""

from __future__ import annotations

from analysis.formats.format import Column

_WITHOUT = "monojet::without_muons(met, met_phi, muon_pt, muon_phi)"

MET = {
    "met_no_muons": Column(
        f"{_WITHOUT}.pt", "derived", "the file's, with its muons added as invisible"
    ),
    "met_no_muons_phi": Column(f"{_WITHOUT}.phi", "derived", "likewise"),
}
"""Needs the missing transverse momentum and the muons above it."""

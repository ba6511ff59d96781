"""Missing transverse momentum with muons invisible, of files whose own counts them as seen."""

from __future__ import annotations

from analysis.formats.format import Column

_WITHOUT = "monojet::without_muons(full_met, full_met_phi, muon_pt, muon_phi)"

MET = {
    "met": Column(
        f"{_WITHOUT}.pt", "derived", "the file's, and all its muons added: they are invisible here"
    ),
    "met_phi": Column(f"{_WITHOUT}.phi", "derived", "likewise"),
}
"""Needs ``full_met`` and the muons above it."""

"""The simulated processes: Pythia 8 settings at leading order, 13 TeV.

Checked with Pythia 8.317 (cross-sections in pb for boson pT 280-500 / 500-1000 / > 1000 GeV):
Znunu 2.76 / 0.209 / 0.00460, Wtaunu 3.47 / 0.264 / 0.00594, Wmunu and Wenu 3.48 / 0.264 / 0.00595.
``mediator`` is a heavy Z-like resonance of 1 TeV that decays invisibly, produced with a jet in the
matrix element: it stands in for the monojet signal of a dark-matter mediator. Its shape means
something, its cross-section does not. ``Zll`` (of at least 66 GeV): 1.445 / 0.111 / 0.00248;
``multijet``: 1.16e4 / 616 / 10.6. ``top`` is pairs (516, of pT > 280 GeV 21.0) and single tops in
the t and s channels (148 and 7.19), without those that come with a W; ``diboson`` is WW, WZ and ZZ
(64.1, 23.6 and 9.19), with all decays. There the slices are in the pT of each of the two.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """A hard process: settings for Pythia and the PDG code of the boson (or top) that recoils; 0
    where there is none."""

    name: str
    settings: tuple[str, ...]
    boson: int = 0


_Z = (
    "WeakBosonAndParton:qqbar2gmZg = on",
    "WeakBosonAndParton:qg2gmZq = on",
    "WeakZ0:gmZmode = 2",
    "23:onMode = off",
    "23:onIfAny = 12 14 16",
)

_ZLL = (
    "WeakBosonAndParton:qqbar2gmZg = on",
    "WeakBosonAndParton:qg2gmZq = on",
    "23:mMin = 66",
    "23:onMode = off",
    "23:onIfAny = 11 13 15",
)

_TOP = (
    "Top:gg2ttbar = on",
    "Top:qqbar2ttbar = on",
    "Top:qq2tq(t:W) = on",
    "Top:ffbar2tqbar(s:W) = on",
)

_DIBOSON = (
    "WeakDoubleBoson:ffbar2WW = on",
    "WeakDoubleBoson:ffbar2ZW = on",
    "WeakDoubleBoson:ffbar2gmZgmZ = on",
    "WeakZ0:gmZmode = 2",
)


def _w(lepton: int) -> tuple[str, ...]:
    return (
        "WeakBosonAndParton:qqbar2Wg = on",
        "WeakBosonAndParton:qg2Wq = on",
        "24:onMode = off",
        f"24:onIfAny = {lepton} {lepton + 1}",
    )


PROCESSES: dict[str, Process] = {
    process.name: process
    for process in (
        Process("Znunu", _Z, 23),
        Process("Wtaunu", _w(15), 24),
        Process("Wmunu", _w(13), 24),
        Process("Wenu", _w(11), 24),
        Process("mediator", (*_Z, "23:m0 = 1000", "23:mMin = 500"), 23),
        Process("Zll", _ZLL, 23),
        Process("top", _TOP, 6),
        Process("diboson", _DIBOSON, 24),
        Process("multijet", ("HardQCD:all = on",)),
    )
}

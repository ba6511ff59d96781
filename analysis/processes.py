"""The simulated processes: Pythia 8 settings at leading order, 13 TeV.

Checked with Pythia 8.317 (cross-sections in pb for boson pT 280-500 / 500-1000 / > 1000 GeV):
Znunu 2.76 / 0.209 / 0.00460, Wtaunu 3.47 / 0.264 / 0.00594, Wmunu and Wenu 3.48 / 0.264 / 0.00595.
``mediator`` is a heavy Z-like resonance of 1 TeV that decays invisibly, produced with a jet in the
matrix element, as a model of the monojet signal of a dark-matter mediator. Only its shapes are
meaningful, not its cross-section. ``Zll`` (mass above 66 GeV): 1.445 / 0.111 / 0.00248;
``multijet``: 1.16e4 / 616 / 10.6. ``top`` contains pairs (516; 21.0 for pT > 280 GeV) and single
tops in the t and s channels (148 and 7.19), without tW production; ``diboson`` contains WW, WZ and
ZZ (64.1, 23.6 and 9.19) with all decays. Their slices are in the pT of each of the two particles.

Further invisible signals with a jet in the matrix element (same slices, pb): ``graviton`` in two
large extra dimensions, M_D = 7.7 TeV, the limit of ATLAS with 36.1/fb (0.073 / 0.022 / 0.0031; its
mass is a continuum, sampled around 1.5 TeV); ``higgs`` of 125 GeV, half of which decay to two
invisible particles (0.117 / 0.022 / 0.0011; in the limit of a heavy top quark, too hard above about
200 GeV); ``pseudoscalar`` of 500 GeV, decaying to dark-matter fermions of 100 GeV (0.0090 / 0.0024
/ 0.00017). An axial mediator (``DM:ffbar2Zp2XX``) is not included: Pythia produces it without a
jet, so that the recoil comes from the shower, the slices do not act (each would contain the whole
process) and 3 % of the events reach 250 GeV; its processes with a jet are not available.

For three leptons, without slices (pb; all bosons and top quarks decay to leptons, including taus):
``WZ`` 0.81, ``ZZ`` 0.094, ``Zjets`` 4550 (above 50 GeV, jets by the shower), ``ttbar`` 55. Signals
are heavy Majorana neutrinos N that decay to two leptons and a neutrino: ``WR_N``, W_R of 2 TeV to
l N of 500 GeV, left-right symmetric (0.19); ``W_N``, W to e N of 50 GeV (1.4, by the choice of the
branching fraction).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """A hard process: settings for Pythia, the PDG code of the recoiling boson or top quark (0:
    none), and whether it is simulated in slices of its transverse momentum."""

    name: str
    settings: tuple[str, ...]
    boson: int = 0
    sliced: bool = True


@dataclass(frozen=True)
class ProcessTraits:
    """What a run takes a process for: a signal or not, and the label and the matplotlib colour that
    its samples give it (None: the built-in ones of `plots.style`)."""

    name: str
    signal: bool
    label: str | None = None
    colour: str | None = None


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

_GRAVITON = (
    "ExtraDimensionsLED:monojet = on",
    "ExtraDimensionsLED:n = 2",
    "ExtraDimensionsLED:MD = 7700",
    # A Breit-Wigner for sampling: the weight of the matrix element makes it the continuum.
    "5000039:m0 = 1500",
    "5000039:mWidth = 1000",
    "5000039:mMin = 1",
    "5000039:mMax = 13000",
)

# Existing channels are closed but kept: the width to gluons determines the production rate.
_HIGGS = (
    "HiggsSM:gg2Hg(l:t) = on",
    "HiggsSM:qg2Hq(l:t) = on",
    "HiggsSM:qqbar2Hg(l:t) = on",
    "1000022:m0 = 10",
    "25:onMode = off",
    "25:addChannel = 1 1 100 1000022 1000022",
)

_PSEUDOSCALAR = (
    "Higgs:useBSM = on",
    "HiggsBSM:gg2A3g(l:t) = on",
    "HiggsBSM:qg2A3q(l:t) = on",
    "HiggsBSM:qqbar2A3g(l:t) = on",
    "36:m0 = 500",
    "52:m0 = 100",
    "36:onMode = off",
    "36:addChannel = 1 1 100 52 -52",
)


_W_LEPTONS = ("24:onMode = off", "24:onIfAny = 11 13 15")
_Z_LEPTONS = ("23:onMode = off", "23:onIfAny = 11 13 15")


def _to_three_leptons(neutrino: int, lepton: int) -> tuple[str, ...]:
    """Return the decays of a heavy Majorana neutrino to two leptons and a neutrino."""
    second = {11: 13, 13: 11}[lepton]
    channels = [
        (sign * lepton, -sign * flavour, sign * (flavour + 1))
        for sign in (1, -1)
        for flavour in (lepton, second)
    ]
    keys = ("oneChannel", *("addChannel" for _ in channels[1:]))
    return tuple(
        f"{neutrino}:{key} = 1 0.25 100 {' '.join(map(str, channel))}"
        for key, channel in zip(keys, channels, strict=True)
    )


_RIGHT_HANDED_W = (
    "LeftRightSymmmetry:ffbar2WR = on",  # as Pythia spells it
    "9900024:m0 = 2000",
    "9900012:m0 = 500",
    "9900014:m0 = 500",
    "9900024:onMode = off",
    "9900024:onIfAny = 9900012 9900014",
    *_to_three_leptons(9900012, 11),
    *_to_three_leptons(9900014, 13),
)

_W_TO_HEAVY_NEUTRINO = (
    "WeakSingleBoson:ffbar2W = on",
    "9900112:new = N void 2 0 0 50",
    "9900112:isResonance = false",
    "9900112:mayDecay = true",
    "24:onMode = off",
    "24:addChannel = 1 0.00001 100 -11 9900112",
    *_to_three_leptons(9900112, 11),
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
        Process("graviton", _GRAVITON, 5000039),
        Process("higgs", _HIGGS, 25),
        Process("pseudoscalar", _PSEUDOSCALAR, 36),
        Process("WZ", ("WeakDoubleBoson:ffbar2ZW = on", *_W_LEPTONS, *_Z_LEPTONS), 24, False),
        Process(
            "ZZ",
            ("WeakDoubleBoson:ffbar2gmZgmZ = on", "WeakZ0:gmZmode = 2", *_Z_LEPTONS),
            23,
            False,
        ),
        Process(
            "Zjets", ("WeakSingleBoson:ffbar2gmZ = on", "23:mMin = 50", *_Z_LEPTONS), 23, False
        ),
        Process("ttbar", ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *_W_LEPTONS), 6, False),
        Process("WR_N", _RIGHT_HANDED_W, 9900024, False),
        Process("W_N", _W_TO_HEAVY_NEUTRINO, 24, False),
    )
}

IRREDUCIBLE = "Znunu"
"""Background that no cut separates from dark matter; networks are trained with it as signal."""

SIGNALS = ("mediator", "graviton", "higgs", "pseudoscalar")
"""Signals of the monojet search, unless a configuration says otherwise; of files, too."""

HEAVY_NEUTRINOS = ("WR_N", "W_N")
"""Signals of the three-lepton search, likewise; all other processes are backgrounds."""

"""The ATLAS monojet selection for 36.1 fb^-1: arXiv:1711.03301, sections 5 and 6, table 1.

Jets: anti-kT 0.4, candidates pT > 20 GeV, counted pT > 30 GeV, |eta| < 2.8. Electrons: pT > 20 GeV,
|eta| < 2.47. Muons: pT > 10 GeV, |eta| < 2.5. Muons count as invisible in the missing transverse
momentum, ``met_no_muons``; in ``recoil`` electrons do, too. Taus and photons are not vetoed. GeV
and radians.
"""

from __future__ import annotations

from selections.cuts import Axis, Cut, Definition, Region
from selections.selection import Binning, Histogram, Selection

LUMINOSITY = 36.1  # fb^-1
MET_EDGES = (250.0, 300.0, 350.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 1000.0)

DEFINITIONS = (
    Definition("jet_candidate", "jet_pt > 20 && abs(jet_eta) < 2.8"),
    Definition("electron_candidate", "electron_pt > 20 && abs(electron_eta) < 2.47"),
    Definition("muon_candidate", "muon_pt > 10 && abs(muon_eta) < 2.5"),
    Definition(
        "after_overlap",
        "monojet::remove_overlap(jet_eta, jet_phi, jet_n_tracks, jet_candidate, electron_eta,"
        " electron_phi, electron_candidate, muon_eta, muon_phi, muon_candidate)",
    ),
    Definition("good_jet", "after_overlap.jet && jet_pt > 30"),
    Definition("n_jets", "int(Sum(good_jet))"),
    Definition("leading_jet", "n_jets > 0 ? int(ArgMax(Where(good_jet, jet_pt, 0.f))) : -1"),
    Definition("leading_jet_pt", "leading_jet >= 0 ? jet_pt[leading_jet] : -1.f"),
    Definition("leading_jet_eta", "leading_jet >= 0 ? jet_eta[leading_jet] : 0.f"),
    Definition("leading_jet_phi", "leading_jet >= 0 ? jet_phi[leading_jet] : 0.f"),
    Definition("min_delta_phi", "monojet::min_delta_phi(jet_phi[good_jet], met_no_muons_phi)"),
    Definition("n_electrons", "int(Sum(after_overlap.electron))"),
    Definition("n_muons", "int(Sum(after_overlap.muon))"),
    Definition("ht", "Sum(Where(good_jet, jet_pt, 0.f))"),
    Definition("n_b_jets", "int(Sum(good_jet && jet_b_tag != 0 && abs(jet_eta) < 2.5))"),
    Definition(
        "leading_muon",
        "n_muons > 0 ? int(ArgMax(Where(after_overlap.muon, muon_pt, 0.f))) : -1",
    ),
    Definition(
        "muon_mt",
        "leading_muon >= 0 ? monojet::transverse_mass(muon_pt[leading_muon],"
        " muon_phi[leading_muon], met, met_phi) : -1.",
    ),
    Definition(
        "dimuon_mass",
        "monojet::pair_mass(muon_pt[after_overlap.muon], muon_eta[after_overlap.muon],"
        " muon_phi[after_overlap.muon], monojet::muon_mass)",
    ),
    Definition(
        "leading_electron",
        "n_electrons > 0 ? int(ArgMax(Where(after_overlap.electron, electron_pt, 0.f))) : -1",
    ),
    Definition(
        "leading_electron_pt", "leading_electron >= 0 ? electron_pt[leading_electron] : -1.f"
    ),
    Definition(
        "leading_electron_abs_eta",
        "leading_electron >= 0 ? abs(electron_eta[leading_electron]) : -1.f",
    ),
    Definition(
        "electron_mt",
        "leading_electron >= 0 ? monojet::transverse_mass(electron_pt[leading_electron],"
        " electron_phi[leading_electron], met, met_phi) : -1.",
    ),
    Definition(
        "with_electrons",
        "monojet::with_invisible(met_no_muons, met_no_muons_phi,"
        " electron_pt[after_overlap.electron], electron_phi[after_overlap.electron])",
    ),
    Definition("recoil", "with_electrons.pt"),
    Definition("recoil_delta_phi", "monojet::min_delta_phi(jet_phi[good_jet], with_electrons.phi)"),
)

_ANGLES = tuple(round(0.1 * i, 1) for i in range(33))
_COUNTS = tuple(i - 0.5 for i in range(6))

MET = Cut("met", "met_no_muons > 250", r"$E_\mathrm{T}^\mathrm{miss} > 250$ GeV")
LEADING_JET = Cut(
    "leading_jet",
    "leading_jet_pt > 250 && abs(leading_jet_eta) < 2.4",
    r"leading jet $p_\mathrm{T} > 250$ GeV, $|\eta| < 2.4$",
)
JETS = Cut("n_jets", "n_jets <= 4", "at most four jets")
DELTA_PHI = Cut(
    "delta_phi",
    "min_delta_phi > 0.4",
    r"$\Delta\phi(\mathrm{jet}, \mathbf{p}_\mathrm{T}^\mathrm{miss}) > 0.4$",
    Axis(
        "min_delta_phi",
        _ANGLES,
        r"least $\Delta\phi(\mathrm{jet}, \mathbf{p}_\mathrm{T}^\mathrm{miss})$",
    ),
)
ELECTRONS = Axis("n_electrons", _COUNTS, "number of electrons")
MUONS = Axis("n_muons", _COUNTS, "number of muons")
ELECTRON_VETO = Cut("electron_veto", "n_electrons == 0", "no electron", ELECTRONS)
MUON_VETO = Cut("muon_veto", "n_muons == 0", "no muon", MUONS)

_TOPOLOGY = (MET, LEADING_JET, JETS, DELTA_PHI)

SR = Region("SR", (*_TOPOLOGY, ELECTRON_VETO, MUON_VETO))
# The thesis measured its pass rates without the lepton veto (Praderio 2018, section 5.3).
SR_NO_VETO = Region("SR_no_veto", _TOPOLOGY)

# --- Control regions (section 6) ------------------------------------------------------------------

ONE_MUON = Cut("one_muon", "n_muons == 1", "one muon", MUONS)
TWO_MUONS = Cut("two_muons", "n_muons == 2", "two muons", MUONS)
MUON_MT = Cut("mt", "30 < muon_mt && muon_mt < 100", r"$30 < m_\mathrm{T} < 100$ GeV")
NO_B_JET = Cut("b_veto", "n_b_jets == 0", "no b-jet")

CR1MU0B = Region("CR1mu0b", (*_TOPOLOGY, ELECTRON_VETO, ONE_MUON, MUON_MT, NO_B_JET))
CR1MU1B = Region(
    "CR1mu1b",
    (
        *(*_TOPOLOGY, ELECTRON_VETO, ONE_MUON, MUON_MT),
        Cut("b_jet", "n_b_jets >= 1", "at least one b-jet"),
    ),
)
CR2MU = Region(
    "CR2mu",
    (
        *(*_TOPOLOGY, ELECTRON_VETO, TWO_MUONS),
        Cut(
            "z_mass",
            "66 < dimuon_mass && dimuon_mass < 116",
            r"$66 < m_{\mu\mu} < 116$ GeV",
        ),
    ),
)
CR1E0B = Region(
    "CR1e0b",
    (
        Cut("recoil", "recoil > 250", r"recoil $> 250$ GeV"),
        LEADING_JET,
        JETS,
        Cut(
            "delta_phi",
            "recoil_delta_phi > 0.4",
            r"$\Delta\phi(\mathrm{jet}, \mathrm{recoil}) > 0.4$",
            Axis("recoil_delta_phi", _ANGLES, r"least $\Delta\phi(\mathrm{jet}, \mathrm{recoil})$"),
        ),
        MUON_VETO,
        Cut("one_electron", "n_electrons == 1", "one electron", ELECTRONS),
        Cut(
            "electron",
            "leading_electron_pt > 30"
            " && !(1.37 < leading_electron_abs_eta && leading_electron_abs_eta < 1.52)",
            r"electron $p_\mathrm{T} > 30$ GeV, not $1.37 < |\eta| < 1.52$",
        ),
        Cut(
            "met_significance",
            "met_no_muons / sqrt(ht) > 5",
            r"$E_\mathrm{T}^\mathrm{miss} / \sqrt{H_\mathrm{T}} > 5\ \sqrt{\mathrm{GeV}}$",
            Axis(
                "met_no_muons / sqrt(ht)",
                tuple(float(i) for i in range(41)),
                r"$E_\mathrm{T}^\mathrm{miss} / \sqrt{H_\mathrm{T}}$ [$\sqrt{\mathrm{GeV}}$]",
            ),
        ),
        Cut("mt", "30 < electron_mt && electron_mt < 100", r"$30 < m_\mathrm{T} < 100$ GeV"),
        NO_B_JET,
    ),
    binned_in="recoil",
)

REGIONS = {region.name: region for region in (SR, SR_NO_VETO, CR1MU0B, CR1E0B, CR2MU, CR1MU1B)}

IMAGE_REGIONS = (SR.name, SR_NO_VETO.name)
"""Regions recorded in image files, besides those named by a configuration."""

QUANTITIES = {
    "met": "met_no_muons",
    "met_phi": "met_no_muons_phi",
    **{
        name: name
        for name in (
            *("n_jets", "leading_jet_pt", "leading_jet_eta", "leading_jet_phi"),
            *("min_delta_phi", "n_electrons", "n_muons"),
        )
    },
}
"""Quantities stored with the image of an event: name -> expression. Muons are invisible."""

MET_LABEL = r"$E_\mathrm{T}^\mathrm{miss}$ [GeV]"

HISTOGRAMS = (
    Histogram("met", (Axis("met_no_muons", (*MET_EDGES, 1200.0), MET_LABEL),)),
    Histogram(
        "leading_jet_pt",
        (
            Axis(
                "leading_jet_pt",
                (250.0, 300.0, 350.0, 400.0, 500.0, 600.0, 700.0, 800.0, 1000.0, 1200.0),
                r"leading jet $p_\mathrm{T}$ [GeV]",
            ),
        ),
    ),
    Histogram(
        "leading_jet_eta",
        (
            Axis(
                "leading_jet_eta",
                tuple(round(-2.4 + 0.4 * i, 1) for i in range(13)),
                r"leading jet $\eta$",
            ),
        ),
    ),
    Histogram("n_jets", (Axis("n_jets", (0.5, 1.5, 2.5, 3.5, 4.5), "number of jets"),)),
)

LABELS = {
    "recoil": "recoil [GeV]",
    "abs(leading_jet_eta)": r"leading jet $|\eta|$",
    "muon_mt": r"$m_\mathrm{T}(\mu, \mathbf{p}_\mathrm{T}^\mathrm{miss})$ [GeV]",
    "electron_mt": r"$m_\mathrm{T}(e, \mathbf{p}_\mathrm{T}^\mathrm{miss})$ [GeV]",
    "dimuon_mass": r"$m_{\mu\mu}$ [GeV]",
    "leading_electron_pt": r"electron $p_\mathrm{T}$ [GeV]",
    "n_b_jets": "number of b-jets",
    "n_jets": "number of jets",
}

SELECTION = Selection(
    name="monojet36",
    title="monojet events, ATLAS with 36.1 fb⁻¹ (arXiv:1711.03301)",
    definitions=DEFINITIONS,
    regions=REGIONS,
    used=(SR.name, SR_NO_VETO.name),
    binning=Binning(Axis("met_no_muons", MET_EDGES, MET_LABEL)),
    histograms={one.name: one for one in HISTOGRAMS},
    quantities=QUANTITIES,
    labels=LABELS,
)

INCLUSIVE = SELECTION.binning.inclusive
EXCLUSIVE = SELECTION.binning.exclusive

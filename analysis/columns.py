"""The canonical columns: names and C++ types that every input is brought to (GeV, radians)."""

from __future__ import annotations

RVEC_FLOAT = "ROOT::VecOps::RVec<float>"
RVEC_INT = "ROOT::VecOps::RVec<int>"

CANONICAL: dict[str, str] = {
    "run_number": "unsigned int",
    "event_number": "unsigned long long",
    "weight": "double",
    "particle_pt": RVEC_FLOAT,
    "particle_eta": RVEC_FLOAT,
    "particle_phi": RVEC_FLOAT,
    "particle_energy": RVEC_FLOAT,
    "particle_pdg_id": RVEC_INT,
    "particle_charge": RVEC_INT,
    "jet_pt": RVEC_FLOAT,
    "jet_eta": RVEC_FLOAT,
    "jet_phi": RVEC_FLOAT,
    "jet_mass": RVEC_FLOAT,
    "jet_width": RVEC_FLOAT,
    "jet_n_tracks": RVEC_INT,
    "jet_b_tag": RVEC_INT,
    "electron_pt": RVEC_FLOAT,
    "electron_eta": RVEC_FLOAT,
    "electron_phi": RVEC_FLOAT,
    "electron_charge": RVEC_INT,
    "electron_z0_sin_theta": RVEC_FLOAT,  # mm
    "electron_d0_significance": RVEC_FLOAT,
    "electron_isolated": RVEC_INT,
    "electron_tight": RVEC_INT,
    "muon_pt": RVEC_FLOAT,
    "muon_eta": RVEC_FLOAT,
    "muon_phi": RVEC_FLOAT,
    "muon_charge": RVEC_INT,
    "muon_z0_sin_theta": RVEC_FLOAT,
    "muon_d0_significance": RVEC_FLOAT,
    "muon_isolated": RVEC_INT,
    "muon_tight": RVEC_INT,
    "tau_pt": RVEC_FLOAT,
    "tau_eta": RVEC_FLOAT,
    "tau_phi": RVEC_FLOAT,
    "tau_mass": RVEC_FLOAT,
    "tau_charge": RVEC_INT,
    "photon_pt": RVEC_FLOAT,
    "photon_eta": RVEC_FLOAT,
    "photon_phi": RVEC_FLOAT,
    "met": "float",
    "met_phi": "float",
    "boson_pt": "float",
}

# What only some stages need, and those refuse a file without it.
OPTIONAL = frozenset(
    {
        *("boson_pt", "jet_mass", "electron_charge", "muon_charge", "jet_b_tag"),
        *(name for name in CANONICAL if name.startswith(("tau_", "photon_"))),
        *(name for name in CANONICAL if name.endswith(("_theta", "_significance"))),
        *(name for name in CANONICAL if name.endswith(("_isolated", "_tight"))),
    }
)

_SYNONYMS = {
    "unsigned int": {"unsigned int", "UInt_t", "std::uint32_t"},
    "unsigned long long": {
        *("unsigned long long", "ULong64_t", "std::uint64_t"),
        *("unsigned long", "ULong_t"),  # as wide on every machine that ROOT's wheel runs on
    },
    "double": {"double", "Double_t"},
    "float": {"float", "Float_t"},
    RVEC_FLOAT: {RVEC_FLOAT, "ROOT::VecOps::RVec<Float_t>", "ROOT::RVec<float>"},
    RVEC_INT: {
        RVEC_INT,
        "ROOT::VecOps::RVec<Int_t>",
        "ROOT::VecOps::RVec<std::int32_t>",
        "ROOT::RVec<int>",
    },
}


def same_type(found: str, wanted: str) -> bool:
    """Whether a column type as ROOT prints it is the canonical one."""
    return found in _SYNONYMS[wanted]

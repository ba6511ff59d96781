"""The canonical columns: names and C++ types that every input is brought to (GeV, radians)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

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
    "full_met": "float",
    "full_met_phi": "float",
    "boson_pt": "float",
}

PREFIX = "monojet_"
"""Of the names that our columns, but the canonical ones, have in a data frame: a file may have
columns ``n_jets`` and ``jets.pt`` of its own."""

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\w.])(?<!::)(?<!->)[A-Za-z_]\w*')

_SYNONYMS = {
    "Bool_t": "bool",
    "Int_t": "int",
    "std::int32_t": "int",
    "UInt_t": "unsigned int",
    "std::uint32_t": "unsigned int",
    "ULong64_t": "unsigned long long",
    "std::uint64_t": "unsigned long long",
    # as wide on every machine that ROOT's wheel runs on
    "unsigned long": "unsigned long long",
    "ULong_t": "unsigned long long",
    "long": "long long",
    "Long_t": "long long",
    "Long64_t": "long long",
    "std::int64_t": "long long",
    "Short_t": "short",
    "std::int16_t": "short",
    "UShort_t": "unsigned short",
    "std::uint16_t": "unsigned short",
    "UChar_t": "unsigned char",
    "std::uint8_t": "unsigned char",
    "Float_t": "float",
    "Double_t": "double",
}


def plain_type(found: str) -> str:
    """A column type as ROOT prints it, in the words of `CANONICAL`."""
    vector = re.fullmatch(r"ROOT::(?:VecOps::)?RVec<(.+)>", found)
    if vector:
        return f"ROOT::VecOps::RVec<{plain_type(vector[1])}>"
    return _SYNONYMS.get(found, found)


_BITS = {"bool": 8, "signed char": 8} | {
    f"{sign}{name}": bits
    for name, bits in (("char", 8), ("short", 16), ("int", 32), ("long long", 64))
    for sign in ("", "unsigned ")
}
_VECTOR = re.compile(r"ROOT::VecOps::RVec<(.+)>")


def converts(found: str, wanted: str) -> bool:
    """Whether numbers, or vectors of numbers, of a type can be taken for those of another: integers
    for as wide ones, and all for floats."""
    pair = [_VECTOR.fullmatch(one) for one in (found, wanted)]
    if all(pair):
        found, wanted = (match[1] for match in pair if match)
    elif any(pair):
        return False
    if wanted in ("float", "double"):
        return found in ("float", "double") or found in _BITS
    return _BITS.get(found, 65) <= _BITS.get(wanted, 0)


def own(name: str) -> str:
    """What a column of ours is called in a data frame."""
    return name if name in CANONICAL else PREFIX + name


def renamed(expression: str, names: Mapping[str, str]) -> str:
    """A C++ expression with other names of columns; members and strings stay as they are."""
    return _WORD.sub(lambda match: names.get(match[0], match[0]), expression)


def names_in(expression: str) -> set[str]:
    """The words of a C++ expression that may be names of columns."""
    return set(re.findall(r"[A-Za-z_]\w*", expression))


def canonical_in(expressions: Iterable[str]) -> frozenset[str]:
    """The canonical columns that C++ expressions name."""
    return frozenset(names_in(" ".join(expressions)) & CANONICAL.keys())

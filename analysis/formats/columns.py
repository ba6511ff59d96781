"""The canonical columns, which every input is converted to: names and C++ types (GeV, radians)."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

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
    "met_no_muons": "float",
    "met_no_muons_phi": "float",
    "met": "float",
    "met_phi": "float",
    "boson_pt": "float",
}

FORMER = {"full_met": "met", "full_met_phi": "met_phi"}
"""Former names of canonical columns; ``met`` was then what `met_no_muons` is now."""

PREFIX = "monojet_"
"""Prefix of all columns that we define in a data frame, except canonical ones, as a file may have
columns ``n_jets`` or ``jets.pt`` of its own."""

_WORD = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?<![\w.])(?<!::)(?<!->)[A-Za-z_]\w*""")
_LONG_NAME = re.compile(r"[A-Za-z_]\w*(?:[.:]+\w+)*")

_SYNONYMS = {
    "Bool_t": "bool",
    "Int_t": "int",
    "std::int32_t": "int",
    "UInt_t": "unsigned int",
    "std::uint32_t": "unsigned int",
    "ULong64_t": "unsigned long long",
    "std::uint64_t": "unsigned long long",
    # 64 bits on all platforms of ROOT's wheel
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
    """Return a column type as printed by ROOT in the spelling of `CANONICAL`."""
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
    """Return whether numbers, or vectors of numbers, convert to another type: integers to at least
    as wide ones, all to floating point."""
    pair = [_VECTOR.fullmatch(one) for one in (found, wanted)]
    if all(pair):
        found, wanted = (match[1] for match in pair if match)
    elif any(pair):
        return False
    if wanted in ("float", "double"):
        return found in ("float", "double") or found in _BITS
    return _BITS.get(found, 65) <= _BITS.get(wanted, 0)


def own(name: str) -> str:
    """Return the name of one of our columns in a data frame."""
    return name if name in CANONICAL else PREFIX + name


@dataclass(frozen=True)
class Word:
    """A name in a C++ expression, at [begin, end), that is neither a member nor qualified."""

    text: str
    begin: int
    end: int


def words(expression: str, columns: Container[str] = ()) -> Iterator[Word]:
    """Yield the names in a C++ expression that may be those of columns.

    Of names with dots and colons, such as ``Jet.BTag``, the longest one in ``columns`` is taken.
    """
    at = 0
    while match := _WORD.search(expression, at):
        at = match.end()
        if match[0][0] in "\"'":
            continue
        long_names = possible_columns(expression, match.start())
        name = next((one for one in long_names if one in columns), match[0])
        at = match.start() + len(name)
        yield Word(name, match.start(), at)


def possible_columns(expression: str, begin: int) -> list[str]:
    """Return the names with dots and colons that begin at a place, the longest first."""
    match = _LONG_NAME.match(expression, begin)
    parts = re.split(r"([.:]+)", match[0]) if match else []
    return ["".join(parts[:n]) for n in range(len(parts), 0, -2)]


def renamed(expression: str, names: Mapping[str, str]) -> str:
    """Return a C++ expression with columns renamed, also those with dots and colons; members and
    strings are unchanged."""
    parts, at = [], 0
    for word in words(expression, names):
        parts += [expression[at : word.begin], names.get(word.text, word.text)]
        at = word.end
    return "".join(parts) + expression[at:]


def names_in(expression: str) -> set[str]:
    """Return the words of a C++ expression that may be names of columns."""
    return set(re.findall(r"[A-Za-z_]\w*", expression))


def columns_in(expressions: Iterable[str], extra: Iterable[str] = ()) -> frozenset[str]:
    """Return the canonical columns, and those among ``extra``, that C++ expressions use."""
    known = CANONICAL.keys() | {*extra}
    return frozenset(word.text for one in expressions for word in words(one)) & known

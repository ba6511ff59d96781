"""Names of the elements of a rapidity-mass matrix, and their labels.

Elements are those of ``cpp_helpers/three_lepton/rmm.hxx`` (S. Chekanov, arXiv:1805.11650), row by
row. Types of objects have numbers of slots, as in ``[("jet", 6), ("muon", 5)]``; the objects of a
type are numbered from 1, hardest first.

=================  =================================================================
``met``            E_T^miss / √s
``mt_jet1``        m_T with E_T^miss / √s, first row
``hl_jet1``        C (cosh y − 1), first column
``et_jet1``        E_T / √s, diagonal, first of a type
``det_jet2``       imbalance of E_T with the next harder object of the type, diagonal
``m_jet1_muon2``   invariant mass / √s, upper triangle
``h_muon2_jet1``   C (cosh Δy/2 − 1), lower triangle
=================  =================================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Types = Sequence[tuple[str, int]]

_SYMBOLS = {
    "jet": "j",
    "bjet": "b",
    "electron": "e",
    "muon": r"\mu",
    "photon": r"\gamma",
    "tau": r"\tau",
}
_UPRIGHT = r"\mathrm{%s}"

_OBJECT = r"([A-Za-z]+)([1-9]\d*)"
_NAME = re.compile(f"(mt|hl|et|det)_{_OBJECT}|(m|h)_{_OBJECT}_{_OBJECT}")

_LABELS = {
    "mt": r"$m_\mathrm{{T}}({})/\sqrt{{s}}$",
    "hl": r"$h_\mathrm{{L}}({})$",
    "et": r"$E_\mathrm{{T}}({})/\sqrt{{s}}$",
    "det": r"$\delta e_\mathrm{{T}}({})$",
    "m": r"$m({}, {})/\sqrt{{s}}$",
    "h": r"$h({}, {})$",
}


def dimension(types: Types) -> int:
    """Return the number of rows of the matrix."""
    return 1 + sum(slots for _, slots in types)


def names(types: Types) -> tuple[str, ...]:
    """Return the names of all ``dimension(types) ** 2`` elements: unique identifiers.

    Raises:
        ValueError: the name of a type has other characters than ASCII letters or occurs twice, or
            its number of slots is negative.
    """
    seen = set()
    for kind, slots in types:
        if not re.fullmatch("[A-Za-z]+", kind):
            raise ValueError(f"type of objects '{kind}': only letters make unique names")
        if kind in seen:
            raise ValueError(f"type of objects '{kind}' occurs twice")
        if slots < 0:
            raise ValueError(f"type of objects '{kind}': {slots} slots")
        seen.add(kind)
    objects = [(kind, i) for kind, slots in types for i in range(1, slots + 1)]
    found = ["met", *(f"mt_{kind}{i}" for kind, i in objects)]
    for row, (kind, i) in enumerate(objects):
        found.append(f"hl_{kind}{i}")
        for column, (other, j) in enumerate(objects):
            if column == row:
                found.append(f"et_{kind}1" if i == 1 else f"det_{kind}{i}")
            else:
                found.append(f"{'m' if column > row else 'h'}_{kind}{i}_{other}{j}")
    return tuple(found)


def label(name: str) -> str:
    r"""Return the LaTeX label of an element, as in ``$m(j_{1}, \mu_{2})/\sqrt{s}$``.

    Raises:
        ValueError: the name is not that of an element.
    """
    if name == "met":
        return r"$E_\mathrm{T}^\mathrm{miss}/\sqrt{s}$"
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"'{name}' is not an element of a rapidity-mass matrix")
    quantity, *objects = (group for group in match.groups() if group is not None)
    symbols = (
        f"{_SYMBOLS.get(kind, _UPRIGHT % kind)}_{{{i}}}"
        for kind, i in zip(objects[::2], objects[1::2], strict=True)
    )
    return _LABELS[quantity].format(*symbols)

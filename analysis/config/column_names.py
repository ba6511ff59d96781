"""Names of columns that a configuration defines: free ones, or canonical ones that it overrides.

A free name that looks like a misspelt canonical one is refused: to refuse a rare name costs its
author a moment, but an override that overrides nothing would go unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterable

from analysis.formats.columns import CANONICAL, FORMER, PREFIX
from selections.expressions import is_identifier

_NAMESPACES = ("monojet", "ROOT", "std")


def require_column_name(name: str) -> None:
    """Stop if a column cannot have a name, or if it looks like a misspelt canonical one.

    Raises:
        ValueError: it says why, and names the canonical column.
    """
    if name in FORMER:
        raise ValueError(f"'{name}' is now called '{FORMER[name]}'")
    if name in CANONICAL:
        return
    if not (name.isascii() and is_identifier(name)):
        raise ValueError(
            f"column '{name}': only letters, digits and _, no digit first, no word of C++: rename "
            "it"
        )
    if name in _NAMESPACES or name.startswith(PREFIX):
        raise ValueError(f"column '{name}': reserved: rename it")
    if meant := misspelt(name, CANONICAL):
        raise ValueError(
            f"column '{name}' looks like '{meant}' misspelt: correct it, or rename a column of "
            "your own"
        )


def misspelt(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that another one looks like a slip of; None without such a name.

    Slips are other cases or underscores (`Jet_pt`, `jetpt`) and, in one word between underscores, a
    doubled letter, two letters swapped, a plural (`jet_ptt`, `jte_pt`, `jets_pt`) or, in words of
    four letters and more, one letter added, dropped or replaced (`muom_pt`). Names such as `mt`,
    `mht_phi`, `bjet_pt`, `jet1_pt`, `jet_px` and `jet_et` are none.
    """
    words = name.split("_")
    for one in known:
        if _bare(name) == _bare(one):
            return one
        pairs = [pair for pair in zip(words, one.split("_"), strict=False) if pair[0] != pair[1]]
        if len(words) == one.count("_") + 1 and len(pairs) == 1 and _is_slip(*pairs[0]):
            return one
    return None


def _bare(name: str) -> str:
    return name.replace("_", "").lower()


def _is_slip(word: str, meant: str) -> bool:
    """Return whether a word is another with one slip."""
    longer, shorter = sorted((word, meant), key=len, reverse=True)
    at = next(
        (i for i, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), len(shorter)
    )
    if len(word) == len(meant):
        swapped = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
        replaced = word[at + 1 :] == meant[at + 1 :] and not word[at].isdigit()
        return swapped == meant or (replaced and len(meant) >= 4)
    if longer[:at] + longer[at + 1 :] != shorter:
        return False
    doubled = len(word) > len(meant) and word[at] == word[at - 1]
    plural = word == f"{meant}s"
    return doubled or plural or (len(meant) >= 4 and not longer[at].isdigit())

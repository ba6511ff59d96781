"""The types of columns that a skim holds: numbers, bool, and vectors of these."""

from __future__ import annotations

import re

from analysis.formats.columns import plain_type

_STORED = {
    one: one
    for one in (
        *("bool", "unsigned char", "short", "unsigned short", "int", "unsigned int"),
        *("long long", "unsigned long long", "float", "double"),
    )
}
_STORED |= dict.fromkeys(("char", "signed char", "Char_t", "std::int8_t", "int8_t"), "short")
_STORED |= {"size_t": "unsigned long long", "std::size_t": "unsigned long long"}
_STORED |= {"Float16_t": "float", "Double32_t": "double"}
"""C++ types of numbers -> those in which they are stored. ROOT cannot write the smallest signed
ones to a TTree, and readers differ on whether ``char`` has a sign."""

_VECTOR = re.compile(r"(?:ROOT::(?:VecOps::)?RVec|(?:std::)?vector)<\s*([\w: ]+?)\s*(?:,.*)?>")


def stored_type(found: str) -> str | None:
    """Return the C++ type in which a skim holds a column of a type, as printed by ROOT; None if it
    cannot hold it."""
    vector = _VECTOR.fullmatch(found)
    number = _STORED.get(plain_type(vector[1] if vector else found))
    return f"ROOT::VecOps::RVec<{number}>" if vector and number else number


def is_stored_as(found: str, stored: str) -> bool:
    """Return whether a column of a type, as printed by ROOT, is of the type in which a skim holds
    it. Integers of 64 bits have two types in C++, of which a tree knows one."""
    one_of_two = re.search(r"(?<!long )\blong\b(?! long)|\bU?Long_t\b|int64_t|size_t", found)
    return plain_type(found) == stored and not one_of_two


def element_of(stored: str) -> str | None:
    """Return the type of the elements of a vector, as `stored_type` spells it; None of a number."""
    vector = _VECTOR.fullmatch(stored)
    return vector[1] if vector else None

"""C++ expressions of a user, as text: the names that they use, and what is made safe in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

FUNCTIONS = (
    *("delta_phi", "delta_r", "min_delta_phi", "transverse_mass", "invariant_mass", "pair_mass"),
    *("apart", "fold_of"),
)
"""Helpers of namespace ``monojet`` that an expression may call without its name."""

_WORD = r"[A-Za-z_]\w*"
_STRING = r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'"
_CALL = re.compile(rf"{_STRING}|(?<![\w.])(?<!::)(?<!->)({'|'.join(FUNCTIONS)})(?=\s*\()")
_NAME = re.compile(
    rf"{_STRING}|(?<![\w.])(?<!::)(?<!->)({_WORD})(?!\w)(?!\s*(?:\(|::|<[\w:, ]+>\s*\())"
)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fFlLuU]*"
_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)")
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}

_CPP_WORDS = frozenset(  # keywords, and names that an expression may use without defining them
    re.findall(
        r"\w+",
        "alignof and and_eq auto bitand bitor bool break case catch char class compl const"
        " constexpr continue decltype default delete do double else enum explicit extern false"
        " float for friend goto if inline int long mutable namespace new noexcept not not_eq"
        " nullptr operator or or_eq private protected public return short signed sizeof static"
        " static_cast struct switch template this throw true try typedef typeid typename union"
        " unsigned using virtual void volatile while xor xor_eq size_t int8_t int16_t int32_t"
        " int64_t uint8_t uint16_t uint32_t uint64_t M_PI M_E M_SQRT2 NAN INFINITY rdfentry_"
        " rdfslot_ is_data",
    )
)


def is_identifier(name: str) -> bool:
    """Return whether a name can be that of a C++ variable."""
    return re.fullmatch(_WORD, name) is not None and name not in _CPP_WORDS


def names(expression: str) -> list[str]:
    """Return the columns that an expression may use, in their order, once each.

    Names of functions, members, types and namespaces are left out. Code with statements or lambdas
    may have variables of its own: for it the list is empty.
    """
    if re.search(r"[;{}]", expression):
        return []
    found = (match[1] for match in _NAME.finditer(expression))
    return list(dict.fromkeys(name for name in found if name and name not in _CPP_WORDS))


def safe(expression: str) -> str:
    """Return an expression in which helpers have their namespace, and an element that a vector
    lacks is NaN: ``jet_pt[0]`` becomes ``monojet::at(jet_pt, 0)``.

    Comparisons with NaN are false, except ``!=``.
    """
    qualified = _CALL.sub(
        lambda match: f"monojet::{match[1]}" if match[1] else match[0], expression
    )
    return _with_safe_elements(qualified)


def _with_safe_elements(text: str) -> str:
    out = ""
    i = 0
    while i < len(text):
        if string := re.compile(_STRING).match(text, i):
            out += string[0]
            i = string.end()
            continue
        if text[i] != "[":
            out += text[i]
            i += 1
            continue
        end = _matching(text, i)
        base = _operand(out)
        # the captures of a lambda, not valid, or a field of an RNTuple such as Jets:pt
        if end is None or not base or out.removesuffix(base).endswith(":"):
            out += text[i]
            i += 1
            continue
        index = _with_safe_elements(text[i + 1 : end])
        out = f"{out[: -len(base)]}monojet::at({base}, {index})"
        i = end + 1
    return out


def _matching(text: str, start: int) -> int | None:
    """Return the place of the bracket that closes the one at ``start``."""
    pairs = {"(": ")", "[": "]"}
    stack: list[str] = []
    for i in range(start, len(text)):
        if text[i] in pairs:
            stack.append(pairs[text[i]])
        elif stack and text[i] == stack[-1]:
            stack.pop()
            if not stack:
                return i
    return None


def _operand(text: str) -> str:
    """Return the operand at the end of a text: a name with its members, or a call."""
    i = len(text)
    if text.endswith(")"):
        depth = 0
        while i > 0:
            i -= 1
            depth += {")": 1, "(": -1}.get(text[i], 0)
            if depth == 0:
                break
    match = re.search(rf"{_WORD}(?:(?:\.|->|::){_WORD})*$", text[:i])
    return text[match.start() if match else i :]


# --- Cuts as comparisons --------------------------------------------------------------------------


@dataclass(frozen=True)
class Requirement:
    """A part of a cut: its text and, if it compares a quantity with a number, these."""

    text: str
    quantity: str | None = None
    operator: str | None = None
    value: float | None = None


def requirements(expression: str) -> list[Requirement]:
    """Return the parts of a cut that must all be true."""
    return [_requirement(part) for part in _parts(expression)]


def _parts(expression: str) -> list[str]:
    """Return the operands of the outermost ``&&``; the expression itself if it has another."""
    text = expression.strip()
    while text.startswith("(") and _matching(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
        if depth == 0 and text.startswith(("||", "?"), i):
            return [text]
        if depth == 0 and text.startswith("&&", i):
            parts.append(text[start:i].strip())
            start = i + 2
    if not parts:
        return [text]
    return [one for part in (*parts, text[start:]) for one in _parts(part)]


def _requirement(text: str) -> Requirement:
    pieces = _COMPARISON.split(text)
    if len(pieces) == 3:
        left, operator, right = (piece.strip() for piece in pieces)
        if re.fullmatch(_NUMBER, right):
            return Requirement(text, left, operator, _number(right))
        if re.fullmatch(_NUMBER, left):
            return Requirement(text, right, _MIRRORED[operator], _number(left))
    return Requirement(text)


def _number(text: str) -> float:
    return float(text.rstrip("fFlLuU"))

"""What a graph computes: columns of the file, constants and expressions of other columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from common.runtime.errors import ConfigError, MonojetError


@dataclass(frozen=True)
class Source:
    """A column of the file, of a C++ type as ROOT spells it."""

    column: str
    type: str


@dataclass(frozen=True)
class Number:
    """A constant of an event loop."""

    type: str
    value: float

    @property
    def text(self) -> str:
        """Return it as a C++ expression of its type."""
        if self.type == "bool":
            return "true" if self.value else "false"
        return f"({self.type}){self.value!r}"


def refused(key: str, expression: str) -> Callable[[str], MonojetError]:
    """Return a function that makes an error of the compiler's words and the key of an
    expression."""

    def error(cause: str) -> MonojetError:
        return ConfigError(f"'{key}': '{expression}' does not compile: {cause}")

    return error


@dataclass(frozen=True)
class Part:
    """One of the expressions of a column that gathers several; see `Computed`."""

    expression: str
    refused: Callable[[str], MonojetError]


@dataclass(frozen=True)
class Computed:
    """A column that an expression computes.

    Attributes:
        expression: a C++ expression, or statements that return a value.
        words: the names in it that are columns, and which ones.
        refused: makes the error if it does not compile, of the cause.
        configured: whether a configuration gives it, whose numbers change often.
        cut: whether its value is true or false.
        same_length_as: another column that must have as many elements, with the name of each.
        parts: the arguments of ``monojet::gather``, which is then the expression.
    """

    expression: str
    words: Mapping[str, str]
    refused: Callable[[str], MonojetError]
    configured: bool = False
    cut: bool = False
    same_length_as: tuple[str, str, str] | None = None
    parts: tuple[Part, ...] = ()


Node = Source | Number | Computed


@dataclass
class Columns:
    """The columns of a graph by name, each after those that it uses."""

    nodes: dict[str, Node] = field(default_factory=dict)
    _read: dict[Source, str] = field(default_factory=dict)

    def add(self, name: str, node: Node) -> str:
        """Add a column under a name that no other has, unless it is one of the file that is there;
        return the name."""
        if isinstance(node, Source) and node in self._read:
            return self._read[node]
        unique, n = name, 1
        while unique in self.nodes:
            n += 1
            unique = f"{name}_{n}"
        self.nodes[unique] = node
        if isinstance(node, Source):
            self._read[node] = unique
        return unique

    def used_by(self, names: Iterable[str]) -> list[str]:
        """Return the columns that some of them need, and these, in order."""
        needed: set[str] = set()
        queue = list(names)
        while queue:
            name = queue.pop()
            if name not in needed:
                needed.add(name)
                queue += inputs_of(self.nodes[name])
        return [name for name in self.nodes if name in needed]


def inputs_of(node: Node) -> tuple[str, ...]:
    """Return the columns that a column uses."""
    if not isinstance(node, Computed):
        return ()
    first = node.same_length_as
    return (*node.words.values(), *((first[0],) if first else ()))


def gathered(expressions: Iterable[str]) -> str:
    """Return the statement that returns all values of some expressions, a ``monojet::Gathered``."""
    listed = ", ".join(f"({expression})" for expression in expressions)
    return f"return monojet::gather({listed});"


_STATEMENT = re.compile(r"\b(?:return|if|for|while|do|switch)\b|;")


def has_statements(expression: str) -> bool:
    """Return whether an expression is statements that return its value, as RDataFrame takes them,
    too. Lambdas in an expression may have statements."""
    outermost = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression.strip().removesuffix(";"))
    while (inner := re.sub(r"\{[^{}]*\}", "", outermost)) != outermost:
        outermost = inner
    return bool(_STATEMENT.search(outermost))


def as_body(expression: str) -> str:
    """Return the statements of a function that returns the value of an expression."""
    text = expression.strip().removesuffix(";")
    return f"{text};" if has_statements(text) else f"return {text};"


_OF_THE_LANGUAGE = re.compile(
    r"bool|float|double|((un)?signed )?(char|short|int|long|long long)|(std::)?string"
)
_VECTOR = re.compile(r"(?:ROOT::(?:VecOps::)?RVec|(?:std::)?vector)<(.+)>")


def of_the_language(kind: str) -> bool:
    """Return whether a C++ type is certainly that of numbers, strings or vectors of these, which
    ROOT reads without searching for dictionaries."""
    vector = _VECTOR.fullmatch(kind)
    return of_the_language(vector[1]) if vector else bool(_OF_THE_LANGUAGE.fullmatch(kind))

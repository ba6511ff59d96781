"""The columns of a graph as a C++ program, which is compiled once to a library.

Each column is a function of the event's record, `monojet::Record`, which keeps its value; the
numbers of the configuration are arguments, so that a changed threshold compiles nothing.
"""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analysis.event_loop.columns import Columns, Computed, Number, Source, as_body
from analysis.formats.columns import renamed
from common.runtime.errors import MonojetError
from cpp_helpers import library, packages

log = logging.getLogger("monojet")

_STRUCT = {"bool": "?", "int": "i", "unsigned int": "I", "float": "f", "double": "d"}
_STRUCT |= {"long long": "q", "unsigned long long": "Q"}
_TEXT_OR_NUMBER = re.compile(
    r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""
    r"""|(?<![\w.])(?:(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+)[fF]?(?![\w.])"""
)
_COMPARED = re.compile(r"(?:[\w)\]]\s*(?:[<>]=?)|[=!]=)\s*-?\s*$")
_NOT_A_CUT = "its type does not fit: a cut is true or false (of vectors Any(...) or All(...))"
_NO_QUANTITY = "a quantity must be a number or a vector of numbers"
_PLACE = re.compile(r"@(\d+)@")
_ERROR = re.compile(r"error: (?:static assertion failed: )?(.+)")


@dataclass(frozen=True)
class Exported:
    """A column for the actions of a graph: its name there, its name in the graph, and its type."""

    name: str
    column: str
    type: str


@dataclass
class Program:
    """A program and the values of its constants."""

    text: str
    numbers: npt.NDArray[np.uint64]
    refusals: tuple[Callable[[str], MonojetError], ...] = field(repr=False)
    """Make the error of an expression from its cause, by the number of its label."""


def compiled(columns: Columns, exported: Sequence[Exported]) -> tuple[str, Program] | None:
    """Return the library of the program that computes some columns, and the program; None without
    a compiler that works or a place for it.

    Raises:
        MonojetError: an expression does not compile; the error of that column.
    """
    if library.helpers() is None:
        return None
    program = write(columns, exported)
    options = packages.options_for(program.text)
    try:
        made = library.program(program.text, options)
    except library.CompilationError:
        # A number may have to be constant: the same once more with all of them as they are.
        program = write(columns, exported, arguments=False)
        try:
            made = library.program(program.text, options)
        except library.CompilationError as error:
            refusal = _refusal(str(error), program)
            if refusal is None:
                log.info("the compiler fails, so ROOT compiles in each process (-v: why)")
                log.debug("the columns were not compiled to a library:\n%s", error)
                return None
            raise refusal from error
    return None if made is None else (str(made), program)


def _refusal(messages: str, program: Program) -> MonojetError | None:
    """Return the error of the column that the compiler refuses; None if it fails for another
    reason, such as exhausted memory."""
    place = _PLACE.search(messages)
    if place is None:
        return None
    first = _ERROR.search(messages)
    cause = first[1] if first else messages.strip().splitlines()[-1]
    cause = re.sub(r" \[-W[\w=-]+\]$", "", cause)
    return program.refusals[int(place[1])](cause)


def write(columns: Columns, exported: Sequence[Exported], *, arguments: bool = True) -> Program:
    """Return the program for some columns; ``arguments``: with the numbers of the configuration as
    arguments."""
    return _Writer(columns, exported, arguments).program()


class _Writer:
    """Writes a program: sources are ``S<i>``, columns ``C<i>`` with types ``T<i>``."""

    def __init__(self, columns: Columns, exported: Sequence[Exported], arguments: bool) -> None:
        self.nodes, self.exported, self.arguments = columns.nodes, exported, arguments
        names = columns.used_by(one.column for one in exported)
        self.sources = [n for n in names if isinstance(self.nodes[n], Source)]
        self.computed = [n for n in names if isinstance(self.nodes[n], Computed)]
        self.numbers: list[Number] = []
        self.index = {name: i for i, name in enumerate(self.sources)}
        self.index |= {name: i for i, name in enumerate(self.computed)}
        for name in names:
            node = self.nodes[name]
            if isinstance(node, Number):
                self.index[name] = self._number(node)
        self.refusals: list[Callable[[str], MonojetError]] = []

    def _number(self, number: Number) -> int:
        self.numbers.append(number)
        return len(self.numbers) - 1

    def program(self) -> Program:
        """Return the program."""
        lines = [f'#include "{library.COMMON_HEADER}"', "using namespace ROOT::VecOps;"]
        body = [*self._declarations(), *self._exports()]
        lines[1:1] = packages.includes_for("\n".join(body))
        lines += ["using namespace std;", "namespace {", "using monojet::Record;", *body]
        values = [
            struct.pack("<" + _STRUCT[n.type], _plain(n)).ljust(8, b"\0") for n in self.numbers
        ]
        numbers = np.frombuffer(b"".join(values), np.uint64)
        return Program("\n".join(lines) + "\n", numbers, tuple(self.refusals))

    def _declarations(self) -> Iterator[str]:
        for i, name in enumerate(self.sources):
            yield f"using S{i} = {_source(self.nodes[name]).type};"
        for i, name in enumerate(self.computed):
            column = self.nodes[name]
            assert isinstance(column, Computed)
            yield f"struct C{i} {{"
            yield f"static {'bool' if column.cut else 'auto'} make(Record &r) {{"
            yield "(void)r;"
            yield from self._body(column)
            yield "}"
            yield "};"
            yield _type_of(i)

    def _body(self, column: Computed) -> Iterator[str]:
        local = {}
        for n, (word, name) in enumerate(column.words.items()):
            local[word] = word if word.isidentifier() else f"column_{n}"
            yield f"{self._reference(name, local[word])};"
        yield from self._value(column, local)
        yield '#line 1 "program"'

    def _value(self, column: Computed, local: dict[str, str]) -> Iterator[str]:
        """Yield the statements that return the value."""
        if column.parts:
            lifted = [self._lifted(column, renamed(p.expression, local)) for p in column.parts]
            yield from (line for lines, _ in lifted for line in lines)
            for n, (part, (_, text)) in enumerate(zip(column.parts, lifted, strict=True)):
                yield self._label(part.refused)
                yield f"auto &&part_{n} = ({text});"
                kind = f"std::decay_t<decltype(part_{n})>"
                fits = f"std::is_arithmetic_v<{kind}> || monojet::detail::is_vector<{kind}>"
                yield f'static_assert({fits}, "{_NO_QUANTITY}");'
            names = ", ".join(f"part_{n}" for n in range(len(column.parts)))
            yield f"return monojet::gather({names});"
            return
        lines, text = self._lifted(column, renamed(column.expression, local))
        yield from lines
        if column.same_length_as is not None:
            first, name, name_of_first = column.same_length_as
            yield f"{self._reference(first, 'first_of_all')};"
            yield f'return monojet::of_length({text}, first_of_all, "{name}", "{name_of_first}");'
        elif column.cut:
            yield self._label(column.refused)
            yield f"const auto passes = [&] {{ {as_body(text)} }}();"
            yield f'static_assert(std::is_convertible_v<decltype(passes), bool>, "{_NOT_A_CUT}");'
            yield "return passes;"
        else:
            yield self._label(column.refused)
            yield as_body(text)

    def _label(self, refused: Callable[[str], MonojetError]) -> str:
        self.refusals.append(refused)
        return f'#line 1 "@{len(self.refusals) - 1}@"'

    def _lifted(self, column: Computed, text: str) -> tuple[list[str], str]:
        """Return the declarations of the numbers in an expression, and the expression with these in
        their place."""
        if not (column.configured and self.arguments):
            return [], text
        text, numbers = _with_arguments(text, len(self.numbers))
        lines = [
            f"const {one.type} number_{i} = r.number<{one.type}>({i});"
            for i, one in enumerate(numbers, start=len(self.numbers))
        ]
        self.numbers += numbers
        return lines, text

    def _reference(self, name: str, variable: str) -> str:
        node, i = self.nodes[name], self.index[name]
        if isinstance(node, Source):
            return f"auto &{variable} = r.source<S{i}>({i})"
        if isinstance(node, Number):
            return f"auto {variable} = r.number<{node.type}>({i})"
        return f"auto &{variable} = r.computed<C{i}, T{i}>({i})"

    def _exports(self) -> Iterator[str]:
        n_cells = len(self.computed)
        rows = []
        for one in self.exported:
            if one.column in self.computed:
                i = self.index[one.column]
                kind, column = f"T{i}", f"C{i}"
            else:  # a source or a number: a copy, in a cell of its own
                i, kind, column = n_cells, f"T{n_cells}", f"C{n_cells}"
                n_cells += 1
                yield f"struct {column} {{ static auto make(Record &r) {{"
                yield f"{self._reference(one.column, 'value')}; return value; }} }};"
                yield _type_of(i)
            if one.type:
                text = f"column '{one.name}' must be {one.type}"
                yield f'static_assert(std::is_same_v<{kind}, {one.type}>, "{text}");'
            rows.append(
                f'{{"{one.name}", &typeid({kind}), '
                f"[](Record &r) {{ r.computed<{column}, {kind}>({i}); }}, "
                f"[](Record &r) -> void * {{ return &r.place<{kind}>({i}); }}}}"
            )
        sources = [
            f'{{"{_source(self.nodes[name]).column}", &typeid(S{i})}}'
            for i, name in enumerate(self.sources)
        ]
        yield f"const monojet::Program::Source sources[] = {{{', '.join(sources) or '{}'}}};"
        yield "const monojet::Program::Column columns[] = {" + ",\n".join(rows) + "};"
        yield "}"
        yield 'extern "C" monojet::Program program() {'
        yield f"return {{sources, {len(sources)}, columns, {len(rows)}, {n_cells}}};"
        yield "}"


def _type_of(i: int) -> str:
    return f"using T{i} = std::decay_t<decltype(C{i}::make(std::declval<Record &>()))>;"


def _source(node: object) -> Source:
    assert isinstance(node, Source)
    return node


def _plain(number: Number) -> float | int | bool:
    return number.value if number.type in ("float", "double") else int(number.value)


def _with_arguments(expression: str, first: int) -> tuple[str, list[Number]]:
    """Return an expression with variables ``number_<i>`` in place of its numbers, from i =
    ``first``, and these.

    Numbers with a point are replaced, and integers that something is compared with; others may have
    to be constant: template arguments, indices.
    """
    numbers: list[Number] = []

    def variable(match: re.Match[str]) -> str:
        text = match[0]
        if text[0] in "\"'":
            return text
        floating = not text.isdigit()
        if floating and text[:-1].isdigit() and text[-1] in "fF":
            return text  # no number of C++
        if not floating:
            before, after = expression[: match.start()], expression[match.end() :].lstrip()
            too_large = int(text) > np.iinfo(np.int32).max or (len(text) > 1 and text[0] == "0")
            if too_large or not _COMPARED.search(before) or after[:1] in (">", ","):
                return text
        kind = "int" if not floating else "float" if text[-1] in "fF" else "double"
        numbers.append(Number(kind, float(text.rstrip("fF")) if floating else int(text)))
        return f"number_{first + len(numbers) - 1}"

    return _TEXT_OR_NUMBER.sub(variable, expression), numbers

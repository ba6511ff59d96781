"""Columns that a configuration adds to those of a format, or overrides.

These extra columns apply one after another. The expression of each uses the columns as those above
it leave them, so that the name of an overridden column in its own expression is the value of the
format. Columns of the format that are made from an overridden one are made from the override. A
column then has several versions, of which those are made that something uses.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from analysis.formats.columns import CANONICAL, Word, possible_columns, words
from analysis.formats.format import IS_DATA, Column, Format, Layout
from common.runtime.errors import did_you_mean

Extra = tuple[tuple[str, str], ...]
"""Names and expressions of extra columns, in order."""


@dataclass(frozen=True)
class Use:
    """What a name in an expression is: a column of the file by the name that it has there, a source
    of the format, `IS_DATA`, a version of a column of the format, or an extra column."""

    kind: Literal["branch", "source", "is_data", "column", "extra"]
    name: str
    version: int = 0


@dataclass(frozen=True)
class Step:
    """A column to make, and what the names in its expression are.

    ``version`` is the number of the last extra column that has an effect on it, from 1; 0: none.
    ``final`` marks the version that everything but other columns uses.
    """

    name: str
    version: int
    column: Column
    uses: Mapping[str, Use]
    extra: bool
    final: bool

    @property
    def use(self) -> Use:
        """Return this column as a name in the expressions of others."""
        return Use("extra" if self.extra else "column", self.name, self.version)


@dataclass(frozen=True)
class Plan:
    """The columns to make, in order, and the others with the reason why they cannot be made."""

    steps: tuple[Step, ...]
    unavailable: Mapping[str, str]


@dataclass(frozen=True)
class Stock:
    """What a file has: sources of its format, and columns that only the configuration uses."""

    format: Format
    stored: Mapping[str, str]
    """Sources -> their names in the file."""
    available: Collection[str]
    """Sources that expressions can use."""
    mistyped: Mapping[str, str]
    """Sources that cannot be read, with the reason."""
    branches: Container[str]
    """Names in the file of the columns that expressions of the configuration use."""
    absent: Mapping[str, str]
    """Extra columns whose expressions use an unknown name, with the reason."""


def made_in_order(stock: Stock, extra: Extra) -> Plan:
    """Return the columns of a format and the extra ones, as far as a file allows."""
    planner = _Planner(stock, extra)
    found = {
        name: planner.of_format(name, len(extra))
        for name in planner.chosen
        if not (name in CANONICAL and name in planner.numbers)
    }
    last = {one for one in found.values() if isinstance(one, Use)}
    found |= {name: planner.extra_column(number) for name, number in planner.numbers.items()}
    steps = (
        step if step.extra or step.use in last else replace(step, final=False)
        for step in planner.steps.values()
    )
    unavailable = {n: reason for n, reason in stock.mistyped.items() if n not in found}
    unavailable |= {n: one.reason for n, one in found.items() if isinstance(one, _Unavailable)}
    return Plan(tuple(steps), unavailable)


@dataclass(frozen=True)
class _Unavailable:
    """The reason why a column cannot be made, and whether an extra column is the cause."""

    reason: str
    by_extra: bool = False


@dataclass
class _Planner:
    """Finds the versions of columns that are needed; each comes after those that it uses."""

    stock: Stock
    extra: Extra
    numbers: dict[str, int] = field(init=False)
    chosen: dict[str, Column] = field(init=False)
    steps: dict[Use, Step] = field(default_factory=dict)
    _found: dict[tuple[str, int, bool], Use | _Unavailable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one, available = self.stock.format, self.stock.available
        self.numbers = {name: number for number, (name, _) in enumerate(self.extra, start=1)}
        overridden = self.numbers.keys() & CANONICAL.keys()
        by_format = one.chosen(available)
        self.chosen = one.chosen(available, overridden - by_format.keys())
        self._places = {name: place for place, name in enumerate(self.chosen)}

    def extra_column(self, number: int) -> Use | _Unavailable:
        """Return an extra column."""
        name, expression = self.extra[number - 1]
        key = (name, number, True)
        if key not in self._found:
            self._found[key] = self._made_extra(number, name, expression)
        return self._found[key]

    def _made_extra(self, number: int, name: str, expression: str) -> Use | _Unavailable:
        problem: _Unavailable | None = None
        uses: dict[str, Use] = {}
        if name in self.stock.absent:
            problem = _Unavailable(self.stock.absent[name])
        for word in column_words(expression, self.stock.branches):
            found = self._in_extra(word, number - 1)
            if isinstance(found, Use):
                uses[word] = found
            problem = problem or (found if isinstance(found, _Unavailable) else None)
        if problem is None:
            step = Step(name, number, Column(expression), uses, extra=True, final=True)
            self.steps[step.use] = step
            return step.use
        if problem.by_extra:
            return problem
        shown = " ".join(expression.split())
        return _Unavailable(f"'{name}' = '{shown}' cannot be made: {problem.reason}", by_extra=True)

    def of_format(self, name: str, above: int) -> Use | _Unavailable:
        """Return a column of the format as the first ``above`` extra columns leave it."""
        key = (name, above, False)
        if key not in self._found:
            self._found[key] = self._made_by_format(name, above)
        return self._found[key]

    def _made_by_format(self, name: str, above: int) -> Use | _Unavailable:
        column = self.chosen[name]
        uses: dict[str, Use] = {}
        for word in self._words_of_format(column):
            found = self._in_format(word, name, above)
            if isinstance(found, _Unavailable):
                return found
            if found is not None:
                uses[word] = found
        version = max((one.version for one in uses.values()), default=0)
        step = Step(name, version, column, uses, extra=False, final=True)
        self.steps.setdefault(step.use, step)
        return step.use

    def _words_of_format(self, column: Column) -> list[str]:
        if column.configured:
            return column_words(column.expression, self.stock.branches)
        return sorted({word.text for word in words(column.expression)})

    def _canonical(self, name: str, above: int) -> Use | _Unavailable | None:
        """Return a canonical column as some extra columns leave it; None if nothing gives it."""
        if self.numbers.get(name, above + 1) <= above:
            return self.extra_column(self.numbers[name])
        if name in self.chosen:
            return self.of_format(name, above)
        return None

    def _in_format(self, word: str, name: str, above: int) -> Use | _Unavailable | None:
        """Return what a word in the expression of a column of the format is; None: C++."""
        if word in self.chosen and self._places[word] < self._places[name]:
            made = self._canonical(word, above) if word in CANONICAL else None
            return made or self.of_format(word, above)
        stored = self._stored(word)
        if stored is not None:
            return stored
        configured = self.chosen[name].configured
        if configured and word in self.stock.branches:
            return Use("branch", word)
        if word == IS_DATA and self.stock.format.mc_only:
            return Use("is_data", word)
        added = word in CANONICAL and word not in self.chosen
        if word in self.numbers and word != name and (added or configured):
            return self._above(word, above)
        return None

    def _in_extra(self, word: str, above: int) -> Use | _Unavailable | None:
        """Return what a word in the expression of an extra column is; None: C++."""
        one, stock = self.stock.format, self.stock
        if word == IS_DATA and one.mc_only:
            return Use("is_data", word)
        if word in CANONICAL and (made := self._canonical(word, above)) is not None:
            return made
        if word not in CANONICAL and self.numbers.get(word, above + 1) <= above:
            return self.extra_column(self.numbers[word])
        if word in stock.branches:
            same = stock.stored.get(word) == word and word not in stock.mistyped
            return Use("source" if same else "branch", word)
        if (stored := self._stored(word)) is not None:
            return stored
        if word in self.chosen:
            return self.of_format(word, above)
        if word == IS_DATA:
            return Use("is_data", word)
        return self._nowhere(word, above)

    def _stored(self, word: str) -> Use | _Unavailable | None:
        if word in self.stock.mistyped:
            return _Unavailable(self.stock.mistyped[word])
        return Use("source", word) if word in self.stock.available else None

    def _above(self, word: str, above: int) -> Use | _Unavailable:
        number = self.numbers[word]
        if number <= above:
            return self.extra_column(number)
        return _Unavailable(f"'{word}' comes below it: change their order")

    def _nowhere(self, word: str, above: int) -> Use | _Unavailable | None:
        """Return why a word is no column; None if it is C++."""
        one = self.stock.format
        if word in one.sources:
            return _Unavailable(f"the file has no column '{one.possible_names(word)[0]}'")
        if word in self.numbers and self.numbers[word] > above + 1:
            return self._above(word, above)
        source = one.missing_source(word, self.stock.available)
        if source is not None:
            return _Unavailable(
                f"'{word}' of the format '{one.name}' needs column "
                f"'{one.possible_names(source)[0]}', which the file lacks"
            )
        if word in CANONICAL or word in one.columns:
            return _Unavailable(f"the format '{one.name}' cannot give '{word}'")
        return None


# --- Names in expressions ------------------------------------------------------------------------

_SIMILAR = 0.75
"""Similarity of the names that are suggested: among a thousand branches, one is always near."""

_OF_FRAMES = frozenset({"rdfentry_", "rdfslot_"})
"""Columns of every data frame."""

_TYPE = (
    r"(?:auto|bool|char|short|int|long|unsigned|float|double|(?:std::)?size_t|\w+_t|"
    r"(?:ROOT::)?(?:VecOps::)?RVec(?:<[\w: ]+>|[A-Z]+))"
)
_VARIABLE = re.compile(rf"\b{_TYPE}(?:\s+const)?[\s&*]*[\s&*]([A-Za-z_]\w*)\s*(?=[,)=;:{{])")


def column_words(expression: str, columns: Container[str]) -> list[str]:
    """Return the names in an expression of the configuration that may be columns: not those of
    functions and namespaces, nor variables of lambdas."""
    return list(dict.fromkeys(word.text for word in _column_words(expression, columns)))


def _column_words(expression: str, columns: Container[str]) -> Iterator[Word]:
    variables = set(_VARIABLE.findall(expression)) if re.search("[{;]", expression) else set()
    for word in words(expression, columns):
        if not re.match(r"\s*(\(|::)", expression[word.end :]) and word.text not in variables:
            yield word


def branches_of(layout: Layout, names: Container[str]) -> list[str]:
    """Return the columns of a file, of these names, that expressions of a layout use."""
    expressions = [expression for _, expression in (*layout.columns, *layout.extra)]
    found = (word for one in expressions for word in column_words(one, names))
    return sorted({word for word in found if word in names})


def possible_branches(layout: Layout) -> set[str]:
    """Return the names of columns that expressions of a layout can use, if a file has them."""
    expressions = [expression for _, expression in (*layout.columns, *layout.extra)]
    return {
        name
        for one in expressions
        for word in words(one)
        for name in possible_columns(one, word.begin)
    }


def absent_of(
    layout: Layout, one: Format, names: Collection[str], is_cpp: Callable[[str], bool]
) -> dict[str, str]:
    """Return the extra columns whose expressions use a name that is neither a column, of the file
    or of a format, nor C++, with the reason."""
    extra = {name for name, _ in layout.extra}
    known = CANONICAL.keys() | one.sources.keys() | one.columns | _OF_FRAMES | {IS_DATA}
    found: dict[str, str] = {}
    for name, expression in layout.extra:
        others = extra - {name}
        for word in _column_words(expression, names):
            absent = _absent(word, expression, names)
            if absent is None or word.text in known or word.text in others:
                continue
            if word.text not in names and is_cpp(word.text):
                continue
            valid = [*names, *sorted(CANONICAL.keys() | others)]
            near = difflib.get_close_matches(absent, valid, n=1, cutoff=_SIMILAR)
            found[name] = f"the file has no column '{absent}'{did_you_mean(absent, near)}"
            break
    return found


def _absent(word: Word, expression: str, names: Collection[str]) -> str | None:
    """Return the whole name of a column that a file lacks, with its dots and colons; None if the
    file has it."""
    longest, *shorter = possible_columns(expression, word.begin)
    if shorter and re.match(r"\s*\(", expression[word.begin + len(longest) :]):
        longest, *shorter = shorter  # the last part is a function
    if word.text in names:
        part_of = longest[: len(word.text) + 1]
        is_part = len(longest) > len(word.text) and any(one.startswith(part_of) for one in names)
        return longest if is_part else None
    first, colon, _ = longest.partition(":")
    if colon and not any(one.startswith(first + colon) for one in names):
        return first  # of "a ? b:c"
    return longest

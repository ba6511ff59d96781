"""Programs: what is an argument and what is compiled, and whose error a message is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from analysis.event_loop import program
from analysis.event_loop.events import Events
from analysis.event_loop.program import Exported, Program, compiled, write
from common.runtime.errors import ConfigError
from cpp_helpers.toolchain import toolchain
from selections.cuts import Cut, Definition
from tests.frames import numbered, taken


def written(events: Events) -> Program:
    exported = [Exported(f"monojet_{name}", column, "") for name, column in events.names.items()]
    exported += [Exported(cut, cut, "bool") for cut in events.cuts]
    return write(events.loop.columns, exported)


def after(*cuts: str) -> Events:
    events = numbered(10, {"x": "float(rdfentry_)", "v": "ROOT::RVecF{x, 2 * x}"})
    for cut in cuts:
        events = events.passing(Cut("cut", cut, ""))
    return events


def test_a_changed_threshold_is_the_same_program_and_a_changed_cut_another() -> None:
    first, second = written(after("x > 3.5 && x < 8")), written(after("x > 4.5 && x < 9"))
    assert first.text == second.text
    assert not np.array_equal(first.numbers, second.numbers)
    assert written(after("x >= 3.5 && x < 8")).text != first.text
    for threshold, n in ((3.5, 6), (6.5, 3)):
        found = taken(after(f"x > {threshold}"), {"x": "float"})
        assert len(found["x"]) == n


def test_a_changed_threshold_is_the_same_library() -> None:
    def library(cut: str) -> str:
        events = after(cut)
        found = compiled(events.loop.columns, [Exported("x", cut, "bool") for cut in events.cuts])
        assert found is not None
        return found[0]

    assert library("x > 3.5") == library("x > 4.5")
    assert library("x > 3.5") != library("x < 3.5")


@pytest.mark.parametrize(
    ("expression", "text", "values"),
    [
        ("x > 3.5", "x > number_0", [3.5]),
        ("x > 3", "x > number_0", [3]),
        ("x <= -3", "x <= -number_0", [3]),
        ("2.5f * x + 1e3", "number_0 * x + number_1", [2.5, 1000]),
        ("Sum(v > 30.) == 2", "Sum(v > number_0) == number_1", [30, 2]),
        ("v[0] + v[1]", "v[0] + v[1]", []),
        ("std::array<float, 3>{x}[2]", "std::array<float, 3>{x}[2]", []),
        ("f<2>(x)", "f<2>(x)", []),
        ("x << 2", "x << 2", []),
        ("x > 0x1F", "x > 0x1F", []),
        ("x > 010", "x > 010", []),
        ("x > 3000000000", "x > 3000000000", []),
        ('text == "1.5"', 'text == "1.5"', []),
        ("c == '2'", "c == '2'", []),
        ("n1 > x2", "n1 > x2", []),
        ("[] { int a[4]; return a[0] < 1.5; }()", "[] { int a[4]; return a[0] < number_0; }()",
         [1.5]),
    ],
)  # fmt: skip
def test_numbers_that_are_arguments(expression: str, text: str, values: list[float]) -> None:
    found, numbers = program._with_arguments(expression, 0)
    assert found == text
    assert [one.value for one in numbers] == values


def test_integers_that_must_be_constant_stay() -> None:
    events = numbered(3, {
        "x": "float(rdfentry_)",
        "of_template": "std::get<1>(std::make_tuple(x, 2 * x))",
        "of_array": "return [&] { float a[2] = {x, 5.5f * x}; return a[1]; }();",
        "of_index": "ROOT::RVecF{x, 3.5f * x}[1]",
    })  # fmt: skip
    found = taken(events, dict.fromkeys(("of_template", "of_array", "of_index"), "float"))
    assert found == {"of_template": [0, 2, 4], "of_array": [0, 5.5, 11], "of_index": [0, 3.5, 7]}


def test_a_number_that_must_be_constant_falls_back_to_the_text() -> None:
    text = "return [] { constexpr double y = 2.5; return int(y); }() + x;"
    events = numbered(3, {"x": "rdfentry_ * 1.5", "y": text})
    assert "constexpr double y = number_" in written(events).text
    assert taken(events, {"y": "double"})["y"] == [2, 3.5, 5]


def test_bodies_that_return() -> None:
    events = numbered(3, {
        "x": "return rdfentry_ + 0.5;",
        "y": "if (x > 1) return 1.; return -x;",
        "z": "return [&] { return x > 1; }();",
    }).passing(Cut("cut", "const auto two = 2 * x; return two < 4.9;", ""))  # fmt: skip
    found = taken(events, {"x": "double", "y": "double", "z": "bool"})
    assert found == {"x": [0.5, 1.5], "y": [-0.5, 1], "z": [False, True]}


@pytest.mark.parametrize(
    ("expression", "cause"),
    [("x + nonsense", "'nonsense'"), ("x +", "expected"), ("Sum(x, 1, 2, 3)", "no matching")],
)
def test_what_does_not_compile_names_its_key_in_one_line(expression: str, cause: str) -> None:
    events = numbered(3, {"x": "rdfentry_ * 1.5", "good": "2 * x"})
    events = events.define([Definition("bad", expression)], {"bad": "selection.define.bad"}).define(
        [Definition("after", "2 * bad")]
    )
    with pytest.raises(ConfigError) as error:
        taken(events, {"after": "double"})
    text = str(error.value)
    assert text.startswith(f"'selection.define.bad': '{expression}' does not compile: ")
    assert cause in text
    assert "\n" not in text


def test_a_compiler_that_fails_leaves_expressions_to_root(monkeypatch: pytest.MonkeyPatch) -> None:
    events = after("x > 6.25")
    monkeypatch.setenv("CXX", "false")
    toolchain.cache_clear()
    try:
        assert compiled(events.loop.columns, []) is None
        assert taken(events, {"x": "float"}) == {"x": [7, 8, 9]}
    finally:
        toolchain.cache_clear()


@pytest.mark.parametrize("cut", ["v > 3", "v"])
@pytest.mark.parametrize("helpers", ["library", "jit"])
def test_a_cut_of_vectors_is_refused(
    cut: str, helpers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOJET_HELPERS", helpers)
    events = after().passing(Cut("cut", cut, ""), "selection.regions.SR.cuts.cut")
    message = f"'selection.regions.SR.cuts.cut': '{cut}' does not compile: "
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}.*a cut is true or false"):
        events.data_frame()

"""Looks of processes: as the configuration says, and distinguishable."""

from __future__ import annotations

import contextvars
import itertools
import random

import pytest

from analysis.processes import ProcessTraits
from plots import style
from plots.style import Look


def traits(name: str, label: str | None = None, colour: str | None = None) -> ProcessTraits:
    return ProcessTraits(name, False, label, colour)


def drawn(*names: str, **said: ProcessTraits) -> dict[str, Look]:
    """The looks of processes in a run, of which it says nothing but what is given."""
    processes = {name: traits(name) for name in names} | said
    with style.looks(processes):
        return {name: style.process(name) for name in processes}


def test_a_label_is_used_as_given_and_a_name_is_escaped() -> None:
    found = drawn("Wmunu", Znunu=traits("Znunu", "$Z$"), own=traits("own", r"$\chi\chi$ & Co"))
    assert found["Znunu"] == Look("$Z$", style.BLUE, "-", "o")
    assert found["own"].label == r"$\chi\chi$ & Co"
    assert found["Wmunu"] == style.process("Wmunu")
    assert style.process("a$b").label == r"a\$b"
    assert style.process("pseudo_data_with_signal").label == "pseudo-data, with signal"


def test_a_colour_replaces_the_usual_one_and_nothing_else() -> None:
    usual = style.process("Wtaunu")
    found = drawn(Wtaunu=traits("Wtaunu", colour="#123456"), own=traits("own", colour="#abcdef"))
    assert found["Wtaunu"] == Look(usual.label, "#123456", usual.line, usual.marker, usual.hatch)
    assert found["own"].colour == "#abcdef"


def test_looks_end_with_their_run() -> None:
    usual = style.process("own")
    with style.looks({"own": traits("own", "mine")}):
        assert style.process("own").label == "mine"
        with style.looks({}):
            assert style.process("own") == usual
        assert contextvars.Context().run(style.process, "own") == usual
        assert style.process("own").label == "mine"
    assert style.process("own") == usual


OWN = [f"model_{i}" for i in range(7)]


@pytest.mark.parametrize("known", [(), ("Znunu", "Wtaunu", "Wmunu", "Wenu", "mediator", "higgs")])
def test_unknown_processes_of_a_run_differ_from_all_others(known: tuple[str, ...]) -> None:
    found = drawn(*known, *OWN)
    assert {name: found[name] for name in known} == {n: style.process(n) for n in known}
    for one, other in itertools.combinations(found, 2):
        assert found[one].colour != found[other].colour
        if {one, other} - {*known}:
            assert found[one].line != found[other].line or len(found) > 10
            assert found[one].marker != found[other].marker
            assert found[one].hatch != found[other].hatch


def test_looks_depend_on_the_processes_and_not_on_their_order() -> None:
    names = ["Znunu", "top", "multijet", *OWN]
    found = drawn(*names)
    random.Random(1).shuffle(names)
    assert drawn(*names) == found


def test_a_given_colour_is_left_to_its_process() -> None:
    alone = style.process("own")
    found = drawn("own", other=traits("other", colour=alone.colour.lower()))
    assert found["other"].colour == alone.colour.lower()
    assert found["own"].colour != alone.colour
    with style.looks({"own": traits("own")}):
        assert style.process("own") == alone
        assert style.process("pseudo_data_a").colour != alone.colour


def test_up_to_fourteen_unknown_processes_have_colours_of_their_own() -> None:
    names = [f"p{i}" for i in range(20)]
    found = drawn(*names)
    assert len({look.colour for look in found.values()}) == 14
    looks = {(look.colour, look.line, look.marker) for look in found.values()}
    assert len(looks) == len(names)

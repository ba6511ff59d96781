"""Damaged parts are named, with the cause and the remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from common.runtime.errors import BatchError, InputError, OutputError
from common.schema.parts import damaged_part

PATH = Path("parts/Znunu.0123.h5")


@pytest.mark.parametrize("error", [OSError, KeyError, TypeError, ValueError, RuntimeError])
def test_errors_of_reading_become_one_line(error: type[Exception]) -> None:
    message = re.escape("parts/Znunu.0123.h5: damaged part (") + "'?cut short'?"
    message += re.escape("): remove it and run again")
    with pytest.raises(BatchError, match=message), damaged_part(PATH):
        raise error("cut short") if error is KeyError else error("cut short\nat byte 7")


def test_an_error_without_a_text_is_named() -> None:
    with pytest.raises(BatchError, match=re.escape("(ValueError)")), damaged_part(PATH):
        raise ValueError


def test_other_errors_are_reported_as_they_are() -> None:
    with pytest.raises(OutputError), damaged_part(PATH):
        raise OutputError("the disk is full")
    with pytest.raises(InputError), damaged_part(PATH):
        raise InputError("several datasets")
    with pytest.raises(BatchError), damaged_part(PATH, InputError):
        raise InputError("no block")

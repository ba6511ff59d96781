"""Read JSON files as instances of typed models: dataclasses, or containers of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from common.runtime.errors import InputError

T = TypeVar("T")


def read_model(path: Path, kind: type[T], stage: str) -> T:
    """Return the content of a JSON file that ``stage`` writes as an instance of ``kind``.

    Raises:
        InputError: the file is missing, damaged or lacks a key.
    """
    try:
        return TypeAdapter(kind).validate_python(json.loads(path.read_text()))
    except OSError as error:
        cause = error.strerror or str(error)
    except ValidationError as error:
        first = error.errors()[0]
        cause = f"'{'.'.join(map(str, first['loc']))}': {first['msg']}"
    except ValueError as error:
        cause = str(error)
    raise InputError(f"{path}: cannot read: {cause}: make it with --stage {stage}")

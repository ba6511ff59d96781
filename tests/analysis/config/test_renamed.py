"""Former keys and values are refused with the present name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.config import load
from analysis.config.renamed import KEYS, VALUES
from common.runtime.errors import ConfigError
from tests.conftest import TINY

LISTS: dict[str, dict[str, Any]] = {
    "samples": {"process": "mine", "files": ["a.hepmc"]},
    "training.networks": {"network": "strides", "compression": "cell", "max_steps": 9},
    "anomaly.denoising": {},
    "anomaly.pseudo_data": {},
}
"""Lists that hold a former key, and the other keys of their entries."""


def refused(path: str, value: Any, folder: Path) -> str:
    """Return the error of a configuration with a value at a dotted path."""
    data = yaml.safe_load(TINY.read_text())
    inner: Any = data
    *parents, key = path.split(".")
    for place, name in enumerate(parents, start=1):
        others = LISTS.get(".".join(parents[:place]))
        if others is None:
            inner = inner.setdefault(name, {})
        else:
            inner[name] = [dict(others)]
            inner = inner[name][0]
    inner[key] = value
    file = folder / "former.yaml"
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError) as caught:
        load(file)
    return str(caught.value).removeprefix(f"{file}: ")


def located(path: str) -> str:
    """Return a path with the index 0 in each list."""
    for name in LISTS:
        if path.startswith(f"{name}."):
            return f"{name}.0{path.removeprefix(name)}"
    return path


@pytest.mark.parametrize(("path", "new"), KEYS.items())
def test_a_former_key_is_refused_with_its_new_name(path: str, new: str, tmp_path: Path) -> None:
    assert refused(path, 1, tmp_path) == f"key '{located(path)}' is now called '{new}'"
    *parents, _ = path.split(".")
    assert "unknown key" not in refused(".".join((*parents, new)), ["wrong"], tmp_path)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [(path, old, new) for path, names in VALUES.items() for old, new in names.items()],
)
def test_a_former_value_is_refused_with_its_new_name(
    path: str, old: str, new: str, tmp_path: Path
) -> None:
    assert refused(path, old, tmp_path) == f"'{located(path)}': '{old}' is now called '{new}'"

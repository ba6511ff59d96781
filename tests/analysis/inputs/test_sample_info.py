from __future__ import annotations

import pytest

from analysis.config import Config, FileSample
from analysis.inputs.sample_info import SampleInfo, combine, configured, normalisation
from common.runtime.errors import NormalisationError


def info(**changes: object) -> SampleInfo:
    values: dict[str, object] = {
        "name": "Znunu_high",
        "process": "Znunu",
        "n_events": 100,
        "cross_section": 2.0,
        "cross_section_error": 0.3,
        "sum_of_weights": 50.0,
        "sum_of_weights_squared": 30.0,
        "settings": ("a = 1",),
    }
    return SampleInfo(**(values | changes))  # type: ignore[arg-type]


def test_json_gives_back_what_was_stored() -> None:
    assert SampleInfo.from_json(info().to_json()) == info()


def test_weights_add_and_cross_sections_average_over_events() -> None:
    both = combine([info(), info(n_events=300, cross_section=4.0, cross_section_error=0.1)])
    assert both.n_events == 400
    assert both.sum_of_weights == 100
    assert both.sum_of_weights_squared == 60
    assert both.cross_section == pytest.approx(3.5)
    assert both.cross_section_error == pytest.approx(((0.25 * 0.3) ** 2 + (0.75 * 0.1) ** 2) ** 0.5)


def test_what_one_file_does_not_know_the_sample_does_not() -> None:
    both = combine([info(), info(sum_of_weights=None, cross_section=None)])
    assert both.sum_of_weights is None
    assert both.cross_section is None


def test_normalisation_is_luminosity_times_cross_section_over_weights(tiny_config: Config) -> None:
    assert normalisation(info(), tiny_config) == pytest.approx(36.1 * 1000 * 2.0 / 50.0)


@pytest.mark.parametrize("missing", ["cross_section", "sum_of_weights"])
def test_an_unknown_normalisation_is_an_error_never_one(missing: str, tiny_config: Config) -> None:
    with pytest.raises(NormalisationError, match=f"'Znunu_high' has no {missing}"):
        normalisation(info(**{missing: None}), tiny_config)


def test_what_is_configured_has_not_the_errors_of_the_file() -> None:
    of_file = info()
    mine = FileSample(process="Znunu", files=("a.root",), cross_section=5.0, sum_of_weights=7.0)
    found = configured(of_file, mine)
    assert (found.cross_section, found.sum_of_weights) == (5.0, 7.0)
    assert found.cross_section_error is None
    assert found.sum_of_weights_squared is None
    kept = configured(of_file, FileSample(process="Znunu", files=("a.root",)))
    assert kept.cross_section_error == of_file.cross_section_error
    assert kept.sum_of_weights_squared == of_file.sum_of_weights_squared

"""From weights of events to events expected."""

from __future__ import annotations

from common.errors import NormalisationError

PB_PER_FB = 1000.0


def expected_per_weight(
    sample: str,
    cross_section: float | None,
    sum_of_weights: float | None,
    *,
    luminosity: float,
    k_factor: float,
) -> float:
    """Factor from event weights to expected events: luminosity (1/fb) x cross-section (pb) x k /
    sum of the sample's weights before any cut.

    Raises:
        NormalisationError: the cross-section or the sum of weights is not known.
    """
    missing = [
        text
        for text, value in (
            ("cross_section (pb)", cross_section),
            ("sum_of_weights (before any cut)", sum_of_weights),
        )
        if not value
    ]
    if missing:
        raise NormalisationError(
            f"sample '{sample}' has no {' and no '.join(missing)}: its files do not say, or say "
            "different things: give it under 'samples' in the configuration"
        )
    assert cross_section is not None
    assert sum_of_weights is not None
    return luminosity * PB_PER_FB * cross_section * k_factor / sum_of_weights

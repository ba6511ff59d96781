"""The table of the sensitivity ratios."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.monojet.sensitivity_model import ALSO_REJECTED, REJECTED, SensitivityRatio
from analysis.processes import IRREDUCIBLE
from common.tables import Table, with_error

_RATES_NOTE = (
    "As published: pass rates before the lepton veto, as in the thesis (cell + strides there: "
    "1.118 in IM1). Consistent: pass rates after the whole selection, which the background counts "
    "belong to. Split of IM1: as published, with the background composition of IM1, the only "
    "published one, in each region; otherwise the composition follows the simulated spectra from "
    "IM1. Wenu rejected, too: if it is simulated; the thesis leaves it unchanged. Largest: all "
    "Znunu kept, all of the rejected processes removed. Signal efficiency: that of the working "
    "point, which has a threshold for each fold: the largest precision × recall on validation "
    "events of the training slices. 'Own threshold' maximises the ratio; it is chosen on "
    "even-numbered events and applied to odd-numbered ones, and vice versa, and its efficiency is "
    "that of Znunu in the region."
)

_ERRORS_NOTE = (
    "Errors: statistical, of the pass rates and of the simulated shares of a region in IM1; of the "
    "cross-sections, one for each sample; and the spread between trainings, s/√K of the ratios of "
    "K folds, which includes the statistical error once (-: a single network, or a process with "
    "events in fewer than two folds; the error then lacks it). The error of the ratio is the "
    "larger of statistics and spread, in quadrature with that of the cross-sections. Errors of "
    "rates are statistical and of the cross-sections."
)


def table(
    ratios: Sequence[SensitivityRatio], luminosity: float, empty: str = "", note: str = ""
) -> Table:
    """Return the table of the ratios.

    ``empty`` states why it has no rows, ``note`` is added to the last note.
    """
    return Table(
        name="sensitivity",
        title=f"Sensitivity with a network relative to without, {luminosity:g} fb⁻¹",
        columns=(
            "region",
            "network",
            "rates",
            "signal efficiency",
            "ratio",
            "of which statistical, cross-sections, trainings",
            "largest",
            "Znunu kept",
            "Wtaunu rejected",
            "Wmunu rejected",
            "Wenu rejected",
            "raw events",
        ),
        rows=[
            [
                r.region,
                r.network,
                r.rate_definition,
                " / ".join(f"{e:.3f}" for e in r.signal_efficiencies),
                with_error(r.ratio, r.error),
                f"{r.statistical:.2g}, {r.cross_section:.2g}, "
                + ("-" if r.spread is None else f"{r.spread:.2g}"),
                with_error(r.largest, r.largest_error),
                str(r.rates[IRREDUCIBLE]),
                *(
                    with_error(1 - r.rates[p].value, r.rates[p].error) if p in r.rates else "-"
                    for p in (*REJECTED, ALSO_REJECTED)
                ),
                " / ".join(str(n) for n in r.entries.values()),
            ]
            for r in ratios
        ],
        notes=(_RATES_NOTE, _ERRORS_NOTE + note),
        empty=empty,
    )

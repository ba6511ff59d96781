"""Tables of the search for anomalies."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.config import Config
from analysis.three_lepton.search_model import SearchResult
from common.tables import Table, with_error
from selections import three_lepton


def search_table(config: Config, findings: Sequence[SearchResult]) -> Table:
    """Return the AUC and significances of each signal."""
    return Table(
        name="anomaly",
        title=f"Signals, which no training uses, {config.luminosity:g} fb⁻¹",
        columns=(
            "autoencoder",
            "signal",
            "AUC",
            "background below",
            "signal events",
            "background events",
            "significance",
            f"with {100 * config.anomaly_search.background_systematic:g} % and statistical error",
        ),
        rows=[
            [
                one.autoencoder,
                excess.signal,
                str(one.auc.get(excess.signal, "-")),
                f"{100 * excess.quantile:g} %",
                str(excess.n_signal),
                str(excess.n_background),
                _written(excess.significance, ".2f"),
                _written(excess.with_error, ".2f"),
            ]
            for one in findings
            for excess in one.excesses
        ],
        notes=(
            "AUC: area under the ROC curve against all simulated backgrounds together. Regions "
            "begin at quantiles of the background's scores among validation events; the share of "
            "test events below fluctuates. Yields are those of test events, scaled up. Errors of "
            "yields are statistical, those of AUCs from bootstrap replicas. A process without test "
            "events in a region has no error there, however large its weights are.",
        ),
        empty="no signal sample: add one to 'samples', and its process to 'anomaly.signals' "
        f"(now {', '.join(config.anomaly_search.signals) or 'none'})",
    )


def observations_table(config: Config, findings: Sequence[SearchResult]) -> Table:
    """Return observed events and the background in each region."""
    return Table(
        name="anomaly_observed",
        title=f"Observed events above a score, {config.luminosity:g} fb⁻¹",
        columns=(
            "autoencoder",
            "observed in",
            "background below",
            "observed",
            "background",
            "significance",
            f"with {100 * config.anomaly_search.background_systematic:g} % and statistical error",
        ),
        rows=[
            [
                one.autoencoder,
                observation.observed,
                f"{100 * observation.quantile:g} %",
                f"{observation.n_observed}",
                str(observation.n_background),
                _written(observation.significance, "+.2f"),
                _written(observation.with_error, "+.2f"),
            ]
            for one in findings
            for observation in one.observations
        ],
        notes=(
            "Pseudo-data are drawn from simulated events that are used for nothing else; the "
            "statistical error of their mean enters the last column only. The background is that "
            "of test events, scaled up; its errors are statistical. Significances are negative "
            "where fewer events are observed than expected.",
        ),
        empty="no observed events: add a sample of data ('data: true', or --data with --input), "
        "or 'anomaly.pseudo_data'",
    )


def regions_table(config: Config, findings: Sequence[SearchResult]) -> Table:
    """Return expected events of each sample in each region and channel."""
    rows = []
    for one in findings:
        for region in one.regions:
            for sample, channels in region.samples.items():
                rows.append(
                    [
                        one.autoencoder,
                        f"{100 * region.quantile:g} %",
                        f"{region.threshold:.3f}",
                        sample,
                        *(
                            with_error(channels[c].sumw, channels[c].stat_error)
                            if channels[c].entries
                            else "0"
                            for c in three_lepton.CHANNELS
                        ),
                    ]
                )
    return Table(
        name="anomaly_regions",
        title=f"Events above a score, {config.luminosity:g} fb⁻¹",
        columns=(
            *("autoencoder", "background below", "threshold", "sample"),
            *three_lepton.CHANNELS,
        ),
        rows=rows,
        notes=("Yields of test events, scaled up by their share. Errors are statistical.",),
    )


def _written(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)

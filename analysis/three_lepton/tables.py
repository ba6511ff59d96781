"""Tables of what autoencoders find anomalous."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.config import Config
from analysis.three_lepton.findings import Findings
from common.tables import Table, with_error
from selections import three_lepton


def findings_table(config: Config, findings: Sequence[Findings]) -> Table:
    """Area and significances of each signal."""
    return Table(
        name="anomaly",
        title=f"Signals that no autoencoder has seen, {config.luminosity:g} fb⁻¹",
        columns=(
            "autoencoder",
            "signal",
            "AUC",
            "background below",
            "signal events",
            "background events",
            "significance",
            f"with {100 * config.anomaly_search.background_error:g} % and statistical error",
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
            "AUC: area under the ROC curve against all simulated backgrounds together. Regions are "
            "above a quantile of the background's scores, of the events that watched the training: "
            "of the counted ones, those of the test, the share below scatters about it. Test "
            "events alone, scaled up. Errors of yields are statistical, of areas from bootstrap "
            "replicas. A process none of whose test events lies in a region has no error there, "
            "however much one of them would count.",
        ),
        empty="no sample of a signal: add one to 'samples', and its process to 'anomaly.signals' "
        f"(now {', '.join(config.anomaly_search.signals) or 'none'})",
    )


def observations_table(config: Config, findings: Sequence[Findings]) -> Table:
    """What is observed in each region, beside the background."""
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
            f"with {100 * config.anomaly_search.background_error:g} % and statistical error",
        ),
        rows=[
            [
                one.autoencoder,
                seen.observed,
                f"{100 * seen.quantile:g} %",
                f"{seen.n_observed}",
                str(seen.n_background),
                _written(seen.significance, "+.2f"),
                _written(seen.with_error, "+.2f"),
            ]
            for one in findings
            for seen in one.observations
        ],
        notes=(
            "Pseudo-data are drawn from simulated events that are used for nothing else: their "
            "mean has a statistical error of its own, which only the last column counts. The "
            "background is that of test events, scaled up; its errors are statistical. "
            "Significances are negative where less is observed.",
        ),
        empty="nothing is observed: add a measured sample ('data: true', or --data with --input), "
        "or 'anomaly.pseudo_data'",
    )


def regions_table(config: Config, findings: Sequence[Findings]) -> Table:
    """Expected events of each sample in each region and channel."""
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
                            with_error(channels[c].sumw, channels[c].error)
                            if channels[c].raw
                            else "0"
                            for c in three_lepton.CHANNELS
                        ),
                    ]
                )
    return Table(
        name="anomaly_regions",
        title=f"Events above a score, {config.luminosity:g} fb⁻¹",
        columns=(
            *("autoencoder", "background below", "least score", "sample"),
            *three_lepton.CHANNELS,
        ),
        rows=rows,
        notes=("Test events alone, scaled up by their share. Errors are statistical.",),
    )


def _written(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)

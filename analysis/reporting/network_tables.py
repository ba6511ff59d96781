"""Tables of the networks for the report: cost of the training, gain in sensitivity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.monojet.sensitivity_model import AS_PUBLISHED, RATE_DEFINITIONS, SensitivityRatio
from analysis.reporting import results
from analysis.workflow.run import Run
from common.tables import Table, with_error

BINS = 4  # signal bins that the gain is given in
NETWORKS = 6  # networks of one kind that are listed


def cost(run: Run) -> Table:
    """Return the table of the size, the training and the speed of the networks."""
    rows = []
    for network in run.config.training.networks:
        found = results.training_summary(run, network.name)
        flops, speed = found.flops_an_event, found.events_per_second
        rows.append(
            [
                network.name,
                f"{found.parameters}",
                "-" if flops is None else f"{flops / 1e6:.4g}",
                f"{found.events}",
                f"{found.steps}",
                f"{found.epochs:.1f}",
                f"{found.seconds:.0f}",
                "-" if speed is None else f"{speed:.0f}",
                found.backend,
            ]
        )
    return Table(
        name="cost",
        title="Size and training of the networks",
        columns=(
            "network",
            "parameters",
            "MFLOP per event",
            "training events",
            "steps",
            "epochs",
            "seconds",
            "events scored per second",
            "backend",
        ),
        rows=rows,
        notes=(
            "Of a network with several folds, the mean of a fold. Operations are those of the "
            "forward pass; the speed is that of scoring at the end of the training, with the "
            "reading of images.",
        ),
    )


def gains(ratios: Sequence[SensitivityRatio], all_bins: Iterable[str], luminosity: float) -> Table:
    """Return the sensitivity ratios in a few of the signal bins, as published and consistent, of
    the best networks of each kind."""
    found = {(r.network, r.rate_definition, r.region): r for r in ratios}
    plain = [r for r in ratios if r.rate_definition in RATE_DEFINITIONS]
    measured = {r.region for r in plain}
    bins = spread([one for one in all_bins if one in measured], BINS)
    rows = []
    networks = _best(plain)
    for network in networks:
        for definition in RATE_DEFINITIONS:
            own = [found.get((network, definition, one)) for one in bins]
            if any(own):
                cells = (with_error(r.ratio, r.error) if r else "-" for r in own)
                rows.append([network, definition, *cells])
    largest = [next(r for r in plain if r.region == one) for one in bins]
    rows.append(
        ["a perfect network", "", *(with_error(r.largest, r.largest_error) for r in largest)]
    )
    n_left_out = len({r.network for r in ratios}) - len(networks)
    return Table(
        name="gains",
        title=f"Sensitivity with a network relative to without, {luminosity:g} fb⁻¹",
        columns=("network", "pass rates", *bins),
        rows=rows,
        notes=(
            "As published: pass rates before the lepton veto, as in the thesis. Consistent: after "
            "the whole selection. A perfect network keeps all Znunu and removes all Wtaunu and "
            "Wmunu. Errors are the larger of statistics and the spread between trainings, in "
            "quadrature with those of the cross-sections."
            + (f" {n_left_out} networks of smaller gain are left out." if n_left_out else ""),
        ),
    )


def _best(ratios: Sequence[SensitivityRatio]) -> list[str]:
    """Return the networks of each kind with the largest ratios in the first signal bin, as
    published, in their order."""
    names = list(dict.fromkeys(r.network for r in ratios))
    first = ratios[0].region
    reached = {
        r.network: r.ratio for r in ratios if (r.rate_definition, r.region) == (AS_PUBLISHED, first)
    }
    kinds: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: -reached.get(name, 0.0)):
        kinds.setdefault(name.split("+")[0], []).append(name)
    chosen = {name for of_kind in kinds.values() for name in of_kind[:NETWORKS]}
    return [name for name in names if name in chosen]


def spread(names: Sequence[str], most: int) -> list[str]:
    """Return at most some of the names, evenly spread from the first to the last."""
    if len(names) <= most:
        return [*names]
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]

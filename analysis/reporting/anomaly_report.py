"""The report of the search for anomalies: one page, in Markdown and as self-contained HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from analysis.matrices.three_lepton_cutflow import cutflow_table
from analysis.reporting import page
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.schema import hdf5
from common.tables import Table
from training.autoencoder.records import read_autoencoder_record

LEADING = 8  # elements listed


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Write the report of a finished search."""
    (target,) = targets
    page.write(run, target, sections(run))
    done(target)


def sections(run: Run) -> Iterator[str]:
    """Yield the sections of the report, in Markdown."""
    search = run.config.anomaly_search
    yield f"# {run.config.name}"
    yield (
        "Anomalies in events with three leptons: autoencoders learn the rapidity-mass matrices of "
        "simulated backgrounds; events with a large reconstruction error are anomalous. Errors are "
        "statistical."
    )
    yield "## Autoencoders"
    yield training_table(run).markdown()
    yield page.table(run, "anomaly")
    if search.pseudo_data or any(sample.data for sample in run.config.samples):
        yield "## Observed"
        yield page.table(run, "anomaly_observed")
    if search.leave_one_out:
        yield "## Leave-one-out tests"
        yield page.table(run, "left_out")
    yield "## Matrix elements with the largest errors"
    for spec in search.autoencoders:
        yield elements_table(run, spec.name).markdown()
    if search.denoising:
        yield "## Denoising"
        yield page.table(run, "denoising")
    yield "## Regions"
    yield page.table(run, "anomaly_regions")
    yield "## Selection"
    yield cutflow_table(run).markdown()
    yield from page.figures(run.plots / "anomaly_figures.json")
    yield from page.origin(run)


def training_table(run: Run) -> Table:
    """Return the settings of the autoencoders, as trained, and results of their training."""
    rows = []
    for spec in run.config.anomaly_search.autoencoders:
        record = read_autoencoder_record(run.model(spec.name))
        settings = record.autoencoder
        rows.append(
            [
                spec.name,
                " ".join(map(str, (*settings.layers, settings.latent))),
                settings.activation,
                f"{settings.learning_rate:.2g}",
                "Hyperband" if spec.tuning else "as given",
                f"{record.parameters}",
                f"{record.events} ({record.effective_events:.0f})",
                f"{record.validation_events} ({record.effective_validation_events:.0f})",
                f"{record.best_epoch} of {record.epochs}",
                f"{record.validation_loss:.3g}",
                f"{record.seconds:.0f}",
            ]
        )
    return Table(
        name="autoencoders",
        title="Autoencoders",
        columns=(
            *("autoencoder", "nodes to the latent space", "activation", "learning rate"),
            *("settings", "parameters", "training events", "validation events", "best epoch"),
            *("validation loss", "seconds"),
        ),
        rows=rows,
        notes=(
            "The decoder mirrors the encoder. The last number of nodes is that of the latent "
            "space. Events: their number and, in parentheses, their effective number.",
        ),
    )


def elements_table(run: Run, autoencoder: str) -> Table:
    """Return the elements with the largest shares of the squared error of anomalous events."""
    rows = []
    with hdf5.open_file(run.inspection(autoencoder)) as file:
        names = [str(name) for name in file.attrs["names"]]
        for sample, group in file["errors"].items():
            errors: Any = group["anomalous"]
            n, values = int(errors.attrs["events"]), errors[:]
            if n == 0:
                continue
            shares = values / (values.sum() or 1.0)
            leading = np.argsort(-shares, kind="stable")[:LEADING]
            listed = ", ".join(f"{names[i]} {100 * shares[i]:.0f} %" for i in leading)
            rows.append([sample, f"{n}", listed])
    return Table(
        name=f"elements_{autoencoder}",
        title=f"Largest shares of the squared error by {autoencoder}, in its last region",
        columns=("sample", "events", "elements"),
        rows=rows,
        notes=(
            "m: invariant mass of two objects; mt: transverse mass of an object and the missing "
            "transverse momentum; et: transverse energy; det: imbalance of the transverse energies "
            "of an object and the next harder one; h and hl: from the rapidity difference of two "
            "objects and from the rapidity of one.",
        ),
        empty="no event in this region: generate more events",
    )

"""The report of the search for anomalies: one page, in Markdown and as self-contained HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from analysis.matrices import rmm
from analysis.reporting import page
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.schema import hdf5
from common.tables import Table

LEADING = 8  # elements listed


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Write the report of a finished search."""
    (target,) = targets
    page.write(run, target, sections(run))
    done(target)


def sections(run: Run) -> Iterator[str]:
    """The parts of the report, in Markdown."""
    search = run.config.anomaly_search
    yield f"# {run.config.name}"
    yield (
        "Anomalies in events with three leptons: autoencoders learn the rapidity-mass matrices of "
        "simulated backgrounds, and events that they reconstruct badly are anomalous. Values are "
        "given with their statistical errors."
    )
    yield "## Autoencoders"
    yield training_table(run).markdown()
    yield page.table(run, "anomaly")
    if search.pseudo_data or any(sample.data for sample in run.config.samples):
        yield "## Observed"
        yield page.table(run, "anomaly_observed")
    if search.left_out:
        yield "## Not shown to the autoencoders"
        yield page.table(run, "left_out")
    yield "## What the anomalous events fail by"
    for spec in search.autoencoders:
        yield elements_table(run, spec.name).markdown()
    if search.denoising:
        yield "## Pictures without noise"
        yield page.table(run, "denoising")
    yield "## Regions"
    yield page.table(run, "anomaly_regions")
    yield "## Selection"
    yield rmm.cutflow_table(run).markdown()
    yield from page.figures(run.plots / "anomaly_figures.json")
    yield from page.origin(run)


def training_table(run: Run) -> Table:
    """How the autoencoders were trained, and what a search has made of their settings."""
    rows = []
    for spec in run.config.anomaly_search.autoencoders:
        record = json.loads((run.model(spec.name) / "training.json").read_text())
        settings = record["autoencoder"]
        rows.append(
            [
                spec.name,
                " ".join(map(str, (*settings["layers"], settings["latent"]))),
                settings["activation"],
                f"{settings['learning_rate']:.2g}",
                "Hyperband" if spec.tuning else "as given",
                f"{record['parameters']}",
                f"{record['events']} ({record['effective_events']:.0f})",
                f"{record['validation_events']} ({record['effective_validation_events']:.0f})",
                f"{record['best_epoch']} of {record['epochs']}",
                f"{record['validation_loss']:.3g}",
                f"{record['seconds']:.0f}",
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
            "The decoder mirrors the encoder. The last number of nodes is the latent space's. "
            "Events: how many, and how many of equal weight would scatter as much.",
        ),
    )


def elements_table(run: Run, autoencoder: str) -> Table:
    """The matrix elements with the largest share of the squared error of anomalous events."""
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
            "m: invariant mass of two objects; mt: transverse mass of one and the missing "
            "transverse momentum; et: transverse energy; det: the difference of those of an object "
            "and the one before, over their sum; h and hl: from the difference of two rapidities, "
            "and from one.",
        ),
        empty="no event of any sample lies in that region: more events are needed",
    )

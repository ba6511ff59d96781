"""All figures of the search for anomalies, and their captions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from analysis.config import Sample
from analysis.datasets import background_samples, signal_samples
from analysis.matrices import rmm_names
from analysis.matrices.rmm_file import PSEUDO_DATA, TEST, TRAINING, VALIDATION, read_attribute
from analysis.reporting.monojet_figures import Captioned, make
from analysis.three_lepton.yields import test_share
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.schema import hdf5
from plots import style
from plots.results import Axis, Kind, Matrices
from plots.three_lepton import autoencoders, denoising, injection, matrices, stacks

_LEPTON_PT = tuple(range(0, 301, 20))
_MASSES = tuple(range(0, 601, 40))

QUANTITIES = (
    Axis("met", style.MET, tuple(range(0, 401, 25)), "GeV"),
    Axis("lepton1_pt", r"$p_\mathrm{T}$ of the leading lepton", _LEPTON_PT, "GeV"),
    Axis("lepton3_pt", r"$p_\mathrm{T}$ of the third lepton", _LEPTON_PT[:8], "GeV"),
    Axis("mass_3l", r"$m_{3\ell}$", (*_MASSES, 800, 1000, 1400, 2000), "GeV"),
    Axis("mass_z", r"$m_{\ell\ell}$ nearest $m_Z$", tuple(range(0, 201, 10)), "GeV", absent=-1),
    Axis("mt_w", r"$m_\mathrm{T}$ of the lepton from the W", _MASSES[:8], "GeV", absent=-1),
    Axis("n_jets", "jets", tuple(n - 0.5 for n in range(9))),
    Axis("n_b_jets", "b jets", tuple(n - 0.5 for n in range(5))),
)

ELEMENTS = ("mt_electron1", "et_muon1", "m_electron1_muon1", "h_muon1_electron1", "mt_jet1")
_BINS = 20


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Make all figures of the search, and their list."""
    (target,) = targets
    make(run, figures, target)
    done(target)


def figures(run: Run) -> Iterator[Captioned]:
    """All figures of the search, not yet drawn."""
    config = run.config
    findings = json.loads(run.table("anomaly").read_text())
    everything, tested = _samples(run, whole=True), _samples(run, whole=False)
    luminosity = config.luminosity
    names = [str(name) for name in read_attribute(everything[0].path, "names")]
    spectra = (*QUANTITIES, *(_element(name) for name in ELEMENTS if name in names))
    for axis in spectra:
        which = "element_" if axis.source == "features" else ""
        yield (
            f"spectrum_{which}{axis.quantity}",
            partial(stacks.stack, everything, axis, luminosity, text="three leptons"),
            f"`{axis.quantity}` of events with three leptons: simulated backgrounds on each "
            "other, signals as lines, observed events as points with Poisson intervals. The band "
            "is the statistical error of the simulation. Events beyond the ends are in the last "
            "bins.",
        )
    yield (
        "mean_matrices",
        partial(matrices.mean_matrices, [s for s in everything if s.kind != "observed"]),
        "The mean rapidity-mass matrix of each process, of events with three leptons. White: 0 in "
        "all events.",
    )
    simulated = [sample for sample in tested if sample.kind != "observed"]
    for one in findings:
        yield from _autoencoder(run, one, tested, simulated)
    for spec in config.anomaly_search.denoising:
        yield (
            f"pictures_{spec.name}",
            partial(denoising.pictures, run.denoised(spec.name)),
            "Pictures of events, the same with noise, and what the autoencoder makes of them: "
            "transverse momentum in each cell of an image, of events that it did not learn from.",
        )
    observations = [
        {"autoencoder": one["autoencoder"], **seen}
        for one in findings
        for seen in one["observations"]
    ]
    if observations:
        yield (
            "observed",
            partial(injection.injection, observations, luminosity),
            "Observed events above the scores that regions begin at, those expected of the "
            "backgrounds, and how significant the difference is, counting statistics alone and "
            "with the error of the background. Regions are nested, so that the points of one "
            "set are correlated.",
        )


def _samples(run: Run, whole: bool) -> list[Matrices]:
    """The samples as figures count them: as a ``whole`` but for the events that pseudo-data are
    drawn from, or the test events alone."""
    config = run.config
    apart = config.anomaly_search.rmm.split.pseudo_data
    signals, normal = signal_samples(config), background_samples(config)

    def kind_of(sample: Sample) -> Kind:
        return "signal" if sample in signals else "background" if sample in normal else "observed"

    def of(sample: Sample) -> Matrices:
        path = run.matrices(sample.name)
        share = 1 - apart if whole else test_share(config, sample)
        return Matrices(
            name=sample.name,
            process=sample.process,
            kind=kind_of(sample),
            path=path,
            scores=run.anomaly_scores(sample.name),
            factor=float(read_attribute(path, "normalisation")) / share,
            parts=(TRAINING, VALIDATION, TEST) if whole else (TEST,),
        )

    pseudo = [
        Matrices(
            name=one.name,
            process=one.name,
            kind="observed",
            path=run.matrices(one.name),
            scores=run.anomaly_scores(one.name),
            factor=1.0,
            parts=(TEST, PSEUDO_DATA),
        )
        for one in config.anomaly_search.pseudo_data
    ]
    return [*(of(sample) for sample in config.samples), *pseudo]


def _element(name: str) -> Axis:
    largest = 0.2 if name.startswith("h_") else 0.05
    edges = tuple(i * largest / _BINS for i in range(_BINS + 1))
    return Axis(name, rmm_names.label(name), edges, source="features", absent=0.0)


def _autoencoder(
    run: Run, found: Any, tested: Sequence[Matrices], simulated: Sequence[Matrices]
) -> Iterator[Captioned]:
    name = found["autoencoder"]
    title = style.network(name)
    regions = {region["quantile"]: region["threshold"] for region in found["regions"]}
    path = run.inspection(name)
    yield (
        f"scores_{name}",
        partial(autoencoders.score_distributions, name, tested, regions, run.config.luminosity),
        f"Scores by {title}: the logarithm of the summed squared error. Lines: where regions "
        "begin. Test events alone, scaled up.",
    )
    yield (
        f"score_shapes_{name}",
        partial(autoencoders.score_shapes, name, simulated, regions),
        f"The same of each process by {title}, normalised to unit area.",
    )
    yield (
        f"latent_{name}",
        partial(autoencoders.latent_space, path),
        f"Where {title} puts test events: in its latent space or, of a wider one, along the two "
        "principal components of the background, with their shares of its variance.",
    )
    yield (
        f"errors_{name}",
        partial(matrices.element_errors, path, simulated, rmm_names.label),
        f"Which elements of the matrix {title} fails on: the share of each in the summed squared "
        "error of the scaled matrices.",
    )
    with hdf5.open_file(path) as file:
        shown = [s for s in simulated if s.name in file["examples"]]
    example = next((s.name for s in shown if s.kind == "signal"), shown[0].name)
    yield (
        f"reconstruction_{name}",
        partial(matrices.reconstruction, path, example),
        f"The matrix of one anomalous event, what {title} makes of it, and the difference.",
    )

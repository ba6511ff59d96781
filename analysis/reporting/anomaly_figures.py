"""Figures of the search for anomalies, and their captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from analysis.config import Sample
from analysis.matrices import rmm_names
from analysis.matrices.subsets import test_share
from analysis.reporting.figures import Captioned, make
from analysis.sample_roles import background_samples, signal_samples
from analysis.three_lepton.search_model import SearchResult, read_search_results
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.schema import hdf5
from common.schema.matrices import MatrixFile, Subset, read_normalisation
from plots import style
from plots.three_lepton import autoencoders, denoising, injection, matrices, stacks
from plots.three_lepton.samples import Axis, Kind, MatrixSample

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
    """Draw all figures of the search, and write their list."""
    (target,) = targets
    make(run, figures, target)
    done(target)


def figures(run: Run) -> Iterator[Captioned]:
    """Yield all figures of the search, not yet drawn."""
    config = run.config
    findings = read_search_results(run.table("anomaly"))
    everything, tested = _samples(run, all_events=True), _samples(run, all_events=False)
    luminosity = config.luminosity
    with MatrixFile(everything[0].path) as file:
        names = file.names
    spectra = (*QUANTITIES, *(_element(name) for name in ELEMENTS if name in names))
    for axis in spectra:
        which = "element_" if axis.source == "features" else ""
        yield (
            f"spectrum_{which}{axis.quantity}",
            partial(stacks.stack, everything, axis, luminosity, text="three leptons"),
            f"`{axis.quantity}` of events with three leptons: simulated backgrounds stacked, "
            "signals as lines, observed events as points with Poisson intervals. The band is the "
            "statistical error of the simulation. The outer bins include underflow and overflow.",
        )
    yield (
        "mean_matrices",
        partial(matrices.mean_matrices, [s for s in everything if s.kind != "observed"]),
        "Mean rapidity-mass matrix of each process, for events with three leptons. White elements "
        "are 0 in all events.",
    )
    simulated = [sample for sample in tested if sample.kind != "observed"]
    for one in findings:
        yield from _autoencoder(run, one, tested, simulated)
    for spec in config.anomaly_search.denoising:
        yield (
            f"pictures_{spec.name}",
            partial(denoising.pictures, run.denoised(spec.name)),
            "Pictures of held-out events, with noise, and after the autoencoder: transverse "
            "momentum in each cell of an image.",
        )
    if any(one.observations for one in findings):
        yield (
            "observed",
            partial(injection.injection, findings, luminosity),
            "Observed and expected background events above the thresholds of regions, and the "
            "significance of the difference, without and with the error of the background. Regions "
            "are nested: the points of one set are correlated.",
        )


def _samples(run: Run, all_events: bool) -> list[MatrixSample]:
    """Return all samples, with all events except for those that pseudo-data are drawn from, or with
    test events alone."""
    config, search = run.config, run.config.anomaly_search
    signals, backgrounds = signal_samples(config), background_samples(config)

    def kind_of(sample: Sample) -> Kind:
        if sample in signals:
            return "signal"
        return "background" if sample in backgrounds else "observed"

    def matrix_sample(sample: Sample) -> MatrixSample:
        path = run.matrices(sample.name)
        all_but_pseudo_data = 1 - search.rmm.split.pseudo_data
        share = all_but_pseudo_data if all_events else test_share(sample, search)
        return MatrixSample(
            name=sample.name,
            process=sample.process,
            kind=kind_of(sample),
            path=path,
            scores=run.anomaly_scores(sample.name),
            factor=read_normalisation(path) / share,
            subsets=(
                (Subset.TRAINING, Subset.VALIDATION, Subset.TEST) if all_events else (Subset.TEST,)
            ),
        )

    pseudo = [
        MatrixSample(
            name=one.name,
            process=one.name,
            kind="observed",
            path=run.matrices(one.name),
            scores=run.anomaly_scores(one.name),
            factor=1.0,
            subsets=(Subset.TEST, Subset.PSEUDO_DATA),
        )
        for one in search.pseudo_data
    ]
    return [*(matrix_sample(sample) for sample in config.samples), *pseudo]


def _element(name: str) -> Axis:
    largest = 0.2 if name.startswith("h_") else 0.05
    edges = tuple(i * largest / _BINS for i in range(_BINS + 1))
    return Axis(name, rmm_names.label(name), edges, source="features", absent=0.0)


def _autoencoder(
    run: Run, found: SearchResult, tested: Sequence[MatrixSample], simulated: Sequence[MatrixSample]
) -> Iterator[Captioned]:
    """Yield the figures of one autoencoder."""
    name = found.autoencoder
    title = style.network(name)
    regions = {region.quantile: region.threshold for region in found.regions}
    path = run.inspection(name)
    yield (
        f"scores_{name}",
        partial(autoencoders.score_distributions, name, tested, regions, run.config.luminosity),
        f"Scores by {title}: the logarithm of the summed squared error. Lines: thresholds of "
        "regions. Test events only, scaled up.",
    )
    yield (
        f"score_shapes_{name}",
        partial(autoencoders.score_shapes, name, simulated, regions),
        f"Scores of each process by {title}, normalised to unit area.",
    )
    yield (
        f"latent_{name}",
        partial(autoencoders.latent_space, path),
        f"Test events in the latent space of {title}, or along the two principal components of the "
        "background, with their shares of its variance, if the space has more dimensions.",
    )
    yield (
        f"errors_{name}",
        partial(matrices.element_errors, path, simulated, rmm_names.label),
        f"Share of each element of the matrix in the summed squared error of scaled matrices by "
        f"{title}.",
    )
    with hdf5.open_file(path) as file:
        shown = [s for s in simulated if s.name in file["examples"]]
    example = next((s.name for s in shown if s.kind == "signal"), shown[0].name)
    yield (
        f"reconstruction_{name}",
        partial(matrices.reconstruction, path, example),
        f"The matrix of one anomalous event, its reconstruction by {title}, and the difference.",
    )

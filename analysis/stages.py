"""The stages, in the order of the data: what each reads, writes and is made from.

This is the plan only: nothing here imports ROOT or Keras, and no data file is opened.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from analysis import results
from analysis.config import Config, NetworkTraining, Sample
from analysis.inputs.paths import expand
from analysis.pipeline import Run, Stage, Target, differences
from analysis.processes import PROCESSES
from common.errors import ConfigError
from selections import monojet

# What every stage that reads events and selects them is made by.
_SELECTION = (
    "selections/*.py",
    "analysis/columns.py",
    "analysis/inputs/*.py",
    "analysis/inputs/*.yaml",
    "analysis/regions.py",
    "analysis/samples.py",
    "common/normalisation.py",
)

# What every stage that makes events of particles is made by.
_PARTICLES = (
    "analysis/event_file.py",
    "analysis/inputs/invisible.py",
    "analysis/inputs/particle_level.py",
    "analysis/columns.py",
    "analysis/samples.py",
    "cpp_helpers/batch.hxx",
    "cpp_helpers/jets.hxx",
    "cpp_helpers/leptons.hxx",
    "cpp_helpers/kinematics.hxx",
    "cpp_helpers/particles.hxx",
)


def _dump(model: Any, *fields: str) -> Any:
    return model.model_dump(mode="json", include=set(fields) or None)


def validate_targets(run: Run) -> list[Target]:
    """One report on all external inputs."""
    config = run.config
    external = [s for s in config.samples if not s.generated]
    if not external:
        return []
    return [
        Target(
            "validate",
            "inputs",
            run.table("validation"),
            settings={"samples": [_dump(s) for s in external], "invisible": config.invisible},
            external=tuple(path for s in external for path in expand(s.files)),
            code=(
                "analysis/validate.py",
                "analysis/inputs/*.py",
                "analysis/inputs/*.yaml",
                "analysis/columns.py",
                "analysis/samples.py",
                "cpp_helpers/*.?xx",
            ),
        )
    ]


def sample_target(run: Run, sample: Sample) -> Target:
    """A generated sample."""
    config = run.config
    slices = config.generation.slices
    return Target(
        "generate",
        sample.name,
        run.sample(sample.name),
        settings={
            "seed": config.seed,
            "invisible": config.invisible,
            "sample": _dump(sample, "process", "slice", "events"),
            "process": dataclasses.asdict(PROCESSES[sample.process]),
            "slice": None if sample.slice is None else _dump(slices[sample.slice]),
            "generation": _dump(
                config.generation, "block_size", "particle_threshold", "file_format"
            ),
        },
        code=("analysis/generate.py", *_PARTICLES),
    )


def generate_targets(run: Run) -> list[Target]:
    """One file a generated sample."""
    return [sample_target(run, s) for s in run.config.samples if s.generated]


def converted_target(run: Run, sample: Sample) -> Target:
    """A sample of HepMC files."""
    config = run.config
    paths = tuple(expand(sample.files))
    process = PROCESSES.get(sample.process)
    return Target(
        "convert",
        sample.name,
        run.sample(sample.name),
        settings={
            "sample": _dump(sample, "process", "slice", "weight"),
            "boson": process.boson if process else 0,
            "invisible": config.invisible,
            "files": paths,  # by whose order events are numbered
            "generation": _dump(config.generation, "particle_threshold", "file_format"),
        },
        external=paths,
        code=(
            "analysis/convert.py",
            "analysis/inputs/hepmc.py",
            *_PARTICLES,
            "cpp_helpers/truth.hxx",
        ),
    )


def convert_targets(run: Run) -> list[Target]:
    """One file a sample of HepMC files."""
    return [converted_target(run, s) for s in run.config.samples if s.converted]


def _source(run: Run, sample: Sample) -> dict[str, Any]:
    """What a stage that reads the events of a sample is made from."""
    if sample.made_here:
        make = sample_target if sample.generated else converted_target
        return {"made_from": (make(run, sample),)}
    return {"external": tuple(expand(sample.files))}


def image_target(run: Run, sample: Sample) -> Target:
    """The images of a sample."""
    config = run.config
    return Target(
        "imaging",
        sample.name,
        run.images(sample.name),
        settings={
            "imaging": _dump(
                config.imaging, "particle_threshold", "jet_threshold", "select", "detector"
            ),
            "seed": config.seed,
            "invisible": config.invisible,
            "folds": config.folds,
            "sample": _dump(
                sample, "cross_section", "sum_of_weights", "format", "columns", "tree", "data"
            ),
        },
        **_source(run, sample),
        code=(
            *_SELECTION,
            "analysis/imaging.py",
            "analysis/image_file.py",
            "analysis/image_links.py",
            "common/hdf5.py",
            "cpp_helpers/*.?xx",
        ),
    )


def imaging_targets(run: Run) -> list[Target]:
    """One HDF5 file a sample."""
    return [image_target(run, s) for s in run.config.samples]


def rmm_target(run: Run, sample: Sample) -> Target:
    """The rapidity-mass matrices of a sample."""
    config = run.config
    search = config.search
    return Target(
        "rmm",
        sample.name,
        run.matrices(sample.name),
        settings={
            "rmm": _dump(search.rmm),
            "invisible": config.invisible,
            "is_signal": sample.process in search.signals,
            "luminosity": config.luminosity,
            "sample": _dump(
                sample,
                "cross_section",
                "sum_of_weights",
                "k_factor",
                "format",
                "columns",
                "tree",
                "data",
            ),
        },
        **_source(run, sample),
        code=(
            "common/tables.py",
            *_SELECTION,
            "analysis/rmm.py",
            "analysis/rmm_file.py",
            "analysis/rmm_names.py",
            "analysis/yields.py",
            "common/hdf5.py",
            "cpp_helpers/*.?xx",
        ),
    )


def rmm_targets(run: Run) -> list[Target]:
    """One file of matrices a sample.

    Raises:
        ConfigError: the configuration has no such search.
    """
    return [rmm_target(run, s) for s in run.config.samples]


def autoencoder_targets(run: Run) -> list[Target]:
    """One folder an autoencoder.

    Raises:
        ConfigError: the configuration has no such search, or nothing to learn from.
    """
    config = run.config
    normal = config.normal_samples()
    return [
        Target(
            "autoencoders",
            spec.name,
            run.model(spec.name) / "training.json",
            settings={"autoencoder": _dump(spec), "seed": config.seed},
            made_from=tuple(rmm_target(run, sample) for sample in normal),
            code=(
                "training/autoencoder.py",
                "training/features.py",
                "training/fit_autoencoder.py",
                "training/scaling.py",
                "training/tuning.py",
            ),
        )
        for spec in config.search.autoencoders
    ]


def pseudo_data_targets(run: Run) -> list[Target]:
    """One file of matrices a set of pseudo-data.

    Raises:
        ConfigError: the configuration has no such search.
    """
    config = run.config
    return [
        Target(
            "pseudo_data",
            pseudo.name,
            run.matrices(pseudo.name),
            settings={"pseudo_data": _dump(pseudo), "seed": config.seed},
            made_from=tuple(
                rmm_target(run, sample)
                for sample in (*config.normal_samples(), *config.signal_samples())
            ),
            code=("analysis/pseudo_data.py", "analysis/rmm_file.py", "common/hdf5.py"),
        )
        for pseudo in config.search.pseudo_data
    ]


def anomaly_scoring_targets(run: Run) -> list[Target]:
    """One file of scores a sample, or set of pseudo-data.

    Raises:
        ConfigError: the configuration has no such search.
    """
    autoencoders = tuple(autoencoder_targets(run))
    return [
        Target(
            "anomaly_scoring",
            matrices.name,
            run.anomaly_scores(matrices.name),
            made_from=(matrices, *autoencoders),
            code=(
                "training/autoencoder.py",
                "training/features.py",
                "training/scaling.py",
                "common/score_file.py",
                "common/hdf5.py",
            ),
        )
        for matrices in (*rmm_targets(run), *pseudo_data_targets(run))
    ]


def anomaly_targets(run: Run) -> list[Target]:
    """One table of all autoencoders.

    Raises:
        ConfigError: the configuration has no such search.
    """
    config = run.config
    return [
        Target(
            "anomaly",
            "anomaly",
            run.table("anomaly"),
            settings={
                "search": _dump(config.search, "signals", "quantiles", "background_error"),
                "seed": config.seed,
            },
            made_from=tuple(anomaly_scoring_targets(run)),
            code=(
                "analysis/score_tables.py",
                "common/tables.py",
                *_SELECTION,
                "analysis/anomaly.py",
                "analysis/anomaly_findings.py",
                "analysis/anomaly_tables.py",
                "analysis/anomaly_yields.py",
                "analysis/rmm.py",
                "analysis/rmm_file.py",
                "analysis/significance.py",
                "analysis/yields.py",
                "common/measured.py",
                "common/roc.py",
                "common/score_file.py",
                "cpp_helpers/*.?xx",
            ),
        )
    ]


def inspection_targets(run: Run) -> list[Target]:
    """One file an autoencoder.

    Raises:
        ConfigError: the configuration has no such search.
    """
    return [
        Target(
            "inspection",
            spec.name,
            run.inspection(spec.name),
            made_from=tuple(anomaly_targets(run)),
            code=(
                "training/stages.py",
                "training/autoencoder.py",
                "training/features.py",
                "training/inspection.py",
                "training/scaling.py",
                "common/hdf5.py",
            ),
        )
        for spec in run.config.search.autoencoders
    ]


def left_out_targets(run: Run) -> list[Target]:
    """One table of the first autoencoder, if anything is to be left out.

    Raises:
        ConfigError: the configuration has no such search.
    """
    config = run.config
    if not config.search.left_out:
        return []
    return [
        Target(
            "left_out",
            "left_out",
            run.table("left_out"),
            settings={"left_out": list(config.search.left_out), "seed": config.seed},
            made_from=(autoencoder_targets(run)[0],),
            code=(
                "training/stages.py",
                "common/measured.py",
                "common/tables.py",
                "training/autoencoder.py",
                "training/features.py",
                "training/fit_autoencoder.py",
                "training/left_out.py",
                "training/scaling.py",
                "common/roc.py",
            ),
        )
    ]


def anomaly_plots_targets(run: Run) -> list[Target]:
    """All figures of the search.

    Raises:
        ConfigError: the configuration has no such search.
    """
    return [
        Target(
            "anomaly_plots",
            "anomaly_figures",
            run.plots / "anomaly_figures.json",
            made_from=(
                *anomaly_targets(run),
                *inspection_targets(run),
                *denoising_targets(run),
            ),
            code=("plots/*.py", "analysis/figures.py", "analysis/anomaly_figures.py"),
        )
    ]


def anomaly_report_targets(run: Run) -> list[Target]:
    """The report of the search.

    Raises:
        ConfigError: the configuration has no such search.
    """
    return [
        Target(
            "anomaly_report",
            "anomaly_report",
            run.output / "anomaly_report.html",
            settings=run.config.model_dump(mode="json", exclude={"batch"}),
            made_from=(*anomaly_plots_targets(run), *left_out_targets(run)),
            code=(
                "analysis/anomaly_report.py",
                "analysis/page.py",
                "analysis/rmm.py",
                "common/tables.py",
            ),
        )
    ]


def denoising_targets(run: Run) -> list[Target]:
    """One folder a denoising autoencoder, and one table of all of them, with pictures of each.

    Raises:
        ConfigError: the configuration has no such search, or nothing to learn from.
    """
    config = run.config
    specs = config.search.denoising
    code = ("training/autoencoder.py", "training/dataset.py", "training/denoising.py")
    denoisers = tuple(
        Target(
            "denoising",
            spec.name,
            run.model(spec.name) / "training.json",
            settings={
                "denoising": _dump(spec),
                "validation_fraction": config.training.validation_fraction,
                "seed": config.seed,
            },
            made_from=tuple(image_target(run, sample) for sample in config.normal_samples()),
            code=(*code, "training/fit_autoencoder.py", "training/pools.py"),
        )
        for spec in specs
    )
    table = Target(
        "denoising",
        "denoising",
        run.table("denoising"),
        settings={
            "signals": config.search.signals,
            "luminosity": config.luminosity,
            "samples": [_dump(s, "k_factor", "data") for s in config.samples],
        },
        made_from=(*imaging_targets(run), *denoisers),
        code=(
            *code,
            "training/denoised.py",
            "training/score.py",
            "common/measured.py",
            "common/normalisation.py",
            "common/roc.py",
            "common/tables.py",
        ),
        also=tuple(run.denoised(spec.name) for spec in specs),
    )
    return [*denoisers, table] if denoisers else []


def training_targets(run: Run) -> list[Target]:
    """One folder a network."""
    config = run.config
    targets = []
    for network in config.training.networks:
        learned = config.training_samples(network)
        watched = config.watched_samples(network) if network.watches_test else {}
        targets.append(
            Target(
                "training",
                network.name,
                run.model(network.name) / "training.json",
                settings={
                    **_seen_by(config, network),
                    "validation_fraction": config.training.validation_fraction,
                    "samples": learned,
                    "watched": watched,
                    "seed": config.seed,
                },
                made_from=tuple(
                    image_target(run, config.sample(name)) for name in learned | watched
                ),
                code=(
                    "training/dataset.py",
                    "training/pools.py",
                    "training/models.py",
                    "training/fit.py",
                    "training/flops.py",
                ),
            )
        )
    return targets


def taken_networks(run: Run) -> dict[str, str]:
    """Return the networks of another run that score the events of this one, each with the
    fingerprint of its training.

    Raises:
        ConfigError: one is not there, or is of another configuration.
    """
    config = run.config
    found = {}
    for network in config.training.networks:
        folder = run.model(network.name)
        try:
            record = json.loads((folder / "training.manifest.json").read_text())
            settings, found[network.name] = record["settings"], str(record["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{folder}: no trained network: train it first, with the same --config and without "
                "--input, or name another run that has it with --models"
            ) from error
        own = _seen_by(config, network)
        other = {key: settings[key] for key in own if key in settings}
        for change in differences(other, {key: own[key] for key in other}):
            raise ConfigError(
                f"{folder}: a network of another configuration ({change}): give the --config that "
                "it was trained with"
            )
    return found


def _seen_by(config: Config, network: NetworkTraining) -> dict[str, Any]:
    """What a network is, and the settings of the images that it is shown."""
    return {
        "network": _dump(network),
        "folds": config.folds,
        "imaging": _dump(config.imaging, "particle_threshold", "jet_threshold", "detector"),
    }


def scoring_targets(run: Run) -> list[Target]:
    """One file of scores a sample.

    Raises:
        ConfigError: the networks are to be of another run, and are not there.
    """
    taken = taken_networks(run) if run.config.training.models else None
    networks = () if taken else tuple(training_targets(run))
    return [
        Target(
            "scoring",
            s.name,
            run.scores(s.name),
            settings=taken,
            made_from=(image_target(run, s), *networks),
            code=(
                "training/score.py",
                "training/fit.py",
                "training/dataset.py",
                "common/score_file.py",
                "common/hdf5.py",
            ),
        )
        for s in run.config.analysed()
    ]


def evaluation_targets(run: Run) -> list[Target]:
    """One table for all networks."""
    config = run.config
    return [
        Target(
            "evaluation",
            "networks",
            run.table("evaluation"),
            settings={
                "evaluation": _dump(config.evaluation),
                "samples": {n.name: config.test_samples(n) for n in config.training.networks},
                "choosing": {n.name: config.choosing_samples(n) for n in config.training.networks},
                "seed": config.seed,
            },
            made_from=tuple(scoring_targets(run)),
            code=(
                "training/evaluate.py",
                "training/stages.py",
                "common/measured.py",
                "common/roc.py",
                "common/score_file.py",
            ),
        )
    ]


def _normalised(sample: Sample) -> Any:
    """What the expected events of a sample follow from, and how its files are read."""
    return _dump(
        sample,
        *("cross_section", "sum_of_weights", "k_factor", "data"),
        *("format", "columns", "tree"),
    )


def cutflow_targets(run: Run) -> list[Target]:
    """One cut-flow of all samples, with and without each network, if there are any.

    Raises:
        ConfigError: events of a region have no images, and so no scores.
    """
    config = run.config
    select = config.imaging.select
    networks, taken = bool(config.training.networks), bool(config.training.models)
    if taken and not run.evaluation.exists():
        raise ConfigError(
            f"{run.evaluation}: there is none, and the cut-flow takes thresholds from it: make it "
            "first, with --stage evaluation of that run"
        )
    judged = () if taken else tuple(evaluation_targets(run))
    made_here = tuple(s for s in config.analysed() if s.made_here)
    if networks and select is not None:
        selected = set(monojet.REGIONS[select].cuts)
        for region in monojet.REGIONS.values():
            if not selected <= set(region.cuts):
                raise ConfigError(
                    f"'select: {select}' leaves out events of region {region.name}, whose scores "
                    "the cut-flow needs: choose a wider region, or only earlier stages"
                )
    return [
        Target(
            "cutflow",
            "cutflow",
            run.table("cutflow"),
            settings={
                "luminosity": config.luminosity,
                "samples": {s.name: _normalised(s) for s in config.analysed()},
                "invisible": config.invisible,
            },
            made_from=(
                (*judged, *scoring_targets(run))
                if networks
                else tuple(target for s in made_here for target in _source(run, s)["made_from"])
            ),
            external=(
                *((str(run.evaluation),) if taken else ()),
                *(path for s in config.analysed() if not s.made_here for path in expand(s.files)),
            ),
            code=(
                "analysis/score_tables.py",
                *_SELECTION,
                "analysis/cutflow.py",
                "analysis/processes.py",
                "analysis/provenance_notes.py",
                "analysis/yields.py",
                "common/measured.py",
                "common/score_file.py",
                "cpp_helpers/*.?xx",
            ),
        )
    ]


def sensitivity_targets(run: Run) -> list[Target]:
    """One table of sensitivity ratios."""
    return [
        Target(
            "sensitivity",
            "sensitivity",
            run.table("sensitivity"),
            made_from=tuple(cutflow_targets(run)),
            code=(
                "analysis/sensitivity.py",
                "analysis/scored.py",
                "analysis/yields.py",
                "common/measured.py",
                "common/roc.py",
                "analysis/reference/*.json",
                *_SELECTION,
            ),
        )
    ]


def signals_targets(run: Run) -> list[Target]:
    """One comparison of all signals with Znunu."""
    return [
        Target(
            "signals",
            "signals",
            run.table("signals"),
            made_from=tuple(cutflow_targets(run)),
            code=(
                "analysis/signals.py",
                "analysis/sensitivity.py",
                "analysis/processes.py",
                "analysis/yields.py",
                "common/measured.py",
                *_SELECTION,
            ),
        )
    ]


def plots_targets(run: Run) -> list[Target]:
    """All figures."""
    return [
        Target(
            "plots",
            "figures",
            run.plots / "figures.json",
            made_from=(
                *imaging_targets(run),
                *training_targets(run),
                *scoring_targets(run),
                *evaluation_targets(run),
                *cutflow_targets(run),
                *sensitivity_targets(run),
                *signals_targets(run),
            ),
            code=("plots/*.py", "analysis/figures.py"),
        )
    ]


def report_targets(run: Run) -> list[Target]:
    """The report."""
    return [
        Target(
            "report",
            "report",
            run.output / "report.html",
            made_from=(*plots_targets(run), *training_targets(run)),
            external=tuple(str(path) for path in results.kept()),
            code=(
                "analysis/report.py",
                "analysis/page.py",
                "analysis/results.py",
                "analysis/reference/*.json",
                "common/machine.py",
                "common/tables.py",
            ),
            also=(run.output / "results.json",),
        )
    ]


STAGES = (
    Stage(
        "validate",
        "check the input files before anything is run",
        "input files",
        "tables/validation",
        "analysis.validate",
        "run",
        (),
        ("validation",),
        validate_targets,
    ),
    Stage(
        "generate",
        "simulate collisions with Pythia 8 and cluster jets with FastJet",
        "configuration",
        "samples/<sample>.root",
        "analysis.generate",
        None,
        (),
        (),
        generate_targets,
    ),
    Stage(
        "convert",
        "make files of our own of HepMC files",
        "HepMC files",
        "samples/<sample>.root",
        "analysis.convert",
        None,
        ("validate",),
        (),
        convert_targets,
    ),
    Stage(
        "imaging",
        "fill eta x phi images and their compressions",
        "samples",
        "images/<sample>.h5",
        "analysis.imaging",
        None,
        ("validate", "generate", "convert"),
        ("images",),
        imaging_targets,
    ),
    Stage(
        "training",
        "train the networks on the images",
        "images",
        "models/<network>+<compression>/",
        "training.stages",
        "train",
        ("imaging",),
        (),
        training_targets,
        study="training",
    ),
    Stage(
        "scoring",
        "score every event with a network that did not see it",
        "images, models",
        "scores/<sample>.h5",
        "training.score",
        None,
        ("imaging", "training"),
        (),
        scoring_targets,
        uses_all_cores=True,
        study="scoring",
    ),
    Stage(
        "evaluation",
        "scan thresholds, ROC curves, errors",
        "scores",
        "tables/evaluation",
        "training.stages",
        "evaluate",
        ("scoring",),
        ("evaluation",),
        evaluation_targets,
        study="training",
    ),
    Stage(
        "cutflow",
        "weighted cut-flow of the ATLAS selection, with and without the networks",
        "samples, scores, evaluation",
        "tables/cutflow",
        "analysis.cutflow",
        None,
        ("validate", "generate", "convert", "scoring", "evaluation"),
        ("cutflow",),
        cutflow_targets,
    ),
    Stage(
        "sensitivity",
        "gain in sensitivity in every signal region",
        "cutflow",
        "tables/sensitivity",
        "analysis.sensitivity",
        "run",
        ("cutflow",),
        ("sensitivity",),
        sensitivity_targets,
        study="training",
    ),
    Stage(
        "signals",
        "compare how signals and Znunu pass the networks",
        "cutflow",
        "tables/signals",
        "analysis.signals",
        "run",
        ("cutflow",),
        ("signals",),
        signals_targets,
        study="training",
    ),
    Stage(
        "rmm",
        "rapidity-mass matrices of events with three leptons, and their cut-flow",
        "samples",
        "rmm/<sample>.h5",
        "analysis.rmm",
        None,
        ("validate", "generate", "convert"),
        ("three_lepton",),
        rmm_targets,
        study="anomaly",
    ),
    Stage(
        "autoencoders",
        "train autoencoders on the matrices of simulated backgrounds",
        "rmm",
        "models/<autoencoder>/",
        "training.stages",
        "train_autoencoders",
        ("rmm",),
        (),
        autoencoder_targets,
        study="anomaly",
    ),
    Stage(
        "left_out",
        "train the first without each process or channel: is it anomalous then?",
        "rmm, models",
        "tables/left_out",
        "training.stages",
        "leave_out",
        ("rmm", "autoencoders"),
        ("left_out",),
        left_out_targets,
        study="anomaly",
    ),
    Stage(
        "pseudo_data",
        "draw pseudo-data from the simulation, with and without signals",
        "rmm",
        "rmm/pseudo_data*.h5",
        "analysis.pseudo_data",
        "run",
        ("rmm",),
        (),
        pseudo_data_targets,
        study="anomaly",
    ),
    Stage(
        "anomaly_scoring",
        "score every event with three leptons by how badly it is reconstructed",
        "rmm, models",
        "anomaly_scores/<sample>.h5",
        "training.stages",
        "score_anomalies",
        ("rmm", "autoencoders", "pseudo_data"),
        (),
        anomaly_scoring_targets,
        study="anomaly",
    ),
    Stage(
        "anomaly",
        "yields and significances of what the autoencoders find anomalous",
        "samples, rmm, anomaly_scores",
        "tables/anomaly",
        "analysis.anomaly",
        "run",
        ("validate", "generate", "convert", "rmm", "anomaly_scoring"),
        ("anomaly", "anomaly_observed"),
        anomaly_targets,
        study="anomaly",
    ),
    Stage(
        "inspection",
        "which elements autoencoders fail on, their latent space, single events",
        "rmm, models, tables",
        "inspection/<autoencoder>.h5",
        "training.stages",
        "inspect",
        ("anomaly",),
        (),
        inspection_targets,
        study="anomaly",
    ),
    Stage(
        "denoising",
        "train autoencoders that take noise out of pictures of backgrounds",
        "images",
        "models/<denoiser>/, denoising/<denoiser>.h5",
        "training.stages",
        "denoise",
        ("imaging",),
        ("denoising",),
        denoising_targets,
        study="denoising",
    ),
    Stage(
        "anomaly_plots",
        "all figures of the search for anomalies",
        "rmm, tables, inspection",
        "plots/*.{png,pdf}",
        "analysis.anomaly_figures",
        "run",
        ("anomaly", "inspection", "denoising"),
        (),
        anomaly_plots_targets,
        study="anomaly",
    ),
    Stage(
        "anomaly_report",
        "one page with all that is found of anomalies",
        "tables, plots",
        "anomaly_report.{html,md}",
        "analysis.anomaly_report",
        "run",
        ("anomaly_plots", "left_out"),
        (),
        anomaly_report_targets,
        study="anomaly",
    ),
    Stage(
        "plots",
        "all figures",
        "images, scores, tables",
        "plots/*.{png,pdf}",
        "analysis.figures",
        "run",
        ("imaging", "scoring", "evaluation", "cutflow", "sensitivity", "signals"),
        (),
        plots_targets,
        study="training",
    ),
    Stage(
        "report",
        "one page with all results, beside those of the thesis",
        "tables, plots",
        "report.{html,md}, results.json",
        "analysis.report",
        "run",
        ("plots", "sensitivity", "training"),
        (),
        report_targets,
        study="training",
    ),
)

"""All samples of a configuration as data frames, for interactive work.

    from analysis.frames import frames
    from analysis.workflow.run import Run
    from analysis.config import load

    run = Run(load(Path("analysis/configs/anomaly_quickstart.yaml")), Path("output"))
    for name, df in frames(run, "three_lepton").items():
        print(name, df.Sum("expected").GetValue())

Generated samples must exist: ``--stage generate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.config import Sample
from analysis.inputs import paths, reader
from analysis.inputs.cluster_ranges import info_of, inspected
from analysis.inputs.invisible import set_invisible
from analysis.inputs.sample_info import combine, configured, normalisation, require_one_dataset
from analysis.matrices import rmm
from analysis.rdf.regions import apply_cut, define, define_per_sample, names_of
from analysis.workflow.run import Run
from analysis.yields import cutflow
from common.runtime.errors import ConfigError, InputError, did_you_mean
from cpp_helpers import declare
from selections import monojet36, three_lepton
from selections.cuts import Definition, Region

REGIONS: Mapping[str, Region] = monojet36.REGIONS | three_lepton.REGIONS

EXPECTED = "expected"


def frames(run: Run, region: str | None = None) -> dict[str, Any]:
    """Return a lazy data frame over all files of each sample, by the names of samples.

    They have the canonical columns and ``expected``, the expected events at the configured
    luminosity; with ``region``, only the events that pass, and the columns of its selection.
    Collision data are not normalised: ``expected`` is the weight.

    Raises:
        ConfigError: the region does not exist, or is one of three leptons without ``anomaly``.
        InputError: a file is missing, damaged, of another format than the first of its sample, or
            lacks a column that the selection needs.
        NormalisationError: the cross-section or the sum of weights of a sample is not known.
    """
    if region is not None and region not in REGIONS:
        raise ConfigError(f"no region '{region}'{did_you_mean(region, REGIONS)}")
    set_invisible(run.config.invisible)
    return {sample.name: _frame(run, sample, region) for sample in run.config.samples}


def _frame(run: Run, sample: Sample, region: str | None) -> Any:
    names = [str(run.sample(sample.name))] if sample.made_here else paths.expand(sample.files)
    files = [inspected(name, sample) for name in names]
    if not files:
        raise InputError(f"sample '{sample.name}': no files found")
    weight = "weight"
    df = reader.open_files(files)
    if region in three_lepton.REGIONS:
        search = run.config.anomaly_search
        for file in files:
            reader.require_columns(file, rmm.needs(search.rmm))
        df, weight = rmm.defined(df, files[0], search), "event_weight"
    elif region is not None:
        for file in files:
            reader.require_columns(file, cutflow.needs())
        df = define(df, monojet36.DEFINITIONS)
    infos = [info_of(run, sample.name, file) for file in files]
    require_one_dataset(sample.name, zip(names, infos, strict=True))
    factor = normalisation(configured(combine(infos), sample), run.config)
    df = define_per_sample(df, "events_of_a_weight", f"{factor!r}")
    df = define(df, [Definition(EXPECTED, f"double({weight}) * events_of_a_weight")])
    for cut in () if region is None else REGIONS[region].cuts:
        df = apply_cut(df, cut)
    for name, column in names_of(df).items():
        df = declare().define(df, name, column)
    return df

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

from analysis.config import Config, Sample
from analysis.event_loop.events import OF_EVERY_FRAME
from analysis.formats.columns import CANONICAL, names_in, own
from analysis.inputs import paths, reader
from analysis.inputs.cluster_ranges import info_of, inspected
from analysis.inputs.invisible import set_invisible
from analysis.inputs.sample_info import combine, configured, normalisation, require_one_dataset
from analysis.matrices import rmm
from analysis.rdf.regions import without_blind
from analysis.rdf.weights import define_weight
from analysis.workflow.run import Run
from analysis.yields.cutflow import needs_of
from common.runtime.errors import ConfigError, InputError, did_you_mean
from cpp_helpers import declare
from selections import three_lepton
from selections.cuts import Definition, Region
from selections.selection import Selection

EXPECTED = "expected"


def frames(run: Run, region: str | None = None) -> dict[str, Any]:
    """Return a lazy data frame over all files of each sample, by the names of samples.

    They have the canonical columns, those of the configuration, and ``expected``, the expected
    events at the configured luminosity; with ``region``, only the events that pass, and the columns
    of its selection: a region of the configured selection or, with ``anomaly``, one of three
    leptons. Collision data are not normalised: ``expected`` is the weight.

    Raises:
        ConfigError: the region does not exist, or data are hidden in it.
        InputError: a file is missing, damaged, of another format than the first of its sample, or
            lacks a column that the selection needs.
        NormalisationError: the cross-section or the sum of weights of a sample is not known.
    """
    known = _regions(run.config)
    if region in three_lepton.REGIONS and region not in known:
        _ = run.config.anomaly_search  # raises that it is missing
    if region is not None and region not in known:
        raise ConfigError(f"no region '{region}'{did_you_mean(region, known)}")
    set_invisible(run.config.invisible)
    return {sample.name: _frame(run, sample, region) for sample in run.config.samples}


def _available(selection: Selection, file: reader.File) -> list[Definition]:
    """Return the definitions whose columns a file gives."""
    lacking = {*CANONICAL, *dict(file.extra)} - file.columns.keys()
    found = []
    for one in selection.definitions:
        if names_in(one.expression) & lacking:
            lacking.add(one.name)
        else:
            found.append(one)
    return found


def _regions(config: Config) -> Mapping[str, Region]:
    own = config.selection.resolved.regions
    return {**(three_lepton.REGIONS if config.anomaly else {}), **own}


def _frame(run: Run, sample: Sample, region: str | None) -> Any:
    names = [str(run.sample(sample.name))] if sample.made_here else paths.expand(sample.files)
    files = [inspected(name, run.config, sample) for name in names]
    if not files:
        raise InputError(f"sample '{sample.name}': no files found")
    selection = run.config.selection.resolved
    events = reader.open_files(files)
    if region is not None and region in selection.regions:
        if sample.data and selection.hidden(region):
            raise ConfigError(f"'selection.blind': data of '{sample.name}' are hidden in {region}")
        for file in files:
            reader.require_columns(file, needs_of(run.config, [region]))
        keys = run.config.selection.keys("selection.")
        events = events.define(_available(selection, files[0]), keys)
        events, weight = define_weight(events, selection, data=sample.data)
        events = without_blind(events, selection, data=sample.data)
    elif region is not None:
        search = run.config.anomaly_search
        for file in files:
            reader.require_columns(file, rmm.needs(search.rmm))
        events, weight = rmm.defined(events, files[0], search), "event_weight"
    elif sample.data and selection.blind:
        raise ConfigError(f"'selection.blind': data of '{sample.name}' are hidden: name a region")
    else:
        weight = "weight"
    infos = [info_of(run, sample.name, file) for file in files]
    require_one_dataset(sample.name, zip(names, infos, strict=True))
    factor = normalisation(configured(combine(infos), sample), run.config)
    events = events.number("events_of_a_weight", "double", factor)
    events = events.define([Definition(EXPECTED, f"double({weight}) * events_of_a_weight")])
    for cut in () if region is None else _regions(run.config)[region].cuts:
        events = events.passing(cut)
    df = events.data_frame()
    for name in events.names:
        if name not in OF_EVERY_FRAME and own(name) != name:
            df = declare().define(df, name, own(name))
    return df

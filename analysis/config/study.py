"""The whole configuration, and the rules that its sections must agree with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, model_validator

from analysis.config.anomaly import Anomaly
from analysis.config.base import FolderName, KeyedError, Model
from analysis.config.batch import Batch
from analysis.config.imaging import Imaging
from analysis.config.networks import Evaluation, Training
from analysis.config.samples import AnySample, Sample
from analysis.config.selection import LUMINOSITIES, SelectionSettings
from analysis.config.simulation import Generation
from analysis.config.skim import Skim
from analysis.formats.format import Layout
from analysis.processes import HEAVY_NEUTRINOS, PROCESSES, SIGNALS, ProcessTraits
from common.runtime.errors import ConfigError, did_you_mean
from selections.expressions import safe


class Config(Model):
    """The configuration of a run."""

    name: FolderName = Field(description="name of the run and of its folder")
    seed: int = Field(1, ge=0, description="seed of all random numbers")
    luminosity: float = Field(
        36.1, gt=0, description="1/fb; default: that of the built-in selection, 36.1 or 139"
    )
    invisible: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (),
        max_length=64,
        description="PDG codes of further stable particles that leave no signal, each with its "
        "antiparticle; the default ones are in cpp_helpers/objects/particles.hxx",
    )
    selection: SelectionSettings = Field(
        SelectionSettings(extends="monojet36"),
        description="cuts, regions, histograms: a built-in selection, a file, or changes of one",
    )
    samples: tuple[AnySample, ...] = Field(min_length=1, description="events to analyse")
    generation: Generation = Field(Generation(), description="simulation of events")
    imaging: Imaging = Field(Imaging(), description="images of events")
    training: Training = Field(Training(), description="networks on images")
    anomaly: Anomaly | None = Field(None, description="search in events with three leptons")
    evaluation: Evaluation = Field(Evaluation(), description="evaluation of the networks")
    skim: Skim | None = Field(None, description="columns of selected events, as files")
    batch: Batch = Field(Batch(), description="tasks and batch systems")

    @model_validator(mode="before")
    @classmethod
    def _luminosity_of_the_selection(cls, data: Any) -> Any:
        """Take the luminosity of the built-in selection that the configured one is based on."""
        if not isinstance(data, Mapping) or data.get("luminosity") is not None:
            return data
        base = data.get("selection")
        while isinstance(base, Mapping):
            base = base.get("extends")
        known = LUMINOSITIES.get(base) if isinstance(base, str) else None
        return data if known is None else {**data, "luminosity": known}

    @model_validator(mode="after")
    def _consistent_samples(self) -> Config:
        repeated = [n for n, k in Counter(s.name for s in self.samples).items() if k > 1]
        if repeated:
            raise ValueError(
                f"sample '{repeated[0]}' is listed twice: tell several apart by 'dataset'"
            )
        for sample in self.samples:
            if not sample.generated:
                continue
            if not PROCESSES[sample.process].sliced:
                if sample.slice is not None:
                    raise ValueError(
                        f"sample '{sample.name}': process '{sample.process}' is simulated as a "
                        "whole: remove 'slice'"
                    )
            elif sample.slice not in self.generation.slices:
                hint = did_you_mean(sample.slice, self.generation.slices)
                raise ValueError(f"sample '{sample.name}' has no known slice{hint}")
        return self

    @model_validator(mode="after")
    def _selecting(self) -> Config:
        if not self.training.networks:
            return self
        for network in self.training.networks:
            if 0 not in self.training.classes_of(network).values():
                signal = network.signal or self.training.signal
                raise ValueError(
                    f"network '{network.name}' has '{signal}' as signal and as background"
                )
        if not self.training.signal_networks():
            raise ValueError(
                f"no network has the signal '{self.training.signal}': event selection needs one"
            )
        return self

    @model_validator(mode="after")
    def _samples_of_the_search(self) -> Config:
        if self.anomaly is None:
            return self
        if self.own_training_samples:
            raise ValueError(
                "'role: training' is only for networks on images: an anomaly search divides its "
                "samples by 'rmm.split'"
            )
        processes = {s.process for s in self.samples}
        for process in self.anomaly.signals:
            if process not in {*processes, *HEAVY_NEUTRINOS}:  # which are named by default
                hint = did_you_mean(process, processes)
                raise ValueError(f"anomaly.signals: no sample of '{process}' is configured{hint}")
        for i, sample in enumerate(self.samples):
            if sample.signal is False and sample.process in self.anomaly.signals:
                raise KeyedError(
                    f"samples.{i}.signal",
                    f"false, but '{sample.process}' is among 'anomaly.signals': remove one of them",
                )
        unlisted = [name for name in self.signals if name not in self.anomaly.signals]
        if unlisted:
            raise ValueError(
                f"'{unlisted[0]}' is a signal, which autoencoders would learn as background: add "
                "it to 'anomaly.signals'"
            )
        return self

    @model_validator(mode="after")
    def _names_of_the_selection(self) -> Config:
        further = {name: text for sample in self.samples for name, text in sample.columns.items()}
        try:
            self.selection.check_names(further)
        except KeyedError as error:
            raise KeyedError(f"selection.{error.key}", error.message) from error
        return self

    @model_validator(mode="after")
    def _known_regions(self) -> Config:
        named = [("imaging.region", self.imaging.region)]
        networks = enumerate(self.training.networks)
        named += [(f"training.networks.{i}.region", one.region) for i, one in networks]
        denoising = enumerate(self.anomaly.denoising if self.anomaly else ())
        named += [(f"anomaly.denoising.{i}.region", one.region) for i, one in denoising]
        named += [("skim.region", self.skim.region)] if self.skim else []
        known = self.selection.resolved.regions
        for key, name in named:
            if name is not None and name not in known:
                raise KeyedError(key, f"unknown region '{name}'{did_you_mean(name, known)}")
        return self

    @model_validator(mode="after")
    def _skim_of_known_columns(self) -> Config:
        skim, selection = self.skim, self.selection.resolved
        if skim is None:
            return self
        try:
            skim.check_columns(selection, sorted(self.further_columns))
        except KeyedError as error:
            raise KeyedError(f"skim.{error.key}", error.message) from error
        if skim.shows_hidden(selection) and (data := [s.name for s in self.samples if s.data]):
            raise KeyedError(
                "skim.region",
                f"'selection.blind' hides data of '{data[0]}' in {skim.region or 'some regions'}: "
                "choose another region, or leave out the sample",
            )
        return self

    @model_validator(mode="after")
    def _generated_once(self) -> Config:
        first: dict[tuple[object, ...], Sample] = {}
        for sample in self.samples:
            key = (sample.process, sample.slice, sample.role)
            if sample.generated and first.setdefault(key, sample) != sample:
                raise ValueError(
                    f"samples '{first[key].name}' and '{sample.name}' are generated alike, so that "
                    "their cross-section would count twice: generate one, with more 'events'"
                )
        return self

    @model_validator(mode="after")
    def _no_contradiction(self) -> Config:
        for key in ("signal", "label", "colour"):
            first: dict[str, Sample] = {}
            for i, sample in enumerate(self.samples):
                if getattr(sample, key) is None:
                    continue
                other = first.setdefault(sample.process, sample)
                if getattr(other, key) != getattr(sample, key):
                    raise KeyedError(
                        f"samples.{i}.{key}",
                        f"samples '{other.name}' and '{sample.name}' of process "
                        f"'{sample.process}' say differently: say it once",
                    )
        return self

    @model_validator(mode="after")
    def _measured_apart(self) -> Config:
        simulated = {*PROCESSES, *(s.process for s in self.samples if not s.data)}
        for sample in self.samples:
            if sample.data and sample.process in simulated:
                raise ValueError(
                    f"sample '{sample.name}' is collision data, but '{sample.process}' is a "
                    "simulated process: give data a process of their own, such as 'measured'"
                )
        return self

    @model_validator(mode="after")
    def _pseudo_data_of_samples(self) -> Config:
        for pseudo in self.anomaly.pseudo_data if self.anomaly else ():
            if any(s.name == pseudo.name for s in self.samples):
                raise ValueError(
                    f"sample '{pseudo.name}' has the name of pseudo-data: rename one of them"
                )
            for process in pseudo.signal_strength:
                if not any(s.process == process for s in self.samples):
                    raise ValueError(f"{pseudo.name}: no sample of '{process}' is configured")
        return self

    @model_validator(mode="after")
    def _test_apart(self) -> Config:
        watching = [n.name for n in self.training.networks if n.watches_test]
        if watching and not self.own_training_samples:
            raise ValueError(
                f"network '{watching[0]}' monitors the test sample, which requires separate "
                "training samples: set their 'role: training'"
            )
        return self

    @property
    def studies(self) -> frozenset[str]:
        """Return the configured studies: selection, scoring, training, anomaly, denoising, skim."""
        selected = "selection" in self.model_fields_set or self.anomaly is None
        there = {
            "selection": selected or self.training.networks,
            "scoring": self.training.networks,
            "training": self.training.networks and not self.training.models,
            "anomaly": self.anomaly,
            "denoising": self.anomaly and self.anomaly.denoising,
            "skim": self.skim,
        }
        return frozenset(name for name, settings in there.items() if settings)

    @property
    def anomaly_search(self) -> Anomaly:
        """Return the settings of the anomaly search.

        Raises:
            ConfigError: the configuration has none.
        """
        if self.anomaly is None:
            raise ConfigError("this stage requires 'anomaly' in the configuration")
        return self.anomaly

    @property
    def own_training_samples(self) -> bool:
        """Return whether networks are trained on separate samples (``role: training``).

        Each network is then trained once. Otherwise it is trained on the analysis samples, once for
        each fold, and scores the events of that fold.
        """
        return any(s.role == "training" for s in self.samples)

    @property
    def folds(self) -> int:
        """Return the number of trainings of each network."""
        return 1 if self.own_training_samples else self.training.folds

    def layout_of(self, sample: Sample) -> Layout:
        """Return the layout of a sample's files, with the columns of the selection; those of the
        sample take precedence."""
        own = sample.layout
        described = {name for name, _ in own.columns}
        further = {n: e for n, e in self.selection.resolved.columns.items() if n not in described}
        extra = {name: safe(text) for name, text in {**further, **dict(own.extra)}.items()}
        return replace(own, extra=tuple(extra.items()))

    @property
    def processes(self) -> dict[str, ProcessTraits]:
        """Return the processes of all samples, in the order of the configuration."""
        return {name: self.process(name) for name in dict.fromkeys(s.process for s in self.samples)}

    @property
    def signals(self) -> tuple[str, ...]:
        """Return the names of the signals, in the order of the configuration."""
        return tuple(name for name, process in self.processes.items() if process.signal)

    def process(self, name: str) -> ProcessTraits:
        """Return what this run takes a process for.

        Of several samples, any may say so. A process whose samples do not say whether it is a
        signal is one if it is built in as such or among ``anomaly.signals``.
        """

        def said(key: str) -> Any:
            values = (getattr(s, key) for s in self.samples if s.process == name)
            return next((value for value in values if value is not None), None)

        signal = said("signal")
        if signal is None:
            signal = name in (
                *(*SIGNALS, *HEAVY_NEUTRINOS),
                *(self.anomaly.signals if self.anomaly else ()),
            )
        return ProcessTraits(name, signal, said("label"), said("colour"))

    @property
    def further_columns(self) -> frozenset[str]:
        """Return the names of the user's columns, of the selection and of samples."""
        return frozenset(self.selection.resolved.columns).union(
            *(dict(sample.layout.extra) for sample in self.samples)
        )

    def analysis_samples(self) -> tuple[Sample, ...]:
        """Return the samples that are scored and selected."""
        return tuple(s for s in self.samples if s.role == "analysis")

    def sample(self, name: str) -> Sample:
        """Return the sample of a name."""
        return next(s for s in self.samples if s.name == name)

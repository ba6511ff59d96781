"""The whole configuration, and the rules that its sections must agree with."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import Field, model_validator

from analysis.config.anomaly import Anomaly
from analysis.config.base import FolderName, Model
from analysis.config.batch import Batch
from analysis.config.imaging import Imaging
from analysis.config.networks import Evaluation, Training
from analysis.config.samples import AnySample, Sample
from analysis.config.simulation import Generation
from analysis.processes import HEAVY_NEUTRINOS, PROCESSES, SIGNALS
from common.runtime.errors import ConfigError, did_you_mean


class Config(Model):
    """The configuration of a run."""

    name: FolderName = Field(description="name of the run and of its folder")
    seed: int = Field(1, ge=0, description="seed of all random numbers")
    luminosity: float = Field(36.1, gt=0, description="1/fb")
    invisible: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (),
        max_length=64,
        description="PDG codes of further stable particles that leave no signal, each with its "
        "antiparticle; the default ones are in cpp_helpers/objects/particles.hxx",
    )
    samples: tuple[AnySample, ...] = Field(min_length=1, description="events to analyse")
    generation: Generation = Field(Generation(), description="simulation of events")
    imaging: Imaging = Field(Imaging(), description="images of events")
    training: Training = Field(Training(), description="networks on images")
    anomaly: Anomaly | None = Field(None, description="search in events with three leptons")
    evaluation: Evaluation = Field(Evaluation(), description="evaluation of the networks")
    batch: Batch = Field(Batch(), description="tasks and batch systems")

    @model_validator(mode="after")
    def _consistent_samples(self) -> Config:
        repeated = [n for n, k in Counter(s.name for s in self.samples).items() if k > 1]
        if repeated:
            raise ValueError(f"sample '{repeated[0]}' is listed twice")
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
        unlisted = sorted(processes & {*SIGNALS, *HEAVY_NEUTRINOS} - {*self.anomaly.signals})
        if unlisted:
            raise ValueError(
                f"'{unlisted[0]}' is a signal, which autoencoders would learn as background: add "
                "it to 'anomaly.signals'"
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
        """Return the configured studies: scoring, training, anomaly, denoising."""
        there = {
            "scoring": self.training.networks,
            "training": self.training.networks and not self.training.models,
            "anomaly": self.anomaly,
            "denoising": self.anomaly and self.anomaly.denoising,
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

    def analysis_samples(self) -> tuple[Sample, ...]:
        """Return the samples that are scored and selected."""
        return tuple(s for s in self.samples if s.role == "analysis")

    def sample(self, name: str) -> Sample:
        """Return the sample of a name."""
        return next(s for s in self.samples if s.name == name)

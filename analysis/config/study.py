"""The whole configuration, and what its sections must agree on."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import (
    Field,
    model_validator,
)

from analysis.config.anomaly import Anomaly
from analysis.config.base import FolderName, Model
from analysis.config.batch import Batch
from analysis.config.imaging import Imaging
from analysis.config.networks import Evaluation, Training
from analysis.config.samples import Sample
from analysis.config.simulation import Generation
from analysis.processes import HEAVY_NEUTRINOS, PROCESSES, SIGNALS
from common.runtime.errors import ConfigError, did_you_mean


class Config(Model):
    """A whole run."""

    name: FolderName
    seed: int = Field(1, ge=0)
    luminosity: float = Field(36.1, gt=0, description="1/fb")
    invisible: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (),
        max_length=64,
        description="PDG codes of stable particles that escape, beside those known to "
        "(cpp_helpers/objects/particles.hxx); each with its antiparticle",
    )
    samples: tuple[Sample, ...] = Field(min_length=1)
    generation: Generation = Generation()
    imaging: Imaging = Imaging()
    training: Training = Training()
    anomaly: Anomaly | None = None
    evaluation: Evaluation = Evaluation()
    batch: Batch = Batch()

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
                        "whole: leave out 'slice'"
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
                f"no network has the signal '{self.training.signal}', by which to select events"
            )
        return self

    @model_validator(mode="after")
    def _samples_of_the_search(self) -> Config:
        if self.anomaly is None:
            return self
        if self.own_training_samples:
            raise ValueError(
                "'role: training' is for networks on images: a search for anomalies divides its "
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
                f"'{unlisted[0]}' is a signal, which autoencoders would learn as background: name "
                "it in 'anomaly.signals'"
            )
        return self

    @model_validator(mode="after")
    def _measured_apart(self) -> Config:
        simulated = {*PROCESSES, *(s.process for s in self.samples if not s.data)}
        for sample in self.samples:
            if sample.data and sample.process in simulated:
                raise ValueError(
                    f"sample '{sample.name}' is measured, but '{sample.process}' is a simulated "
                    "process: give measured events a process of their own, as 'measured'"
                )
        return self

    @model_validator(mode="after")
    def _pseudo_data_of_samples(self) -> Config:
        for pseudo in self.anomaly.pseudo_data if self.anomaly else ():
            if any(s.name == pseudo.name for s in self.samples):
                raise ValueError(f"a sample has the name of pseudo-data, '{pseudo.name}'")
            for process in pseudo.inject:
                if not any(s.process == process for s in self.samples):
                    raise ValueError(f"{pseudo.name}: no sample of '{process}' is configured")
        return self

    @model_validator(mode="after")
    def _test_apart(self) -> Config:
        watching = [n.name for n in self.training.networks if n.watches_test]
        if watching and not self.own_training_samples:
            raise ValueError(
                f"network '{watching[0]}' is to watch the test, which needs samples to learn from "
                "apart: give them 'role: training'"
            )
        return self

    @property
    def studies(self) -> frozenset[str]:
        """The parts of the configuration that stages belong to and that are there."""
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
        """Whether networks learn from samples that are used for no more.

        Then there is one of each, for all other events. Else networks learn from the samples of
        the analysis, and each event is scored by the network of folds it does not lie in.
        """
        return any(s.role == "training" for s in self.samples)

    @property
    def folds(self) -> int:
        """How many networks of each kind are trained."""
        return 1 if self.own_training_samples else self.training.folds

    def analysis_samples(self) -> tuple[Sample, ...]:
        """The samples that are scored and selected."""
        return tuple(s for s in self.samples if s.role == "analysis")

    def sample(self, name: str) -> Sample:
        """The sample of that name."""
        return next(s for s in self.samples if s.name == name)

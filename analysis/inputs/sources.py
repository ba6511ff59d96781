"""Where the events of a sample come from: its checked files, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.inputs import native, paths
from analysis.pipeline import Run
from analysis.samples import SampleInfo, combine, configured


def sample_files(run: Run, name: str) -> list[native.File]:
    """The checked files of a sample."""
    sample = run.config.sample(name)
    found = [str(run.sample(name))] if sample.generated else paths.expand(sample.files)
    return [native.inspect(path) for path in found]


def sample_info(run: Run, name: str, inputs: Sequence[native.File]) -> SampleInfo:
    """What the files and the configuration say of a sample."""
    sample = run.config.sample(name)
    stored = [f.info or SampleInfo(name, sample.process, n_events=f.n_events) for f in inputs]
    return configured(combine(stored), sample)

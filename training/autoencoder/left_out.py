"""Train autoencoders without one background process or channel, which should become anomalous.

A test without a signal: an autoencoder that misses unknown backgrounds may miss signals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analysis.config import Autoencoder
from analysis.sample_roles import background_samples
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.schema.matrices import Subset
from common.stats.measured import Measured
from common.stats.roc import Scored, weighted_auc
from common.tables import Table
from selections import three_lepton
from training.autoencoder import fit as fit_autoencoder
from training.autoencoder.autoencoder import TrainedAutoencoder
from training.autoencoder.left_out_model import GroupKind, LeftOutResult
from training.autoencoder.records import read_autoencoder_record
from training.data.features import Features, Floats, read_column, read_features

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class BackgroundGroup:
    """Background events of a process or of a channel.

    ``members`` are the indices of the samples of the process among the paths, or the numbers of
    muons of the channel.
    """

    kind: GroupKind
    name: str
    members: tuple[int, ...]

    def mask(self, paths: Sequence[Path], subset: Subset) -> Mask:
        """Return which events of a subset of the files belong to the group, shape (events,)."""
        if self.kind == "process":
            member = read_features(paths, subset).sample
        else:
            member = read_column(paths, subset, "n_muons")
        return np.isin(member, self.members)


def leave_out(
    spec: Autoencoder,
    groups: Sequence[BackgroundGroup],
    paths: Sequence[Path],
    folder: Path,
    *,
    seed: int,
    fingerprint: str,
) -> Iterator[LeftOutResult]:
    """Train the autoencoder in ``folder`` again without each group, in ``without_<group>`` there.

    Groups that have none or all of the test events are skipped.

    Raises:
        ConfigError: a loss or a score is not finite.
        InputError: a matrix file cannot be used, or too few events are left.
    """
    test = read_features(paths, Subset.TEST)
    usual = TrainedAutoencoder(folder).score(test.features)
    for group in groups:
        in_group = group.mask(paths, Subset.TEST)
        if in_group.all() or not in_group.any():
            continue

        def keep(subset: Subset, group: BackgroundGroup = group) -> Mask:
            return ~group.mask(paths, subset)

        own = folder / f"without_{group.name}"
        fit_autoencoder.fit(spec, paths, own, seed=seed, fingerprint=fingerprint, keep=keep)
        without = TrainedAutoencoder(own).score(test.features)
        yield LeftOutResult(
            spec.name,
            group.kind,
            group.name,
            int(in_group.sum()),
            int((~in_group).sum()),
            _auc(without, test, in_group, seed),
            _auc(usual, test, in_group, seed),
        )


def _auc(scores: Floats, events: Features, in_group: Mask, seed: int) -> Measured:
    """Return the area under the ROC curve of a group against the other events."""
    group, others = (
        Scored(scores[chosen], events.weight[chosen]) for chosen in (in_group, ~in_group)
    )
    return weighted_auc(group, others, seed)


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Train the first autoencoder without each background process, and each channel."""
    config = run.config
    backgrounds = background_samples(config)
    groups = []
    if "process" in config.anomaly_search.leave_one_out:
        for process in dict.fromkeys(s.process for s in backgrounds):
            places = tuple(i for i, s in enumerate(backgrounds) if s.process == process)
            groups.append(BackgroundGroup("process", process, places))
    if "channel" in config.anomaly_search.leave_one_out:
        groups += [
            BackgroundGroup("channel", name, (n,)) for n, name in enumerate(three_lepton.CHANNELS)
        ]
    (target,) = targets
    spec = config.anomaly_search.autoencoders[0]
    folder = run.model(spec.name)
    found = list(
        leave_out(
            read_autoencoder_record(folder).autoencoder,  # as trained: tuning may have changed it
            groups,
            [run.matrices(sample.name) for sample in backgrounds],
            folder,
            seed=config.seed,
            fingerprint=target.fingerprint[:12],
        )
    )
    left_out_table(spec.name, found).write_beside(target.output)
    files.write_json(target.output, [asdict(one) for one in found])
    done(target)


def left_out_table(autoencoder: str, found: Sequence[LeftOutResult]) -> Table:
    """Return the AUC of each group, by autoencoders trained without and with it."""
    return Table(
        name="left_out",
        title=f"Background groups left out of the training of {autoencoder}",
        columns=(
            *("left out", "test events", "others"),
            *("AUC, left out", "AUC, included"),
        ),
        rows=[
            [
                f"{one.kind} {one.name}",
                f"{one.n_left_out}",
                f"{one.n_others}",
                str(one.auc),
                str(one.auc_when_shown),
            ]
            for one in found
        ],
        notes=(
            "AUC: area under the ROC curve of the group against the rest of the background, for "
            "weighted test events, by autoencoders trained without and with the group. Above 0.5 "
            "the group is the more anomalous. Errors are from bootstrap replicas.",
        ),
    )

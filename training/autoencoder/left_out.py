"""Autoencoders trained without a part of the background, which then ought to be anomalous.

A test that needs no signal: if what they were not shown is not found, a signal may not be, either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analysis.datasets import background_samples
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.stats.measured import Measured
from common.stats.roc import Scored, weighted_auc
from common.tables import Table
from selections import three_lepton
from training.autoencoder import fit as fit_autoencoder
from training.autoencoder.autoencoder import Autoencoder
from training.data.features import Part, read_column, read_features

if TYPE_CHECKING:
    from analysis import config

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """A part of the background: all samples of a process (``of`` lists their places among the
    paths), or all events of some numbers of muons (``of``)."""

    kind: str  # "process" or "channel"
    name: str
    of: tuple[int, ...]

    def holds(self, paths: Sequence[Path], part: Part) -> Mask:
        """Which events of that part of the files belong to the group, shape (events,)."""
        if self.kind == "process":
            place = read_features(paths, part).sample
        else:
            place = read_column(paths, part, "n_muons")
        return np.isin(place, self.of)


@dataclass(frozen=True)
class LeftOut:
    """Area under the ROC curve of a group against the rest of the background, of test events: by
    an autoencoder that was not shown it, and by the usual one, that was."""

    autoencoder: str
    kind: str
    name: str
    n_left_out: int
    n_others: int
    auc: Measured
    auc_when_shown: Measured


def leave_out(
    spec: config.Autoencoder,
    groups: Sequence[Group],
    paths: Sequence[Path],
    folder: Path,
    *,
    seed: int,
    fingerprint: str,
) -> Iterator[LeftOut]:
    """Train the autoencoder in ``folder`` anew without each of the groups, in ``without_<group>``
    there; one that has no test events, or all of them, is passed over.

    Raises:
        ConfigError: a loss or a score is not a number.
        InputError: a feature file cannot be used, or too few events are left.
    """
    test = read_features(paths, Part.TEST)
    usual = Autoencoder(folder).score(test.features)
    for group in groups:
        mine = group.holds(paths, Part.TEST)
        if mine.all() or not mine.any():
            continue

        def keep(part: Part, group: Group = group) -> Mask:
            return ~group.holds(paths, part)

        own = folder / f"without_{group.name}"
        fit_autoencoder.fit(spec, paths, own, seed=seed, fingerprint=fingerprint, keep=keep)
        without = Autoencoder(own).score(test.features)

        def area(scores: npt.NDArray[np.float32], mine: Mask = mine) -> Measured:
            signal, background = (
                Scored(scores[chosen], test.weight[chosen]) for chosen in (mine, ~mine)
            )
            return weighted_auc(signal, background, seed)

        yield LeftOut(
            spec.name,
            group.kind,
            group.name,
            int(mine.sum()),
            int((~mine).sum()),
            area(without),
            area(usual),
        )


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Train the first autoencoder without each background process, and each channel."""
    config = run.config
    normal = background_samples(config)
    groups = []
    if "process" in config.anomaly_search.left_out:
        for process in dict.fromkeys(s.process for s in normal):
            places = tuple(i for i, s in enumerate(normal) if s.process == process)
            groups.append(Group("process", process, places))
    if "channel" in config.anomaly_search.left_out:
        groups += [Group("channel", name, (n,)) for n, name in enumerate(three_lepton.CHANNELS)]
    (target,) = targets
    spec = config.anomaly_search.autoencoders[0]
    folder = run.model(spec.name)
    # as trained: a search may have changed it
    record = json.loads((folder / "training.json").read_text())["autoencoder"]
    found = list(
        leave_out(
            type(spec).model_validate(record),
            groups,
            [run.matrices(sample.name) for sample in normal],
            folder,
            seed=config.seed,
            fingerprint=target.fingerprint[:12],
        )
    )
    table = Table(
        name="left_out",
        title=f"Parts of the background that {spec.name} was not shown",
        columns=(
            *("left out", "test events", "others"),
            *("AUC, not shown", "AUC, shown"),
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
            "AUC: area under the ROC curve of what was left out against the rest of the "
            "background, of weighted test events, by an autoencoder that was trained without it, "
            "and by the usual one. Above 0.5 it is the more anomalous. Errors from bootstrap "
            "replicas.",
        ),
    )
    table.write_beside(target.output)
    files.write_json(target.output, [asdict(one) for one in found])
    done(target)

"""Where the parts of a stage lie: below the output folder, or where HTCondor has sent them or the
user has brought them; what they hold, and their removal once they are joined."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from analysis.batch.plan import failure_record, key_of, plans_of, size_of
from analysis.batch.submission import Submission
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage
from common.runtime.errors import BatchError, ConfigError, OutputError


def places(stage: PartitionedStage, run: Run, given: Sequence[Path] | None) -> list[Path]:
    """Return the folders to look for parts in: the ``given`` ones, which are noted for the next
    time if they hold some; else those that are noted, else where HTCondor sends the parts, as this
    machine sees it; and the one below the output folder.

    Raises:
        BatchError: such a folder is not there, or HTCondor sends them where nothing is seen.
    """
    submission = Submission.find(stage, run)
    if given:
        for folder in given:
            if not folder.is_dir():
                raise BatchError(f"--parts {folder}: no such folder")
        if submission is not None and any(map(key_of, _files(given))):
            _note(submission, given)
        return list(given)
    here = run.parts(stage.name)
    if submission is None:
        return [here]
    found = [Path(folder) for folder in submission.parts]
    for folder in found:
        if not folder.is_dir():
            raise BatchError(f"{folder}: gone, and the parts were there: give --parts")
    if not found and submission.destination is not None:
        found = [_seen(submission.destination)]
        if not found[0].is_dir():
            raise UnseenError(
                f"the parts are sent to {submission.destination}, and {found[0]} is no folder here "
                "(yet): give --parts with the folder as this machine sees it, or copies of them"
            )
    if any(here.absolute().is_relative_to(folder) for folder in found):
        return found
    return [*found, here]


def _note(submission: Submission, folders: Iterable[Path]) -> None:
    parts = tuple(str(folder.absolute()) for folder in folders)
    if parts != submission.parts:
        with contextlib.suppress(OutputError):  # of another user: not noted, then
            replace(submission, parts=parts).save()


class UnseenError(BatchError):
    """Parts that are sent where nothing is seen from here, or where there is none yet."""


def _seen(url: str) -> Path:
    """The path of a URL where the server's files are mounted under their own names, as those of EOS
    on lxplus."""
    return Path("/" + re.sub(r"^\w+://[^/]*/*", "", url))


def clean(stage: PartitionedStage, run: Run, folders: Sequence[Path]) -> str:
    """Remove the parts of outputs that are up to date; returns what to tell the user. Those that
    an output refers to stay, as do those of other outputs and all other files.

    Raises:
        ConfigError: parts are to be linked to.
    """
    if run.merge == "link":
        raise ConfigError("--clean-parts: with --merge link the parts must stay")
    targets = [target for target in stage.targets(run) if target.state() == "current"]
    linked = [target for target in targets if _is_linked(target.output)]
    plans = plans_of(stage, run, [target for target in targets if target not in linked])
    keys = {task.key for plan in plans for task in plan}
    parts = [path for path in _files(folders) if key_of(path) in keys]
    size = size_of(parts)
    for path in parts:
        path.unlink()
        failure_record(path).unlink(missing_ok=True)
    kept = f"; those that {len(linked)} files refer to stay (--merge link)" if linked else ""
    return f"{stage.name}: {len(parts)} parts removed, {size}{kept}"


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in folder.rglob("*") if path.is_file())


def _is_linked(output: Path) -> bool:
    """Whether an output refers to parts."""
    if output.suffix != ".h5":
        return False
    import h5py

    from common.schema import hdf5

    found = False

    def look(_: str, item: object) -> None:
        nonlocal found
        found = found or (isinstance(item, h5py.Dataset) and item.is_virtual)

    with hdf5.open_file(output) as file:
        file.visititems(look)
    return found

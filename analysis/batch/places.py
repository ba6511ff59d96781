"""The folders of a stage's parts, and the removal of merged parts.

Parts lie below the output folder, or where HTCondor has sent them or the user has copied them.
"""

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
    """Return the folders to search for parts.

    These are the ``given`` folders, which are recorded for later calls if they hold parts.
    Otherwise: the recorded folders or, without any, the folder to which HTCondor sends the parts,
    under its path on this machine; and the one below the output folder.

    Raises:
        BatchError: a folder is missing, or this machine does not see where HTCondor sends the
            parts (`UnseenError`).
    """
    submission = Submission.find(stage, run)
    if given:
        for folder in given:
            if not folder.is_dir():
                raise BatchError(f"--parts {folder}: no such folder")
        if submission is not None and any(map(key_of, _files(given))):
            _record(submission, given)
        return list(given)
    here = run.parts(stage.name)
    if submission is None:
        return [here]
    found = [Path(folder) for folder in submission.parts]
    for folder in found:
        if not folder.is_dir():
            raise BatchError(f"{folder}: the folder of the parts is missing: give --parts")
    if not found and submission.destination is not None:
        found = [_local_path(submission.destination)]
        if not found[0].is_dir():
            raise UnseenError(
                f"parts are sent to {submission.destination}, but the folder {found[0]} does not "
                "exist on this machine (yet): give --parts with its path here, or that of a copy"
            )
    if any(here.absolute().is_relative_to(folder) for folder in found):
        return found
    return [*found, here]


def _record(submission: Submission, folders: Iterable[Path]) -> None:
    parts = tuple(str(folder.absolute()) for folder in folders)
    if parts != submission.parts:
        with contextlib.suppress(OutputError):  # another user's submission cannot be changed
            replace(submission, parts=parts).save()


class UnseenError(BatchError):
    """The folder to which parts are sent does not exist on this machine, or not yet."""


def _local_path(url: str) -> Path:
    """Return the path of a URL where the server's files are mounted under the same path, as those
    of EOS are on lxplus."""
    return Path("/" + re.sub(r"^\w+://[^/]*/*", "", url))


def clean(stage: PartitionedStage, run: Run, folders: Sequence[Path]) -> str:
    """Remove the parts of outputs that are up to date; return the message for the user.

    Parts that an output links to are kept, as are parts of other outputs and all other files.

    Raises:
        ConfigError: the run links to its parts.
    """
    if run.merge == "link":
        raise ConfigError("--clean-parts: --merge link requires the parts: omit one of them")
    targets = [target for target in stage.targets(run) if target.state() == "current"]
    linked = [target for target in targets if _is_linked(target.output)]
    plans = plans_of(stage, run, [target for target in targets if target not in linked])
    keys = {task.key for plan in plans for task in plan}
    parts = [path for path in _files(folders) if key_of(path) in keys]
    size = size_of(parts)
    for path in parts:
        path.unlink()
        failure_record(path).unlink(missing_ok=True)
    kept = f"; kept the parts that {len(linked)} files link to (--merge link)" if linked else ""
    return f"{stage.name}: {len(parts)} parts removed, {size}{kept}"


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in folder.rglob("*") if path.is_file())


def _is_linked(output: Path) -> bool:
    """Return whether an output links to parts."""
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

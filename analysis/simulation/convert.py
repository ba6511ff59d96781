"""Conversion of HepMC files to native files, with the same expressions as for generated samples.

Each file is a task. It is read as a stream in blocks of events that are merged at the end.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from analysis.config import HepMCSample
from analysis.inputs import hepmc
from analysis.inputs.invisible import set_invisible, unknown_particles
from analysis.inputs.particles import ByCode
from analysis.inputs.paths import expand
from analysis.inputs.sample_info import SampleInfo, combine, run_number_of
from analysis.processes import PROCESSES
from analysis.simulation import event_file
from analysis.simulation.event_file import Storage
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedWork, Parts
from analysis.workflow.target import Target
from analysis.workflow.versions import versions
from common.runtime import files
from common.runtime.errors import InputError
from common.tasks import Range, Task
from cpp_helpers import declare_jets, load_root

log = logging.getLogger("monojet")


def ranges(run: Run, target: Target) -> Iterator[Range]:
    """Yield one range per file of a sample."""
    for file in target.input_files:
        yield Range(target.name, file)


def make_part(run: Run, task: Task, path: Path) -> int:
    """Convert a file; return its number of events.

    Raises:
        InputError: it cannot be read to its end.
    """
    set_invisible(run.config.invisible)
    sample, generation = run.config.sample(task.range.sample), run.config.generation
    assert isinstance(sample, HepMCSample)
    process = PROCESSES.get(sample.process)
    file = task.range.file
    events = hepmc.EventReader(
        file,
        sample.hepmc_weight,
        process.boson if process else 0,
        ByCode(_charge_of),
        expand(sample.files).index(file) << hepmc.FILE_SHIFT,
    )
    storage = Storage(
        run_number_of(sample.name), generation.stored_particle_min_pt, generation.file_format
    )
    info = SampleInfo(
        sample.name,
        sample.process,
        sample.slice,
        settings=(f"weight {sample.hepmc_weight} of HepMC files",),
        versions=versions(),
    )
    with files.pieces(path) as new_piece:
        blocks, codes = [], Counter[int]()
        for block in events:
            codes.update(np.abs(block[1].pdg_id).tolist())
            blocks.append(new_piece())
            event_file.write(blocks[-1], *block, storage, info)
        info = dataclasses.replace(
            info,
            n_events=events.n_events,
            cross_section=events.cross_section,
            cross_section_error=events.cross_section_error,
            sum_of_weights=events.sum_of_weights,
            sum_of_weights_squared=events.sum_of_weights_squared,
        )
        is_known = declare_jets().is_known
        unknown = {str(code): n for code, n in codes.items() if not is_known(code)}
        if unknown:
            log.warning("%s: %s", file, unknown_particles(unknown))
        event_file.merge(blocks, path, info, event_file.origin_of(task, events.n_events))
    return events.n_events


provenance = event_file.provenance


def merge(run: Run, target: Target, parts: Parts) -> None:
    """Merge the converted files of a sample.

    Raises:
        InputError: all files were left out, or they state different cross-sections.
    """
    infos = {part.path: (part.task.range.file, event_file.info_of(part.path)) for part in parts}
    if not infos:
        raise InputError(f"sample '{target.name}': none of its files can be read")
    if run.config.sample(target.name).cross_section is None:
        _require_one_cross_section(target.name, infos.values())
    info = combine([info for _, info in infos.values()])
    left_out = tuple(f"left out: {skipped.error}" for skipped in parts.skipped)
    info = dataclasses.replace(info, settings=(*info.settings, *left_out))
    event_file.merge(list(infos), target.output, info)
    known = run.config.sample(target.name).cross_section or info.cross_section
    log.info("%s: %d events", target.name, info.n_events)
    if known is None:
        log.warning("%s: no cross-section in its files: the cut-flow will need it", target.name)


def _require_one_cross_section(sample: str, infos: Iterable[tuple[str, SampleInfo]]) -> None:
    """Stop if the cross-sections of files, given with their facts, are incompatible: they differ by
    more than 1 % and by more than five standard errors.

    Raises:
        InputError: it names two of the files and their cross-sections.
    """
    known = [
        (path, info.cross_section, info.cross_section_error or 0.0)
        for path, info in infos
        if info.cross_section is not None and info.n_events
    ]
    for path, pb, error in known[1:]:
        first, first_pb, first_error = known[0]
        if abs(pb - first_pb) > max(0.01 * first_pb, 5 * math.hypot(error, first_error)):
            raise InputError(
                f"sample '{sample}': the cross-section of {first} is {first_pb:g} pb, that of "
                f"{path} {pb:g} pb: make them two samples with different 'dataset', or set the "
                "'cross_section' of the sample"
            )


def _charge_of(pdg_id: int) -> int:
    """Return an electric charge in units of e, from ROOT's table of particles."""
    return int(declare_jets().charges(load_root().RVecI([pdg_id]))[0])


WORK = PartitionedWork(
    ranges=ranges,
    make_part=make_part,
    provenance=provenance,
    merge=merge,
    suffix=".root",
    prepare=event_file.prepare,
)

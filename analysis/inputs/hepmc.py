"""HepMC 2 and 3 ascii files, plain or gzipped, read event by event through pyhepmc.

Files are split into events here and passed to pyhepmc one event at a time, so that memory does not
grow with the file and errors name the line. By itself, pyhepmc takes a missing header, a damaged
event or an event without particles for the end of the file.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import logging
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from analysis.inputs.particles import TAU, Decayed, Floats, Indices, Momenta, Particles
from common.runtime.errors import InputError

log = logging.getLogger("monojet")

BATCH = 500  # events in memory at once
FILE_SHIFT = 40  # bits of an event number below the number of its file
NEGLIGIBLE = 1e-4  # relative to other weights, or to the terms of a sum

_VERSIONS = {
    b"HepMC::IO_GenEvent-START_EVENT_LISTING": "ReaderAsciiHepMC2",
    b"HepMC::Asciiv3-START_EVENT_LISTING": "ReaderAscii",
}
_END = b"END_EVENT_LISTING"
_IN_EVENTS = b"NUCHFVPWA"  # first letters of lines after that of E
_LEPTONS = (11, 13)
_NEUTRINOS = (12, 14, 16)


@dataclass(frozen=True)
class _Text:
    """The text of an event, starting at ``line``, and the header lines to read it with."""

    line: int
    reader: str
    header: bytes
    event: bytes
    whole: bool = True


def _texts(path: str) -> Iterator[_Text]:
    reader, header, event, begin = "", b"", list[bytes](), 0
    no_header = InputError(
        f"{path}: not a HepMC 2 or 3 ascii file: no header ('HepMC::...-START_EVENT_LISTING') "
        "before its events"
    )
    line = b"\n"
    with _opened(path) as file:
        start = cast(Any, file).peek(4096)
        if not start:
            raise InputError(f"{path}: empty")
        if b"HepMC::" not in start[:4096]:
            raise no_header
        for number, line in enumerate(file, 1):
            is_mark = line.startswith(b"HepMC::")
            if event and (is_mark or line.startswith(b"E ")):
                yield _Text(begin, reader, header, b"".join(event))
                event = []
            if is_mark:
                word = line.strip()
                if word in _VERSIONS:
                    reader, header = _VERSIONS[word], line
                elif word.endswith(_END):
                    reader = ""
                elif not word.startswith(b"HepMC::Version"):
                    raise InputError(
                        f"{path}: line {number}: '{word[:60].decode(errors='replace')}': neither "
                        "HepMC 2 (IO_GenEvent) nor 3 (Asciiv3)"
                    )
            elif line.isspace():
                continue
            elif not reader:
                raise no_header
            elif line.startswith(b"E "):
                event, begin = [line], number
            elif not event:
                # pyhepmc splits names of weights at spaces
                header += line[:2] + line[2:].replace(b" ", b"_") if line[:2] == b"W " else line
            elif line[0] not in _IN_EVENTS:
                raise InputError(
                    f"{path}: line {number}: garbage in the event that begins at line {begin}"
                )
            else:
                event.append(line)
    if event:
        yield _Text(begin, reader, header, b"".join(event), whole=line.endswith(b"\n"))
    if reader:
        log.warning("%s: no line marks its end: is the file complete?", path)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    try:
        with Path(path).open("rb") as plain:
            if plain.peek(2)[:2] == b"\x1f\x8b":
                with gzip.open(plain) as file:
                    yield cast(BinaryIO, file)
            else:
                yield plain
    except EOFError as error:
        raise InputError(f"{path}: truncated: the compressed file ends too early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged: it cannot be decompressed ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot read the file: {error.strerror or error}") from error


def events(path: str) -> Iterator[Any]:
    """Yield the events of a file as ``pyhepmc.GenEvent`` in GeV and mm.

    Raises:
        InputError: the file cannot be read, is not a HepMC ascii file, is damaged or truncated, or
            has no events; the message names the last good event.
    """
    import pyhepmc

    pyhepmc.Setup.print_errors = pyhepmc.Setup.print_warnings = False  # reported here
    pyhepmc.Setup.debug_level = 0
    good = ""
    texts = _texts(path)
    while True:
        try:
            text = next(texts, None)
        except InputError as error:
            raise InputError(f"{error}{good}") from error
        if text is None:
            break
        event = _parsed(text)
        if event is None:
            raise InputError(
                f"{path}: truncated or damaged: the event that begins at line {text.line} is "
                f"incomplete, or not numeric{good}"
            )
        good = f" (the last good event has the number {event.event_number})"
        event.set_units(pyhepmc.Units.GEV, pyhepmc.Units.MM)
        yield event
    if not good:
        raise InputError(f"{path}: a HepMC file without events")


def _parsed(text: _Text) -> Any:
    """Return the event as a ``pyhepmc.GenEvent``; None if it is damaged."""
    import pyhepmc

    if not (text.whole and _is_complete(text)):
        return None
    event = pyhepmc.GenEvent()
    end = text.header.split(b"\n")[0].strip().replace(b"START", b"END") + b"\n"
    stream = pyhepmc.io.pyiostream(io.BytesIO(text.header + text.event + end))
    try:
        read = getattr(pyhepmc.io, text.reader)(stream).read_event(event)
    except (RuntimeError, MemoryError):
        return None
    # HepMC 3 drops all weights if one is not a number
    return event if read and (len(event.weights) > 0 or b"\nW " not in text.event) else None


def _is_complete(text: _Text) -> bool:
    """Return whether an event has the vertices, particles and weights that it announces.

    pyhepmc allocates memory for the announced numbers, accepts events whose last particles are
    missing, and aborts the process at a particle before any vertex or a cross-section that is not a
    number.
    """
    head, *vertices = text.event.split(b"\nV ")
    try:
        words = head.split(b"\n", 1)[0].split()
        if text.reader == "ReaderAscii":
            n_vertices, n_particles = int(words[2]), int(words[3])
            _, section, rest = text.event.partition(b"\nA 0 GenCrossSection ")
            return (
                n_particles == text.event.count(b"\nP ")
                and 0 <= n_vertices <= n_particles
                and (not section or len([float(x) for x in rest.split(b"\n", 1)[0].split()]) > 1)
            )
        n_random = int(words[11])
        n_weights = int(words[12 + n_random])
        return (
            int(words[8]) == len(vertices)
            and n_random >= 0
            and 0 <= n_weights <= len(words) - 13 - n_random
            and b"\nP " not in head
            and all(map(_has_its_particles, vertices))
        )
    except (ValueError, IndexError):
        return False


def _has_its_particles(vertex: bytes) -> bool:
    words = vertex.split(b"\n", 1)[0].split()
    orphans, outgoing, n_weights = map(int, words[6:9])
    return (
        min(orphans, outgoing, n_weights) >= 0
        and orphans + outgoing == vertex.count(b"\nP ")
        and n_weights <= len(words) - 9
    )


@dataclass
class EventReader:
    """Reads the events of a file in batches; its sums are complete after the last batch.

    ``weight`` is the index or name of the weight to use, ``boson`` the PDG code of the recoiling
    boson (0: none), ``first_number`` the number of the first event.
    """

    path: str
    weight: int | str
    boson: int
    charges: Mapping[int, int]
    first_number: int = 0
    n_events: int = 0
    sum_of_weights: float = 0.0
    sum_of_weights_squared: float = 0.0
    cross_section: float | None = None
    cross_section_error: float | None = None
    _sizes: Floats = field(default_factory=lambda: np.zeros(0))  # sum of |weight| of each
    _chosen: int = 0
    _last: int = -1
    _renumbered: int = 0
    _not_finite: int = 0

    def __iter__(self) -> Iterator[tuple[npt.NDArray[np.uint64], Particles, Decayed]]:
        batch: list[_Event] = []
        for event in events(self.path):
            batch.append(self._read(event))
            if len(batch) == BATCH:
                yield _arrays(batch, self.charges)
                batch = []
        if batch:
            yield _arrays(batch, self.charges)
        self._warn()

    def _read(self, event: Any) -> _Event:
        weight = self._weight_of(event)
        self.n_events += 1
        self.sum_of_weights += weight
        self.sum_of_weights_squared += weight**2
        if event.cross_section is not None:
            self.cross_section, self.cross_section_error = self._cross_section_of(event)
        self._renumbered += event.event_number <= self._last
        self._last = max(event.event_number, self._last + 1)
        read, not_finite = _Event.of(event, self.first_number + self._last, weight, self.boson)
        self._not_finite += not_finite
        return read

    def _weight_of(self, event: Any) -> float:
        weights = np.asarray(event.weights, float)
        if isinstance(self.weight, str):
            names = [] if event.run_info is None else list(event.weight_names)
            wanted = {self.weight, self.weight.replace(" ", "_")}
            self._chosen = next((i for i, name in enumerate(names) if name in wanted), len(weights))
        else:
            self._chosen = self.weight
        if self._chosen == 0 and not len(weights):  # by the standard, no weights mean 1
            return 1.0
        where = f"{self.path}: event {event.event_number}"
        if self._chosen >= len(weights):
            raise InputError(
                f"{where}: no weight '{self.weight}' among {len(weights)}: give the sample another "
                "'hepmc_weight'"
            )
        weight = float(weights[self._chosen])
        if not math.isfinite(weight):
            raise InputError(f"{where}: its weight '{self.weight}' is {weight}")
        if len(weights) != len(self._sizes):
            self._sizes = np.zeros(len(weights))
        self._sizes += np.nan_to_num(np.abs(weights), nan=0.0, posinf=0.0)
        return weight

    def _cross_section_of(self, event: Any) -> tuple[float | None, float | None]:
        """Return the cross-section in pb and its error, those of the weight if known. HepMC 2 has
        one for all weights, and pyhepmc returns 0 for the others."""
        section = event.cross_section
        try:
            value, error = section.xsec(self._chosen), section.xsec_err(self._chosen)
        except (RuntimeError, IndexError):
            value = error = 0.0
        if value == 0:
            value, error = section.xsec(), section.xsec_err()
        return (value, error) if 0 < value < math.inf else (None, None)

    def _warn(self) -> None:
        size = self._sizes[self._chosen] if len(self._sizes) else float(self.n_events)
        if abs(self.sum_of_weights) <= NEGLIGIBLE * size:
            log.warning(
                "%s: the weights '%s' add up to %g: choose another 'hepmc_weight'",
                self.path,
                self.weight,
                self.sum_of_weights,
            )
        elif size < NEGLIGIBLE * max(self._sizes, default=0.0):
            log.warning(
                "%s: the weights '%s' are ~ 0 compared with those of index %d (sums %.2g and "
                "%.2g): choose another 'hepmc_weight'?",
                self.path,
                self.weight,
                np.argmax(self._sizes),
                size,
                max(self._sizes),
            )
        if self._not_finite:
            log.warning(
                "%s: left out %d particles that are not finite", self.path, self._not_finite
            )
        if self._renumbered:
            log.warning(
                "%s: renumbered %d events: their numbers do not increase",
                self.path,
                self._renumbered,
            )


@dataclass(frozen=True)
class _Event:
    """The stored part of an event: momenta in GeV, production vertices in mm."""

    number: int
    weight: float
    boson_pt: float
    stable: Momenta
    stable_id: npt.NDArray[np.int32]
    begin: Floats  # production vertices of electrons and muons, shape (particles, 3)
    decayed: Momenta
    decayed_id: npt.NDArray[np.int32]

    @classmethod
    def of(cls, event: Any, number: int, weight: float, boson: int) -> tuple[_Event, int]:
        """Return the event, and its number of stable particles that are not finite."""
        columns = event.numpy.particles
        momenta = Momenta(columns.px, columns.py, columns.pz, columns.e)
        pdg_id = np.asarray(columns.pid)
        finite = np.isfinite(momenta.px + momenta.py + momenta.pz + momenta.energy)
        final = columns.status == 1
        stable = np.flatnonzero(final & finite)
        of_interest = (
            np.isin(np.abs(pdg_id), (*_LEPTONS, *_NEUTRINOS, *((boson,) if boson else ())))
            | is_b_hadron(pdg_id)
        ) & finite
        particles = event.particles if of_interest.any() else []
        decayed, decayed_id = _decayed(particles, momenta, pdg_id, final & of_interest)
        return cls(
            number,
            weight,
            _boson_pt(particles, momenta, np.flatnonzero(of_interest & (np.abs(pdg_id) == boson))),
            momenta[stable],
            pdg_id[stable],
            _begin(event, particles, pdg_id, stable),
            decayed,
            decayed_id,
        ), int(np.count_nonzero(final & ~finite))


def _boson_pt(particles: Any, momenta: Momenta, copies: Indices) -> float:
    """Return the pT of the last copy of the boson, after initial-state radiation."""
    code = particles[copies[0]].abs_pid if len(copies) else 0
    last = [i for i in copies if all(child.abs_pid != code for child in particles[i].children)]
    return float(momenta.pt[last[-1]]) if last else math.nan


def _begin(event: Any, particles: Any, pdg_id: npt.NDArray[np.int32], stable: Indices) -> Floats:
    """Return the production vertices of electrons and muons relative to the collision."""
    found = np.zeros((len(stable), 3))
    leptons = np.flatnonzero(np.isin(np.abs(pdg_id[stable]), _LEPTONS))
    beams = [beam.end_vertex for beam in event.beams if beam.end_vertex] if len(leptons) else []
    collision = _position(beams[0]) if beams else np.zeros(3)
    for i in leptons:
        vertex = particles[stable[i]].production_vertex
        if vertex is not None:
            found[i] = _position(vertex) - collision
    return found


def _position(vertex: Any) -> Floats:
    at = vertex.position
    return np.array([at.x, at.y, at.z])


def _decayed(
    particles: Any, momenta: Momenta, pdg_id: npt.NDArray[np.int32], final: npt.NDArray[np.bool_]
) -> tuple[Momenta, npt.NDArray[np.int32]]:
    """Return b hadrons that do not decay to another b hadron, and the visible parts of hadronic
    taus: the tau without its neutrino, if there is no other neutrino."""
    b_hadrons = [
        i
        for i in (np.flatnonzero(is_b_hadron(pdg_id)) if len(particles) else ())
        if not is_b_hadron(np.array([child.pid for child in particles[i].children], int)).any()
    ]
    taus, neutrinos = [], []
    for i in np.flatnonzero(final & (np.abs(pdg_id) == TAU + 1)):
        tau = next((mother for mother in particles[i].parents if mother.abs_pid == TAU), None)
        if tau is not None and not any(child.abs_pid in (12, 14) for child in tau.children):
            taus.append(tau.id - 1)
            neutrinos.append(i)
    which = np.array([*b_hadrons, *taus], int)
    visible, lost = momenta[which], momenta[np.array(neutrinos, int)]
    for name, values in vars(visible).items():
        values[len(b_hadrons) :] -= getattr(lost, name)
    return visible, pdg_id[which]


def is_b_hadron(pdg_id: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return whether PDG codes are those of hadrons whose heaviest quark is a b, as in Pythia."""
    code = np.abs(pdg_id)
    spin, q3, q2, q1 = (code // 10**place % 10 for place in range(4))
    supersymmetric = (code >= 1_000_000) & (code <= 9_000_000)
    hadron = (code > 100) & (code < 9_900_000) & ~supersymmetric & (spin * q3 * q2 > 0)
    found: npt.NDArray[np.bool_] = hadron & (np.where(q1 == 0, q2, q1) == 5)
    return found


def _arrays(
    batch: list[_Event], charges: Mapping[int, int]
) -> tuple[npt.NDArray[np.uint64], Particles, Decayed]:
    def of_events(counts: list[int]) -> Indices:
        return np.repeat(np.arange(len(batch)), counts)

    begin = np.concatenate([event.begin for event in batch])
    particles = Particles.of(
        of_events([len(event.stable_id) for event in batch]),
        Momenta.concatenated([event.stable for event in batch]),
        np.concatenate([event.stable_id for event in batch]),
        charges,
        lambda chosen: (begin[chosen, 0], begin[chosen, 1], begin[chosen, 2]),
        weight=np.array([event.weight for event in batch]),
        boson_pt=np.array([event.boson_pt for event in batch]),
    )
    decayed = Decayed.of(
        of_events([len(event.decayed_id) for event in batch]),
        Momenta.concatenated([event.decayed for event in batch]),
        np.concatenate([event.decayed_id for event in batch]),
        len(batch),
    )
    return np.array([event.number for event in batch], np.uint64), particles, decayed

"""Generated particles of many events as flat arrays, from generators and HepMC files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

ETA_MAX = 4.9
TAU = 15
TAU_MIN_PT = 10.0  # GeV, visible
B_HADRON_MIN_PT = 5.0  # GeV
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class ByCode(dict[int, int]):
    """A number for each PDG code, computed once."""

    def __init__(self, function: Callable[[int], int]) -> None:
        self.function = function

    def __missing__(self, pdg_id: int) -> int:
        self[pdg_id] = self.function(pdg_id)
        return self[pdg_id]


class _Flat:
    """Columns of some events as flat arrays."""

    @classmethod
    def concatenated(cls, batches: Sequence[Self]) -> Self:
        """Return the columns of several batches, one after another."""
        return cls(
            **{
                name: np.concatenate([getattr(b, name) for b in batches])
                for name in vars(batches[0])
            }
        )


@dataclass(frozen=True)
class Momenta(_Flat):
    """Momenta of particles, in GeV."""

    px: Floats
    py: Floats
    pz: Floats
    energy: Floats

    @property
    def pt(self) -> Floats:
        """Return the transverse momenta."""
        found: Floats = np.hypot(self.px, self.py)
        return found

    @property
    def phi(self) -> Floats:
        """Return the azimuths."""
        found: Floats = np.arctan2(self.py, self.px)
        return found

    def __getitem__(self, chosen: Indices) -> Momenta:
        return Momenta(self.px[chosen], self.py[chosen], self.pz[chosen], self.energy[chosen])


@dataclass(frozen=True)
class Particles(_Flat):
    """Stable particles of some events; ``counts`` are numbers per event. GeV and radians."""

    counts: npt.NDArray[np.int64]
    pt: npt.NDArray[np.float32]
    eta: npt.NDArray[np.float32]
    phi: npt.NDArray[np.float32]
    energy: npt.NDArray[np.float32]
    pdg_id: npt.NDArray[np.int32]
    charge: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float64]
    boson_pt: npt.NDArray[np.float32]
    d0: npt.NDArray[np.float32]  # mm, like the next column; 0 for others than electrons and muons
    z0_sin_theta: npt.NDArray[np.float32]

    @classmethod
    def of(
        cls,
        event: Indices,
        momenta: Momenta,
        pdg_id: npt.NDArray[np.int32],
        charge_of: Mapping[int, int],
        vertices_of: Callable[[Indices], tuple[Floats, Floats, Floats]],
        weight: Floats,
        boson_pt: Floats,
    ) -> Particles:
        """Return the stable particles with |eta| < 4.9; ``event`` is the index of each one's event,
        ``vertices_of`` returns the production vertices (mm) of particles given by index."""
        inside = np.flatnonzero(momenta.pt > 0)
        pt = momenta.pt[inside]
        eta = np.arcsinh(momenta.pz[inside] / pt)
        central = np.abs(eta) < ETA_MAX
        kept = inside[central]
        ids, inverse = np.unique(pdg_id[kept], return_inverse=True)
        charges = np.array([charge_of[int(i)] for i in ids], dtype=np.int32)
        leptons = np.isin(np.abs(pdg_id[kept]), (11, 13))
        d0, z0_sin_theta = (np.zeros(len(kept), np.float32) for _ in range(2))
        tracks = kept[leptons]
        d0[leptons], z0_sin_theta[leptons] = impact_parameters(
            momenta[tracks], *vertices_of(tracks)
        )
        return cls(
            counts=np.bincount(event[kept], minlength=len(weight)),
            pt=pt[central].astype(np.float32),
            eta=eta[central].astype(np.float32),
            phi=momenta.phi[kept].astype(np.float32),
            energy=momenta.energy[kept].astype(np.float32),
            pdg_id=pdg_id[kept].astype(np.int32),
            charge=charges[inverse],
            weight=weight,
            boson_pt=boson_pt.astype(np.float32),
            d0=d0,
            z0_sin_theta=z0_sin_theta,
        )


def impact_parameters(momenta: Momenta, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Return d0 and z0 sin(theta) in mm with respect to the collision, from production vertices.

    Tracks are straight lines: one of 10 GeV is bent by 1 um in 6 mm.
    """
    px, py, pz, pt = momenta.px, momenta.py, momenta.pz, momenta.pt
    along = (x * px + y * py) / pt**2
    return (x * py - y * px) / pt, (z - along * pz) * pt / np.hypot(pt, pz)


@dataclass(frozen=True)
class Decayed(_Flat):
    """b hadrons before their weak decay and the visible parts of hadronic taus of some events.

    ``counts`` are numbers per event; GeV and radians.
    """

    counts: npt.NDArray[np.int64]
    pt: npt.NDArray[np.float32]
    eta: npt.NDArray[np.float32]
    phi: npt.NDArray[np.float32]
    energy: npt.NDArray[np.float32]
    pdg_id: npt.NDArray[np.int32]

    @classmethod
    def of(
        cls, event: Indices, momenta: Momenta, pdg_id: npt.NDArray[np.int32], n_events: int
    ) -> Decayed:
        """Return b hadrons of pT > 5 GeV and taus of visible pT > 10 GeV with |eta| < 4.9, the
        hardest of each event first."""
        pt = momenta.pt
        eta = np.arcsinh(momenta.pz / np.maximum(pt, 1e-9))
        least = np.where(np.abs(pdg_id) == TAU, TAU_MIN_PT, B_HADRON_MIN_PT)
        kept = np.flatnonzero((pt > least) & (np.abs(eta) < ETA_MAX))
        kept = kept[np.lexsort((-pt[kept], event[kept]))]
        return cls(
            counts=np.bincount(event[kept], minlength=n_events),
            pt=pt[kept].astype(np.float32),
            eta=eta[kept].astype(np.float32),
            phi=momenta.phi[kept].astype(np.float32),
            energy=momenta.energy[kept].astype(np.float32),
            pdg_id=pdg_id[kept].astype(np.int32),
        )

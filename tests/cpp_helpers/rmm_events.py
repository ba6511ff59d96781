"""Fill rapidity-mass matrices with the C++ helpers from arrays of objects."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cpp_helpers import declare, load_root

Object = tuple[float, float, float, float]  # pt, eta, phi, mass
Array = npt.NDArray[Any]

SQRT_S, C = 13e3, 0.15

_CODE = """
#include "three_lepton/rmm.hxx"
namespace monojet_test {

/// Objects as (events, types, 4, objects); those of pt 0 are absent.
struct RmmEvents {
  const float *numbers;
  std::size_t n_types, n_objects;
  const double *met, *met_phi;

  const float *column(std::size_t event, std::size_t type, int number) const {
    return numbers + ((event * n_types + type) * 4 + number) * n_objects;
  }
};

inline RmmEvents &rmm_events() {
  static RmmEvents held;
  return held;
}

inline void hold(const float *numbers, std::size_t n_types, std::size_t n_objects,
                 const double *met, const double *met_phi) {
  rmm_events() = {numbers, n_types, n_objects, met, met_phi};
}

inline ROOT::RVecF rmm_column(std::size_t event, std::size_t type, int number) {
  const float *first = rmm_events().column(event, type, number);
  return ROOT::RVecF(first, first + rmm_events().n_objects);
}

inline void fill(std::size_t n_events, const int *slots, double sqrt_s, double c, float *out) {
  const RmmEvents &events = rmm_events();
  std::vector<monojet::Objects> types(events.n_types);
  for (std::size_t i = 0; i < n_events; ++i) {
    for (std::size_t t = 0; t < types.size(); ++t) {
      types[t] = {events.column(i, t, 0), events.column(i, t, 1), events.column(i, t, 2),
                  events.column(i, t, 3), 0.f, events.n_objects, std::size_t(slots[t])};
    }
    monojet::fill_rmm(out, {sqrt_s, c}, events.met[i], events.met_phi[i], types.data(),
                      types.size());
    const std::size_t dimension = monojet::rmm_dimension(types.data(), types.size());
    out += dimension * dimension;
  }
}

/// Light (mask 0) and tagged (mask 1) jets of one collection.
inline ROOT::RVecF by_tag(const ROOT::RVecF &pt, const ROOT::RVecF &eta, const ROOT::RVecF &phi,
                          const ROOT::RVecI &tag) {
  const auto jets = monojet::objects(pt, eta, phi, 5.f, 2);
  return monojet::rmm(13e3, 1, 50, 0, {jets.where(!tag), jets.where(tag)});
}

inline std::size_t dimension(const std::vector<std::size_t> &slots) {
  std::vector<monojet::Objects> types;
  for (std::size_t n : slots)
    types.push_back({nullptr, nullptr, nullptr, nullptr, 0.f, 0, n});
  return monojet::rmm_dimension(types.data(), types.size());
}

} // namespace monojet_test
"""


@functools.cache
def compiled() -> Any:
    declare()
    if not load_root().gInterpreter.Declare(_CODE):
        raise RuntimeError("cling could not compile the test's events")
    return load_root().monojet_test


@dataclass(frozen=True)
class Events:
    objects: Array  # (events, types, 4, objects), float32
    met: Array
    met_phi: Array

    def hold(self) -> None:
        """Pass the arrays to C++; they must outlive their use."""
        _, n_types, _, n_objects = self.objects.shape
        compiled().hold(self.objects, n_types, n_objects, self.met, self.met_phi)

    def matrices(self, slots: Sequence[int], sqrt_s: float = SQRT_S, c: float = C) -> Array:
        """Return the matrices that `fill_rmm` writes over memory filled with NaN."""
        self.hold()
        n = 1 + sum(slots)
        out = np.full((len(self.met), n, n), np.nan, np.float32)
        compiled().fill(len(self.met), np.array(slots, np.int32), sqrt_s, c, out)
        return out


def matrix(
    *types: tuple[int, Sequence[Object]],
    met: float = 100.0,
    met_phi: float = 0.5,
    sqrt_s: float = SQRT_S,
    c: float = C,
) -> Array:
    """Return the matrix of one event from the slots and objects of each type."""
    most = max(1, *(len(found) for _, found in types))
    objects = np.zeros((1, len(types), 4, most), np.float32)
    for t, (_, found) in enumerate(types):
        objects[0, t, :, : len(found)] = np.array(found, np.float32).reshape(-1, 4).T
    events = Events(objects, np.array([float(met)]), np.array([float(met_phi)]))
    one: Array = events.matrices([n for n, _ in types], sqrt_s, c)[0]
    return one

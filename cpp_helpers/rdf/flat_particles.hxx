// Particles held in numpy arrays, read as RDataFrame columns without a copy.
#ifndef MONOJET_FLAT_PARTICLES_HXX
#define MONOJET_FLAT_PARTICLES_HXX

#include "objects/kinematics.hxx"

#include <cstdint>

namespace monojet {

/// Flat particle arrays of a block of events; particles of event i are [offsets[i],
/// offsets[i + 1]). The arrays belong to the caller and outlive the event loop.
class FlatParticles {
public:
  void set(std::int64_t *offsets, std::uint64_t *number, float *pt, float *eta, float *phi,
           float *energy, int *pdg_id, int *charge, double *weight, float *boson_pt, float *d0,
           float *z0_sin_theta) {
    offsets_ = offsets;
    number_ = number;
    pt_ = pt;
    eta_ = eta;
    phi_ = phi;
    energy_ = energy;
    pdg_id_ = pdg_id;
    charge_ = charge;
    weight_ = weight;
    boson_pt_ = boson_pt;
    d0_ = d0;
    z0_sin_theta_ = z0_sin_theta;
  }

  RVecF pt(std::uint64_t i) const { return view(pt_, i); }
  RVecF eta(std::uint64_t i) const { return view(eta_, i); }
  RVecF phi(std::uint64_t i) const { return view(phi_, i); }
  RVecF energy(std::uint64_t i) const { return view(energy_, i); }
  RVecI pdg_id(std::uint64_t i) const { return view(pdg_id_, i); }
  RVecI charge(std::uint64_t i) const { return view(charge_, i); }
  RVecF d0(std::uint64_t i) const { return view(d0_, i); }
  RVecF z0_sin_theta(std::uint64_t i) const { return view(z0_sin_theta_, i); }
  unsigned long long number(std::uint64_t i) const { return number_[i]; }
  double weight(std::uint64_t i) const { return weight_[i]; }
  float boson_pt(std::uint64_t i) const { return boson_pt_[i]; }

private:
  template <typename T> ROOT::RVec<T> view(T *data, std::uint64_t i) const {
    return ROOT::RVec<T>(data + offsets_[i],
                         static_cast<std::size_t>(offsets_[i + 1] - offsets_[i]));
  }

  std::int64_t *offsets_ = nullptr;
  std::uint64_t *number_ = nullptr;
  float *pt_ = nullptr, *eta_ = nullptr, *phi_ = nullptr, *energy_ = nullptr;
  int *pdg_id_ = nullptr, *charge_ = nullptr;
  double *weight_ = nullptr;
  float *boson_pt_ = nullptr, *d0_ = nullptr, *z0_sin_theta_ = nullptr;
};

/// The stable particles of the block that this process writes.
inline FlatParticles &flat_stable() {
  static FlatParticles current;
  return current;
}

/// The b hadrons and the visible parts of hadronic taus of that block.
inline FlatParticles &flat_decayed() {
  static FlatParticles current;
  return current;
}

} // namespace monojet

#endif

// Jets of measured particles, for images filled with a detector. This header needs FastJet, on
// which the compiled library does not depend: images call the jet finder through a pointer.
#ifndef MONOJET_DETECTOR_JETS_HXX
#define MONOJET_DETECTOR_JETS_HXX

#include "imaging/images.hxx"
#include "objects/jets.hxx"

#include <utility>

namespace monojet {

/// The jets of `cluster_jets`, which the generation uses too.
inline ImageJets image_jets(const RVecF &pt, const RVecF &eta, const RVecF &phi,
                            const RVecF &energy, const RVecI &pdg_id, const RVecI &charge,
                            double min_pt) {
  Jets jets = cluster_jets(pt, eta, phi, energy, pdg_id, charge, min_pt);
  return {std::move(jets.pt), std::move(jets.eta), std::move(jets.phi), std::move(jets.width)};
}

/// Makes images from the particles that a detector measures.
inline void use_detector(ImageOptions &options, const Detector &detector) {
  options.detector = detector;
  options.find_jets = &image_jets;
}

} // namespace monojet

#endif

// Images of events from a data frame.
#ifndef MONOJET_IMAGE_ACTION_HXX
#define MONOJET_IMAGE_ACTION_HXX

#include "imaging/images.hxx"
#include "rdf/frame.hxx"

namespace monojet {

/// Books images, which replace the content of `block`; see `make_images`.
ROOT::RDF::RResultPtr<ImageBlock> book_images(RNode df, const ImageOptions &options,
                                              ImageBlock &block);

/// Runs the event loop: replaces the content of `block` by the images of all events of `df`, in the
/// order of the file for any number of threads. `df` has the canonical particle and jet columns and
/// `monojet_event_summary`, a `monojet::EventSummary`.
void make_images(RNode df, const ImageOptions &options, ImageBlock &block);

} // namespace monojet

#endif

#include "rdf/scores.hxx"

#include "runtime/object.hxx"

/// Fills the table of a network; the three arrays have the same length.
extern "C" int monojet_fill_scores(long long network, const std::uint32_t *run, std::size_t,
                                   const std::uint64_t *event, std::size_t, const float *scores,
                                   std::size_t n) {
  return monojet::guarded(
      [&] { monojet::score_table(static_cast<int>(network)).fill(run, event, scores, n); });
}

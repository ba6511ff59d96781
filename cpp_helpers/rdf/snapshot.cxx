#include "objects/kinematics.hxx"
#include "rdf/flat_particles.hxx"
#include "rdf/frame.hxx"

#include <ROOT/RDataFrame.hxx>
#include <ROOT/RSnapshotOptions.hxx>

// Events written to a file: columns of a frame, and particles that Python holds.

namespace {

struct BookedSnapshot : monojet::BookedResult {
  explicit BookedSnapshot(ROOT::RDF::RResultHandle booked) : result(std::move(booked)) {}
  ROOT::RDF::RResultHandle handle() const override { return result; }
  bool needs_dictionaries() const override { return true; }
  ROOT::RDF::RResultHandle result;
};

struct BookedCount : monojet::BookedResult {
  explicit BookedCount(ROOT::RDF::RResultPtr<ULong64_t> booked) : result(std::move(booked)) {}
  ROOT::RDF::RResultHandle handle() const override { return result; }

  monojet::Array array(const std::string &name) const override {
    return name == "count" ? monojet::Array{result.GetPtr(), 1, "u8"} : Object::array(name);
  }

  mutable ROOT::RDF::RResultPtr<ULong64_t> result;
};

} // namespace

extern "C" {

/// A data frame of events without columns of a file.
monojet::Object *monojet_numbered_events(unsigned long long n) {
  return monojet::guarded([&] { return monojet::node_of(ROOT::RDataFrame(n)); });
}

/// Books the number of events.
monojet::Object *monojet_book_count(const monojet::Node *node) {
  return monojet::guarded([&] {
    auto df = node->df;
    return std::make_unique<BookedCount>(df.Count());
  });
}

/// Books the writing of columns, compressed by ZSTD. `cluster` is the largest size of a cluster of
/// an RNTuple in memory (bytes); 0: that of ROOT.
monojet::Object *monojet_book_snapshot(const monojet::Node *node, const char *tree,
                                       const char *path, const char *const *columns, std::size_t n,
                                       long long as_tree, unsigned long long cluster) {
  return monojet::guarded([&] {
    ROOT::RDF::RSnapshotOptions options;
    options.fOutputFormat = as_tree ? ROOT::RDF::ESnapshotOutputFormat::kTTree
                                    : ROOT::RDF::ESnapshotOutputFormat::kRNTuple;
    options.fCompressionAlgorithm = ROOT::RCompressionSetting::EAlgorithm::kZSTD;
    options.fCompressionLevel = 5;
    options.fLazy = true;
    if (cluster && !as_tree) {
      options.fApproxZippedClusterSize = cluster / 4;
      options.fMaxUnzippedClusterSize = cluster;
    }
    auto df = node->df;
    return std::make_unique<BookedSnapshot>(
        df.Snapshot(tree, path, monojet::names_of(columns, n), options));
  });
}

/// Sets the particles of a block of events: `stable` or those that decayed. The arrays belong to
/// the caller and outlive the event loop; see `FlatParticles`.
int monojet_set_flat_particles(long long stable, std::int64_t *offsets, std::size_t,
                               std::uint64_t *number, std::size_t, float *pt, std::size_t,
                               float *eta, std::size_t, float *phi, std::size_t, float *energy,
                               std::size_t, int *pdg_id, std::size_t, int *charge, std::size_t,
                               double *weight, std::size_t, float *boson_pt, std::size_t, float *d0,
                               std::size_t, float *z0_sin_theta, std::size_t) {
  return monojet::guarded([&] {
    auto &particles = stable ? monojet::flat_stable() : monojet::flat_decayed();
    particles.set(offsets, number, pt, eta, phi, energy, pdg_id, charge, weight, boson_pt, d0,
                  z0_sin_theta);
  });
}

} // extern "C"

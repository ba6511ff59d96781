#include "runtime/object.hxx"

#include <TDirectory.h>
#include <TH1D.h>
#include <TH2D.h>
#include <TMemFile.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

// Histograms in a ROOT file that is made in memory.

namespace {

struct HistogramFile : monojet::Object {
  explicit HistogramFile(const std::string &name)
      : file((name + "?reproducible=" + name).c_str(), "RECREATE") {}

  /// `content`: the bytes of the file, to which nothing can be added any more.
  monojet::Array array(const std::string &name) const override {
    if (name != "content")
      return Object::array(name);
    if (content_.empty()) {
      file.Write();
      content_.resize(static_cast<std::size_t>(file.GetEND()));
      file.CopyTo(content_.data(), static_cast<Long64_t>(content_.size()));
      file.Close();
    }
    return monojet::array_of(content_);
  }

  mutable TMemFile file;

private:
  mutable std::vector<std::uint8_t> content_;
};

/// Numbers of a histogram, as numpy has them.
struct Numbers {
  const double *data;
  std::size_t size;
};

void fill(TH1 &histogram, TArrayD &content, const char *const *labels, std::size_t n_labels,
          Numbers values, Numbers variances, double entries) {
  histogram.Sumw2();
  std::copy(values.data, values.data + values.size, content.GetArray());
  std::copy(variances.data, variances.data + variances.size, histogram.GetSumw2()->GetArray());
  if (n_labels > 0)
    histogram.GetXaxis()->SetTitle(labels[0]);
  if (n_labels > 1)
    histogram.GetYaxis()->SetTitle(labels[1]);
  histogram.ResetStats(); // from the content of the bins
  histogram.SetEntries(entries);
}

/// New histograms belong to no folder while this lives: they would replace one of their name.
struct WithoutFolder {
  WithoutFolder() { TH1::AddDirectory(false); }
  ~WithoutFolder() { TH1::AddDirectory(before); }
  bool before = TH1::AddDirectoryStatus();
};

} // namespace

extern "C" {

monojet::Object *monojet_histogram_file(const char *name) {
  return monojet::guarded([&] { return std::make_unique<HistogramFile>(name); });
}

/// Writes a histogram of one or, with second edges, two axes into a folder, which is made. `values`
/// and `variances` have underflow and overflow, the first axis running fastest.
int monojet_write_histogram(HistogramFile *made, const char *const *folders, std::size_t n_folders,
                            const char *const *titles, std::size_t, const char *name,
                            const char *title, const char *const *labels, std::size_t n_labels,
                            const double *edges, std::size_t n, const double *second,
                            std::size_t n_second, const double *values, std::size_t n_values,
                            const double *variances, std::size_t n_variances, double entries) {
  return monojet::guarded([&] {
    const WithoutFolder none;
    TDirectory *folder = &made->file;
    for (std::size_t i = 0; i < n_folders; ++i) {
      auto *inner = folder->GetDirectory(folders[i]);
      folder = inner ? inner : folder->mkdir(folders[i], titles[i]);
    }
    const auto n_bins = [](std::size_t n_edges) { return static_cast<int>(n_edges) - 1; };
    const Numbers content{values, n_values}, squares{variances, n_variances};
    if (n_second == 0) {
      TH1D histogram(name, title, n_bins(n), edges);
      fill(histogram, histogram, labels, n_labels, content, squares, entries);
      folder->WriteObject(&histogram, name);
    } else {
      TH2D histogram(name, title, n_bins(n), edges, n_bins(n_second), second);
      fill(histogram, histogram, labels, n_labels, content, squares, entries);
      folder->WriteObject(&histogram, name);
    }
  });
}

} // extern "C"

// An open ROOT file, for Python.
#ifndef MONOJET_ROOT_FILE_HXX
#define MONOJET_ROOT_FILE_HXX

#include "runtime/object.hxx"

#include <TFile.h>
#include <TList.h>
#include <TTree.h>

#include <memory>
#include <string>
#include <utility>

namespace monojet {

/// A file, which is closed with this object.
struct RootFile : Object {
  explicit RootFile(std::string name);

  /// The tree of this path; null if there is none, or if an ntuple has this name.
  TTree *tree(const std::string &name) const { return file->Get<TTree>(name.c_str()); }

  /// The descriptions of the classes of the objects.
  const TList &classes() const;

  std::string path;
  std::unique_ptr<TFile> file;

private:
  mutable std::unique_ptr<TList> classes_;
};

} // namespace monojet

#endif

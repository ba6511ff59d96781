#include "rdf/dataset.hxx"

#include "rdf/frame.hxx"

#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <TBranch.h>
#include <TFile.h>
#include <TLeaf.h>
#include <TTree.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace monojet {

std::vector<unsigned long long> cluster_ends(const std::string &tree, const std::string &file) {
  std::vector<unsigned long long> ends;
  const std::unique_ptr<TFile> handle{TFile::Open(file.c_str())};
  if (!handle || handle->IsZombie())
    throw std::runtime_error("cannot open " + file);
  if (auto *found = handle->Get<TTree>(tree.c_str())) {
    auto cluster = found->GetClusterIterator(0);
    while (cluster.Next() < found->GetEntries())
      ends.push_back(static_cast<unsigned long long>(cluster.GetNextEntry()));
  } else {
    const auto reader = ROOT::RNTupleReader::Open(tree, file);
    for (const auto &cluster : reader->GetDescriptor().GetClusterIterable())
      ends.push_back(cluster.GetFirstEntryIndex() + cluster.GetNEntries());
    std::sort(ends.begin(), ends.end());
  }
  return ends;
}

namespace {

/// The first branch whose number of entries is not `entries`, among a branch, its sub-branches and
/// the branches that count their elements.
TBranch *branch_not_of_length(TBranch &branch, long long entries) {
  if (branch.GetEntries() != entries)
    return &branch;
  for (TObject *leaf : *branch.GetListOfLeaves())
    if (auto *count = static_cast<TLeaf *>(leaf)->GetLeafCount())
      if (count->GetBranch()->GetEntries() != entries)
        return count->GetBranch();
  for (TObject *inner : *branch.GetListOfBranches())
    if (auto *found = branch_not_of_length(*static_cast<TBranch *>(inner), entries))
      return found;
  return nullptr;
}

} // namespace

Misfilled misfilled(const std::string &tree, const std::string &file,
                    const std::vector<std::string> &columns) {
  const std::unique_ptr<TFile> handle{TFile::Open(file.c_str())};
  if (!handle || handle->IsZombie())
    throw std::runtime_error("cannot open " + file);
  auto *found = handle->Get<TTree>(tree.c_str());
  for (const auto &column : found ? columns : std::vector<std::string>{}) {
    auto *branch = found->FindBranch(column.c_str());
    if (!branch)
      if (auto *leaf = found->FindLeaf(column.c_str()))
        branch = leaf->GetBranch();
    if (!branch)
      continue;
    if (const auto *one = branch_not_of_length(*branch, found->GetEntries()))
      return {one->GetName(), one->GetEntries(), found->GetEntries()};
  }
  return {};
}

unsigned int first_number(const std::string &tree, const std::string &file,
                          const std::string &column) {
  auto df = open_range(tree, {file}, 0, 1);
  const auto type = df.GetColumnType(column);
  if (type.find("unsigned") != std::string::npos || type.find("UInt") != std::string::npos ||
      type.find("uint") != std::string::npos)
    return df.Take<unsigned int>(column).GetValue().at(0);
  return static_cast<unsigned int>(df.Take<int>(column).GetValue().at(0));
}

} // namespace monojet

#include "rdf/dataset.hxx"

#include "rdf/stored_values.hxx"

#include <ROOT/RDataFrame.hxx>
#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <TBranch.h>
#include <TLeaf.h>

#include <algorithm>
#include <memory>
#include <set>
#include <stdexcept>

namespace monojet {

std::vector<unsigned long long> cluster_ends(const RootFile &file, const std::string &tree) {
  std::vector<unsigned long long> ends;
  if (auto *found = file.tree(tree)) {
    auto cluster = found->GetClusterIterator(0);
    while (cluster.Next() < found->GetEntries())
      ends.push_back(static_cast<unsigned long long>(cluster.GetNextEntry()));
  } else {
    const auto reader = ROOT::RNTupleReader::Open(tree, file.path);
    for (const auto &cluster : reader->GetDescriptor().GetClusterIterable())
      ends.push_back(cluster.GetFirstEntryIndex() + cluster.GetNEntries());
    std::sort(ends.begin(), ends.end());
  }
  return ends;
}

std::vector<unsigned long long> cluster_ends(const std::string &tree, const std::string &path) {
  return cluster_ends(RootFile(path), tree);
}

std::vector<std::pair<std::string, std::string>>
columns_of(const RootFile &file, const std::string &tree, const std::vector<std::string> &typed) {
  auto *found = file.tree(tree);
  auto df = found ? ROOT::RDataFrame(*found) : ROOT::RDataFrame(tree, file.path);
  const std::set<std::string> with_type(typed.begin(), typed.end());
  std::vector<std::pair<std::string, std::string>> columns;
  for (const auto &name : df.GetColumnNames())
    columns.emplace_back(name, with_type.count(name) ? df.GetColumnType(name) : "");
  return columns;
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

/// The branch behind a column; null if there is none.
TBranch *branch_of(TTree &tree, const std::string &column) {
  if (auto *branch = tree.FindBranch(column.c_str()))
    return branch;
  auto *leaf = tree.FindLeaf(column.c_str());
  return leaf ? leaf->GetBranch() : nullptr;
}

} // namespace

Misfilled misfilled(const RootFile &file, const std::string &tree,
                    const std::vector<std::string> &columns) {
  auto *found = file.tree(tree);
  for (const auto &column : found ? columns : std::vector<std::string>{})
    if (auto *branch = branch_of(*found, column))
      if (const auto *one = branch_not_of_length(*branch, found->GetEntries()))
        return {one->GetName(), one->GetEntries(), found->GetEntries()};
  return {};
}

unsigned int first_number(const RootFile &file, const std::string &tree,
                          const std::string &column) {
  if (auto *found = file.tree(tree)) {
    auto *branch = branch_of(*found, column);
    if (!branch)
      throw std::runtime_error("no column " + column);
    auto entry = first_entry(*branch);
    if (entry.size() != sizeof(unsigned int))
      throw std::runtime_error("column " + column + " is not one of 32-bit integers");
    return entry.number<unsigned int>();
  }
  const auto reader = ROOT::RNTupleReader::Open(tree, file.path);
  const auto &descriptor = reader->GetDescriptor();
  const auto &type = descriptor.GetFieldDescriptor(descriptor.FindFieldId(column)).GetTypeName();
  if (type.find("uint") != std::string::npos)
    return reader->GetView<std::uint32_t>(column)(0);
  return static_cast<unsigned int>(reader->GetView<std::int32_t>(column)(0));
}

double first_value(const RootFile &file, const std::string &tree, const std::string &column) {
  auto *found = file.tree(tree);
  auto *leaf = found ? found->GetLeaf(column.c_str()) : nullptr;
  return leaf && leaf->GetBranch()->GetEntry(0) > 0 ? leaf->GetValue() : 0;
}

} // namespace monojet

// Facts about a tree or ntuple of a file that need no event loop.
#ifndef MONOJET_DATASET_HXX
#define MONOJET_DATASET_HXX

#include <string>
#include <vector>

namespace monojet {

/// The entry after the last of each cluster of a tree or ntuple; none if it is empty.
std::vector<unsigned long long> cluster_ends(const std::string &tree, const std::string &file);

/// A branch whose number of entries differs from that of its tree.
struct Misfilled {
  std::string branch; ///< empty if all branches agree
  long long entries = 0;
  long long of_tree = 0;
};

/// The first misfilled branch behind some columns, including the branches that count the elements
/// of others. Ntuples have none.
Misfilled misfilled(const std::string &tree, const std::string &file,
                    const std::vector<std::string> &columns);

/// The first value of a column of 32-bit integers.
unsigned int first_number(const std::string &tree, const std::string &file,
                          const std::string &column);

} // namespace monojet

#endif

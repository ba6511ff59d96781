// Facts about a tree or ntuple of a file that need no event loop.
#ifndef MONOJET_DATASET_HXX
#define MONOJET_DATASET_HXX

#include "rdf/root_file.hxx"

#include <string>
#include <utility>
#include <vector>

namespace monojet {

/// The entry after the last of each cluster of a tree or ntuple; none if it is empty.
std::vector<unsigned long long> cluster_ends(const RootFile &file, const std::string &tree);

/// The same, of a file that is not open.
std::vector<unsigned long long> cluster_ends(const std::string &tree, const std::string &path);

/// The columns of a tree or ntuple with their types as RDataFrame spells them, or "" for those not
/// in `typed`: others may have a type that ROOT does not know.
std::vector<std::pair<std::string, std::string>>
columns_of(const RootFile &file, const std::string &tree, const std::vector<std::string> &typed);

/// A branch whose number of entries differs from that of its tree.
struct Misfilled {
  std::string branch; ///< empty if all branches agree
  long long entries = 0;
  long long of_tree = 0;
};

/// The first misfilled branch behind some columns, including the branches that count the elements
/// of others. Ntuples have none.
Misfilled misfilled(const RootFile &file, const std::string &tree,
                    const std::vector<std::string> &columns);

/// The first value of a column of 32-bit integers.
///
/// Raises: std::runtime_error, the column is another one, or has no value.
unsigned int first_number(const RootFile &file, const std::string &tree, const std::string &column);

/// The first value of a column of numbers; 0 if there is none.
double first_value(const RootFile &file, const std::string &tree, const std::string &column);

} // namespace monojet

#endif

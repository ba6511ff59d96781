// The columns of a program in a data frame.
#ifndef MONOJET_PROGRAM_COLUMNS_HXX
#define MONOJET_PROGRAM_COLUMNS_HXX

#include "rdf/frame.hxx"
#include "rdf/record.hxx"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace monojet {

/// Whether this version of ROOT can have columns of programs.
bool has_program_columns();

class NtuplePages;

/// The data frame with the columns of a program, which replace those of the same name in its file.
/// `numbers` are the constants of the program; `pages` have the columns that it reads, if `df` has
/// no file.
///
/// Raises: std::runtime_error, this version of ROOT cannot.
RNode with_columns(RNode df, const Program &program, const std::vector<std::uint64_t> &numbers,
                   std::shared_ptr<const NtuplePages> pages = nullptr);

/// Entries [begin, end) of a tree or ntuple over several files, with the columns of a program;
/// those of the files may be missing. An ntuple of plain numbers is read from its pages.
RNode open_program(const Program &program, const std::vector<std::uint64_t> &numbers,
                   const std::string &tree, const std::vector<std::string> &files,
                   unsigned long long begin, unsigned long long end);

} // namespace monojet

#endif

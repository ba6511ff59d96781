// The columns of a program in a data frame.
#ifndef MONOJET_PROGRAM_COLUMNS_HXX
#define MONOJET_PROGRAM_COLUMNS_HXX

#include "rdf/frame.hxx"
#include "rdf/record.hxx"

#include <cstdint>
#include <vector>

namespace monojet {

/// Whether this version of ROOT can have columns of programs.
bool has_program_columns();

/// The data frame with the columns of a program, which replace those of the same name in its file.
/// `numbers` are the constants of the program.
///
/// Raises: std::runtime_error, this version of ROOT cannot.
RNode with_columns(RNode df, const Program &program, const std::vector<std::uint64_t> &numbers);

} // namespace monojet

#endif

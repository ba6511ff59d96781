// Values of branches as they are stored: read without their classes.
//
// The classes of a bookkeeping differ between the releases of experiments, and ROOT without their
// dictionaries may crash on two layouts of a class in one process. So the bytes of an entry are
// decoded here, and nothing makes an object of a class.
#ifndef MONOJET_STORED_VALUES_HXX
#define MONOJET_STORED_VALUES_HXX

#include "rdf/root_file.hxx"

#include <TBranch.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace monojet {

/// The bytes of an entry, read from the front.
class Bytes {
public:
  Bytes(const char *begin, std::size_t n)
      : at_(reinterpret_cast<const unsigned char *>(begin)), end_(at_ + n) {}

  std::size_t size() const { return static_cast<std::size_t>(end_ - at_); }

  void skip(std::size_t n) {
    if (n > size())
      throw std::runtime_error("an entry is too short");
    at_ += n;
  }

  /// The next number, stored with its highest byte first.
  template <typename T> T number() {
    using Bits = std::conditional_t<
        sizeof(T) == 1, std::uint8_t,
        std::conditional_t<sizeof(T) == 2, std::uint16_t,
                           std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;
    const auto *from = at_;
    skip(sizeof(T));
    Bits bits = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bits = static_cast<Bits>(static_cast<std::uint64_t>(bits) << 8 | from[i]);
    T value;
    std::memcpy(&value, &bits, sizeof(T));
    return value;
  }

  /// The next string: its length, of one byte or five, and its characters.
  std::string text() {
    const auto first = number<std::uint8_t>();
    const std::size_t n = first < 255 ? first : number<std::uint32_t>();
    const auto *from = at_;
    skip(n);
    return {reinterpret_cast<const char *>(from), n};
  }

private:
  const unsigned char *at_, *end_;
};

/// The first entry of a branch; it belongs to the branch.
///
/// Raises: std::runtime_error, there is none.
Bytes first_entry(TBranch &branch);

/// A JSON number.
std::string json_of(double value);

/// The values of a column of a tree or ntuple, one for each entry, as JSON: the first of the names
/// that exists. A name `object.member` may also be a member of the branch `object.`. The text is
/// "null" if there is no such tree or column.
///
/// Raises: std::runtime_error, the values are of a type or in a layout that is not known here.
std::string stored_values(const RootFile &file, const std::string &tree,
                          const std::vector<std::string> &names);

} // namespace monojet

#endif

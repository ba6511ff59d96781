#include "rdf/stored_values.hxx"

#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <TBasket.h>
#include <TBranchElement.h>
#include <TKey.h>
#include <TLeaf.h>
#include <TObjArray.h>
#include <TStreamerElement.h>
#include <TStreamerInfo.h>
#include <TVirtualStreamerInfo.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <initializer_list>

namespace monojet {

std::string json_of(double value) {
  if (std::isnan(value))
    return "NaN";
  if (std::isinf(value))
    return value > 0 ? "Infinity" : "-Infinity";
  char text[32];
  std::snprintf(text, sizeof(text), "%.17g", value);
  return text;
}

namespace {

template <typename T> std::string number_as_json(T value) {
  if constexpr (std::is_floating_point_v<T>)
    return json_of(static_cast<double>(value));
  else
    return std::to_string(value);
}

/// Calls a function with a value of the number type of this name, as C++, ROOT or RNTuple spell it.
///
/// Raises: std::runtime_error, there is none.
template <typename F> std::string with_number(const std::string &type, F &&use) {
  const auto is = [&](std::initializer_list<const char *> names) {
    return std::find(names.begin(), names.end(), type) != names.end();
  };
  if (is({"double", "Double_t"}))
    return use(double());
  if (is({"float", "Float_t"}))
    return use(float());
  if (is({"int", "Int_t", "int32_t"}))
    return use(std::int32_t());
  if (is({"unsigned int", "UInt_t", "uint32_t"}))
    return use(std::uint32_t());
  if (is({"Long64_t", "long", "long long", "int64_t"}))
    return use(std::int64_t());
  if (is({"ULong64_t", "unsigned long", "unsigned long long", "uint64_t"}))
    return use(std::uint64_t());
  if (is({"short", "Short_t", "int16_t"}))
    return use(std::int16_t());
  if (is({"unsigned short", "UShort_t", "uint16_t"}))
    return use(std::uint16_t());
  throw std::runtime_error("values of type " + type);
}

/// The name of a type without `std::`.
std::string plain(std::string type) {
  for (std::size_t at; (at = type.find("std::")) != std::string::npos;)
    type.erase(at, 5);
  return type;
}

/// The type of the elements of a vector; empty if it is none.
std::string element_of(const std::string &type) {
  const auto end = type.find_first_of(",>");
  if (type.rfind("vector<", 0) != 0 || end == std::string::npos)
    return {};
  return type.substr(7, end - 7);
}

/// Skips the size and version of what follows. Returns the size, without that of the version.
std::size_t header(Bytes &bytes, bool skipped = false) {
  constexpr std::uint32_t counted = 0x40000000;
  constexpr std::uint16_t by_members = 0x4000;
  const auto size = bytes.number<std::uint32_t>();
  if (!(size & counted) || (size & ~counted) < sizeof(std::uint16_t))
    throw std::runtime_error("an object without its size");
  if ((bytes.number<std::uint16_t>() & by_members) && !skipped)
    throw std::runtime_error("objects that are stored by members");
  return (size & ~counted) - sizeof(std::uint16_t);
}

/// The value of an entry as JSON.
std::string decoded(Bytes bytes, const std::string &type) {
  const auto element = element_of(type);
  if (element.empty())
    return with_number(type,
                       [&](auto zero) { return number_as_json(bytes.number<decltype(zero)>()); });
  header(bytes);
  const auto n = bytes.number<std::uint32_t>();
  std::string text;
  const auto add = [&](const std::string &one) { text += (text.empty() ? "" : ", ") + one; };
  if (element == "string")
    for (std::uint32_t i = 0; i < n; ++i)
      add(json_of(bytes.text()));
  else
    with_number(element, [&](auto zero) {
      for (std::uint32_t i = 0; i < n; ++i)
        add(number_as_json(bytes.number<decltype(zero)>()));
      return std::string();
    });
  return "[" + text + "]";
}

/// Calls a function with the bytes of each entry until it returns false.
void each_entry(TBranch &branch, const std::function<bool(Bytes)> &use) {
  Long64_t n_read = 0;
  for (int i = 0; n_read < branch.GetEntries() && i < branch.GetMaxBaskets(); ++i) {
    auto *basket = branch.GetBasket(i);
    if (!basket || !basket->GetBufferRef() || basket->GetNevBuf() <= 0)
      throw std::runtime_error(std::string("cannot read branch ") + branch.GetName());
    const auto *offsets = basket->GetEntryOffset();
    const int n = basket->GetNevBuf(), size = basket->GetNevBufSize();
    const int last = std::min(basket->GetLast(), basket->GetBufferRef()->BufferSize());
    for (int k = 0; k < n; ++k, ++n_read) {
      const Long64_t begin = offsets ? offsets[k] : basket->GetKeylen() + Long64_t(k) * size;
      const Long64_t end = !offsets ? begin + size : k + 1 < n ? offsets[k + 1] : last;
      if (begin < basket->GetKeylen() || end < begin || end > last)
        throw std::runtime_error(std::string("branch ") + branch.GetName() + " is damaged");
      if (!use({basket->GetBufferRef()->Buffer() + begin, static_cast<std::size_t>(end - begin)}))
        return;
    }
  }
}

/// The members and base classes of a class in a file, in their order in an entry.
std::vector<const TStreamerElement *> elements_of(const RootFile &file, const std::string &name,
                                                  int version) {
  const TStreamerInfo *found = nullptr;
  for (auto *one : file.classes()) {
    const auto *info = dynamic_cast<const TStreamerInfo *>(one);
    if (info && name == info->GetName() && (!found || info->GetClassVersion() == version))
      found = info;
  }
  if (!found)
    throw std::runtime_error("no description of class " + name);
  std::vector<const TStreamerElement *> elements;
  for (auto *one : *found->GetElements())
    elements.push_back(static_cast<const TStreamerElement *>(one));
  return elements;
}

/// The size of a member that is stored as numbers alone; 0 for others, which are stored with their
/// sizes.
std::size_t size_of(const TStreamerElement &element) {
  using Info = TVirtualStreamerInfo;
  const int type = element.GetType() % Info::kOffsetL;
  const bool packed = type == Info::kDouble32 || type == Info::kFloat16 || type == Info::kBits ||
                      type == Info::kCharStar;
  const bool numbers = element.GetType() > Info::kBase && element.GetType() < Info::kOffsetP;
  return numbers && !packed ? static_cast<std::size_t>(element.GetSize()) : 0;
}

using Decode = std::function<std::string(Bytes)>;

/// How to decode the entries of a branch of one value.
Decode decode_branch(TBranch &branch, const RootFile &file) {
  std::string type;
  if (branch.GetListOfBranches()->GetEntriesFast() > 0)
    throw std::runtime_error(std::string("branch ") + branch.GetName() + " has branches");
  if (auto *one = dynamic_cast<TBranchElement *>(&branch)) {
    if (one->GetType() != 0)
      throw std::runtime_error(std::string("branch ") + branch.GetName() + " of several objects");
    type = one->GetClassName();
    if (one->GetID() >= 0) { // a member of this class
      const std::string name = branch.GetName();
      const auto member = name.substr(name.rfind('.') + 1);
      const auto elements = elements_of(file, type, one->GetClassVersion());
      const auto found = std::find_if(elements.begin(), elements.end(), [&](const auto *element) {
        return member == element->GetName() && !element->GetArrayDim();
      });
      if (found == elements.end())
        throw std::runtime_error("no member " + member + " of class " + type);
      type = (*found)->GetTypeName();
    }
  } else {
    const auto *leaves = branch.GetListOfLeaves();
    const auto *leaf = static_cast<const TLeaf *>(leaves->At(0));
    if (leaves->GetEntriesFast() != 1 || leaf->GetLeafCount() || leaf->GetLenStatic() != 1)
      throw std::runtime_error(std::string("branch ") + branch.GetName() + " of several values");
    type = leaf->GetTypeName();
  }
  return [type = plain(type)](Bytes bytes) { return decoded(bytes, type); };
}

/// How to decode a member of the objects of a branch: base classes and members before it are
/// skipped by their sizes.
Decode decode_member(TBranch &branch, const std::string &member, const RootFile &file) {
  auto *one = dynamic_cast<TBranchElement *>(&branch);
  if (!one)
    throw std::runtime_error(std::string("branch ") + branch.GetName() + " holds no objects");
  std::vector<std::size_t> sizes; // 0: stored
  for (const auto *element : elements_of(file, one->GetClassName(), one->GetClassVersion())) {
    if (member == element->GetName())
      return [sizes, type = plain(element->GetTypeName())](Bytes bytes) {
        for (const auto size : sizes)
          bytes.skip(size ? size : header(bytes, true));
        return decoded(bytes, type);
      };
    sizes.push_back(size_of(*element));
  }
  throw std::runtime_error("no member " + member + " of branch " + branch.GetName());
}

/// The branch of exactly this name among some and their sub-branches; null if there is none.
TBranch *branch_named(const TObjArray &branches, const std::string &name) {
  for (auto *one : branches) {
    auto *branch = static_cast<TBranch *>(one);
    if (name == branch->GetName())
      return branch;
    if (auto *found = branch_named(*branch->GetListOfBranches(), name))
      return found;
  }
  return nullptr;
}

std::string in_branch(TBranch &branch, const Decode &decode) {
  std::string text;
  each_entry(branch, [&](Bytes bytes) {
    text += (text.empty() ? "" : ", ") + decode(bytes);
    return true;
  });
  return "[" + text + "]";
}

std::string in_tree(TTree &tree, const RootFile &file, const std::vector<std::string> &names) {
  const auto &branches = *tree.GetListOfBranches();
  for (const auto &name : names) {
    if (auto *branch = branch_named(branches, name))
      return in_branch(*branch, decode_branch(*branch, file));
    const auto dot = name.rfind('.');
    if (dot == std::string::npos)
      continue;
    auto *whole = branch_named(branches, name.substr(0, dot + 1));
    if (whole && !whole->GetListOfBranches()->GetEntriesFast())
      return in_branch(*whole, decode_member(*whole, name.substr(dot + 1), file));
  }
  return "null";
}

template <typename T>
std::string in_field(ROOT::RNTupleReader &reader, const std::string &name,
                     const std::function<std::string(const T &)> &as_json) {
  auto view = reader.GetView<T>(name);
  std::string text;
  for (const auto i : reader)
    text += (text.empty() ? "" : ", ") + as_json(view(i));
  return "[" + text + "]";
}

template <typename T>
std::string as_list(const std::vector<T> &values,
                    const std::function<std::string(const T &)> &as_json) {
  std::string text;
  for (const auto &one : values)
    text += (text.empty() ? "" : ", ") + as_json(one);
  return "[" + text + "]";
}

std::string in_ntuple(ROOT::RNTupleReader &reader, const std::vector<std::string> &names) {
  const auto &descriptor = reader.GetDescriptor();
  for (const auto &name : names) {
    const auto id = descriptor.FindFieldId(name);
    if (id == ROOT::kInvalidDescriptorId)
      continue;
    const auto type = plain(descriptor.GetFieldDescriptor(id).GetTypeName());
    const auto element = element_of(type);
    if (element == "string")
      return in_field<std::vector<std::string>>(reader, name, [](const auto &values) {
        return as_list<std::string>(values, [](const auto &one) { return json_of(one); });
      });
    return with_number(element.empty() ? type : element, [&](auto zero) {
      using T = decltype(zero);
      if (element.empty())
        return in_field<T>(reader, name, number_as_json<T>);
      return in_field<std::vector<T>>(
          reader, name, [](const auto &values) { return as_list<T>(values, number_as_json<T>); });
    });
  }
  return "null";
}

} // namespace

Bytes first_entry(TBranch &branch) {
  Bytes found(nullptr, 0);
  each_entry(branch, [&](Bytes bytes) {
    found = bytes;
    return false;
  });
  return found;
}

std::string stored_values(const RootFile &file, const std::string &tree,
                          const std::vector<std::string> &names) {
  const auto *key = file.file->GetKey(tree.c_str());
  if (!key)
    return "null";
  if (std::string("ROOT::RNTuple") == key->GetClassName())
    return in_ntuple(*ROOT::RNTupleReader::Open(tree, file.path), names);
  auto *found = file.tree(tree);
  return found ? in_tree(*found, file, names) : "null";
}

} // namespace monojet

#include "rdf/ntuple_pages.hxx"

#include <ROOT/RVec.hxx>
#include <RVersion.h>

#include <cstdint>
#include <cstring>
#include <utility>

// Pages need parts of RNTuple that are not public, and which older versions of ROOT have in another
// form.
#if ROOT_VERSION_CODE >= ROOT_VERSION(6, 40, 0)
#define MONOJET_HAS_NTUPLE_PAGES 1
#include <ROOT/RColumn.hxx>
#include <ROOT/RError.hxx>
#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleReadOptions.hxx>
#include <ROOT/RPageStorage.hxx>
#endif

namespace monojet {

#ifdef MONOJET_HAS_NTUPLE_PAGES

namespace {

using ROOT::Internal::RColumn;
using ROOT::Internal::RPageSource;
using Reader = NtuplePages::Reader;
using Id = ROOT::DescriptorId_t;

/// The column of a field that has only one, in one representation of all its bits; null for others.
const ROOT::RColumnDescriptor *column_of(const ROOT::RNTupleDescriptor &ntuple, Id field) {
  const auto &columns = ntuple.GetFieldDescriptor(field).GetLogicalColumnIds();
  if (columns.size() != 1)
    return nullptr;
  const auto &column = ntuple.GetColumnDescriptor(columns[0]);
  const bool is_rounded = column.GetType() == ROOT::ENTupleColumnType::kReal32Trunc ||
                          column.GetType() == ROOT::ENTupleColumnType::kReal32Quant;
  return column.IsDeferredColumn() || column.IsAliasColumn() || is_rounded ? nullptr : &column;
}

template <typename T> std::unique_ptr<RColumn> connect(RPageSource &source, Id field) {
  const auto type = column_of(source.GetSharedDescriptorGuard().GetRef(), field)->GetType();
  auto column = RColumn::Create<T>(type, 0, 0);
  column->ConnectPageSource(field, source);
  return column;
}

template <typename T, typename Stored> class NumberReader final : public Reader {
public:
  NumberReader(RPageSource &source, Id field) : values_(connect<Stored>(source, field)) {}

private:
  void *GetImpl(Long64_t entry) override { return values_->Map<T>(entry); }

  std::unique_ptr<RColumn> values_;
};

template <typename T, typename Stored> class VectorReader final : public Reader {
public:
  VectorReader(RPageSource &source, Id field, Id elements)
      : offsets_(connect<ROOT::Internal::RColumnIndex>(source, field)),
        values_(connect<Stored>(source, elements)) {}

private:
  void *GetImpl(Long64_t entry) override {
    if (entry == entry_) // to read a vector in several pages again loads them again
      return &view_;
    entry_ = entry;
    ROOT::RNTupleLocalIndex first;
    ROOT::NTupleSize_t n, n_in_page = 0;
    offsets_->GetCollectionInfo(entry, &first, &n);
    T *values = n ? values_->MapV<T>(first, n_in_page) : nullptr;
    if (n > n_in_page) {
      joined_.resize(n);
      values_->ReadV(first, n, joined_.data());
      values = joined_.data();
    }
    view_ = ROOT::RVec<T>(values, n);
    return &view_;
  }

  std::unique_ptr<RColumn> offsets_, values_;
  Long64_t entry_ = -1;
  ROOT::RVec<T> view_;
  ROOT::RVec<T> joined_; // the elements of a vector in several pages
};

/// How values of a type are read.
struct Kind {
  const std::type_info *number;
  const std::type_info *vector;
  const char *stored; // the name of the type in ntuples
  std::unique_ptr<Reader> (*read_number)(RPageSource &, Id);
  std::unique_ptr<Reader> (*read_vector)(RPageSource &, Id, Id);
};

template <typename T, typename Stored = T> Kind kind(const char *stored) {
  return {&typeid(T), &typeid(ROOT::RVec<T>), stored,
          [](RPageSource &source, Id field) -> std::unique_ptr<Reader> {
            return std::make_unique<NumberReader<T, Stored>>(source, field);
          },
          [](RPageSource &source, Id field, Id elements) -> std::unique_ptr<Reader> {
            return std::make_unique<VectorReader<T, Stored>>(source, field, elements);
          }};
}

const std::vector<Kind> &kinds() {
  static const std::vector<Kind> all{
      kind<bool>("bool"),
      kind<float>("float"),
      kind<double>("double"),
      kind<unsigned char>("std::uint8_t"),
      kind<short>("std::int16_t"),
      kind<unsigned short>("std::uint16_t"),
      kind<int>("std::int32_t"),
      kind<unsigned int>("std::uint32_t"),
      kind<long, std::int64_t>("std::int64_t"),
      kind<long long, std::int64_t>("std::int64_t"),
      kind<unsigned long, std::uint64_t>("std::uint64_t"),
      kind<unsigned long long, std::uint64_t>("std::uint64_t"),
  };
  return all;
}

/// How a source is read: as a vector if it has `elements`.
struct Place {
  const Kind *kind = nullptr; // null: it cannot be read
  Id field = ROOT::kInvalidDescriptorId;
  Id elements = ROOT::kInvalidDescriptorId;
};

Place place_of(const ROOT::RNTupleDescriptor &ntuple, const Program::Source &source) {
  Place place;
  place.field = ntuple.FindFieldId(source.name);
  if (place.field == ROOT::kInvalidDescriptorId || !column_of(ntuple, place.field))
    return {};
  const auto &field = ntuple.GetFieldDescriptor(place.field);
  const bool is_vector = field.GetStructure() == ROOT::ENTupleStructure::kCollection;
  if (is_vector) {
    if (field.GetLinkIds().size() != 1)
      return {};
    place.elements = field.GetLinkIds()[0];
    if (!column_of(ntuple, place.elements))
      return {};
  }
  const auto &values = is_vector ? ntuple.GetFieldDescriptor(place.elements) : field;
  if (values.GetStructure() != ROOT::ENTupleStructure::kPlain || values.GetNRepetitions())
    return {};
  for (const Kind &kind : kinds())
    if (*source.type == *(is_vector ? kind.vector : kind.number) &&
        values.GetTypeName() == kind.stored)
      place.kind = &kind;
  return place;
}

bool is_of_frame(const Program::Source &source) {
  return !std::strcmp(source.name, "rdfentry_") || !std::strcmp(source.name, "rdfslot_");
}

} // namespace

std::shared_ptr<NtuplePages> NtuplePages::open(const std::string &name, const std::string &path,
                                               const Program &program, unsigned long long begin,
                                               unsigned long long end, unsigned int n_slots) {
  std::shared_ptr<NtuplePages> opened(new NtuplePages);
  try {
    auto first = RPageSource::Create(name, path);
    first->Attach();
    for (std::size_t i = 0; i < program.n_sources; ++i)
      if (const auto &source = program.sources[i];
          !is_of_frame(source) &&
          !place_of(first->GetSharedDescriptorGuard().GetRef(), source).kind)
        return nullptr;
    opened->slots_.push_back(std::move(first));
    while (opened->slots_.size() < n_slots)
      opened->slots_.push_back(opened->slots_[0]->Clone());
  } catch (const ROOT::RException &) {
    return nullptr; // RDataFrame says why, if it cannot read it either
  }
  for (auto &source : opened->slots_)
    source->SetEntryRange({begin, end - begin});
  return opened;
}

std::unique_ptr<Reader> NtuplePages::reader(unsigned int slot,
                                            const Program::Source &source) const {
  RPageSource &pages = *slots_[slot];
  const Place place = place_of(pages.GetSharedDescriptorGuard().GetRef(), source);
  return place.elements == ROOT::kInvalidDescriptorId
             ? place.kind->read_number(pages, place.field)
             : place.kind->read_vector(pages, place.field, place.elements);
}

#else

std::shared_ptr<NtuplePages> NtuplePages::open(const std::string &, const std::string &,
                                               const Program &, unsigned long long,
                                               unsigned long long, unsigned int) {
  return nullptr;
}

std::unique_ptr<NtuplePages::Reader> NtuplePages::reader(unsigned int,
                                                         const Program::Source &) const {
  return nullptr;
}

#endif

NtuplePages::NtuplePages() = default;
NtuplePages::~NtuplePages() = default;

} // namespace monojet

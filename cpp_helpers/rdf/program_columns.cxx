#include "rdf/program_columns.hxx"

#include "rdf/ntuple_pages.hxx"

#include <ROOT/RDataFrame.hxx>
#include <ROOT/RVec.hxx>
#include <RVersion.h>

#include <dlfcn.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

// Columns without templates need parts of RDataFrame that are not public, and which older versions
// of ROOT have in another form.
#if ROOT_VERSION_CODE >= ROOT_VERSION(6, 40, 0)
#define MONOJET_HAS_PROGRAM_COLUMNS 1
#include <ROOT/RDF/ColumnReaderUtils.hxx>
#include <ROOT/RDF/RColumnReaderBase.hxx>
#include <ROOT/RDF/RDefineBase.hxx>
#include <ROOT/RDF/RLoopManager.hxx>
#endif

namespace monojet {

#ifdef MONOJET_HAS_PROGRAM_COLUMNS

namespace {

namespace detail_rdf = ROOT::Detail::RDF;
namespace internal_rdf = ROOT::Internal::RDF;
using detail_rdf::RColumnReaderBase;

/// A program with the records of all threads.
class RunningProgram {
public:
  /// `columns` are those of the data frame without the program; `pages` have the sources if the
  /// data frame has none.
  RunningProgram(const Program &program, std::vector<std::uint64_t> numbers,
                 const internal_rdf::RColumnRegister &columns, unsigned int n_slots,
                 std::shared_ptr<const NtuplePages> pages)
      : program_(program), numbers_(std::move(numbers)), columns_(columns),
        pages_(std::move(pages)), slots_(n_slots) {
    for (Slot &slot : slots_)
      slot.record.reserve(program.n_cells);
  }

  Record &record(unsigned int slot) { return slots_[slot].record; }

  /// Begins a range of entries, which all columns of the program announce.
  void begin(unsigned int number, TTreeReader *tree, detail_rdf::RLoopManager &loop) {
    Slot &slot = slots_[number];
    if (slot.begun)
      return;
    slot.readers.clear();
    for (std::size_t i = 0; i < program_.n_sources; ++i) {
      const auto &[name, type] = program_.sources[i];
      auto *const defined = columns_.GetReader(number, name, "nominal", *type); // rdfentry_
      slot.readers.push_back(pages_ && !defined ? slot.of_pages(*pages_, number, program_, i)
                                                : internal_rdf::GetColumnReader(
                                                      number, defined, loop, tree, name, *type));
    }
    slot.program = &program_;
    slot.record.begin(&slot, read, program_.n_cells, numbers_.data());
    slot.begun = true;
  }

  void end(unsigned int number) { slots_[number].begun = false; }

private:
  struct Slot {
    /// The reader of a source, which is kept for further ranges of entries.
    RColumnReaderBase *of_pages(const NtuplePages &pages, unsigned int number, const Program &from,
                                std::size_t i) {
      kept.resize(from.n_sources);
      if (!kept[i])
        kept[i] = pages.reader(number, from.sources[i]);
      return kept[i].get();
    }

    Record record;
    std::vector<RColumnReaderBase *> readers;
    std::vector<std::unique_ptr<RColumnReaderBase>> kept;
    const Program *program = nullptr;
    bool begun = false;
  };

  static void *read(void *from, std::size_t source, long long entry) {
    Slot &slot = *static_cast<Slot *>(from);
    if (void *value = slot.readers[source]->TryGet<void>(entry))
      return value;
    throw std::out_of_range("column '" + std::string(slot.program->sources[source].name) +
                            "' has no value in entry " + std::to_string(entry));
  }

  Program program_;
  std::vector<std::uint64_t> numbers_;
  internal_rdf::RColumnRegister columns_;
  std::shared_ptr<const NtuplePages> pages_;
  std::vector<Slot> slots_;
};

/// A column of a program, as RDataFrame's own definitions are.
class ProgramColumn final : public detail_rdf::RDefineBase {
public:
  ProgramColumn(std::shared_ptr<RunningProgram> program, const Program::Column &column,
                const internal_rdf::RColumnRegister &columns, detail_rdf::RLoopManager &loop)
      : RDefineBase(column.name, internal_rdf::TypeID2TypeName(*column.type), columns, loop, {}),
        program_(std::move(program)), column_(column) {
    fLoopManager->Register(this);
  }
  ~ProgramColumn() override { fLoopManager->Deregister(this); }

  void InitSlot(TTreeReader *tree, unsigned int slot) override {
    program_->begin(slot, tree, *fLoopManager);
  }
  void *GetValuePtr(unsigned int slot) override { return column_.place(program_->record(slot)); }
  const std::type_info &GetTypeId() const override { return *column_.type; }
  void Update(unsigned int slot, Long64_t entry) override {
    Record &record = program_->record(slot);
    record.go_to(entry);
    column_.compute(record);
  }
  void FinalizeSlot(unsigned int slot) override { program_->end(slot); }
  void MakeVariations(const std::vector<std::string> &) override {}
  RDefineBase &GetVariedDefine(const std::string &) override { return *this; }

private:
  std::shared_ptr<RunningProgram> program_;
  const Program::Column &column_;
};

/// A node whose protected parts can be used.
class OpenNode : public RNode {
public:
  explicit OpenNode(const RNode &node) : RNode(node) {}
  OpenNode(const OpenNode &node, const internal_rdf::RColumnRegister &columns)
      : RNode(node.GetProxiedPtr(), *node.GetLoopManager(), columns) {}

  internal_rdf::RColumnRegister &columns() { return fColRegister; }
  detail_rdf::RLoopManager &loop() { return *GetLoopManager(); }
};

} // namespace

bool has_program_columns() { return true; }

RNode with_columns(RNode df, const Program &program, const std::vector<std::uint64_t> &numbers,
                   std::shared_ptr<const NtuplePages> pages) {
  OpenNode node(df);
  auto running = std::make_shared<RunningProgram>(program, numbers, node.columns(), df.GetNSlots(),
                                                  std::move(pages));
  auto columns = node.columns();
  for (std::size_t i = 0; i < program.n_columns; ++i)
    columns.AddDefine(
        std::make_shared<ProgramColumn>(running, program.columns[i], columns, node.loop()));
  return OpenNode(node, columns);
}

#else

bool has_program_columns() { return false; }

RNode with_columns(RNode, const Program &, const std::vector<std::uint64_t> &,
                   std::shared_ptr<const NtuplePages>) {
  throw std::runtime_error("this version of ROOT has no columns of programs");
}

#endif

RNode open_program(const Program &program, const std::vector<std::uint64_t> &numbers,
                   const std::string &tree, const std::vector<std::string> &files,
                   unsigned long long begin, unsigned long long end) {
  if (files.size() == 1) {
    RNode numbered = ROOT::RDataFrame(end);
    if (auto pages = NtuplePages::open(tree, files[0], program, begin, end, numbered.GetNSlots())) {
      set_range(numbered, begin, end);
      return with_columns(numbered, program, numbers, std::move(pages));
    }
  }
  return with_columns(open_range(tree, files, begin, end), program, numbers);
}

namespace {

/// A program in its library, which stays loaded.
struct LoadedProgram : Object {
  Program program;
};

} // namespace

} // namespace monojet

extern "C" {

int monojet_has_program_columns() {
  return monojet::guarded([] { monojet::set_text(monojet::has_program_columns() ? "yes" : "no"); });
}

monojet::Object *monojet_load_program(const char *path) {
  return monojet::guarded([&] {
    void *const library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      throw std::runtime_error(::dlerror());
    auto *const program = reinterpret_cast<monojet::Program (*)()>(::dlsym(library, "program"));
    if (!program)
      throw std::runtime_error(std::string(path) + " has no program");
    auto loaded = std::make_unique<monojet::LoadedProgram>();
    loaded->program = program();
    return loaded;
  });
}

monojet::Object *monojet_with_columns(const monojet::Node *node,
                                      const monojet::LoadedProgram *program,
                                      const std::uint64_t *numbers, std::size_t n) {
  return monojet::guarded([&] {
    return monojet::node_of(
        monojet::with_columns(node->df, program->program, {numbers, numbers + n}));
  });
}

/// The events of some files with the columns of a program only.
monojet::Object *monojet_open_program(const monojet::LoadedProgram *program,
                                      const std::uint64_t *numbers, std::size_t n, const char *tree,
                                      const char *const *files, std::size_t n_files,
                                      unsigned long long begin, unsigned long long end) {
  return monojet::guarded([&] {
    return monojet::node_of(monojet::open_program(program->program, {numbers, numbers + n}, tree,
                                                  monojet::names_of(files, n_files), begin, end));
  });
}

} // extern "C"

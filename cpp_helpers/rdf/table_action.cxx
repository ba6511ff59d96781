#include "rdf/table_action.hxx"

#include "rdf/in_order.hxx"

#include <ROOT/RDF/RActionImpl.hxx>
#include <ROOT/RVec.hxx>

#include <memory>

namespace monojet {

namespace {

class TableAction : public ROOT::Detail::RDF::RActionImpl<TableAction> {
public:
  using Result_t = TableBlock;

  TableAction(TableBlock &block, unsigned int n_slots) : blocks_(block, n_slots) {}
  TableAction(TableAction &&) = default;

  std::shared_ptr<Result_t> GetResultPtr() const { return blocks_.whole(); }
  std::string GetActionName() const { return "Table"; }
  void Initialize() { blocks_.begin(); }
  void InitTask(TTreeReader *reader, unsigned int slot) { blocks_.begin_range(reader, slot); }

  void Exec(unsigned int slot, ULong64_t entry, UInt_t run_number, ULong64_t event_number,
            double weight, const ROOT::RVecF &quantities, const ROOT::RVecF &features) {
    blocks_.at(slot, entry).add(run_number, event_number, weight, quantities, features);
  }

  void Finalize() { blocks_.end(); }

private:
  InOrder<TableBlock> blocks_;
};

} // namespace

ROOT::RDF::RResultPtr<TableBlock> book_table(RNode df, const std::string &weight,
                                             TableBlock &block) {
  return df.Book<ULong64_t, UInt_t, ULong64_t, double, ROOT::RVecF, ROOT::RVecF>(
      TableAction(block, df.GetNSlots()), {"rdfentry_", "run_number", "event_number", weight,
                                           "monojet_quantities", "monojet_features"});
}

void make_table(RNode df, const std::string &weight, TableBlock &block) {
  book_table(df, weight, block).GetValue();
}

} // namespace monojet

namespace {

struct TableObject : monojet::Object {
  TableObject(std::size_t n_quantities, std::size_t n_features) : block(n_quantities, n_features) {}

  monojet::Array array(const std::string &name) const override {
    if (name == "run_number")
      return monojet::array_of(block.run_number);
    if (name == "event_number")
      return monojet::array_of(block.event_number);
    if (name == "weight")
      return monojet::array_of(block.weight);
    if (name == "quantities")
      return monojet::array_of(block.quantities);
    if (name == "features")
      return monojet::array_of(block.features);
    return Object::array(name);
  }

  monojet::TableBlock block;
};

struct BookedTable : monojet::BookedResult {
  explicit BookedTable(ROOT::RDF::RResultPtr<monojet::TableBlock> booked)
      : result(std::move(booked)) {}
  ROOT::RDF::RResultHandle handle() const override { return result; }
  ROOT::RDF::RResultPtr<monojet::TableBlock> result;
};

} // namespace

extern "C" {

monojet::Object *monojet_table_block(unsigned long long n_quantities,
                                     unsigned long long n_features) {
  return monojet::guarded([&] { return std::make_unique<TableObject>(n_quantities, n_features); });
}

/// The table must live until the event loop has run.
monojet::Object *monojet_book_table(const monojet::Node *node, const char *weight,
                                    TableObject *table) {
  return monojet::guarded([&] {
    return std::make_unique<BookedTable>(monojet::book_table(node->df, weight, table->block));
  });
}

} // extern "C"

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

void make_table(RNode df, const std::string &weight, TableBlock &block) {
  df.Book<ULong64_t, UInt_t, ULong64_t, double, ROOT::RVecF, ROOT::RVecF>(
        TableAction(block, df.GetNSlots()), {"rdfentry_", "run_number", "event_number", weight,
                                             "monojet_quantities", "monojet_features"})
      .GetValue();
}

} // namespace monojet

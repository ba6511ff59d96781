// Rows filled by several threads, in the order of the file. For actions of the compiled library
// only.
#ifndef MONOJET_IN_ORDER_HXX
#define MONOJET_IN_ORDER_HXX

#include <TTreeReader.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace monojet {

/// The output of an action whose rows keep the order of the file. Each thread fills pieces, one for
/// each range of entries that it reads; at the end the pieces are appended in the order of their
/// first entries. A single thread fills the caller's block directly.
template <class Block> class InOrder {
public:
  InOrder(Block &block, unsigned int n_slots) : block_(&block, [](Block *) {}), slots_(n_slots) {}

  const std::shared_ptr<Block> &whole() const { return block_; }

  void begin() { block_->clear(); }

  void begin_range(TTreeReader *reader, unsigned int slot) {
    slots_[slot].in_piece = false;
    // With several threads `rdfentry_` is not the entry of the tree.
    slots_[slot].first_of_tree = reader ? reader->GetEntriesRange().first : -1;
  }

  /// The block that the next event of a thread is appended to.
  Block &at(unsigned int number, ULong64_t entry) {
    if (slots_.size() == 1)
      return *block_;
    Slot &slot = slots_[number];
    if (!slot.in_piece) {
      const Long64_t first =
          slot.first_of_tree < 0 ? static_cast<Long64_t>(entry) : slot.first_of_tree;
      // a copy of the caller's block, which is empty until the end, has the same shape
      slot.pieces.push_back({first, std::make_shared<Block>(*block_)});
      slot.in_piece = true;
    }
    return *slot.pieces.back().block;
  }

  void end() {
    std::vector<Piece> pieces;
    for (Slot &slot : slots_)
      std::move(slot.pieces.begin(), slot.pieces.end(), std::back_inserter(pieces));
    std::sort(pieces.begin(), pieces.end(),
              [](const Piece &a, const Piece &b) { return a.first_entry < b.first_entry; });
    for (Piece &piece : pieces) {
      block_->append(*piece.block);
      piece.block.reset();
    }
  }

private:
  struct Piece {
    Long64_t first_entry;
    std::shared_ptr<Block> block;
  };
  struct Slot {
    std::vector<Piece> pieces;
    bool in_piece = false;
    Long64_t first_of_tree = -1;
  };

  std::shared_ptr<Block> block_; // the caller's
  std::vector<Slot> slots_;
};

} // namespace monojet

#endif

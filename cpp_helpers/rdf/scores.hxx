// Network scores, looked up by the key of an event.
#ifndef MONOJET_SCORES_HXX
#define MONOJET_SCORES_HXX

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

namespace monojet {

/// The scores of one sample by one network, keyed by (run, event). Filled before the event loop;
/// read by several threads during it.
class ScoreTable {
public:
  void fill(const std::uint32_t *run, const std::uint64_t *event, const float *score,
            std::size_t n) {
    scores_.clear();
    scores_.reserve(n);
    for (std::size_t i = 0; i < n; ++i)
      if (!scores_.emplace(std::make_pair(run[i], event[i]), score[i]).second)
        throw std::runtime_error("two scores for run " + std::to_string(run[i]) + ", event " +
                                 std::to_string(event[i]));
  }

  float at(std::uint32_t run, std::uint64_t event) const {
    const auto found = scores_.find({run, event});
    if (found == scores_.end())
      throw std::runtime_error("no score for run " + std::to_string(run) + ", event " +
                               std::to_string(event));
    return found->second;
  }

private:
  using Key = std::pair<std::uint32_t, std::uint64_t>;
  struct Hash {
    std::size_t operator()(const Key &key) const {
      return static_cast<std::size_t>((key.second ^ (std::uint64_t{key.first} << 40)) *
                                      0x9e3779b97f4a7c15ull);
    }
  };
  std::unordered_map<Key, float, Hash> scores_;
};

/// The table of a network, by its index; created at the first call. It holds one sample at a time.
inline ScoreTable &score_table(int network) {
  static std::map<int, ScoreTable> tables;
  return tables[network];
}

/// The score of an event. Expressions with it are the same text for all samples.
///
/// Raises: std::runtime_error, the event has no score.
inline float score(int network, std::uint32_t run, std::uint64_t event) {
  return score_table(network).at(run, event);
}

} // namespace monojet

#endif

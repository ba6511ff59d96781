#include "rdf/checks.hxx"

#include "objects/particles.hxx"

#include <ROOT/RVec.hxx>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

namespace monojet {

EventChecks check_events(RNode df) {
  std::vector<EventChecks> slots(df.GetNSlots());
  df.ForeachSlot(
      [&slots](unsigned int slot, UInt_t run, ULong64_t number, double weight) {
        slots[slot].run_number.push_back(run);
        slots[slot].event_number.push_back(number);
        slots[slot].n_weights_not_finite += !std::isfinite(weight);
        slots[slot].n_weights_zero += weight == 0.;
      },
      {"run_number", "event_number", "weight"});
  EventChecks all = std::move(slots.front());
  for (std::size_t i = 1; i < slots.size(); ++i) {
    const EventChecks &some = slots[i];
    all.run_number.insert(all.run_number.end(), some.run_number.begin(), some.run_number.end());
    all.event_number.insert(all.event_number.end(), some.event_number.begin(),
                            some.event_number.end());
    all.n_weights_not_finite += some.n_weights_not_finite;
    all.n_weights_zero += some.n_weights_zero;
  }
  return all;
}

std::map<int, std::uint64_t> unknown_particles(RNode df) {
  std::vector<std::map<int, std::uint64_t>> slots(df.GetNSlots());
  df.ForeachSlot(
      [&slots](unsigned int slot, const ROOT::RVecI &codes) {
        for (const int code : codes)
          if (!is_known(code))
            ++slots[slot][std::abs(code)];
      },
      {"particle_pdg_id"});
  std::map<int, std::uint64_t> all;
  for (const auto &some : slots)
    for (const auto &[code, n] : some)
      all[code] += n;
  return all;
}

double largest(RNode df, const std::string &column, bool of_vectors) {
  std::vector<double> slots(df.GetNSlots(), -std::numeric_limits<double>::infinity());
  if (of_vectors)
    df.ForeachSlot(
        [&slots](unsigned int slot, const ROOT::RVecF &values) {
          for (const float value : values)
            slots[slot] = std::max(slots[slot], static_cast<double>(value));
        },
        {column});
  else
    df.ForeachSlot(
        [&slots](unsigned int slot, float value) {
          slots[slot] = std::max(slots[slot], static_cast<double>(value));
        },
        {column});
  return *std::max_element(slots.begin(), slots.end());
}

} // namespace monojet

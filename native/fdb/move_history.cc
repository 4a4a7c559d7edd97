#include "fdb/move_history.h"

#include <algorithm>

namespace weft {

bool MoveHistory::note(uint64_t key, uint64_t hash, Seconds now, const FdbNetworkLimits& limits) {
  if (limits.move_count == 0) return false;
  Set& set = sets_[hash % kSets];
  for (Record& record : set) {
    if (now >= record.expires) record = Record{};
  }
  auto record = std::find_if(set.begin(), set.end(), [key](const Record& each) { return each.key == key; });
  if (record == set.end()) {
    record = std::min_element(set.begin(), set.end(), [](const Record& a, const Record& b) { return a.moves < b.moves; });
    *record = {key, now + limits.move_window, 0};
  }
  if (++record->moves < limits.move_count) return false;
  *record = Record{};
  return true;
}

void MoveHistory::forget(uint64_t key, uint64_t hash) {
  for (Record& record : sets_[hash % kSets]) {
    if (record.key == key) record = Record{};
  }
}

}  // namespace weft

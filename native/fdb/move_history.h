// How often a MAC moved lately, for the few MACs that do: a small table of fixed size, the writer's. When its set is full,
// the MAC with the fewest moves is forgotten, so that a flood of MACs that move once cannot hide one that flaps.
#pragma once

#include <array>
#include <cstdint>

#include "fdb/fdb.h"

namespace weft {

class MoveHistory {
 public:
  // Counts a move of `key`. True when it is move number `limits.move_count` within `limits.move_window` seconds of the first; the
  // count then starts anew. Never true if move_count is 0.
  bool note(uint64_t key, uint64_t hash, Seconds now, const FdbNetworkLimits& limits);
  void forget(uint64_t key, uint64_t hash);

 private:
  struct Record {
    uint64_t key = 0;
    Seconds expires = 0;
    uint32_t moves = 0;
  };
  static constexpr size_t kSets = 256;
  using Set = std::array<Record, 4>;
  std::array<Set, kSets> sets_{};
};

}  // namespace weft

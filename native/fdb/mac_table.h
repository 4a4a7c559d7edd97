// The hash table under the FDB: buckets of one cache line with four entries, two candidate buckets a key (cuckoo hashing).
//
// Readers take no lock and never write. Writers are serialised by the caller. What a reader can meet, and why it is right:
//
// * A slot that is given to another key while it is read. The writer clears the key, stores the new value with the slot's
//   version counted up, then the new key, each with release order. The reader loads value, key, value, each with acquire
//   order. If both values carry version s, the key it saw in between is no older than "cleared before s" (the first value
//   was stored after that) and no newer than "key of s" (a newer key would have brought a newer value with it). So key and
//   value belong together. The version has 14 bits: to be fooled, a reader must sleep between two neighbouring loads while
//   its very slot is reused a multiple of 16,384 times.
// * An entry on its way from one bucket to the other. The copy is written first, then `epoch_` is counted up, then the
//   original is cleared. A reader that finds nothing and sees that the epoch has changed looks again; so a live key is never
//   missed.
// * A table that has been replaced by a larger one. The old one stays mapped for ever, but its pages are given back to the
//   kernel and read as zeros: empty slots, and a changed epoch. All old tables together have fewer addresses than the
//   current one.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "fdb/entry.h"
#include "fdb/mapping.h"

namespace weft {

class MacTable {
 public:
  static constexpr uint64_t kNoSlot = ~uint64_t{0};

  // Grows by doubling until `capacity` entries fill at most three quarters of it. Throws std::bad_alloc.
  MacTable(uint64_t seed_a, uint64_t seed_b, uint32_t capacity);

  // ---- readers -------------------------------------------------------------------------------------------------------
  uint64_t hash(uint64_t key) const;
  // False when there is no such entry.
  bool read(uint64_t key, uint64_t hash, Value& value) const;
  // Of the first bucket only, where nearly all hits are: the second one's line would cost every look-up as much as it saves a
  // few.
  void prefetch(uint64_t hash) const;

  // ---- the writer ----------------------------------------------------------------------------------------------------
  uint64_t find(uint64_t key) const;  // the slot, or kNoSlot
  Value value(uint64_t slot) const;
  uint32_t node(uint64_t slot) const;
  void set_value(uint64_t slot, Value value);  // same key
  void erase(uint64_t slot);
  // `key` must not be present. Displaces up to a few dozen others when both buckets are full; false when that fails too, which
  // practically never happens below 90 % of the slots.
  bool insert(uint64_t key, Value value, uint32_t node);
  // Doubles. O(slots). False at full size, or when the kernel has no memory.
  bool grow();

  uint64_t slots() const;
  uint32_t used() const { return used_; }
  bool can_grow() const { return slots() < max_slots_; }
  size_t memory_bytes() const;

 private:
  static constexpr int kWays = 4;
  struct Slot {
    std::atomic<uint64_t> key;
    std::atomic<uint64_t> value;
  };
  struct alignas(64) Bucket {
    Slot slots[kWays];
  };
  struct Level {
    Mapping memory;
    Bucket* buckets = nullptr;
    uint32_t* nodes = nullptr;  // of each slot; the writer's
    uint64_t mask = 0;          // buckets - 1

    uint64_t first(uint64_t hash) const { return hash & mask; }
    uint64_t second(uint64_t hash) const {
      const uint64_t other = hash >> 32 & mask;
      return other == first(hash) ? other ^ 1 : other;
    }
    Slot& slot(uint64_t at) const { return buckets[at / kWays].slots[at % kWays]; }
  };

  static std::unique_ptr<Level> make_level(uint64_t buckets);
  static bool read_bucket(const Bucket& bucket, uint64_t key, Value& value);
  static uint64_t free_slot(const Level& level, uint64_t bucket);
  static void put(Level& level, uint64_t slot, uint64_t key, Value value, uint32_t node);
  bool insert_into(Level& level, uint64_t key, Value value, uint32_t node);
  uint64_t make_room(Level& level, uint64_t hash);
  Level& current() const { return *current_.load(std::memory_order_relaxed); }

  static constexpr int kReadAttempts = 8;

  const uint64_t seed_a_, seed_b_;
  const uint64_t max_slots_;
  std::atomic<Level*> current_;
  std::atomic<uint32_t> epoch_{0};
  uint32_t used_ = 0;
  std::vector<std::unique_ptr<Level>> levels_;
};

// ---- readers, inline: a call and a result in memory would cost as much as a hit in the cache ----------------------------------

// Both halves of the 128-bit product, folded: not linear in any group that an attacker could exploit without the keys.
inline uint64_t fold_multiply(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t MacTable::hash(uint64_t key) const {
  return fold_multiply(fold_multiply(key ^ seed_a_, seed_b_ | 1) ^ seed_b_, (seed_a_ << 32 | seed_a_ >> 32) | 1);
}

inline void MacTable::prefetch(uint64_t hash) const {
  const Level& level = *current_.load(std::memory_order_acquire);
  __builtin_prefetch(&level.buckets[level.first(hash)]);
}

inline bool MacTable::read_bucket(const Bucket& bucket, uint64_t key, Value& value) {
  // All four are compared without a branch: which one it is cannot be predicted.
  unsigned matches = 0;
#pragma GCC unroll 4
  for (unsigned way = 0; way < kWays; ++way) {
    matches |= static_cast<unsigned>(bucket.slots[way].key.load(std::memory_order_acquire) == key) << way;
  }
  if (matches == 0) return false;
  const Slot& slot = bucket.slots[std::countr_zero(matches)];
  value = {slot.value.load(std::memory_order_acquire)};
  if (slot.key.load(std::memory_order_acquire) != key) return false;
  const Value again{slot.value.load(std::memory_order_acquire)};
  return value.version() == again.version();
}

inline bool MacTable::read(uint64_t key, uint64_t hash, Value& value) const {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const uint32_t epoch = epoch_.load(std::memory_order_acquire);
    const Level& level = *current_.load(std::memory_order_acquire);
    if (read_bucket(level.buckets[level.first(hash)], key, value)) return true;
    if (read_bucket(level.buckets[level.second(hash)], key, value)) return true;
    if (epoch_.load(std::memory_order_acquire) == epoch) break;
  }
  return false;
}

}  // namespace weft

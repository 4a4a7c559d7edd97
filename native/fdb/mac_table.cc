#include "fdb/mac_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <new>

namespace weft {
namespace {

constexpr uint64_t kMinBuckets = 256;
constexpr size_t kHugePagesFrom = 4u << 20;
constexpr size_t kSearchBuckets = 128;  // the most that one insertion looks through to displace others

uint64_t full_size(uint32_t capacity) {
  return std::max(kMinBuckets * 4, std::bit_ceil(uint64_t{capacity} + uint64_t{capacity} / 3 + 1));
}

}  // namespace

MacTable::MacTable(uint64_t seed_a, uint64_t seed_b, uint32_t capacity)
    : seed_a_(seed_a), seed_b_(seed_b), max_slots_(full_size(capacity)) {
  std::unique_ptr<Level> level = make_level(kMinBuckets);
  if (level == nullptr) throw std::bad_alloc();
  current_.store(level.get(), std::memory_order_release);
  levels_.push_back(std::move(level));
}

std::unique_ptr<MacTable::Level> MacTable::make_level(uint64_t buckets) {
  auto level = std::make_unique<Level>();
  level->memory = Mapping(buckets * (sizeof(Bucket) + kWays * sizeof(uint32_t)));
  if (level->memory.data() == nullptr) return nullptr;
  level->buckets = static_cast<Bucket*>(level->memory.data());
  level->nodes = reinterpret_cast<uint32_t*>(level->buckets + buckets);
  level->mask = buckets - 1;
  // A table of many megabytes costs a TLB miss a lookup unless its pages are large.
  if (level->memory.bytes() >= kHugePagesFrom) level->memory.prefer_large_pages();
  return level;
}

uint64_t MacTable::find(uint64_t key) const {
  const Level& level = current();
  const uint64_t h = hash(key);
  for (const uint64_t bucket : {level.first(h), level.second(h)}) {
    for (uint64_t way = 0; way < kWays; ++way) {
      if (level.buckets[bucket].slots[way].key.load(std::memory_order_relaxed) == key) return bucket * kWays + way;
    }
  }
  return kNoSlot;
}

Value MacTable::value(uint64_t slot) const { return {current().slot(slot).value.load(std::memory_order_relaxed)}; }

uint32_t MacTable::node(uint64_t slot) const { return current().nodes[slot]; }

void MacTable::set_value(uint64_t slot, Value value) {
  std::atomic<uint64_t>& word = current().slot(slot).value;
  const uint64_t version = word.load(std::memory_order_relaxed) & Value::kVersionMask;
  word.store((value.bits & ~Value::kVersionMask) | version, std::memory_order_release);
}

void MacTable::erase(uint64_t slot) {
  // The value stays: it carries the slot's version.
  current().slot(slot).key.store(0, std::memory_order_release);
  --used_;
}

uint64_t MacTable::free_slot(const Level& level, uint64_t bucket) {
  for (uint64_t way = 0; way < kWays; ++way) {
    if (level.buckets[bucket].slots[way].key.load(std::memory_order_relaxed) == 0) return bucket * kWays + way;
  }
  return kNoSlot;
}

void MacTable::put(Level& level, uint64_t at, uint64_t key, Value value, uint32_t node) {
  Slot& slot = level.slot(at);
  const uint64_t version = (slot.value.load(std::memory_order_relaxed) + Value::kVersionOne) & Value::kVersionMask;
  slot.value.store((value.bits & ~Value::kVersionMask) | version, std::memory_order_release);
  slot.key.store(key, std::memory_order_release);
  level.nodes[at] = node;
}

bool MacTable::insert(uint64_t key, Value value, uint32_t node) {
  if (!insert_into(current(), key, value, node)) return false;
  ++used_;
  return true;
}

bool MacTable::insert_into(Level& level, uint64_t key, Value value, uint32_t node) {
  // The first bucket is preferred to the emptier one: most hits then touch one cache line.
  const uint64_t h = hash(key);
  uint64_t slot = free_slot(level, level.first(h));
  if (slot == kNoSlot) slot = free_slot(level, level.second(h));
  if (slot == kNoSlot) slot = make_room(level, h);
  if (slot == kNoSlot) return false;
  put(level, slot, key, value, node);
  return true;
}

// Frees a slot in one of the key's two buckets: a breadth-first search for the shortest chain of entries that can each step aside
// into their other bucket, which is then walked from its free end.
uint64_t MacTable::make_room(Level& level, uint64_t hash_of_key) {
  struct Step {
    uint64_t bucket;
    uint64_t from;  // the slot whose entry can step into `bucket`
    size_t parent;
  };
  std::array<Step, kSearchBuckets> queue;
  queue[0] = {level.first(hash_of_key), kNoSlot, 0};
  queue[1] = {level.second(hash_of_key), kNoSlot, 1};
  size_t count = 2;
  for (size_t at = 0; at < count; ++at) {
    for (uint64_t way = 0; way < kWays; ++way) {
      uint64_t from = queue[at].bucket * kWays + way;
      const uint64_t h = hash(level.slot(from).key.load(std::memory_order_relaxed));
      const uint64_t other = level.first(h) == queue[at].bucket ? level.second(h) : level.first(h);
      uint64_t to = free_slot(level, other);
      if (to == kNoSlot) {
        const auto known = [other](const Step& step) { return step.bucket == other; };
        if (count < kSearchBuckets && std::none_of(queue.begin(), queue.begin() + count, known)) {
          queue[count++] = {other, from, at};
        }
        continue;
      }
      for (size_t step = at;; step = queue[step].parent) {
        Slot& source = level.slot(from);
        put(level, to, source.key.load(std::memory_order_relaxed), {source.value.load(std::memory_order_relaxed)},
            level.nodes[from]);
        epoch_.fetch_add(1, std::memory_order_acq_rel);
        source.key.store(0, std::memory_order_release);
        to = from;
        if (queue[step].from == kNoSlot) return to;
        from = queue[step].from;
      }
    }
  }
  return kNoSlot;
}

bool MacTable::grow() {
  Level& old = current();
  for (uint64_t size = slots() * 2; size <= max_slots_; size *= 2) {
    std::unique_ptr<Level> level = make_level(size / kWays);
    if (level == nullptr) return false;
    bool fits = true;
    for (uint64_t at = 0; at < slots() && fits; ++at) {
      const Slot& slot = old.slot(at);
      const uint64_t key = slot.key.load(std::memory_order_relaxed);
      if (key != 0) fits = insert_into(*level, key, {slot.value.load(std::memory_order_relaxed)}, old.nodes[at]);
    }
    if (!fits) continue;
    current_.store(level.get(), std::memory_order_release);
    epoch_.fetch_add(1, std::memory_order_acq_rel);
    levels_.push_back(std::move(level));
    old.memory.clear();
    return true;
  }
  return false;
}

uint64_t MacTable::slots() const { return (current().mask + 1) * kWays; }

size_t MacTable::memory_bytes() const { return current().memory.bytes(); }

}  // namespace weft

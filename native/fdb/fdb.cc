#include "fdb/fdb.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>

#include "fdb/entry.h"
#include "fdb/ledger.h"
#include "fdb/mac_table.h"
#include "fdb/mapping.h"
#include "fdb/move_history.h"
#include "fdb/spin_lock.h"

namespace weft {
namespace {

constexpr uint32_t kMaxCapacity = 1u << 26;
constexpr uint32_t kNowhere = ~0u;           // no destination's code
constexpr uint32_t kSweepSteps = 16384;      // a call holds the lock for about a millisecond
constexpr uint32_t kSliceSteps = 1024;       // of a long task of a control thread: the lock is held for about 0.15 ms
constexpr uint64_t kGrowInlineSlots = 16384;  // a worker may double a table of this size itself: about half a millisecond
constexpr uint32_t kFlushesPerDrain = 254;   // of 256 generations
constexpr uint32_t kTicksPerLimit = 64;      // so often does the tick go on while a network learns `limit` new entries

using Counter = std::atomic<uint64_t>;
void bump(Counter& counter, uint64_t by = 1) { counter.fetch_add(by, std::memory_order_relaxed); }

}  // namespace

struct Fdb::State {
  State(Seed seed, uint32_t capacity)
      : table(seed.a, seed.b, capacity), ledger(capacity), shared_memory(sizeof(Shared)) {
    if (shared_memory.data() == nullptr) throw std::bad_alloc();
    shared = static_cast<Shared*>(shared_memory.data());
  }

  // Written under the lock, read by everybody.
  struct Shared {
    std::atomic<uint8_t> destination_generations[kDestinationCodes];
    std::atomic<uint8_t> network_generations[2][kMaxNetworks];  // of learned and of declared entries
    std::atomic<uint32_t> extra_ticks[kMaxNetworks];            // of the network, beside its seconds
  };
  MacTable table;
  Shared* shared;
  // The writer's.
  mutable SpinLock lock;
  Ledger ledger;
  MoveHistory moves;
  uint32_t flushes_since_drained = 0;
  uint32_t sweep_at = 0;
  Mapping shared_memory;
  struct {
    Counter learned{0}, moved{0}, expired{0}, evicted{0}, flushed{0}, frozen{0}, refused_port{0}, refused_network{0};
  } counters;

  uint8_t destination_generation(uint32_t destination) const {
    return shared->destination_generations[destination].load(std::memory_order_relaxed);
  }
  uint8_t network_generation(uint64_t key, bool declared) const {
    return shared->network_generations[declared][network_of(key)].load(std::memory_order_relaxed);
  }
  uint32_t tick(NetworkIndex network, Seconds now) const {
    return now + shared->extra_ticks[network].load(std::memory_order_relaxed);
  }
  // Used in this tick, or in the next one: another worker's clock may be a second ahead. An entry that comes back after exactly
  // 65,536 ticks looks so, too, for one tick.
  bool recent(uint64_t key, Value value, Seconds now) const {
    const auto idle = static_cast<uint16_t>(tick(network_of(key), now) - value.tick());
    return idle == 0 || idle == 0xffff;
  }
  bool stale(uint64_t key, Value value) const {
    return destination_generation(value.destination()) != value.destination_generation() ||
           network_generation(key, value.declared()) != value.network_generation();
  }
  // False when there is no live entry.
  bool read(uint64_t key, Value& value) const { return table.read(key, table.hash(key), value) && !stale(key, value); }
  Value make_value(uint64_t key, uint32_t destination, bool declared, Seconds now) const {
    return Value::make(destination, declared, tick(network_of(key), now), destination_generation(destination),
                       network_generation(key, declared));
  }

  static FdbEntry describe(const Ledger::Node& node, Value value, Seconds now) {
    const Seconds idle = node.declared || now < node.seen ? 0 : now - node.seen;
    return {network_of(node.key), mac_of(node.key), decode_destination(value.destination()), node.declared,
            node.frozen && now < node.frozen_until, idle};
  }

  uint64_t find_live(uint64_t key);
  LearnResult learn(uint64_t key, uint32_t destination, Seconds now);
  LearnResult move(uint64_t key, uint64_t slot, uint32_t destination, Seconds now);
  LearnResult learn_new(uint64_t key, uint32_t destination, Seconds now);
  bool at_port_limit(NetworkIndex network, uint32_t destination);
  bool make_room(NetworkIndex network, uint32_t destination);
  bool evict_from(NetworkIndex network, uint32_t destination);
  bool store(uint64_t key, uint32_t destination, bool declared, Seconds now);
  void erase(uint32_t node);
  void reclaim(uint32_t node);
  std::unique_lock<SpinLock> lock_to_flush();
  void count_new(NetworkIndex network);
  uint32_t expire(uint32_t owner, Seconds now, uint32_t steps);
};

// The slot of a live entry. One that was flushed is reclaimed on the way, so that its key can be used again.
uint64_t Fdb::State::find_live(uint64_t key) {
  const uint64_t slot = table.find(key);
  if (slot == MacTable::kNoSlot || !stale(key, table.value(slot))) return slot;
  reclaim(table.node(slot));
  return MacTable::kNoSlot;
}

void Fdb::State::erase(uint32_t node) {
  table.erase(table.find(ledger.node(node).key));
  ledger.drop(node);
}

void Fdb::State::reclaim(uint32_t node) {
  table.erase(table.find(ledger.node(node).key));
  ledger.drop_garbage(node);
  if (ledger.garbage_head() == Ledger::kNone) flushes_since_drained = 0;
}

// An entry of a generation that comes round again would be alive again. No generation can come round while fewer than 256 flushes
// have happened since there was last no flushed entry in the table.
std::unique_lock<SpinLock> Fdb::State::lock_to_flush() {
  std::unique_lock guard(lock);
  while (flushes_since_drained + 1 >= kFlushesPerDrain && ledger.garbage_head() != Ledger::kNone) {
    for (uint32_t left = kSliceSteps; left > 0 && ledger.garbage_head() != Ledger::kNone; --left) reclaim(ledger.garbage_head());
    guard.unlock();
    guard.lock();
  }
  if (ledger.garbage_head() == Ledger::kNone) flushes_since_drained = 0;
  ++flushes_since_drained;
  return guard;
}

LearnResult Fdb::State::learn(uint64_t key, uint32_t destination, Seconds now) {
  const uint64_t slot = find_live(key);
  if (slot == MacTable::kNoSlot) return learn_new(key, destination, now);
  const Value value = table.value(slot);
  if (value.destination() != destination) {
    return value.declared() ? LearnResult::declared_elsewhere : move(key, slot, destination, now);
  }
  const uint32_t node = table.node(slot);
  if (!value.declared() && !recent(key, value, now)) {
    ledger.touch(node, now);
    table.set_value(slot, make_value(key, destination, false, now));
  }
  return LearnResult::known;
}

LearnResult Fdb::State::move(uint64_t key, uint64_t slot, uint32_t destination, Seconds now) {
  const uint32_t node = table.node(slot);
  if (ledger.node(node).frozen && now < ledger.node(node).frozen_until) return LearnResult::frozen;
  const NetworkIndex network = network_of(key);
  if (at_port_limit(network, destination)) {
    bump(counters.refused_port);
    return LearnResult::port_full;
  }
  const FdbNetworkLimits& limits = ledger.network(network).limits;
  const bool freeze = moves.note(key, table.hash(key), now, limits);
  ledger.reassign(node, destination, false, now);
  table.set_value(slot, make_value(key, destination, false, now));
  bump(counters.moved);
  if (!freeze) return LearnResult::moved;
  ledger.freeze(node, now + limits.move_freeze);
  bump(counters.frozen);
  return LearnResult::froze;
}

LearnResult Fdb::State::learn_new(uint64_t key, uint32_t destination, Seconds now) {
  const NetworkIndex network = network_of(key);
  if (at_port_limit(network, destination)) {
    bump(counters.refused_port);
    return LearnResult::port_full;
  }
  const Ledger::Network& book = ledger.network(network);
  const bool room = book.learned < book.limits.limit || (book.limits.limit > 0 && evict_from(network, destination));
  if (!room || !make_room(network, destination)) {
    bump(counters.refused_network);
    return LearnResult::network_full;
  }
  const bool may_grow = table.can_grow() && table.slots() <= kGrowInlineSlots;
  if (may_grow && table.used() >= table.slots() / 4 * 3) table.grow();
  if (!store(key, destination, false, now)) {
    // A worker does not stop to rehash a large table: the next sweep() does.
    if (table.can_grow()) return LearnResult::busy;
    bump(counters.refused_network);
    return LearnResult::network_full;
  }
  count_new(network);
  bump(counters.learned);
  return LearnResult::learned;
}

// A second is long in a flood: a whole table of entries may come and go in it. So an entry that is still in use must be able to
// say so again after a small part of a table of new ones.
void Fdb::State::count_new(NetworkIndex network) {
  Ledger::Network& book = ledger.network(network);
  if (++book.new_since_tick < book.limits.limit / kTicksPerLimit) return;
  book.new_since_tick = 0;
  shared->extra_ticks[network].fetch_add(1, std::memory_order_relaxed);
}

bool Fdb::State::at_port_limit(NetworkIndex network, uint32_t destination) {
  return decode_destination(destination).kind == DestinationKind::port &&
         ledger.learned(network, destination) >= ledger.network(network).limits.limit_per_port;
}

// Room for one more entry of `network` under `capacity`. Flushed entries go first; then the network with the most learned entries
// gives one up, but none gives to a network that would then have as many.
bool Fdb::State::make_room(NetworkIndex network, uint32_t destination) {
  if (!ledger.full()) return true;
  if (ledger.garbage_head() != Ledger::kNone) {
    reclaim(ledger.garbage_head());
    return true;
  }
  const NetworkIndex largest = ledger.largest_network();
  const uint32_t mine = ledger.network(network).learned;
  if (mine > 0 && mine + 1 >= ledger.network(largest).learned) return evict_from(network, destination);
  return evict_from(largest, kNowhere);
}

// Evicts an entry of the owner with the most learned entries. `destination`, for whom room is made, gives up one of its own if it
// would otherwise end with no fewer than that owner: a flood from one port evicts only itself.
bool Fdb::State::evict_from(NetworkIndex network, uint32_t destination) {
  const std::vector<uint32_t>& owners = ledger.network(network).owners;
  if (owners.empty() || ledger.owner(owners.front()).learned() == 0) return false;
  uint32_t loser = owners.front();
  const uint32_t mine = ledger.learned(network, destination);
  if (mine > 0 && mine + 1 >= ledger.owner(loser).learned()) loser = ledger.find_owner(network, destination);
  erase(ledger.victim(loser));
  bump(counters.evicted);
  return true;
}

bool Fdb::State::store(uint64_t key, uint32_t destination, bool declared, Seconds now) {
  const uint32_t node = ledger.add(key, destination, declared, now);
  if (table.insert(key, make_value(key, destination, declared, now), node)) return true;
  ledger.drop(node);
  return false;
}

// Up to `steps` entries of the owner that have aged, or that exceed their network's limit. Returns how many; the owner may be
// gone then.
uint32_t Fdb::State::expire(uint32_t owner, Seconds now, uint32_t steps) {
  uint32_t done = 0;
  const Ledger::Network& book = ledger.network(ledger.owner(owner).network);
  while (done < steps && ledger.owner(owner).live && ledger.owner(owner).learned() > 0) {
    const uint32_t oldest = ledger.oldest(owner);
    const Seconds seen = ledger.node(oldest).seen;
    const bool aged = book.limits.age != 0 && now > seen && now - seen >= book.limits.age;
    const bool over = book.learned > book.limits.limit && book.owners.front() == owner;
    if (!aged && !over) break;
    erase(aged ? oldest : ledger.victim(owner));
    bump(aged ? counters.expired : counters.evicted);
    ++done;
  }
  return done;
}

Fdb::Fdb(Seed seed, uint32_t capacity) : state_(std::make_unique<State>(seed, std::clamp(capacity, 1u, kMaxCapacity))) {}

Fdb::~Fdb() = default;

bool Fdb::look_up(NetworkIndex network, Mac mac, Destination& where) const {
  if (network >= kMaxNetworks) return false;
  Value value;
  if (!state_->read(make_key(network, mac), value)) return false;
  where = decode_destination(value.destination());
  return true;
}

bool Fdb::is_declared(NetworkIndex network, Mac mac) const {
  if (network >= kMaxNetworks) return false;
  Value value;
  return state_->read(make_key(network, mac), value) && value.declared();
}

void Fdb::prefetch(NetworkIndex network, Mac mac) const { state_->table.prefetch(state_->table.hash(make_key(network, mac))); }

LearnResult Fdb::learn(NetworkIndex network, Mac mac, Destination where, Seconds now) {
  if (network >= kMaxNetworks) return LearnResult::network_full;
  State& state = *state_;
  const uint64_t key = make_key(network, mac);
  const uint32_t destination = encode(where);
  Value value;
  const bool known = state.read(key, value);
  const bool same = known && value.destination() == destination;
  if (known && value.declared()) return same ? LearnResult::known : LearnResult::declared_elsewhere;
  if (same && state.recent(key, value, now)) return LearnResult::known;
  const std::unique_lock guard(state.lock, std::try_to_lock);
  if (!guard) return same ? LearnResult::known : LearnResult::busy;
  return state.learn(key, destination, now);
}

void Fdb::set_limits(NetworkIndex network, const FdbNetworkLimits& limits) {
  if (network >= kMaxNetworks) return;
  const std::lock_guard guard(state_->lock);
  state_->ledger.network(network).limits = limits;
}

bool Fdb::declare(NetworkIndex network, Mac mac, Destination where) {
  if (network >= kMaxNetworks) return false;
  State& state = *state_;
  const uint64_t key = make_key(network, mac);
  const uint32_t destination = encode(where);
  const std::lock_guard guard(state.lock);
  const uint64_t slot = state.find_live(key);
  if (slot != MacTable::kNoSlot) {
    state.ledger.reassign(state.table.node(slot), destination, true, 0);
    state.table.set_value(slot, state.make_value(key, destination, true, 0));
    return true;
  }
  if (!state.make_room(network, kNowhere)) return false;
  do {
    if (state.store(key, destination, true, 0)) return true;
  } while (state.table.grow());
  return false;
}

bool Fdb::remove(NetworkIndex network, Mac mac) {
  if (network >= kMaxNetworks) return false;
  State& state = *state_;
  const uint64_t key = make_key(network, mac);
  const std::lock_guard guard(state.lock);
  const uint64_t slot = state.find_live(key);
  if (slot == MacTable::kNoSlot) return false;
  state.erase(state.table.node(slot));
  state.moves.forget(key, state.table.hash(key));
  return true;
}

void Fdb::flush_destination(Destination where) {
  State& state = *state_;
  const uint32_t destination = encode(where);
  const auto guard = state.lock_to_flush();
  state.shared->destination_generations[destination].fetch_add(1, std::memory_order_release);
  bump(state.counters.flushed, state.ledger.discard_destination(destination));
}

void Fdb::flush_network(NetworkIndex network) {
  if (network >= kMaxNetworks) return;
  State& state = *state_;
  const auto guard = state.lock_to_flush();
  for (auto& generations : state.shared->network_generations) generations[network].fetch_add(1, std::memory_order_release);
  bump(state.counters.flushed, state.ledger.discard_network(network));
}

void Fdb::flush_learned(std::optional<NetworkIndex> network) {
  if (network && *network >= kMaxNetworks) return;
  State& state = *state_;
  auto& generations = state.shared->network_generations[false];
  const auto guard = state.lock_to_flush();
  for (uint32_t index = network.value_or(0); index <= network.value_or(kMaxNetworks - 1); ++index) {
    generations[index].fetch_add(1, std::memory_order_release);
  }
  bump(state.counters.flushed, state.ledger.discard_learned(network));
}

void Fdb::sweep(Seconds now) {
  State& state = *state_;
  const std::unique_lock guard(state.lock, std::try_to_lock);
  if (!guard) return;
  uint32_t steps = kSweepSteps;
  for (; steps > 0 && state.ledger.garbage_head() != Ledger::kNone; --steps) state.reclaim(state.ledger.garbage_head());
  const uint32_t owners = state.ledger.owner_slots();
  for (uint32_t turn = 0; turn < owners && steps > 0; ++turn) {
    if (state.sweep_at >= owners) state.sweep_at = 0;
    --steps;
    if (state.ledger.owner(state.sweep_at).live) steps -= state.expire(state.sweep_at, now, steps);
    if (steps > 0) ++state.sweep_at;
  }
  if (state.table.used() > state.table.slots() / 2) state.table.grow();
}

// In slices of node numbers: an entry keeps its number wherever it moves in the table and among the lists.
std::vector<FdbEntry> Fdb::dump(std::optional<NetworkIndex> network, Seconds now, size_t limit) const {
  const State& state = *state_;
  std::vector<FdbEntry> entries;
  std::array<FdbEntry, kSliceSteps> slice;
  std::unique_lock guard(state.lock);
  for (uint32_t at = 0;;) {
    size_t count = 0;
    const uint32_t end = std::min(state.ledger.node_slots(), at + kSliceSteps);
    for (; at < end; ++at) {
      const Ledger::Node& node = state.ledger.node(at);
      if (node.key == 0 || (network && network_of(node.key) != *network)) continue;
      const Value value = state.table.value(state.table.find(node.key));
      if (state.stale(node.key, value)) continue;
      slice[count++] = state.describe(node, value, now);
    }
    const bool last = at == state.ledger.node_slots();
    guard.unlock();
    count = std::min(count, limit - entries.size());
    entries.insert(entries.end(), slice.begin(), slice.begin() + count);
    if (last || entries.size() == limit) return entries;
    guard.lock();
  }
}

std::optional<FdbEntry> Fdb::entry(NetworkIndex network, Mac mac, Seconds now) const {
  if (network >= kMaxNetworks) return std::nullopt;
  const State& state = *state_;
  const uint64_t key = make_key(network, mac);
  const std::lock_guard guard(state.lock);
  const uint64_t slot = state.table.find(key);
  if (slot == MacTable::kNoSlot || state.stale(key, state.table.value(slot))) return std::nullopt;
  return state.describe(state.ledger.node(state.table.node(slot)), state.table.value(slot), now);
}

uint32_t Fdb::learned_at(NetworkIndex network, Destination where) const {
  if (network >= kMaxNetworks) return 0;
  const std::lock_guard guard(state_->lock);
  return state_->ledger.learned(network, encode(where));
}

Fdb::Count Fdb::count(NetworkIndex network) const {
  if (network >= kMaxNetworks) return {0, 0};
  const std::lock_guard guard(state_->lock);
  const Ledger::Network* book = state_->ledger.find_network(network);
  return book == nullptr ? Count{0, 0} : Count{book->learned, book->declared};
}

FdbCounters Fdb::counters() const {
  const auto& from = state_->counters;
  const auto get = [](const Counter& counter) { return counter.load(std::memory_order_relaxed); };
  return {.learned = get(from.learned), .moved = get(from.moved), .expired = get(from.expired), .evicted = get(from.evicted),
          .flushed = get(from.flushed), .frozen = get(from.frozen), .refused_port = get(from.refused_port),
          .refused_network = get(from.refused_network)};
}

size_t Fdb::memory_bytes() const {
  const std::lock_guard guard(state_->lock);
  return sizeof(State) + state_->table.memory_bytes() + state_->ledger.memory_bytes() + state_->shared_memory.bytes();
}

}  // namespace weft

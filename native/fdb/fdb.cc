#include "fdb/fdb.h"

#include <algorithm>
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
constexpr uint64_t kGrowInlineSlots = 16384;  // a worker may double a table of this size itself: about half a millisecond
constexpr uint32_t kFlushesPerDrain = 254;   // of 256 generations

using Counter = std::atomic<uint64_t>;
void bump(Counter& counter, uint64_t by = 1) { counter.fetch_add(by, std::memory_order_relaxed); }

}  // namespace

struct Fdb::State {
  State(Seed seed, uint32_t capacity)
      : table(seed.a, seed.b, capacity), ledger(capacity), generation_memory(kDestinationCodes + kMaxNetworks) {
    if (generation_memory.data() == nullptr) throw std::bad_alloc();
    destination_generations = static_cast<std::atomic<uint8_t>*>(generation_memory.data());
    network_generations = destination_generations + kDestinationCodes;
  }

  // Written under the lock, read by everybody.
  MacTable table;
  std::atomic<uint8_t>* destination_generations;
  std::atomic<uint8_t>* network_generations;
  // The writer's.
  mutable SpinLock lock;
  Ledger ledger;
  MoveHistory moves;
  uint32_t flushes_since_drained = 0;
  uint32_t sweep_at = 0;
  Mapping generation_memory;
  struct {
    Counter learned{0}, moved{0}, expired{0}, evicted{0}, flushed{0}, frozen{0}, refused_port{0}, refused_network{0};
  } counters;

  bool stale(uint64_t key, Value value) const {
    return destination_generations[value.destination()].load(std::memory_order_relaxed) != value.destination_generation() ||
           network_generations[network_of(key)].load(std::memory_order_relaxed) != value.network_generation();
  }
  std::optional<Value> read(uint64_t key) const {
    const std::optional<Value> value = table.read(key, table.hash(key));
    if (!value || stale(key, *value)) return std::nullopt;
    return value;
  }
  Value make_value(uint64_t key, uint32_t destination, bool declared, Seconds now) const {
    return Value::make(destination, declared, now, destination_generations[destination].load(std::memory_order_relaxed),
                       network_generations[network_of(key)].load(std::memory_order_relaxed));
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
  void before_flush();
  uint32_t expire(uint32_t owner, Seconds now, uint32_t steps);
  uint32_t drop_learned(uint32_t owner);
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
void Fdb::State::before_flush() {
  if (++flushes_since_drained < kFlushesPerDrain) return;
  while (ledger.garbage_head() != Ledger::kNone) reclaim(ledger.garbage_head());
  flushes_since_drained = 1;
}

LearnResult Fdb::State::learn(uint64_t key, uint32_t destination, Seconds now) {
  const uint64_t slot = find_live(key);
  if (slot == MacTable::kNoSlot) return learn_new(key, destination, now);
  const Value value = table.value(slot);
  if (value.destination() != destination) {
    return value.declared() ? LearnResult::declared_elsewhere : move(key, slot, destination, now);
  }
  const uint32_t node = table.node(slot);
  if (!value.declared() && now > ledger.node(node).seen) {
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
  bump(counters.learned);
  return LearnResult::learned;
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

// Evicts the least recently used entry of the owner with the most learned entries. `destination`, for whom room is made, gives
// up one of its own if it would otherwise end with no fewer than that owner: a flood from one port evicts only itself.
bool Fdb::State::evict_from(NetworkIndex network, uint32_t destination) {
  const std::vector<uint32_t>& owners = ledger.network(network).owners;
  if (owners.empty() || ledger.owner(owners.front()).learned.count == 0) return false;
  uint32_t victim = owners.front();
  const uint32_t mine = ledger.learned(network, destination);
  if (mine > 0 && mine + 1 >= ledger.owner(victim).learned.count) victim = ledger.find_owner(network, destination);
  erase(ledger.owner(victim).learned.head);
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
  while (done < steps && ledger.owner(owner).live && ledger.owner(owner).learned.count > 0) {
    const uint32_t oldest = ledger.owner(owner).learned.head;
    const Seconds seen = ledger.node(oldest).seen;
    const bool aged = book.limits.age != 0 && now > seen && now - seen >= book.limits.age;
    const bool over = book.learned > book.limits.limit && book.owners.front() == owner;
    if (!aged && !over) break;
    erase(oldest);
    bump(aged ? counters.expired : counters.evicted);
    ++done;
  }
  return done;
}

uint32_t Fdb::State::drop_learned(uint32_t owner) {
  const uint32_t count = ledger.owner(owner).learned.count;
  for (uint32_t left = count; left > 0; --left) erase(ledger.owner(owner).learned.head);
  return count;
}

Fdb::Fdb(Seed seed, uint32_t capacity) : state_(std::make_unique<State>(seed, std::clamp(capacity, 1u, kMaxCapacity))) {}

Fdb::~Fdb() = default;

std::optional<Destination> Fdb::find(NetworkIndex network, Mac mac) const {
  if (network >= kMaxNetworks) return std::nullopt;
  const std::optional<Value> value = state_->read(make_key(network, mac));
  if (!value) return std::nullopt;
  return decode_destination(value->destination());
}

void Fdb::prefetch(NetworkIndex network, Mac mac) const { state_->table.prefetch(state_->table.hash(make_key(network, mac))); }

LearnResult Fdb::learn(NetworkIndex network, Mac mac, Destination where, Seconds now) {
  if (network >= kMaxNetworks) return LearnResult::network_full;
  State& state = *state_;
  const uint64_t key = make_key(network, mac);
  const uint32_t destination = encode(where);
  const std::optional<Value> value = state.read(key);
  const bool same = value && value->destination() == destination;
  if (value && value->declared()) return same ? LearnResult::known : LearnResult::declared_elsewhere;
  if (same) {
    // Another worker's clock may be a second ahead. An entry that comes back after exactly 65,536 s looks fresh for a second.
    const auto idle = static_cast<uint16_t>(now - value->seen());
    if (idle == 0 || idle == 0xffff) return LearnResult::known;
  }
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
  const std::lock_guard guard(state.lock);
  state.before_flush();
  state.destination_generations[destination].fetch_add(1, std::memory_order_release);
  bump(state.counters.flushed, state.ledger.discard_destination(destination));
}

void Fdb::flush_network(NetworkIndex network) {
  if (network >= kMaxNetworks) return;
  State& state = *state_;
  const std::lock_guard guard(state.lock);
  state.before_flush();
  state.network_generations[network].fetch_add(1, std::memory_order_release);
  bump(state.counters.flushed, state.ledger.discard_network(network));
}

void Fdb::flush_learned(std::optional<NetworkIndex> network) {
  State& state = *state_;
  const std::lock_guard guard(state.lock);
  for (uint32_t id = 0; id < state.ledger.owner_slots(); ++id) {
    const Ledger::Owner& owner = state.ledger.owner(id);
    if (owner.live && (!network || owner.network == *network)) bump(state.counters.flushed, state.drop_learned(id));
  }
}

void Fdb::sweep(Seconds now) {
  State& state = *state_;
  const std::lock_guard guard(state.lock);
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

std::vector<FdbEntry> Fdb::dump(std::optional<NetworkIndex> network, Seconds now, size_t limit) const {
  const State& state = *state_;
  std::vector<FdbEntry> entries;
  const std::lock_guard guard(state.lock);
  entries.reserve(std::min<size_t>(limit, state.ledger.nodes()));
  for (uint32_t id = 0; id < state.ledger.owner_slots(); ++id) {
    const Ledger::Owner& owner = state.ledger.owner(id);
    if (!owner.live || (network && owner.network != *network)) continue;
    for (const Ledger::List* list : {&owner.declared, &owner.learned}) {
      for (uint32_t at = list->head; at != Ledger::kNone && entries.size() < limit; at = state.ledger.node(at).next) {
        const Ledger::Node& node = state.ledger.node(at);
        const Seconds idle = node.declared || now < node.seen ? 0 : now - node.seen;
        entries.push_back({owner.network, mac_of(node.key), decode_destination(owner.destination), node.declared,
                           node.frozen && now < node.frozen_until, idle});
      }
    }
  }
  return entries;
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
  return sizeof(State) + state_->table.memory_bytes() + state_->ledger.memory_bytes() + state_->generation_memory.bytes();
}

}  // namespace weft

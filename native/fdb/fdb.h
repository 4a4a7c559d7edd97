// The MAC table (forwarding database) of all networks of this host.
//
// Layout. A hash table of cache-line buckets (mac_table.h): 8 bytes of key (network, MAC) and 8 of value (where, age,
// generations) an entry. It starts with 1,024 slots and doubles as needed up to what `capacity` demands: 20 bytes a slot,
// which are at most three quarters full at `capacity`, and 32 bytes of books (ledger.h) an entry that was ever there.
// Destination indexes are the engine's; the FDB knows nothing about ports, peers or sockets.
//
// Who may do what. Readers take no lock, never wait, and never miss an entry because it is being moved or the table grows.
// All writers share one spin lock. Workers only try it: to learn, when there is something to write (a frame from a MAC
// that was seen in this tick at this place writes nothing), and to sweep(). Control threads hold it for about 0.15 ms of
// CPU time at a stretch, however much they do. The longest anybody holds it is sweep() while it doubles the table (100 ms
// for a million entries; learn() answers `busy`, readers do not notice). A worker doubles only small tables itself, so
// somebody must call sweep().
//
// Ageing. Every owner (a destination in a network) keeps its learned entries in the order of their last frame, to the
// tick; sweep() looks at the oldest of each owner. A tick is a second, or less: it also ends when the network has learned
// 1/64 of `limit` anew, so that in a flood, where a second outlasts the table, the order still tells what is in use.
//
// Limits. A port at `limit_per_port` learns no more and keeps what it has. In a network at `limit` the owner with the most
// learned entries gives one up, unless the one that asks has as many or would have: then that one gives up its own. So a
// flood evicts nobody but itself once it is the largest. At `capacity` the same rule is applied among networks first.
// Declared entries count against `capacity` only and are never evicted.
//
// Which one an owner gives up. The flood may come through the very peer whose MACs are to be kept. So an entry starts on
// probation and is proven by a frame in a later second than the one it was learned in; random MACs never are. The least
// recently used one on probation goes first, as long as a quarter of the owner's entries are on probation; otherwise the
// least recently used proven one. Without that quarter an attacker who repeats as many MACs as the table holds, once in
// `age`, would own it for ever: a newcomer would be evicted by the next newcomer. With it, he must bring so many new MACs
// that a quarter turns over between two frames of the newcomer, and to push out proven ones he must repeat three quarters
// of the table between two of their frames, which no longer differs from a network that is larger than its limit.
//
// Moves. Among learned entries the newest place wins. Move number `move_count` within `move_window` seconds of the first one
// is carried out and freezes the MAC where it now is, for `move_freeze` seconds (RFC 7432, 15.1, has this rule and the
// defaults 5 and 180). The history is kept for 1,024 MACs at most, those that move the most.
//
// Flush. Each destination has an 8-bit generation, each network one for its learned entries and one for its declared ones,
// and an entry carries those it was made with. Counting one up makes all its entries invisible at once; sweep() reclaims
// them, as does whoever needs the room first. Before a generation could come round to the same number, the flush that would
// bring it there reclaims everything first.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace weft {

// A MAC address in the low 48 bits, first octet on the wire in bits 47..40.
using Mac = uint64_t;

inline Mac load_mac(const uint8_t* at) {
  return static_cast<Mac>(at[0]) << 40 | static_cast<Mac>(at[1]) << 32 | static_cast<Mac>(at[2]) << 24 |
         static_cast<Mac>(at[3]) << 16 | static_cast<Mac>(at[4]) << 8 | at[5];
}
inline bool is_group(Mac mac) { return (mac >> 40 & 1) != 0; }

// Index of a network, a port or a peer in the engine's tables. Indexes are reused; the FDB's generations keep an old entry
// from pointing at the new owner of an index.
using NetworkIndex = uint16_t;
inline constexpr uint32_t kMaxNetworks = 4096;
inline constexpr uint32_t kMaxDestinations = 1u << 16;  // of each kind

enum class DestinationKind : uint16_t { port = 0, peer = 1 };

// Where frames for a MAC go.
struct Destination {
  DestinationKind kind = DestinationKind::port;
  uint16_t index = 0;
  friend bool operator==(const Destination&, const Destination&) = default;
};

// Seconds on a clock that never jumps back.
using Seconds = uint32_t;

struct FdbNetworkLimits {
  Seconds age = 300;              // 0: learned entries do not age
  uint32_t limit = 65536;         // learned entries of the network
  uint32_t limit_per_port = 1024; // learned entries of one port; peers are bounded by `limit` alone
  uint32_t move_count = 5;        // so many moves (0: no damping) ...
  Seconds move_window = 180;      // ... within so long ...
  Seconds move_freeze = 60;       // ... keep the MAC where it is for so long
};

enum class LearnResult : uint8_t {
  known,            // nothing changed but, at most, the age
  learned,          // new
  moved,            // was elsewhere
  frozen,           // moves too often: the entry stays where it is (this frame asked to move it)
  froze,            // moved, and this very move started the freeze
  declared_elsewhere,  // a declared entry says otherwise: the caller drops the frame
  port_full,        // the port has its limit: forwarded, not learned
  network_full,     // nothing could be evicted: forwarded, not learned
  busy,             // another writer holds the table, or it waits for sweep() to double it: the next frame will do
};

// An entry as `weft fdb ls` shows it.
struct FdbEntry {
  NetworkIndex network;
  Mac mac;
  Destination where;
  bool declared;
  bool frozen;
  Seconds idle;  // since the last frame from it; 0 for declared ones
};

struct FdbCounters {
  uint64_t learned = 0, moved = 0, expired = 0, evicted = 0, flushed = 0, frozen = 0, refused_port = 0, refused_network = 0;
};

class Fdb {
 public:
  // `seed` keys the hash: random per boot, so that nobody outside can aim MACs at one bucket. `capacity` bounds all entries of
  // all networks together, and with them the memory; it is clamped to 1 .. 2^26. Throws std::bad_alloc.
  struct Seed { uint64_t a, b; };
  Fdb(Seed seed, uint32_t capacity);
  ~Fdb();
  Fdb(const Fdb&) = delete;
  Fdb& operator=(const Fdb&) = delete;

  // ---- readers: any thread, no lock, no wait -------------------------------------------------------------------------
  std::optional<Destination> find(NetworkIndex network, Mac mac) const {
    // Inline, so that the result need not be packed into a register and taken apart again, which costs a third of a hit.
    Destination where;
    if (!look_up(network, mac, where)) return std::nullopt;
    return where;
  }
  // Whether the MAC has a declared entry, for a source from which nothing is learned.
  bool is_declared(NetworkIndex network, Mac mac) const;
  // Has the memory brought near that find() or learn() of this MAC will most likely read.
  void prefetch(NetworkIndex network, Mac mac) const;

  // ---- learning: a worker, once per received frame; O(1), no allocation except when the table or an owner list grows ------
  // The caller has dropped frames whose source is a group address or zero. O(log owners of the network) when an entry is new or
  // moves. An index of kMaxNetworks or more is `network_full` here, and a miss, false or no-op everywhere else.
  LearnResult learn(NetworkIndex network, Mac mac, Destination where, Seconds now);

  // ---- control: any thread; takes the writer's lock, and waits for it but in sweep() ---------------------------------------
  // Limits that are lowered below what is there are enforced by sweep() (limit_per_port: by ageing). Survive flush_network().
  void set_limits(NetworkIndex network, const FdbNetworkLimits& limits);
  // A declared entry replaces a learned or another declared one and never ages. False when the table is full of declared ones.
  bool declare(NetworkIndex network, Mac mac, Destination where);
  // Removes one entry, learned or declared. False when there is none.
  bool remove(NetworkIndex network, Mac mac);
  // O(1) in entries; O(networks of the destination), O(owners in the network), for flush_learned() O(owners in all networks):
  // all of them stop being found at once; memory follows by sweep(). flush_learned() keeps declared entries.
  void flush_destination(Destination where);  // before its index is reused: declared entries go too
  void flush_network(NetworkIndex network);   // before its index is reused: declared entries go too
  void flush_learned(std::optional<NetworkIndex> network);
  // Ages and reclaims a bounded part of the table; a full turn takes at most a few seconds when called every 50 ms or so. Never
  // waits: does nothing when somebody else has the lock.
  void sweep(Seconds now);
  // In no particular order. Not one moment's picture, because learning goes on: an entry that is there all the time is shown
  // once, wherever it moves, as it was at some moment of the call. One that comes or goes meanwhile may be missing; one that
  // goes and comes back may be there twice. While it runs, 40 ms for 260,000 entries, most calls of learn() answer `busy`.
  std::vector<FdbEntry> dump(std::optional<NetworkIndex> network, Seconds now, size_t limit) const;
  // The live entry of one MAC, O(1).
  std::optional<FdbEntry> entry(NetworkIndex network, Mac mac, Seconds now) const;
  // How many live entries were learned there; 0 for what is not there.
  uint32_t learned_at(NetworkIndex network, Destination where) const;
  // Live entries of a network: {learned, declared}.
  struct Count { uint32_t learned, declared; };
  Count count(NetworkIndex network) const;
  FdbCounters counters() const;
  // What is resident at most, not counting an index table of 0.5 MiB of which only touched pages are.
  size_t memory_bytes() const;

 private:
  bool look_up(NetworkIndex network, Mac mac, Destination& where) const;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft

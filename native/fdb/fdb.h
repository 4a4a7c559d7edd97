// The MAC table (forwarding database) of all networks of this host.
//
// ESSAY to be completed with the implementation: layout, who may write, what readers may see, eviction, ageing, flush.
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

enum class DestinationKind : uint8_t { port = 0, peer = 1 };

// Where frames for a MAC go.
struct Destination {
  DestinationKind kind = DestinationKind::port;
  uint16_t index = 0;
  friend bool operator==(const Destination&, const Destination&) = default;
};

// Seconds on a clock that never jumps back.
using Seconds = uint32_t;

struct FdbNetworkLimits {
  Seconds age = 300;
  uint32_t limit = 65536;         // learned entries of the network
  uint32_t limit_per_port = 1024; // learned entries of one port; peers are bounded by `limit` alone
  uint32_t move_count = 5;        // so many moves ...
  Seconds move_window = 180;      // ... within so long ...
  Seconds move_freeze = 60;       // ... keep the MAC where it is for so long
};

enum class LearnResult : uint8_t {
  known,            // nothing changed but, at most, the age
  learned,          // new
  moved,            // was elsewhere
  frozen,           // moves too often: the entry stays where it is (this frame asked to move it)
  froze,            // this very move started the freeze
  declared_elsewhere,  // a declared entry says otherwise: the caller drops the frame
  port_full,        // the port has its limit: forwarded, not learned
  network_full,     // nothing could be evicted: forwarded, not learned
  busy,             // another writer holds the table: the next frame will do
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
  // all networks together, and with them the memory.
  struct Seed { uint64_t a, b; };
  Fdb(Seed seed, uint32_t capacity);
  ~Fdb();
  Fdb(const Fdb&) = delete;
  Fdb& operator=(const Fdb&) = delete;

  // ---- readers: any thread, no lock, no wait -------------------------------------------------------------------------
  std::optional<Destination> find(NetworkIndex network, Mac mac) const;
  void prefetch(NetworkIndex network, Mac mac) const;

  // ---- learning: a worker, once per received frame; O(1), no allocation except when the table grows ---------------------
  LearnResult learn(NetworkIndex network, Mac mac, Destination where, Seconds now);

  // ---- control: any thread; takes the writer's lock ----------------------------------------------------------------------
  void set_limits(NetworkIndex network, const FdbNetworkLimits& limits);
  // A declared entry replaces a learned one and never ages. False when the table is full.
  bool declare(NetworkIndex network, Mac mac, Destination where);
  // Removes one entry, learned or declared. False when there is none.
  bool remove(NetworkIndex network, Mac mac);
  // O(1): all entries (flush_learned keeps declared ones and may walk) stop being found at once; memory follows by sweep().
  void flush_destination(Destination where);  // before its index is reused: declared entries go too
  void flush_network(NetworkIndex network);   // before its index is reused: declared entries go too
  void flush_learned(std::optional<NetworkIndex> network);
  // Ages and reclaims a bounded part of the table; a full turn takes at most a few seconds when called every 50 ms or so.
  void sweep(Seconds now);
  std::vector<FdbEntry> dump(std::optional<NetworkIndex> network, Seconds now, size_t limit) const;
  // Live entries of a network: {learned, declared}.
  struct Count { uint32_t learned, declared; };
  Count count(NetworkIndex network) const;
  FdbCounters counters() const;
  size_t memory_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft

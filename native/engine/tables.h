// What the worker forwards by: an immutable snapshot. The control thread builds a new one for every change and publishes it; the
// worker picks it up between rounds and says so, and only then is what the old one referred to closed. So the worker never
// locks, and never sees half a change.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/answer_allowance.h"
#include "engine/counters.h"
#include "engine/guard.h"
#include "engine/offload_switch.h"
#include "engine/offload_tally.h"
#include "fdb/fdb.h"
#include "io/endpoint.h"
#include "io/tap_queue.h"
#include "io/underlay.h"

namespace weft {

class Capture;

// Split-horizon groups: a frame never goes to the group that it came from. 0 is no group; all peers share one, because every
// peer reaches every other by itself.
inline constexpr uint32_t kPeerGroup = 1;

// The peer index of a datagram's source that is no configured peer (underlay.accept: any). Nothing is learned from it.
inline constexpr uint16_t kStranger = UINT16_MAX;

// In the place of a VNI: the network is cut off from the underlay. Two networks exchange their VNIs by way of it.
inline constexpr uint32_t kNoVni = UINT32_MAX;

struct NetworkOptions {
  uint32_t vni = 0;
  uint32_t mtu = 1450;  // bytes of IP
  bool vlan = false;    // forward VLAN-tagged frames
  FdbNetworkLimits fdb;
};

struct PortOptions {
  NetworkIndex network = 0;
  uint32_t group = 0;
  // Null: any source. The worker has it from GuardedIndex: it changes while frames flow.
  std::shared_ptr<const Guard> guard = nullptr;
};

// Of PeerOptions.mtu, while the path is not known: more than any IP packet has.
inline constexpr uint32_t kUnknownMtu = 65535;

// What the ports may do with super-frames; the kernel may have less.
struct PortOffloads {
  bool tso = true;  // guests may send TCP super-frames ...
  bool uso = true;  // ... and UDP ones; what a guest may not send it never gets either
  bool coalesce_tcp = true;  // guests may get them
  bool coalesce_udp = true;
};

struct PeerOptions {
  Endpoint endpoint;
  bool zero_checksum = false;
  bool offload = true;
  uint32_t mtu = kUnknownMtu;  // bytes of IP that fit into an untagged frame to this peer
};

// Lives from its addition to its removal, across snapshots. The counters are the worker's.
struct Port {
  uint16_t index = 0;
  PortOptions options;
  std::unique_ptr<TapQueue> queue;
  DestinationCounters counters;
  std::array<Counter, kGuardDrops> refused;  // of counters.rx_dropped, by the guard: spoofed_mac, spoofed_address, rogue_service
  OffloadSwitch tcp_super_frames;  // what may be written to the TAP as one frame ...
  OffloadSwitch udp_super_frames;  // ... with TSO and USO
  std::atomic<bool> gone{false};  // the device is gone and is not read any more
  std::atomic<bool> announce{false};  // asked for, and not done yet
  // Worker only.
  Seconds last_error = 0;     // when port_error was last reported
  Seconds last_conflict = 0;  // when address_conflict was last reported ...
  Seconds last_defence = 0;   // ... and when the address was last announced because of it
  Seconds path_mtu_told = 0;      // when the guest was last told that a packet is too large ...
  uint32_t path_mtu_answers = 0;  // ... and how often in that second
};

// A hello to a peer (hello_exchange.h).
struct HelloQuestion {
  uint64_t nonce = 0;
  uint64_t sent_at = 0;  // nanoseconds, monotonic
  uint32_t bytes = 0;    // of the Ethernet frame
  bool waiting = false;  // for an answer
};

// The last ones: whether it is there, how long the path takes what is longer, and what a person asks.
struct Hellos {
  std::array<HelloQuestion, 32> questions;
  uint32_t next = 0;
};

// The last query to a peer (query_exchange.h).
struct Query {
  uint64_t nonce = 0;
  bool waiting = false;  // for a reply
};

// What is known of a peer, which outlives a change of its options.
struct PeerState {
  DestinationCounters counters;
  OffloadSwitch udp_segment;
  std::atomic<Seconds> last_received{0};  // 0: never
  std::atomic<Seconds> last_hello{0};  // that the peer sent unasked; 0: never
  std::atomic<Seconds> unfinished_until{0};  // until then the peer takes unfinished checksums
  // Worker only.
  Seconds last_too_big = 0;  // when peer_too_big was last reported
  OffloadTally tally;
  Hellos hellos;
  Query query;
  AnswerAllowance answers;
};

// The options never change under the worker's eyes: a change makes a new Peer with the state of the old one.
struct Peer {
  explicit Peer(std::shared_ptr<PeerState> known = std::make_shared<PeerState>())
      : state(std::move(known)), counters(state->counters) {}
  uint16_t index = 0;
  PeerOptions options;
  std::shared_ptr<PeerState> state;
  DestinationCounters& counters;
};

struct Network {
  NetworkIndex index = 0;
  bool used = false;
  NetworkOptions options;
  std::vector<Port*> ports;
};

// Open addressing from an address or a VNI to an index; built once, read-only afterwards.
class PeerIndex {
 public:
  void build(const std::vector<Peer*>& peers);
  Peer* find(const AddressKey& key) const;

 private:
  struct Slot {
    AddressKey key;
    Peer* peer = nullptr;
  };
  std::vector<Slot> slots_ = std::vector<Slot>(1);  // one free slot ends every search
};

class VniIndex {
 public:
  void build(const std::vector<Network>& networks);
  // The network's index, or kNone.
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t find(uint32_t vni) const;

 private:
  struct Slot {
    uint32_t vni = 0;
    uint32_t network = kNone;
  };
  std::vector<Slot> slots_ = std::vector<Slot>(1);  // one free slot ends every search
};

// The guards of ports, and who has an address of one, by network and address.
class GuardedIndex {
 public:
  struct Entry {
    Port* port = nullptr;
    const Endpoint* address = nullptr;  // the guard's own
  };
  void build(const std::vector<Port*>& ports);
  // Of the port, which is in the snapshot; null when it has none.
  const Guard* guard_of(uint16_t port) const { return guards_[port].get(); }
  bool empty() const { return slots_.size() == 1; }
  const Entry* find(NetworkIndex network, const AddressKey& address) const;

 private:
  struct Slot {
    NetworkIndex network = 0;
    AddressKey address;
    Entry entry;
  };
  size_t home(NetworkIndex network, const AddressKey& address) const;
  std::vector<std::shared_ptr<const Guard>> guards_;  // by index of the port
  std::vector<Slot> slots_ = std::vector<Slot>(1);  // one free slot ends every search
};

struct Tables {
  uint64_t version = 0;
  std::vector<Network> networks;  // by index; `used` is false for holes
  std::vector<Port*> ports;       // by index; nullptr for holes
  std::vector<Peer*> peers;       // by index; nullptr for holes
  std::vector<Peer*> flood_peers; // without holes
  PeerIndex peer_index;
  VniIndex vni_index;
  GuardedIndex guarded;
  std::optional<HostSelf> self;   // what hellos say of this host, once that is known
  std::shared_ptr<const Underlay> underlay;  // may be null: nothing can be sent or received
  std::vector<Capture*> captures;
};

}  // namespace weft

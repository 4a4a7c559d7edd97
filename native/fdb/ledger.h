// The writer's books beside the MAC table: who owns which entry, in which order they were used, how many there are. Readers
// of the FDB never come here; every call needs the FDB's lock.
//
// A node is an entry's record. An owner is one destination in one network; it has two lists of learned nodes, each least
// recently used first, and a list of its declared ones. A network keeps its owners in a heap by learned entries, so the
// largest is found at once; a count that changes by one costs O(log owners). An owner exists as long as it has nodes.
//
// A learned node starts on probation and is proven by its first use in a later second (a segmented LRU). Probation gives up
// its nodes first, as long as it has a quarter of the owner's; nothing ever returns to it but a node that moves to another
// owner. Both lists are in the order of their nodes' seconds, so the one to age next is at the head of one of them.
//
// Flushing an owner moves its lists to the garbage in O(1): these nodes are counted nowhere but in `nodes()`, and their
// entries are still in the MAC table, where their generation keeps readers from believing them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "fdb/entry.h"
#include "fdb/mapping.h"

namespace weft {

class Ledger {
 public:
  static constexpr uint32_t kNone = ~0u;

  struct Node {
    uint64_t key = 0;  // 0: not in use
    uint32_t previous = kNone, next = kNone;
    uint32_t owner = kNone;
    Seconds seen = 0;
    Seconds frozen_until = 0;
    bool frozen = false;
    bool declared = false;
    bool proven = false;
  };
  static_assert(sizeof(Node) == 32);

  struct List {
    uint32_t head = kNone, tail = kNone, count = 0;
  };

  struct Owner {
    NetworkIndex network = 0;
    bool live = false;
    uint32_t destination = 0;  // encode()
    List probation, proven, declared;
    uint32_t heap_position = 0;
    uint32_t hash_next = kNone;
    uint32_t previous_of_destination = kNone, next_of_destination = kNone;

    uint32_t learned() const { return probation.count + proven.count; }
  };

  struct Network {
    FdbNetworkLimits limits;
    uint32_t learned = 0, declared = 0;
    uint32_t new_since_tick = 0;
    std::vector<uint32_t> owners;  // a heap: the one with the most learned entries first
  };

  // Throws std::bad_alloc.
  explicit Ledger(uint32_t capacity);

  Network& network(NetworkIndex index);  // made at first use
  const Network* find_network(NetworkIndex index) const { return networks_[index].get(); }
  const Node& node(uint32_t id) const { return nodes_[id]; }
  const Owner& owner(uint32_t id) const { return owners_[id]; }
  uint32_t owner_slots() const { return static_cast<uint32_t>(owners_.size()); }
  uint32_t find_owner(NetworkIndex network, uint32_t destination) const;  // or kNone
  uint32_t learned(NetworkIndex network, uint32_t destination) const;
  NetworkIndex largest_network() const;  // by learned entries; O(networks in use)
  // Of an owner that has learned nodes: the one to evict, and the one that was seen the longest ago.
  uint32_t victim(uint32_t owner) const;
  uint32_t oldest(uint32_t owner) const;

  bool full() const { return nodes() == capacity_; }
  uint32_t nodes() const { return used_; }
  uint32_t node_slots() const { return touched_; }  // every node's number is below
  // At the end of its owner's list. There must be room.
  uint32_t add(uint64_t key, uint32_t destination, bool declared, Seconds now);
  void drop(uint32_t id);
  void touch(uint32_t id, Seconds now);  // a learned one: it is now the most recently used
  void freeze(uint32_t id, Seconds until);
  void reassign(uint32_t id, uint32_t destination, bool declared, Seconds now);

  // All nodes of the destination, or of the network, become garbage. O(owners concerned). Returns how many.
  uint32_t discard_destination(uint32_t destination);
  uint32_t discard_network(NetworkIndex network);
  // The learned nodes of a network, or of all. O(owners in all networks).
  uint32_t discard_learned(std::optional<NetworkIndex> network);
  uint32_t garbage_head() const { return garbage_.head; }  // or kNone
  void drop_garbage(uint32_t id);

  size_t memory_bytes() const;

 private:
  List& list_of(Node& node);
  void append(List& list, uint32_t id);
  void unlink(List& list, uint32_t id);
  void release(uint32_t id);
  void attach(uint32_t id, uint32_t destination);
  void detach(uint32_t id);
  uint32_t make_owner(NetworkIndex network, uint32_t destination);
  void remove_owner(uint32_t id);
  uint32_t discard(uint32_t owner);
  void splice_to_garbage(List& list);
  void rehash();
  size_t bucket_of(NetworkIndex network, uint32_t destination) const;
  void place(Network& network, size_t position, uint32_t id);
  void restore_heap(uint32_t owner);

  const uint32_t capacity_;
  uint32_t used_ = 0;
  uint32_t touched_ = 0;  // nodes ever handed out: what the mapping really costs
  uint32_t free_ = kNone;
  Mapping node_memory_;
  Node* nodes_;
  List garbage_;
  std::vector<Owner> owners_;
  uint32_t free_owner_ = kNone;  // chained by hash_next
  std::vector<uint32_t> owner_buckets_;
  Mapping destination_memory_;
  uint32_t* owners_of_;  // by destination: the first owner's number plus one, or 0
  std::vector<std::unique_ptr<Network>> networks_;
  std::vector<NetworkIndex> made_networks_;
};

}  // namespace weft

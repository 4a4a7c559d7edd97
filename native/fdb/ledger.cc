#include "fdb/ledger.h"

#include <new>
#include <utility>

namespace weft {
namespace {

constexpr size_t kFirstOwnerBuckets = 64;
constexpr uint32_t kProbationShare = 4;  // a quarter of what an owner has learned is left to newcomers

void* require(const Mapping& memory) {
  if (memory.data() == nullptr) throw std::bad_alloc();
  return memory.data();
}

}  // namespace

Ledger::Ledger(uint32_t capacity)
    : capacity_(capacity),
      node_memory_(size_t{capacity} * sizeof(Node)),
      nodes_(static_cast<Node*>(require(node_memory_))),
      owner_buckets_(kFirstOwnerBuckets, kNone),
      destination_memory_(kDestinationCodes * sizeof(uint32_t)),
      owners_of_(static_cast<uint32_t*>(require(destination_memory_))),
      networks_(kMaxNetworks) {}

Ledger::Network& Ledger::network(NetworkIndex index) {
  if (networks_[index] == nullptr) {
    networks_[index] = std::make_unique<Network>();
    made_networks_.push_back(index);
  }
  return *networks_[index];
}

// ---- nodes ---------------------------------------------------------------------------------------------------------------

uint32_t Ledger::add(uint64_t key, uint32_t destination, bool declared, Seconds now) {
  uint32_t id = free_;
  if (id != kNone) {
    free_ = nodes_[id].next;
  } else {
    id = touched_++;
  }
  ++used_;
  new (&nodes_[id]) Node{};
  nodes_[id].key = key;
  nodes_[id].seen = now;
  nodes_[id].declared = declared;
  attach(id, destination);
  return id;
}

void Ledger::drop(uint32_t id) {
  detach(id);
  release(id);
}

void Ledger::drop_garbage(uint32_t id) {
  unlink(garbage_, id);
  release(id);
}

void Ledger::release(uint32_t id) {
  nodes_[id].key = 0;
  nodes_[id].next = free_;
  free_ = id;
  --used_;
}

void Ledger::touch(uint32_t id, Seconds now) {
  Node& node = nodes_[id];
  unlink(list_of(node), id);
  if (now > node.seen) {
    node.seen = now;
    node.proven = true;
  }
  append(list_of(node), id);
}

void Ledger::freeze(uint32_t id, Seconds until) {
  nodes_[id].frozen = true;
  nodes_[id].frozen_until = until;
}

void Ledger::reassign(uint32_t id, uint32_t destination, bool declared, Seconds now) {
  detach(id);
  nodes_[id].declared = declared;
  nodes_[id].proven = false;
  nodes_[id].frozen = false;
  nodes_[id].seen = now;
  attach(id, destination);
}

Ledger::List& Ledger::list_of(Node& node) {
  Owner& owner = owners_[node.owner];
  if (node.declared) return owner.declared;
  return node.proven ? owner.proven : owner.probation;
}

void Ledger::append(List& list, uint32_t id) {
  nodes_[id].previous = list.tail;
  nodes_[id].next = kNone;
  (list.tail == kNone ? list.head : nodes_[list.tail].next) = id;
  list.tail = id;
  ++list.count;
}

void Ledger::unlink(List& list, uint32_t id) {
  const Node& node = nodes_[id];
  (node.previous == kNone ? list.head : nodes_[node.previous].next) = node.next;
  (node.next == kNone ? list.tail : nodes_[node.next].previous) = node.previous;
  --list.count;
}

void Ledger::attach(uint32_t id, uint32_t destination) {
  const NetworkIndex index = network_of(nodes_[id].key);
  uint32_t owner = find_owner(index, destination);
  if (owner == kNone) owner = make_owner(index, destination);
  nodes_[id].owner = owner;
  append(list_of(nodes_[id]), id);
  Network& network = *networks_[index];
  ++(nodes_[id].declared ? network.declared : network.learned);
  restore_heap(owner);
}

void Ledger::detach(uint32_t id) {
  const uint32_t owner = nodes_[id].owner;
  unlink(list_of(nodes_[id]), id);
  Network& network = *networks_[owners_[owner].network];
  --(nodes_[id].declared ? network.declared : network.learned);
  if (owners_[owner].learned() == 0 && owners_[owner].declared.count == 0) {
    remove_owner(owner);
  } else {
    restore_heap(owner);
  }
}

// ---- owners --------------------------------------------------------------------------------------------------------------

size_t Ledger::bucket_of(NetworkIndex network, uint32_t destination) const {
  const uint64_t mixed = (static_cast<uint64_t>(network) << 17 | destination) * 0x9e37'79b9'7f4a'7c15u;
  return (mixed >> 32) & (owner_buckets_.size() - 1);
}

uint32_t Ledger::find_owner(NetworkIndex network, uint32_t destination) const {
  uint32_t id = owner_buckets_[bucket_of(network, destination)];
  while (id != kNone && (owners_[id].network != network || owners_[id].destination != destination)) id = owners_[id].hash_next;
  return id;
}

uint32_t Ledger::learned(NetworkIndex network, uint32_t destination) const {
  const uint32_t id = find_owner(network, destination);
  return id == kNone ? 0 : owners_[id].learned();
}

uint32_t Ledger::victim(uint32_t id) const {
  const Owner& owner = owners_[id];
  return owner.probation.count * kProbationShare < owner.learned() ? owner.proven.head : owner.probation.head;
}

uint32_t Ledger::oldest(uint32_t id) const {
  const uint32_t probation = owners_[id].probation.head;
  const uint32_t proven = owners_[id].proven.head;
  if (probation == kNone) return proven;
  return proven != kNone && nodes_[proven].seen < nodes_[probation].seen ? proven : probation;
}

uint32_t Ledger::make_owner(NetworkIndex index, uint32_t destination) {
  uint32_t id = free_owner_;
  if (id != kNone) {
    free_owner_ = owners_[id].hash_next;
    owners_[id] = Owner{};
  } else {
    id = owner_slots();
    owners_.emplace_back();
    if (owners_.size() > owner_buckets_.size()) rehash();
  }
  Owner& owner = owners_[id];
  owner.live = true;
  owner.network = index;
  owner.destination = destination;
  uint32_t& chain = owner_buckets_[bucket_of(index, destination)];
  owner.hash_next = std::exchange(chain, id);
  if (owners_of_[destination] != 0) {
    owner.next_of_destination = owners_of_[destination] - 1;
    owners_[owner.next_of_destination].previous_of_destination = id;
  }
  owners_of_[destination] = id + 1;
  Network& in = network(index);
  in.owners.push_back(id);
  owner.heap_position = static_cast<uint32_t>(in.owners.size() - 1);
  return id;
}

void Ledger::remove_owner(uint32_t id) {
  Owner& owner = owners_[id];
  uint32_t* link = &owner_buckets_[bucket_of(owner.network, owner.destination)];
  while (*link != id) link = &owners_[*link].hash_next;
  *link = owner.hash_next;

  if (owner.previous_of_destination != kNone) {
    owners_[owner.previous_of_destination].next_of_destination = owner.next_of_destination;
  } else {
    owners_of_[owner.destination] = owner.next_of_destination == kNone ? 0 : owner.next_of_destination + 1;
  }
  if (owner.next_of_destination != kNone) {
    owners_[owner.next_of_destination].previous_of_destination = owner.previous_of_destination;
  }

  Network& network = *networks_[owner.network];
  const uint32_t last = network.owners.back();
  network.owners.pop_back();
  if (last != id) {
    place(network, owner.heap_position, last);
    restore_heap(last);
  }
  owner.live = false;
  owner.hash_next = std::exchange(free_owner_, id);
}

void Ledger::rehash() {
  owner_buckets_.assign(owner_buckets_.size() * 2, kNone);
  for (uint32_t id = 0; id < owner_slots(); ++id) {
    Owner& owner = owners_[id];
    if (owner.live) owner.hash_next = std::exchange(owner_buckets_[bucket_of(owner.network, owner.destination)], id);
  }
}

void Ledger::place(Network& network, size_t position, uint32_t id) {
  network.owners[position] = id;
  owners_[id].heap_position = static_cast<uint32_t>(position);
}

void Ledger::restore_heap(uint32_t id) {
  Network& network = *networks_[owners_[id].network];
  const auto learned = [this, &network](size_t position) { return owners_[network.owners[position]].learned(); };
  const uint32_t mine = owners_[id].learned();
  size_t at = owners_[id].heap_position;
  while (at > 0 && learned((at - 1) / 2) < mine) {
    place(network, at, network.owners[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  for (size_t child = at * 2 + 1; child < network.owners.size(); child = at * 2 + 1) {
    if (child + 1 < network.owners.size() && learned(child + 1) > learned(child)) ++child;
    if (learned(child) <= mine) break;
    place(network, at, network.owners[child]);
    at = child;
  }
  place(network, at, id);
}

NetworkIndex Ledger::largest_network() const {
  NetworkIndex largest = 0;
  uint32_t most = 0;
  for (const NetworkIndex index : made_networks_) {
    if (networks_[index]->learned <= most) continue;
    most = networks_[index]->learned;
    largest = index;
  }
  return largest;
}

// ---- garbage -------------------------------------------------------------------------------------------------------------

void Ledger::splice_to_garbage(List& list) {
  if (list.count == 0) return;
  nodes_[list.head].previous = garbage_.tail;
  (garbage_.tail == kNone ? garbage_.head : nodes_[garbage_.tail].next) = list.head;
  garbage_.tail = list.tail;
  garbage_.count += list.count;
  list = List{};
}

uint32_t Ledger::discard(uint32_t id) {
  Owner& owner = owners_[id];
  Network& network = *networks_[owner.network];
  const uint32_t count = owner.learned() + owner.declared.count;
  network.learned -= owner.learned();
  network.declared -= owner.declared.count;
  splice_to_garbage(owner.probation);
  splice_to_garbage(owner.proven);
  splice_to_garbage(owner.declared);
  remove_owner(id);
  return count;
}

uint32_t Ledger::discard_destination(uint32_t destination) {
  uint32_t count = 0;
  while (owners_of_[destination] != 0) count += discard(owners_of_[destination] - 1);
  return count;
}

uint32_t Ledger::discard_network(NetworkIndex index) {
  uint32_t count = 0;
  if (networks_[index] == nullptr) return count;
  // From the heap's end, where nothing has to be reordered.
  while (!networks_[index]->owners.empty()) count += discard(networks_[index]->owners.back());
  return count;
}

uint32_t Ledger::discard_learned(std::optional<NetworkIndex> index) {
  uint32_t count = 0;
  for (uint32_t id = 0; id < owner_slots(); ++id) {
    Owner& owner = owners_[id];
    if (!owner.live || (index && owner.network != *index)) continue;
    if (owner.declared.count == 0) {
      count += discard(id);
      continue;
    }
    count += owner.learned();
    networks_[owner.network]->learned -= owner.learned();
    splice_to_garbage(owner.probation);
    splice_to_garbage(owner.proven);
    restore_heap(id);
  }
  return count;
}

size_t Ledger::memory_bytes() const {
  size_t bytes = size_t{touched_} * sizeof(Node) + owners_.capacity() * sizeof(Owner) +
                 owner_buckets_.capacity() * sizeof(uint32_t) + networks_.size() * sizeof(networks_[0]);
  for (const NetworkIndex index : made_networks_) {
    bytes += sizeof(Network) + networks_[index]->owners.capacity() * sizeof(uint32_t);
  }
  return bytes;
}

}  // namespace weft

#include "engine/tables.h"

#include <bit>

namespace weft {
namespace {

uint64_t mix(uint64_t value) {
  value ^= value >> 32;
  value *= 0x9e3779b97f4a7c15ull;
  return value ^ value >> 29;
}

size_t slots_for(size_t entries) { return std::bit_ceil(entries * 2 + 2); }

}  // namespace

void PeerIndex::build(const std::vector<Peer*>& peers) {
  slots_.assign(slots_for(peers.size()), {});
  for (Peer* peer : peers) {
    if (peer == nullptr) continue;
    const AddressKey key = peer->options.endpoint.key();
    size_t at = mix(key.high ^ mix(key.low)) & (slots_.size() - 1);
    while (slots_[at].peer != nullptr) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {key, peer};
  }
}

Peer* PeerIndex::find(const AddressKey& key) const {
  size_t at = mix(key.high ^ mix(key.low)) & (slots_.size() - 1);
  for (; slots_[at].peer != nullptr; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].key == key) return slots_[at].peer;
  }
  return nullptr;
}

void VniIndex::build(const std::vector<Network>& networks) {
  slots_.assign(slots_for(networks.size()), {});
  for (const Network& network : networks) {
    if (!network.used || network.options.vni == kNoVni) continue;
    size_t at = mix(network.options.vni) & (slots_.size() - 1);
    while (slots_[at].network != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {network.options.vni, network.index};
  }
}

uint32_t VniIndex::find(uint32_t vni) const {
  size_t at = mix(vni) & (slots_.size() - 1);
  for (; slots_[at].network != kNone; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].vni == vni) return slots_[at].network;
  }
  return kNone;
}

size_t GuardedIndex::home(NetworkIndex network, const AddressKey& address) const {
  return mix(mix(address.high ^ mix(address.low)) + network) & (slots_.size() - 1);
}

void GuardedIndex::build(const std::vector<Port*>& ports) {
  guards_.assign(ports.size(), nullptr);
  size_t addresses = 0;
  for (size_t index = 0; index < ports.size(); ++index) {
    if (ports[index] == nullptr || ports[index]->options.guard == nullptr) continue;
    guards_[index] = ports[index]->options.guard;
    addresses += guards_[index]->addresses().size();
  }
  slots_.assign(addresses == 0 ? 1 : slots_for(addresses), {});
  for (Port* port : ports) {
    if (port == nullptr || port->options.guard == nullptr) continue;
    for (const Endpoint& address : port->options.guard->addresses()) {
      const AddressKey key = address.key();
      size_t at = home(port->options.network, key);
      while (slots_[at].entry.port != nullptr) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = {port->options.network, key, {port, &address}};
    }
  }
}

const GuardedIndex::Entry* GuardedIndex::find(NetworkIndex network, const AddressKey& address) const {
  size_t at = home(network, address);
  for (; slots_[at].entry.port != nullptr; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].network == network && slots_[at].address == address) return &slots_[at].entry;
  }
  return nullptr;
}

}  // namespace weft

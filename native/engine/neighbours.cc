// What the worker says in the name of guarded ports, and what it does when somebody else claims their addresses.
//
// A claim is a frame of ARP or ND after which a receiver's cache holds another MAC for an address that a guard of the same
// network names (wire/neighbour.h). It is forwarded like any other: a switch that swallowed it would hide the conflict from
// those who could end it. But the control plane is told, once a second for a port, and the port's announcement follows it, so
// that caches are put right and the other side sees the conflict too; at most once in ten seconds for a port, as RFC 5227, 2.4
// (c) has it for hosts that keep their address. Probes (ARP from 0.0.0.0, DAD) claim nothing: the guest answers them itself.
// Frames with the tag of a VLAN are another segment; one of VLAN 0 carries a priority alone, and receivers take it as if it were
// not there (IEEE 802.1Q, 6.9).
//
// Announcements are forwarded as if the port had sent them, and counted so: received from it, with a verdict.
#include <sys/eventfd.h>

#include "engine/announcement.h"
#include "engine/worker.h"
#include "wire/bytes.h"
#include "wire/neighbour.h"

namespace weft {
namespace {

constexpr Seconds kDefendInterval = 10;  // RFC 5227, 1.1

// Of a frame whose ether type was found behind its tags, so that they are whole.
bool is_in_vlan(const Packet& packet) {
  for (uint32_t at = 12; packet.vlan && load_be16(packet.data + at) != packet.ether_type; at += 4) {
    if ((load_be16(packet.data + at + 2) & 0x0fff) != 0) return true;
  }
  return false;
}

}  // namespace

bool Worker::may_claim(const Packet& packet) { return packet.ether_type == kEtherArp || packet.protocol == kProtocolIcmpv6; }

void Worker::watch_claim(const Frame& frame) {
  if (tables_->guarded.empty() || is_in_vlan(frame.packet)) return;
  const Neighbour said = read_neighbour(frame.packet);
  if (said.claimed_address == nullptr) return;
  const Family family = said.kind == Neighbour::Kind::arp ? Family::ipv4 : Family::ipv6;
  const GuardedIndex::Entry* owner = tables_->guarded.find(frame.network, Endpoint::of(family, said.claimed_address).key());
  if (owner == nullptr || owner->address->family() != family) return;
  Port& port = *owner->port;
  const Mac mac = load_mac(said.claimed_mac);
  if (mac == tables_->guarded.guard_of(port.index)->mac()) return;

  if (port.last_conflict != now_) {
    port.last_conflict = now_;
    events_.push({.type = EventType::address_conflict,
                  .network = frame.network,
                  .mac = mac,
                  .where = frame.source,
                  .address = *owner->address,
                  .port = port.index});
  }
  const bool defended = port.last_defence != 0 && now_ - port.last_defence < kDefendInterval;
  if (defended || defences_used_ == defences_.size()) return;
  port.last_defence = now_;
  defences_[defences_used_++] = *owner;
}

void Worker::defend() {
  while (defences_used_ != 0) {
    const GuardedIndex::Entry owner = defences_[--defences_used_];
    announce(*owner.port, *owner.address);
  }
}

void Worker::request_announcement(Port& port) {
  port.announce.store(true, std::memory_order_relaxed);
  announcements_requested_.store(true, std::memory_order_release);
  eventfd_write(wake_, 1);
}

void Worker::announce_requested() {
  if (!announcements_requested_.exchange(false, std::memory_order_acquire)) return;
  for (Port* port : tables_->ports) {
    if (port == nullptr || !port->announce.exchange(false, std::memory_order_relaxed)) continue;
    const Guard* guard = tables_->guarded.guard_of(port->index);
    if (guard == nullptr) continue;  // taken away since
    for (const Endpoint& address : guard->addresses()) announce(*port, address);
  }
}

void Worker::announce(Port& port, const Endpoint& address) {
  if (announcements_used_ == kAnnouncements) {
    // Whatever refers to the announcements goes out now.
    outbox_.flush(now_);
    write_ports();
    announcements_used_ = 0;
  }
  Frame frame;
  frame.source = {DestinationKind::port, port.index};
  frame.group = port.options.group;
  frame.network = port.options.network;
  frame.packet.data = announcements_.get() + kAnnouncementStride * announcements_used_++ + kAnnouncementHeadroom;
  frame.packet.length = write_announcement(frame.packet.data, tables_->guarded.guard_of(port.index)->mac(), address);
  parse(frame.packet);
  forward(frame);
}

}  // namespace weft

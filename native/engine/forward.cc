// The whole forwarding decision. A reader who wants to know why a frame went somewhere reads this file from top to bottom.
#include "engine/worker.h"
#include "wire/vxlan.h"

namespace weft {
namespace {

// 01:80:C2:00:00:00 to 0F: between neighbours only, never forwarded (IEEE 802.1D, 7.12.6).
bool is_reserved_group(Mac mac) { return (mac & ~Mac{0xf}) == 0x0180c2000000; }

}  // namespace

void Worker::forward(Frame& frame) {
  const Network& network = tables_->networks[frame.network];
  if (frame.packet.vlan && !network.options.vlan) return drop_received(frame, Drop::inner_vlan);
  if (frame.guard != nullptr) {
    if (const auto reason = frame.guard->refuse(frame.packet, frame.vnet)) return refuse(frame, *reason);
  }
  if (may_claim(frame.packet)) watch_claim(frame);
  if (last_.fits(frame)) return unicast(frame, network, last_.to());
  last_.forget();

  const Mac to = load_mac(frame.packet.data);
  const Mac from = load_mac(frame.packet.data + 6);

  if (is_group(from) || from == 0) return drop_received(frame, Drop::source_group);
  if (is_reserved_group(to)) return drop_received(frame, Drop::reserved_group);
  if (!learn(frame, from)) return drop_received(frame, Drop::source_declared_elsewhere);

  if (is_group(to)) return replicate(frame, network);
  if (const auto where = fdb_.find(frame.network, to)) {
    last_.remember(frame, *where);
    return unicast(frame, network, *where);
  }
  replicate(frame, network);
}

bool Worker::learn(const Frame& frame, Mac from) {
  // A stranger may speak, but not in the name of one that is known.
  if (frame.source == Destination{DestinationKind::peer, kStranger}) return !fdb_.is_declared(frame.network, from);
  EventType type;
  switch (fdb_.learn(frame.network, from, frame.source, now_)) {
    case LearnResult::learned:
      type = EventType::mac_learned;
      break;
    case LearnResult::moved:
      type = EventType::mac_moved;
      break;
    case LearnResult::froze:
      type = EventType::mac_frozen;
      break;
    case LearnResult::declared_elsewhere:
      return false;
    default:
      return true;
  }
  events_.push({.type = type, .network = frame.network, .mac = from, .where = frame.source, .address = {}});
  return true;
}

void Worker::unicast(Frame& frame, const Network& network, Destination to) {
  if (to == frame.source) return drop_received(frame, Drop::same_port);
  if (to.kind == DestinationKind::port) {
    Port* port = tables_->ports[to.index];
    if (port == nullptr) return replicate(frame, network);  // learned from its last frames while it was being removed
    if (frame.group != 0 && frame.group == port->options.group) return drop_received(frame, Drop::split_horizon);
    accept(frame, counters_.unicast);
    return send_to_port(*port, frame);
  }
  if (frame.group == kPeerGroup) return drop_received(frame, Drop::split_horizon);
  Peer* peer = tables_->peers[to.index];
  if (peer == nullptr) return replicate(frame, network);
  if (network.options.vni == kNoVni) return drop_received(frame, Drop::no_destination);
  accept(frame, counters_.unicast);
  if (!send_to_peer(*peer, network, frame, checksums_for(*peer, frame))) tell_path_mtu(*peer, network, frame);
}

// Head-end replication of BUM traffic: a copy for every other port of the network, and for every peer.
void Worker::replicate(Frame& frame, const Network& network) {
  const bool to_peers = frame.group != kPeerGroup && !tables_->flood_peers.empty() && network.options.vni != kNoVni;
  uint32_t ports = 0;
  for (const Port* port : network.ports) ports += floods_to(frame, *port) ? 1 : 0;
  if (ports == 0 && !to_peers) return drop_received(frame, Drop::no_destination);

  accept(frame, counters_.flooded);
  // The copies share the frame's memory, so what a peer needs finished is finished before a port gets its view of it.
  if (to_peers) finish_for_peers(frame, L4Checksums::finished);
  for (Port* port : network.ports) {
    if (floods_to(frame, *port)) send_to_port(*port, frame);
  }
  if (!to_peers) return;
  for (Peer* peer : tables_->flood_peers) send_to_peer(*peer, network, frame, L4Checksums::finished);
}

bool Worker::floods_to(const Frame& frame, const Port& port) {
  if (frame.source == Destination{DestinationKind::port, port.index}) return false;
  return frame.group == 0 || frame.group != port.options.group;
}

void Worker::send_to_port(Port& port, Frame& frame) {
  counters_.queued.add(frame.wire_frames);
  const bool join = (frame.packet.is_udp() ? port.udp_super_frames : port.tcp_super_frames).usable(now_);
  if (coalescer_.add(port.index, frame.packet, frame.vnet, frame.wire_frames, join)) return;
  write_ports();
  coalescer_.add(port.index, frame.packet, frame.vnet, frame.wire_frames, join);
}

bool Worker::send_to_peer(Peer& peer, const Network& network, Frame& frame, L4Checksums checksums) {
  if (!fits(peer, network, frame)) {
    const bool cut = send_in_pieces(peer, network, frame);
    if (!cut) drop_too_big(peer, frame);
    if (captures_ != nullptr) [[unlikely]] {
      capture_queued(peer, network, frame, cut, cut ? std::nullopt : std::optional(Drop::too_big));
    }
    return cut;
  }
  finish_for_peers(frame, checksums);
  if (captures_ != nullptr) [[unlikely]] capture_queued(peer, network, frame, false, std::nullopt);
  if (frame.blocks != nullptr) {
    outbox_.add_segments(peer, network, frame, block_stride(frame));
  } else {
    outbox_.add(peer, network, frame);
  }
  return true;
}

// Where a peer takes it, a checksum that the guest left unfinished stays so: neither end then has to read the payload for it. The
// outer UDP checksum, which the kernel and the card make and check, covers it on the way; a peer with `checksum: zero` has none.
L4Checksums Worker::checksums_for(const Peer& peer, const Frame& frame) const {
  const bool takes = now_ < peer.state->unfinished_until.load(std::memory_order_relaxed) && !peer.options.zero_checksum;
  return takes && may_stay_unfinished(frame.packet, frame.vnet) ? L4Checksums::unfinished : L4Checksums::finished;
}

// On the wire every checksum is complete, unless the peer takes it unfinished, and every frame fits the MTU.
void Worker::finish_for_peers(Frame& frame, L4Checksums checksums) {
  if (!frame.vnet.is_super_frame()) {
    if (frame.vnet.needs_checksum() && checksums == L4Checksums::finished) finish_checksum(frame.packet, frame.vnet);
    return;
  }
  if (frame.blocks != nullptr) return;
  const size_t stride = block_stride(frame);
  frame.blocks = take_blocks(stride * frame.plan.count);
  write_segment_headers(frame.packet, frame.vnet, frame.plan, frame.blocks + kVxlanHeaderBytes, stride, checksums);
}

size_t Worker::block_stride(const Frame& frame) {
  return (kVxlanHeaderBytes + frame.plan.header_length + 7) & ~size_t{7};
}

void Worker::accept(const Frame& frame, Counter& verdict) {
  if (captures_ != nullptr) [[unlikely]] capture_received(frame, std::nullopt);
  count_received(counters_of(frame.source), frame.wire_frames, frame.packet.length);
  verdict.add(frame.wire_frames);
}

void Worker::drop_received(const Frame& frame, Drop reason) {
  if (captures_ != nullptr) [[unlikely]] capture_received(frame, reason);
  DestinationCounters* source = counters_of(frame.source);
  count_received(source, frame.wire_frames, frame.packet.length);
  counters_.drop_received(source, reason, frame.wire_frames);
}

void Worker::refuse(const Frame& frame, Drop reason) {
  tables_->ports[frame.source.index]->refused[guard_drop_index(reason)].add(frame.wire_frames);
  drop_received(frame, reason);
}

void Worker::drop_datagrams(Peer* peer, uint32_t bytes, uint32_t datagrams, Drop reason) {
  count_received(peer != nullptr ? &peer->counters : nullptr, datagrams, bytes);
  counters_.drop_received(peer != nullptr ? &peer->counters : nullptr, reason, datagrams);
}

void Worker::count_received(DestinationCounters* source, uint32_t wire_frames, uint32_t bytes) {
  counters_.received.add(wire_frames);
  if (source == nullptr) return;
  source->rx_frames.add(wire_frames);
  source->rx_bytes.add(bytes);
}

DestinationCounters* Worker::counters_of(Destination source) {
  if (source.kind == DestinationKind::port) return &tables_->ports[source.index]->counters;
  return source.index == kStranger ? nullptr : &tables_->peers[source.index]->counters;
}

}  // namespace weft

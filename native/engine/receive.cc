// What a read gave becomes frames: from a TAP one frame or super-frame with its virtio header, from the underlay one VXLAN
// datagram or a burst of them.
#include <string.h>

#include "engine/worker.h"
#include "offload/checksum.h"
#include "offload/foreign.h"
#include "wire/vxlan.h"

namespace weft {
namespace {

constexpr uint32_t kEthernetHeaderBytes = 14;
constexpr uint8_t kEcnMask = 3;
constexpr uint8_t kEcnNone = 0;
constexpr uint8_t kEcnCapable1 = 1;
constexpr uint8_t kEcnCapable0 = 2;
constexpr uint8_t kEcnCongested = 3;

Drop reason_for(ParseResult result) { return result == ParseResult::runt ? Drop::runt : Drop::ip_length; }

uint32_t slice_bytes(const Burst& burst, uint32_t at) {
  return burst.length - at < burst.segment_size ? burst.length - at : burst.segment_size;
}

// Whether all datagrams of a burst begin with the same VXLAN header. Those of one send do (outbox.h), but a kernel may join
// several sends that left by one source port.
bool one_network(const Burst& burst) {
  for (uint32_t at = burst.segment_size; at < burst.length; at += burst.segment_size) {
    if (slice_bytes(burst, at) < kVxlanHeaderBytes || memcmp(burst.data, burst.data + at, kVxlanHeaderBytes) != 0) return false;
  }
  return true;
}

// Whether every datagram of a burst is, to the byte, what a VTEP sends: a clean header and a frame that ends where its IP header
// says, or where Ethernet's padding does.
bool all_exact(const Burst& burst) {
  constexpr uint32_t kPaddedBytes = 64;
  for (uint32_t at = 0; at < burst.length; at += burst.segment_size) {
    const uint32_t bytes = slice_bytes(burst, at);
    if (bytes < kVxlanHeaderBytes + kEthernetHeaderBytes) return false;
    uint8_t clean[kVxlanHeaderBytes];
    write_vxlan_header(clean, read_vxlan_header(burst.data + at).value_or(0));
    if (memcmp(clean, burst.data + at, sizeof clean) != 0) return false;
    Packet packet{.data = burst.data + at + kVxlanHeaderBytes, .length = bytes - kVxlanHeaderBytes};
    if (parse(packet) != ParseResult::ok) return false;
    if (packet.ip_version != 0 && packet.ip_end != packet.length && packet.length > kPaddedBytes) return false;
  }
  return true;
}

// RFC 6040, figure 4: what the underlay made of the ECN field goes to the inner header, if its transport understands it.
// False when it does not and the mark is congestion: the packet must then be dropped, as the router that set the mark would have
// done.
bool carry_ecn(Packet& packet, uint8_t outer) {
  if (packet.ip_version == 0) return true;
  uint8_t* ip = packet.data + packet.l3_offset;
  const uint8_t inner = packet.traffic_class & kEcnMask;
  if (inner == kEcnNone) return outer != kEcnCongested;
  if (outer != kEcnCongested && inner != kEcnCapable0) return true;
  packet.traffic_class = static_cast<uint8_t>((packet.traffic_class & ~kEcnMask) | outer);
  if (packet.ip_version == 6) {
    ip[1] = static_cast<uint8_t>((ip[1] & 0x0f) | (packet.traffic_class << 4));
    return true;
  }
  // RFC 1624: the header checksum changes by what the word that holds the ToS changes.
  uint16_t before, after, checksum;
  memcpy(&before, ip, 2);
  ip[1] = packet.traffic_class;
  memcpy(&after, ip, 2);
  memcpy(&checksum, ip + 10, 2);
  checksum = static_cast<uint16_t>(
      ~checksum_fold(uint64_t{static_cast<uint16_t>(~checksum)} + static_cast<uint16_t>(~before) + after));
  memcpy(ip + 10, &checksum, 2);
  return true;
}

}  // namespace

void Worker::receive_from_port(Port& port, uint8_t* read, size_t bytes) {
  Frame frame;
  frame.source = {DestinationKind::port, port.index};
  frame.group = port.options.group;
  frame.guard = tables_->guarded.guard_of(port.index);
  frame.network = port.options.network;
  if (bytes < sizeof(VnetHeader) + kEthernetHeaderBytes) return drop_received(frame, Drop::runt);
  memcpy(&frame.vnet, read, sizeof frame.vnet);
  frame.packet.data = read + sizeof(VnetHeader);
  frame.packet.length = static_cast<uint32_t>(bytes - sizeof(VnetHeader));

  const ParseResult parsed = parse(frame.packet);
  if (parsed != ParseResult::ok) return drop_received(frame, reason_for(parsed));
  if (frame.vnet.is_super_frame()) {
    if (plan_segments(frame.packet, frame.vnet, frame.plan) != SegmentError::ok) return drop_received(frame, Drop::bad_gso);
    frame.wire_frames = frame.plan.count;
    port.counters.rx_super_frames.add(1);
  } else if (frame.vnet.needs_checksum() && !checksum_place_is_valid(frame.packet, frame.vnet)) {
    return drop_received(frame, Drop::bad_checksum_offset);
  }
  forward(frame);
}

void Worker::receive_burst(const Burst& burst) {
  Peer* peer = tables_->peer_index.find(burst.source.key());
  const bool single = burst.segment_size == 0 || burst.segment_size >= burst.length;
  const uint32_t datagrams = single ? 1 : (burst.length + burst.segment_size - 1) / burst.segment_size;
  if (peer == nullptr) notice_misplaced(burst);
  if (peer == nullptr && !tables_->underlay->options().accept_any) {
    report_stranger(burst.source);
    return drop_datagrams(nullptr, burst.length, datagrams, Drop::unknown_peer);
  }
  if (peer != nullptr) peer->state->last_received.store(now_, std::memory_order_relaxed);
  if (single) return receive_datagram(peer, burst, burst.data, burst.length, 0);

  // The size that UDP_GRO reports is not proof of several datagrams: a UDP super-frame of a guest behind a Linux vxlan device on
  // this machine arrives whole, as one datagram, with the *inner* segment size. Cut by it, the guest's payload would become VXLAN
  // headers of any VNI. What tells the two apart is whether the first frame fits its slice.
  Packet first{.data = burst.data + kVxlanHeaderBytes};
  const uint32_t headers = kVxlanHeaderBytes + kEthernetHeaderBytes;
  if (burst.segment_size >= headers) {
    first.length = burst.segment_size - kVxlanHeaderBytes;
    if (parse(first) == ParseResult::ok) {
      if (!one_network(burst) && !all_exact(burst)) return drop_datagrams(peer, burst.length, datagrams, Drop::ambiguous_gso);
      for (uint32_t at = 0; at < burst.length; at += burst.segment_size) {
        receive_datagram(peer, burst, burst.data + at, slice_bytes(burst, at), 0);
      }
      return;
    }
  }
  if (burst.length >= headers) {
    first.length = burst.length - kVxlanHeaderBytes;
    if (parse(first) == ParseResult::ok && first.is_udp() && first.ip_end == first.length) {
      return receive_datagram(peer, burst, burst.data, burst.length, burst.segment_size);
    }
  }
  drop_datagrams(peer, burst.length, datagrams, Drop::ambiguous_gso);
}

void Worker::receive_datagram(Peer* peer, const Burst& burst, uint8_t* data, uint32_t bytes, uint32_t udp_gso_size) {
  if (bytes < kVxlanHeaderBytes) return drop_datagrams(peer, bytes, 1, Drop::bad_vxlan_header);
  const auto vni = read_vxlan_header(data);
  if (!vni) return drop_datagrams(peer, bytes, 1, Drop::bad_vxlan_header);
  const uint32_t index = tables_->vni_index.find(*vni);
  if (index == VniIndex::kNone) {
    if (*vni == kControlVni && peer != nullptr &&
        receive_control(*peer, burst.source, data + kVxlanHeaderBytes, bytes - kVxlanHeaderBytes)) {
      return;
    }
    return drop_datagrams(peer, bytes, 1, Drop::unknown_vni);
  }
  const Network& network = tables_->networks[index];

  Frame frame;
  frame.network = network.index;
  frame.source = {DestinationKind::peer, peer != nullptr ? peer->index : kStranger};
  frame.group = kPeerGroup;
  frame.packet.data = data + kVxlanHeaderBytes;
  frame.packet.length = bytes - kVxlanHeaderBytes;
  const ParseResult parsed = parse(frame.packet);
  if (parsed != ParseResult::ok) return drop_received(frame, reason_for(parsed));
  const bool oversized = frame.packet.l3_offset != 0 && frame.packet.ip_end - frame.packet.l3_offset > network.options.mtu;
  if (oversized || udp_gso_size != 0) {
    if (!describe_foreign_super_frame(frame.packet, network.options.mtu, udp_gso_size, frame.vnet, frame.wire_frames)) {
      return drop_received(frame, Drop::oversized);
    }
    if (peer != nullptr) peer->counters.rx_super_frames.add(1);
  }
  // The other two ask nothing of the inner header.
  const uint8_t ecn = burst.traffic_class & kEcnMask;
  if ((ecn == kEcnCongested || ecn == kEcnCapable1) && !carry_ecn(frame.packet, ecn)) {
    return drop_received(frame, Drop::ecn_congestion);
  }
  forward(frame);
}

// False when it is no control frame: then its VNI is as unknown as any other.
bool Worker::receive_control(Peer& peer, const Endpoint& source, const uint8_t* frame, uint32_t bytes) {
  ControlMessage message;
  const ControlParse parsed = parse_control_frame(frame, bytes, message);
  if (parsed == ControlParse::foreign) return false;
  if (parsed == ControlParse::ok) {
    offload_check_.receive(peer, *tables_, message, now_);
    hello_exchange_.receive(peer, source, *tables_, message, now_);
    query_exchange_.receive(peer, message, now_);
  }
  count_received(&peer.counters, 1, bytes);
  counters_.consumed.add(1);
  return true;
}

// A stranger may be a peer that answers from a wrong address. Its datagram is a stranger's all the same.
void Worker::notice_misplaced(const Burst& burst) {
  if (burst.length < kVxlanHeaderBytes || burst.length > kVxlanHeaderBytes + kFullHelloBytes) return;
  if (read_vxlan_header(burst.data) != kControlVni) return;
  ControlMessage message;
  if (parse_control_frame(burst.data + kVxlanHeaderBytes, burst.length - kVxlanHeaderBytes, message) != ControlParse::ok) return;
  hello_exchange_.receive_misplaced(burst.source, *tables_, message, now_);
}

void Worker::report_stranger(const Endpoint& source) {
  if (now_ == last_stranger_) return;
  last_stranger_ = now_;
  events_.push({.type = EventType::stranger, .where = {}, .address = source});
}

}  // namespace weft

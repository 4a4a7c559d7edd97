// Frames that are larger than fits to a peer: cut where their sender allows it; otherwise dropped here, and their sender told.
//
// What fits is the smaller of two: what the path carries, less what encapsulation adds (PeerOptions.mtu, which counts an
// untagged frame, so a tag costs its 4 bytes), and the network's MTU, beyond which the far side refuses what arrives. The
// control plane keeps both up to date: it reads the path MTU again in every round, and at once when a send failed with EMSGSIZE
// (outbox.cc). The frames of that send are lost without an answer; what the guest sends again is answered from here.
//
// IPv4 without DF is fragmented, a TCP super-frame without DF cut smaller, and of a UDP super-frame, whose datagrams keep their
// sizes, each datagram is fragmented: queued to the peer are then the pieces. Anything else has the verdict that it would have
// had, and is queued to the peer and dropped there as too_big, a super-frame with all of its segments. The answer is another
// frame: queued to the port that the frame came from, and received from nobody. It is written over the frame, which nothing
// refers to any more.
//
// Frames that are replicated are dropped without an answer: the peer that they do not fit to may not be the one that they are
// for.
#include <algorithm>
#include <cstring>

#include "engine/worker.h"
#include "offload/fragment.h"
#include "offload/packet_too_big.h"
#include "wire/bytes.h"
#include "wire/vxlan.h"

namespace weft {
namespace {

// A guest keeps what it is told for minutes, for all flows to one address; so this is how many addresses it can be told about
// at once.
constexpr uint32_t kAnswersASecond = 100;

constexpr uint16_t kDontFragment = 0x4000;

// A TCP super-frame of IPv4 without DF, in segments that fit `mtu` bytes of IP.
bool plan_smaller_segments(const Packet& packet, const VnetHeader& vnet, uint32_t mtu, SegmentPlan& plan) {
  if (!packet.is_tcp() || packet.ip_version != 4) return false;
  if ((load_be16(packet.data + packet.l3_offset + 6) & kDontFragment) != 0) return false;
  const uint32_t headers = packet.payload_offset - packet.l3_offset;
  if (mtu <= headers) return false;
  VnetHeader smaller = vnet;
  smaller.gso_size = static_cast<uint16_t>(mtu - headers);
  return plan_segments(packet, smaller, plan) == SegmentError::ok;
}

}  // namespace

// Bytes of IP.
uint32_t Worker::ip_room(const Peer& peer, const Network& network, const Packet& packet) {
  const uint32_t tags = packet.l3_offset - kUntaggedHeaderBytes;
  const uint32_t path = peer.options.mtu < tags ? 0 : peer.options.mtu - tags;
  return std::min(path, network.options.mtu);
}

bool Worker::send_in_pieces(Peer& peer, const Network& network, Frame& frame) {
  if (frame.packet.ip_version != 4) return false;
  const uint32_t room = ip_room(peer, network, frame.packet);
  const bool super = frame.vnet.is_super_frame();
  if (super && frame.packet.is_udp()) return send_datagrams_in_pieces(peer, network, frame, room);
  Frame pieces = frame;
  const bool planned = super ? plan_smaller_segments(frame.packet, frame.vnet, room, pieces.plan)
                             : plan_fragments(frame.packet, room, pieces.plan);
  if (!planned) return false;
  const size_t stride = block_stride(pieces);
  pieces.blocks = take_blocks(stride * pieces.plan.count);
  frame.blocks = nullptr;  // another peer's may have been written over
  uint8_t* headers = pieces.blocks + kVxlanHeaderBytes;
  if (super) {
    write_segment_headers(frame.packet, frame.vnet, pieces.plan, headers, stride);
  } else {
    if (frame.vnet.needs_checksum()) finish_checksum(frame.packet, frame.vnet);
    write_fragment_headers(frame.packet, pieces.plan, headers, stride);
    pieces.packet.payload_offset = static_cast<uint16_t>(pieces.plan.header_length);
  }
  outbox_.add_segments(peer, network, pieces, stride);
  return true;
}

bool Worker::send_datagrams_in_pieces(Peer& peer, const Network& network, Frame& frame, uint32_t room) {
  const SegmentPlan& plan = frame.plan;
  // A header of its own and the payload make each datagram whole, and so a packet like any other.
  const uint32_t datagram_bytes = plan.header_length + plan.payload_of(0);
  const size_t stride = (kVxlanHeaderBytes + size_t{datagram_bytes} + 7) & ~size_t{7};
  Packet largest = frame.packet;
  largest.ip_end = datagram_bytes;
  SegmentPlan pieces;
  if (!plan_fragments(largest, room, pieces)) return false;
  const size_t piece_stride = (kVxlanHeaderBytes + pieces.header_length + 7) & ~size_t{7};

  // All of it is taken at once: what is taken later could be written over this. A path of less than any link must carry would
  // need more than there is.
  const size_t bytes = plan.count * (stride + pieces.count * piece_stride);
  if (bytes > kBlockBytes) return false;
  uint8_t* whole = take_blocks(bytes);
  uint8_t* headers = whole + plan.count * stride;
  frame.blocks = nullptr;  // another peer's may have been written over
  write_segment_headers(frame.packet, frame.vnet, plan, whole + kVxlanHeaderBytes, stride);
  for (uint32_t index = 0; index < plan.count; ++index, whole += stride) {
    Frame datagram = frame;
    datagram.vnet = {};
    datagram.wire_frames = 1;
    datagram.packet.data = whole + kVxlanHeaderBytes;
    datagram.packet.length = plan.header_length + plan.payload_of(index);
    std::memcpy(datagram.packet.data + plan.header_length,
                frame.packet.data + frame.packet.payload_offset + size_t{index} * plan.segment_payload, plan.payload_of(index));
    parse(datagram.packet);
    if (fits(peer, network, datagram)) {
      outbox_.add(peer, network, datagram);
      continue;
    }
    plan_fragments(datagram.packet, room, datagram.plan);
    datagram.blocks = headers;
    headers += datagram.plan.count * piece_stride;
    write_fragment_headers(datagram.packet, datagram.plan, datagram.blocks + kVxlanHeaderBytes, piece_stride);
    datagram.packet.payload_offset = static_cast<uint16_t>(datagram.plan.header_length);
    outbox_.add_segments(peer, network, datagram, piece_stride);
  }
  return true;
}

void Worker::drop_too_big(Peer& peer, const Frame& frame) {
  counters_.queued.add(frame.wire_frames);
  counters_.drop_queued(peer.counters, Drop::too_big, frame.wire_frames);
}

void Worker::tell_path_mtu(const Peer& peer, const Network& network, Frame& frame) {
  if (frame.source.kind != DestinationKind::port || frame.packet.ip_version == 0) return;
  Port& port = *tables_->ports[frame.source.index];
  if (port.path_mtu_told != now_) {
    port.path_mtu_told = now_;
    port.path_mtu_answers = 0;
  }
  const uint32_t room = ip_room(peer, network, frame.packet);
  if (port.path_mtu_answers == kAnswersASecond) {
    if (may_be_told(frame.packet, frame.vnet, frame.plan, room)) counters_.path_mtu_unanswered.add(1);
    return;
  }
  if (!become_packet_too_big(frame.packet, frame.vnet, frame.plan, room)) return;
  ++port.path_mtu_answers;
  counters_.path_mtu_answered.add(1);
  frame.wire_frames = 1;
  send_to_port(port, frame);
}

}  // namespace weft

// What captures get to see of the frames that pass, in the place where it is known what becomes of them:
//
//   received, from a port or a peer      with its verdict; a super-frame of a guest whole, checksums as the guest left them
//   written to a port                    after joining, as its guest gets it, and whether the kernel took it
//   queued to a peer                     before a super-frame is cut, and without VXLAN; what the underlay does with it comes later
//
// Datagrams that never became a frame (bad_vxlan_header and the like) and what weft hosts say to each other are not among them: they belong
// to the underlay.
#include "engine/capture.h"
#include "engine/worker.h"
#include "offload/merge_rules.h"

namespace weft {
namespace {

uint8_t code_of(std::optional<Drop> reason) { return reason ? static_cast<uint8_t>(*reason) : CapturedFrame::kKept; }

// What a peer left unfinished tells itself by its value alone, as in the coalescer.
bool is_unfinished(const Packet& packet) {
  return (packet.is_tcp() || packet.is_udp()) && packet.ip_end <= packet.length && checksum_is_unfinished(packet);
}

}  // namespace

void Worker::capture_received(const Frame& frame, std::optional<Drop> reason) {
  if (frame.packet.data == nullptr) return;
  const bool from_peer = frame.source.kind == DestinationKind::peer;
  CapturedFrame seen{.wire_frames = frame.wire_frames,
                     .network = frame.network,
                     .out = 0,
                     .drop = code_of(reason),
                     .unfinished = frame.vnet.needs_checksum() || (from_peer && is_unfinished(frame.packet)),
                     .gso_type = frame.vnet.gso_type,
                     .gso_size = frame.vnet.gso_size};
  const iovec piece{frame.packet.data, frame.packet.length};
  offer(seen, frame.source, {&piece, 1, frame.packet.length});
}

void Worker::capture_queued(const Peer& peer, const Network& network, const Frame& frame, bool cut, std::optional<Drop> reason) {
  CapturedFrame seen{.wire_frames = frame.wire_frames,
                     .network = network.index,
                     .out = 1,
                     .drop = code_of(reason),
                     .unfinished = frame.vnet.needs_checksum(),
                     .gso_type = frame.vnet.gso_type,
                     .cut = cut,
                     .gso_size = frame.vnet.gso_size};
  const iovec piece{frame.packet.data, frame.packet.length};
  offer(seen, {DestinationKind::peer, peer.index}, {&piece, 1, frame.packet.length});
}

void Worker::capture_written(const Port& port, const TapWrite& write, const VnetHeader& vnet) {
  CapturedFrame seen{.wire_frames = write.wire_frames,
                     .network = port.options.network,
                     .out = 1,
                     .drop = code_of(write_drop_),
                     .unfinished = vnet.needs_checksum(),
                     .gso_type = vnet.gso_type,
                     .gso_size = vnet.gso_size};
  write_drop_.reset();
  // Behind the virtio header.
  offer(seen, {DestinationKind::port, port.index}, {write.iov + 1, write.iov_count - 1, write.bytes});
}

void Worker::offer(CapturedFrame& frame, Destination where, const FramePieces& pieces) {
  frame.kind = static_cast<uint8_t>(where.kind);
  frame.index = where.index;
  for (Capture* capture : *captures_) {
    if (capture->wants(where, frame.network, frame.out != 0)) capture->offer(frame, pieces);
  }
}

}  // namespace weft

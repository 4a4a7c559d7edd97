// Frames that are larger than fits to a peer: dropped here, and their sender told.
//
// What fits is the smaller of two: what the path carries, less what encapsulation adds (PeerOptions.mtu, which counts an untagged frame, so
// a tag costs its 4 bytes), and the network's MTU, beyond which the far side refuses what arrives. The control plane keeps
// both up to date: it reads the path MTU again in every round, and at once when a send failed with EMSGSIZE (outbox.cc). The
// frames of that send are lost without an answer; what the guest sends again is answered from here.
//
// A frame that does not fit has the verdict that it would have had, and is queued to the peer and dropped there as too_big,
// a super-frame with all of its segments. The answer is another frame: queued to the port that the frame came from, and
// received from nobody. It is written over the frame, which nothing refers to any more.
//
// Frames that are replicated are dropped without an answer: the peer that they do not fit to may not be the one that they are for.
// Nor is there one for IPv4 packets without DF, whose sender leaves fragmentation to routers. A Linux vxlan device fragments the
// outer packet then, which RFC 7348, 4.3 forbids.
#include "engine/worker.h"
#include "offload/packet_too_big.h"

#include <algorithm>

namespace weft {
namespace {

// A guest keeps what it is told for minutes, for all flows to one address; so this is how many addresses it can be told about at once.
constexpr uint32_t kAnswersASecond = 100;

}  // namespace

void Worker::drop_too_big(Peer& peer, const Frame& frame) {
  counters_.queued.add(frame.wire_frames);
  counters_.dropped[static_cast<size_t>(Drop::too_big)].add(frame.wire_frames);
  peer.counters.tx_dropped.add(frame.wire_frames);
}

void Worker::tell_path_mtu(const Peer& peer, const Network& network, Frame& frame) {
  if (frame.source.kind != DestinationKind::port || frame.packet.l3_offset == 0) return;
  Port& port = *tables_->ports[frame.source.index];
  if (port.path_mtu_told != now_) {
    port.path_mtu_told = now_;
    port.path_mtu_answers = 0;
  }
  if (port.path_mtu_answers == kAnswersASecond) return;
  const uint32_t tags = frame.packet.l3_offset - kUntaggedHeaderBytes;
  const uint32_t path = peer.options.mtu < tags ? 0 : peer.options.mtu - tags;
  if (!become_packet_too_big(frame.packet, frame.vnet, frame.plan, std::min(path, network.options.mtu))) return;
  ++port.path_mtu_answers;
  frame.wire_frames = 1;
  send_to_port(port, frame);
}

}  // namespace weft

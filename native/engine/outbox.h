// What waits to be sent to peers in this round.
//
// Datagrams to one peer that leave by the same source port with the same traffic class, VNI and length share one UDP_SEGMENT
// send: the cost of the socket is paid once for up to 127 of them. Batches are formed by length and not in order of arrival,
// because mixed sizes would otherwise break every batch after a frame or two. Three rules keep it right:
//   * A flow never has frames in two open batches. When its next frame belongs to another batch, the open one is sealed first;
//     batches are sent in the order in which they were sealed.
//   * A batch holds one VNI only, so that what one send leads to needs no second look at the receiver (receive.cc).
//   * A datagram shorter than the others ends its batch (the kernel's rule for UDP_SEGMENT).
//
// There is room for more batches than there are peers, so that the frames of a round that go to all of them leave with one send
// for each peer, and not with one for each frame and peer.
//
// Nothing is copied: a batch is a list of pieces of the worker's buffers, which stay as they are until flush().
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/counters.h"
#include "engine/events.h"
#include "engine/frame.h"
#include "engine/tables.h"
#include "io/send_result.h"

namespace weft {

class Outbox {
 public:
  Outbox(WorkerCounters& counters, EventRing& events);

  // Queues one whole frame, VXLAN header in front of packet.data written here.
  void add(Peer& peer, const Network& network, Frame& frame);

  // Queues the segments of a super-frame, or the fragments of a packet, whose header blocks were written (`frame.blocks`, blocks
  // of `stride` bytes, each with room for the VXLAN header before the segment's own headers).
  void add_segments(Peer& peer, const Network& network, const Frame& frame, size_t stride);

  // Sends everything. Afterwards the frames' memory may be used again.
  void flush(Seconds now);

  // The sockets to send by, and how many peers there are to send to. To be called when nothing is queued; allocates when the number
  // of peers has changed much.
  void use(const std::shared_ptr<const Underlay>& underlay, size_t peers);

  bool empty() const { return used_ == 0; }

 private:
  static constexpr uint32_t kLeastBatches = 256;
  static constexpr uint32_t kMostBatches = 4096;  // 17 MiB, of which a page or two are touched for each batch in use
  static constexpr uint32_t kMaxDatagrams = 127;
  static constexpr uint32_t kPieces = kMaxDatagrams * 2;
  static constexpr uint32_t kKeySlots = 4;  // for each batch
  static constexpr uint32_t kFlowSlots = 16;
  static constexpr uint32_t kFlowProbes = 4;
  static constexpr uint16_t kNoBatch = UINT16_MAX;
  static constexpr uint32_t kMaxBatchBytes = 65507;  // of UDP payload in one send, IPv4 (IPv6 takes 20 more, not worth a case)

  struct Batch {
    Peer* peer;
    uint32_t sender;
    uint32_t vni;
    uint32_t datagram_bytes;  // of each but the last
    uint32_t bytes;           // of all
    uint32_t super_frames;
    uint16_t datagrams;
    uint16_t pieces;
    uint16_t pieces_per_datagram;
    uint8_t traffic_class;
    bool open;
    iovec iov[kPieces];
  };

  struct KeySlot {
    uint32_t round = 0;
    uint16_t batch = 0;
  };

  struct FlowSlot {
    uint32_t round = 0;
    uint32_t flow = 0;
    uint16_t batch = kNoBatch;
  };

  void make_room(uint32_t batches);
  uint32_t sender_of(const Peer& peer, uint32_t flow_hash) const;
  uint32_t max_datagrams() const;
  bool segments_for(Peer& peer);
  Batch& new_batch(Peer& peer, uint32_t sender, uint32_t vni, uint8_t traffic_class, uint32_t datagram_bytes);
  void seal(Batch& batch);
  // The flow's slot of this round. When all that it could have are taken, another flow's is sealed and given to it.
  FlowSlot& slot_of(const Peer& peer, uint32_t flow_hash);
  // Seals the batch that the flow's frames are in, unless it is `keep`.
  void seal_flow(const FlowSlot& slot, const Batch* keep);

  static void describe(Batch& batch, uint32_t first, uint32_t datagrams, mmsghdr& message, uint8_t* control);
  static uint32_t message_bytes(const msghdr& header);
  void send_all_of(uint32_t sender);
  int send_some(uint32_t sender, mmsghdr* messages, unsigned count);
  void send_messages(uint32_t sender, mmsghdr* messages, Batch** batches, unsigned count);
  // Without UDP_SEGMENT: one datagram a message. True when a full-sized datagram passed and none was too big, that is, when a
  // burst of them should have passed too.
  bool send_plain(Batch& batch);
  void sent(Batch& batch, uint32_t datagrams, uint32_t bytes);
  void failed(Peer& peer, uint32_t datagrams, SendRemedy remedy);
  void drop(Peer& peer, uint32_t frames, Drop reason);
  void disable_offload(Peer& peer, int error);

  WorkerCounters& counters_;
  EventRing& events_;
  std::shared_ptr<const Underlay> underlay_;
  std::unique_ptr<Batch[]> batches_;
  uint32_t capacity_ = 0;  // batches, a power of two
  uint32_t used_ = 0;
  uint32_t sealed_count_ = 0;
  std::unique_ptr<uint16_t[]> sealed_;
  uint32_t round_ = 1;
  Seconds now_ = 0;
  std::vector<KeySlot> key_slots_;    // the open batch for a (peer, sender, VNI, traffic class, length)
  std::vector<FlowSlot> flow_slots_;  // the batch that a flow's last frame went to
};

}  // namespace weft

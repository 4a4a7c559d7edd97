// Sends control frames (wire/control_frame.h) to peers, for the worker: by the sockets and the source ports that traffic has, at
// once and not through the outbox, because how they leave may be what is asked about. Counted as queued, and sent or dropped,
// like all frames.
#pragma once

#include <sys/socket.h>

#include <memory>

#include "engine/counters.h"
#include "engine/tables.h"
#include "wire/control_frame.h"

namespace weft {

class ControlSender {
 public:
  explicit ControlSender(WorkerCounters& counters);

  // The socket for a peer; `flow` chooses the source port. Null when there is none.
  static VtepSender* sender_to(const Peer& peer, const Tables& tables, uint16_t flow);
  // Makes a message of `piece` to the peer.
  static void address(msghdr& header, Peer& peer, iovec& piece);

  // One message in a frame of `bytes` bytes, at most kMostHelloBytes. 0 or errno.
  int send(Peer& peer, const Tables& tables, const ControlMessage& message, uint16_t flow, uint32_t bytes);
  // Messages that were addressed, each of one piece with so many datagrams, which were counted as queued. The last errno, or 0
  // when all were sent.
  int send(Peer& peer, VtepSender& sender, mmsghdr* messages, unsigned count, uint32_t datagrams_each);

 private:
  WorkerCounters& counters_;
  std::unique_ptr<uint8_t[]> datagram_;
};

}  // namespace weft

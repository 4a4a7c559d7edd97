// The offload check: does a burst that leaves in one UDP_SEGMENT send arrive as it was?
//
// Some kernels, drivers and network cards damage what they cut out of such a send, and nothing on the sending host can tell: the
// send succeeds, and the datagrams are dropped on the way or at the far end, for their checksum or their length. Only the far end
// knows. So, when the control plane asks for it, the worker sends a peer a burst of probes (wire/control_frame.h) by UDP_SEGMENT,
// or the same burst one by one, and then the question which of them arrived; the far end, when it is a weft host, keeps count and
// answers. What follows from it the control plane decides (daemon/mesh/), by comparing the two. A peer of another make drops all
// of it.
//
// A burst is a number of datagrams of equal size and a shorter one at the end, which is the shape of a segmented super-frame. It
// leaves by the sockets and, through `flow`, by the source port that traffic has, but not through the outbox: a burst must be
// sent by UDP_SEGMENT even while the peer's traffic is not, and is never sent again in another way.
//
// The far end remembers one burst of each peer. It answers peers only, never strangers; an answer has the size of its question,
// and there are at most AnswerAllowance::kASecond of them for a peer. The asking end takes one answer to each question, and only
// with the nonce of its last burst, which nobody knows who does not see the burst. Who forges the address of a peer can spoil a
// burst's count, and so have an offload switched off, which costs CPU and nothing else.
//
// Counting: what a peer sends is received and consumed; what is sent to it is queued, and sent or dropped, as all frames are.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/control_sender.h"
#include "engine/counters.h"
#include "engine/events.h"
#include "engine/request_ring.h"
#include "engine/tables.h"

namespace weft {

struct OffloadRequest {
  uint16_t peer = 0;
  uint64_t nonce = 0;
  uint16_t datagrams = 0;  // 0: only the question about the burst with this nonce, again
  uint32_t bytes = 0;      // of the Ethernet frame in each but the last
  bool segmented = false;
  uint16_t flow = 0;  // chooses the source port
};

class OffloadCheck {
 public:
  OffloadCheck(WorkerCounters& counters, EventRing& events);

  // Control thread. Has the worker carry it out when it is woken next. False while too many wait.
  bool request(const OffloadRequest& request);

  // Worker. Carries out what was requested. A burst, or a question, that could not be sent is reported with its errno.
  void serve(const Tables& tables);

  // Worker. A probe, a question or an answer from a peer. Counts what it sends, but not what it received.
  void receive(Peer& peer, const Tables& tables, const ControlMessage& message, Seconds now);

  // How a burst is cut to what one UDP_SEGMENT send may hold: the number of datagrams, 0 when the size is out of bounds.
  static uint16_t datagrams_of(const OffloadRequest& request, uint32_t max_segments);
  // Bytes of the Ethernet frame in the last datagram.
  static uint32_t tail_of(uint32_t bytes);

 private:
  static constexpr uint32_t kBurstBytes = 65507;  // of UDP payload in one send, IPv4

  void send_burst(Peer& peer, const Tables& tables, const OffloadRequest& request);
  void ask(Peer& peer, const Tables& tables);
  void report_failure(Peer& peer, int error);

  WorkerCounters& counters_;
  EventRing& events_;
  ControlSender sender_;
  std::unique_ptr<uint8_t[]> burst_;
  RequestRing<OffloadRequest> requests_;
};

}  // namespace weft

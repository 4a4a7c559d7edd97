// What the hosts at both ends take beyond RFC 7348: asked, answered, and believed for a short while.
//
// When the control plane asks for it, the worker sends a peer a hello (wire/control_frame.h), and a weft host answers with its
// features. A VTEP of another make, and a weft host that is older, does not. The answer to the last hello is reported, once, and
// only with its nonce, which goes to the peer alone: so nobody can give a peer features who does not see what is sent to it. How
// long the answer holds is for the control plane to say (PeerState::unfinished_until, daemon/mesh/), and it is asked for again
// before that is over; what takes a peer's place then gets nothing that it does not understand. A hello in the name of a peer has
// no effect but an answer to that peer, of the same size, and AnswerAllowance::kASecond of them at most.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/control_sender.h"
#include "engine/counters.h"
#include "engine/events.h"
#include "engine/request_ring.h"
#include "engine/tables.h"

namespace weft {

class FeatureExchange {
 public:
  FeatureExchange(WorkerCounters& counters, EventRing& events);

  // Control thread. What hellos are answered with.
  void set_own(uint64_t features) { own_.store(features, std::memory_order_relaxed); }
  // Control thread. Has the worker send a hello when it is woken next. False while too many wait.
  bool ask(uint16_t peer, uint64_t nonce) { return requests_.push({peer, nonce}); }

  // Worker. Sends what was asked for. A hello that could not be sent is like one without an answer.
  void serve(const Tables& tables);
  // Worker. A hello or features from a peer. Counts what it sends, but not what it received.
  void receive(Peer& peer, const Tables& tables, const ControlMessage& message, Seconds now);

 private:
  struct Request {
    uint16_t peer = 0;
    uint64_t nonce = 0;
  };

  EventRing& events_;
  ControlSender sender_;
  RequestRing<Request> requests_;
  std::atomic<uint64_t> own_{0};
};

}  // namespace weft

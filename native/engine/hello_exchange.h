// The hello between weft hosts: is the peer there, how long does an answer take, who is it, what does it take beyond RFC 7348, and
// does a datagram of a given length arrive.
//
// When the control plane asks for it, the worker sends a peer a hello (wire/control_frame.h), padded to the length that is asked
// for, and a weft host answers with its features and with who it is. A VTEP of another make does not. An answer is reported once,
// with the time that it took, and only if it has the nonce of one of the last questions to that peer: the nonce goes to the peer
// alone, so nobody can speak for a peer who does not see what is sent to it. What follows from an answer, and for how long it
// holds, is for the control plane to say (daemon/mesh/). A hello in the name of a peer has no effect but an answer to that peer,
// no larger than it, AnswerAllowance::kASecond of them at most, and the time of the last one (PeerState::last_hello). A host that
// forwards already, and does not know yet what to say of itself, answers only who does not ask: silence for a moment is better
// than a name that is none.
//
// An answer to a question of ours may come from another address than it was sent to: the peer answers from a wrong one. That is
// reported, once a second at most, and has no other effect.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/control_sender.h"
#include "engine/counters.h"
#include "engine/events.h"
#include "engine/request_ring.h"
#include "engine/tables.h"

namespace weft {

struct HelloRequest {
  uint16_t peer = 0;
  uint64_t nonce = 0;
  uint32_t bytes = 0;  // of the Ethernet frame, kFullHelloBytes to kMostHelloBytes
};

class HelloExchange {
 public:
  HelloExchange(WorkerCounters& counters, EventRing& events);

  // Control thread. What hellos are answered with.
  void set_own(uint64_t features) { own_.store(features, std::memory_order_relaxed); }
  // Control thread. Has the worker send a hello when it is woken next. False while too many wait.
  bool ask(const HelloRequest& request) { return requests_.push(request); }

  // Worker. Sends what was asked for. A hello that could not be sent is reported with its errno.
  void serve(const Tables& tables);
  // Worker. A hello or features from a peer. Counts what it sends, but not what it received.
  void receive(Peer& peer, const Endpoint& source, const Tables& tables, const ControlMessage& message, Seconds now);
  // Worker. Features from an address that no peer has, or that answer no question to the peer that has it.
  void receive_misplaced(const Endpoint& source, const Tables& tables, const ControlMessage& message, Seconds now);

 private:
  void answer(Peer& peer, const Endpoint& source, const Tables& tables, const ControlMessage& question, Seconds now);

  EventRing& events_;
  ControlSender sender_;
  RequestRing<HelloRequest> requests_;
  std::atomic<uint64_t> own_{0};
  Seconds last_misplaced_ = 0;
};

}  // namespace weft

// Queries between control planes: what one host asks another that only its control plane knows (daemon/mesh/queries.ts).
//
// The worker sends a query or a reply (wire/control_frame.h) when the control plane asks for it, and hands over what comes. A reply
// is handed over once, and only with the nonce of our last query to that peer. Of queries a peer gets AnswerAllowance::kASecond
// through, as of all that is to be answered, and all peers together as many: forged ones cost the control plane no more than that.
// The room for a reply is that of its query, so no reply is larger.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/control_sender.h"
#include "engine/counters.h"
#include "engine/events.h"
#include "engine/request_ring.h"
#include "engine/tables.h"

namespace weft {

// A query or a reply, on its way to the worker or from it.
struct QueryMail {
  bool reply = false;
  uint16_t peer = 0;
  uint64_t nonce = 0;
  uint16_t topic = 0;
  uint16_t text_bytes = 0;
  uint16_t room = 0;  // of a query: bytes that its reply may have
  std::array<uint8_t, kMostQueryText> text;
};

class QueryExchange {
 public:
  QueryExchange(WorkerCounters& counters, EventRing& events);

  // Control thread. Has the worker send it when it is woken next. False while too many wait.
  bool post(const QueryMail& mail) { return requests_.push(mail); }
  // Control thread. What came; the event ring's wake tells that there is something.
  std::vector<QueryMail> take();

  // Worker. What could not be sent is like what was lost on the way.
  void serve(const Tables& tables);
  // Worker. A query or a reply from a peer.
  void receive(Peer& peer, const ControlMessage& message, Seconds now);

 private:
  void hand_over(Peer& peer, const ControlMessage& message);

  EventRing& events_;
  ControlSender sender_;
  RequestRing<QueryMail> requests_;
  RequestRing<QueryMail> arrived_;  // the other way round: the worker pushes, the control thread takes
  AnswerAllowance answers_;
};

}  // namespace weft

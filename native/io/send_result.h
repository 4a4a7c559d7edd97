// What to do about a send that failed: every error of the underlay sockets is decided here, and nowhere else.
#pragma once

#include <cstdint>

namespace weft {

enum class SendRemedy : uint8_t {
  retry,             // nothing happened: call again
  replay_plain,      // the offload is to blame: switch it off for the peer and send the datagrams one by one
  drop_full,         // no room in the socket or the queue below it
  drop_too_big,      // larger than the path MTU
  drop_no_route,     // no route, or the source address is gone
  drop_refused,      // anything else
};

// `error` is a positive errno of sendmmsg; `segmented` says that the message used UDP_SEGMENT.
SendRemedy remedy_for(int error, bool segmented);

}  // namespace weft

// What to do about a send or a write that failed: every error of the underlay sockets and of TAPs is decided here, and nowhere
// else.
#pragma once

#include <cstdint>

namespace weft {

enum class SendRemedy : uint8_t {
  retry,             // nothing happened, and it may pass at once: call again, kSendRetries times, then drop_full
  replay_plain,      // perhaps the offload is to blame: send the datagrams one by one, which tells
  drop_full,         // no room in the socket
  drop_too_big,      // larger than the path MTU
  drop_no_route,     // no route, or the source address is gone
  drop_refused,      // anything else
};

inline constexpr unsigned kSendRetries = 3;

// `error` is a positive errno of sendmmsg; `segmented` says that the message used UDP_SEGMENT.
//
// A message that failed can be sent again without doubling anything: all that udp_sendmsg answers to a burst (EINVAL, EMSGSIZE
// and EIO of udp_send_skb, ENOBUFS and ENOMEM of building the packet) it answers before the packet leaves the socket. A queue
// that drops it later is no error to the sender (net/ipv4/udp.c hides ENOBUFS unless IP_RECVERR is set, which it is not).
SendRemedy remedy_for(int error, bool segmented);

// Whether a burst that was refused with this error and whose datagrams passed one by one shows that the offload is to blame.
bool blames_offload(int error);

enum class WriteRemedy : uint8_t {
  retry,        // nothing happened: call again
  replay_cut,   // perhaps the super-frame is to blame: write its segments one by one, which tells
  drop_down,    // the guest's link is down
  drop_full,    // no room for the frame
  drop_gone,    // the device is gone
  drop_refused, // anything else
};

// `error` is a positive errno of writing to a TAP. Nothing was delivered when there is one.
WriteRemedy write_remedy_for(int error, bool super_frame);

}  // namespace weft

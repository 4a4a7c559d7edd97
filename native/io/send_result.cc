#include "io/send_result.h"

#include <errno.h>

namespace weft {

SendRemedy remedy_for(int error, bool segmented) {
  switch (error) {
    case EINTR:
      return SendRemedy::retry;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return SendRemedy::drop_full;
    case EMSGSIZE:
      return SendRemedy::drop_too_big;
    case EIO:
      // No transmit checksum on the way out, or an IPsec policy on the route (net/ipv4/udp.c, udp_send_skb).
      return segmented ? SendRemedy::replay_plain : SendRemedy::drop_refused;
    case EINVAL:
      // Older kernels answer EINVAL where newer ones say EMSGSIZE; one by one the datagrams tell which it is.
      return segmented ? SendRemedy::replay_plain : SendRemedy::drop_no_route;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case ENETDOWN:
    case EHOSTDOWN:
      return SendRemedy::drop_no_route;
    default:
      return SendRemedy::drop_refused;
  }
}

}  // namespace weft

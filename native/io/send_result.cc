#include "io/send_result.h"

#include <errno.h>

namespace weft {

SendRemedy remedy_for(int error, bool segmented) {
  switch (error) {
    case EINTR:
    case ENOBUFS:
    case ENOMEM:
      return SendRemedy::retry;
    case EAGAIN:
      return SendRemedy::drop_full;
    case EMSGSIZE:
      // Of a burst at least the last datagram may be short enough.
      return segmented ? SendRemedy::replay_plain : SendRemedy::drop_too_big;
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

bool blames_offload(int error) { return error == EIO || error == EINVAL; }

WriteRemedy write_remedy_for(int error, bool super_frame) {
  switch (error) {
    case EINTR:
      return WriteRemedy::retry;
    case EIO:  // drivers/net/tun.c, tun_get_user: the device is not up
      return WriteRemedy::drop_down;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return WriteRemedy::drop_full;
    case EBADFD:
      return WriteRemedy::drop_gone;
    case EINVAL:
    case EMSGSIZE:
    case EOPNOTSUPP:
      // virtio_net_hdr_to_skb: a type that this kernel does not know, or (6.6.44, 6.10) a segment shorter than gso_size.
      return super_frame ? WriteRemedy::replay_cut : WriteRemedy::drop_refused;
    default:
      return WriteRemedy::drop_refused;
  }
}

}  // namespace weft

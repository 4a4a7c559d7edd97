// Tells the sender of a packet that it is too large for its path: ICMP "fragmentation needed" (RFC 792, RFC 1191) and ICMPv6
// "packet too big" (RFC 4443, 3.2).
//
// A switch has no address of its own, so the error comes from where the packet was sent to, as that of a Linux vxlan device on a
// bridge does (net/ipv4/ip_tunnel_core.c, skb_tunnel_check_pmtu), and the rules are those of the kernel:
//   * IPv4: an MTU of 576 or more, and DF set on a packet that is no fragment. What has no DF is fragmented (fragment.h). IPv6:
//     an MTU of 1280 or more, and no later fragment.
//   * Never about an ICMP error, nor about a redirect (RFC 1122, 3.2.2; RFC 4443, 2.4 (e)).
//   * Never where an address cannot be that of one host: unspecified, loopback, multicast, broadcast. The kernel looks at the
//     source alone here in some cases; but the destination becomes the source of the error, and receivers drop what comes from
//     such an address (RFC 1122, 3.2.1.3; RFC 4291, 2.7). So IPv6 multicast is without errors too, though RFC 4443, 2.4 (e.3)
//     would allow a router, which has an address, to send them.
//   * The error is 576 (IPv4) or 1280 bytes (IPv6) long, has the TTL of the packet, and DF.
// What it quotes is what would have been on the wire: a super-frame's first segment, with its checksum complete.
#pragma once

#include <cstdint>

#include "offload/segment.h"
#include "wire/packet.h"
#include "wire/virtio.h"

namespace weft {

// Whether there is to be an error about the packet (a segment of it) to its sender: it is larger than `mtu`, and the rules allow
// it. `plan` is that of plan_segments() for a super-frame; other frames need none.
bool may_be_told(const Packet& packet, const VnetHeader& vnet, const SegmentPlan& plan, uint32_t mtu);

// Overwrites a frame that parse() found to be ok with the error to its sender: MACs swapped, VLAN tags kept, `packet` parsed
// again, `vnet` empty. `mtu` is the bytes of IP that fit. False, and the frame unchanged, when may_be_told() says no.
bool become_packet_too_big(Packet& packet, VnetHeader& vnet, const SegmentPlan& plan, uint32_t mtu);

}  // namespace weft

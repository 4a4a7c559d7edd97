// What a Linux vxlan device on the same machine (over veth) leaves to hardware that is not there: inner TCP or UDP frames larger
// than any MTU, and L4 checksums that hold only the pseudo-header sum.
#pragma once

#include <cstdint>

#include "wire/packet.h"
#include "wire/virtio.h"

namespace weft {

// Looks at a decapsulated frame that is larger than the network's MTU and describes it in `vnet` as the super-frame that it is.
// `udp_gso_size` is the gso_size that UDP_GRO reported when the whole datagram was one inner UDP super-frame, else 0; a TCP
// super-frame gets the MSS that `mtu` (bytes of IP) allows. `wire_frames` is set to the number of segments.
// False when the frame is oversized and cannot be described: it must be dropped.
bool describe_foreign_super_frame(const Packet& packet, uint32_t mtu, uint32_t udp_gso_size, VnetHeader& vnet,
                                  uint32_t& wire_frames);

}  // namespace weft

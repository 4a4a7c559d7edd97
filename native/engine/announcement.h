// The frames by which a host tells its network where an address is: an ARP announcement (RFC 5227, 2.3) for IPv4, an unsolicited
// neighbour advertisement to all nodes (RFC 4861, 7.2.6) for IPv6.
#pragma once

#include <cstdint>

#include "fdb/fdb.h"
#include "io/endpoint.h"

namespace weft {

inline constexpr uint32_t kMaxAnnouncementBytes = 86;  // Ethernet, IPv6, NA, one option

// Writes the whole frame to `frame`, which has room for kMaxAnnouncementBytes. Returns its length.
uint32_t write_announcement(uint8_t* frame, Mac mac, const Endpoint& address);

}  // namespace weft

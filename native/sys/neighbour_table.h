// What the kernel's ARP and neighbour discovery know, through rtnetlink, in the network namespace of the calling thread.
#pragma once

#include <optional>
#include <string>

#include "sys/netlink.h"

namespace weft {

struct NeighbourEntry {
  std::string mac;    // aa:bb:cc:dd:ee:ff; empty while it is asked for, or when nobody answered
  bool failed = false;  // it was asked for, and nobody answered
};

// Of one address (10.0.0.2, fd00::2) on a link; nothing when the kernel has not asked for it of late. Throws SysError: EINVAL for
// what is no address, ENODEV when there is no such link.
std::optional<NeighbourEntry> find_neighbour(NetlinkSocket& netlink, const std::string& ifname, const std::string& address);

}  // namespace weft

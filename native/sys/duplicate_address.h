// Whether another machine of a link has an IPv4 address too.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace weft {

// Asks for `address` on the link, as an ARP probe does (RFC 5227, 2.1.1), which changes nobody's ARP cache, and waits for an answer of
// another MAC. That MAC, or nothing when the time is over. Throws SysError: EPERM without CAP_NET_RAW, ENODEV, EINVAL.
std::optional<std::string> find_duplicate_address(const std::string& ifname, const std::string& address,
                                                  std::chrono::milliseconds limit);

}  // namespace weft

// What the routing table says of the way to an address. Nothing is sent.
#pragma once

#include <cstdint>
#include <string>

namespace weft {

// The MTU of the route, as a UDP socket with "don't fragment" sees it: what path MTU discovery learned is in it. `address` is a
// numeric IPv4 or IPv6 address. Throws SysError: EINVAL, ENETUNREACH, ...
uint32_t path_mtu(const std::string& address);

// The source address that the kernel would use.
std::string source_address(const std::string& address);

}  // namespace weft

// What becomes of packets on their way to other hosts: sent with "don't fragment", and of the size that was asked for, whatever the
// kernel believes of the path. For the doctor; never used by the daemon.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace weft {

inline constexpr size_t kMostPathProbes = 256;  // of one call: each holds a descriptor
inline constexpr uint32_t kLeastPathProbeBytes = 96;

struct PathProbe {
  std::string address;  // numeric IPv4 or IPv6 address
  // UDP: a VXLAN datagram with a control frame of no known type goes to this port, which a weft host counts as consumed and every other
  // VTEP drops as an unknown VNI. 0: an ICMP echo request, which most hosts answer.
  uint16_t port = 0;
  uint32_t bytes = kLeastPathProbeBytes;  // of the IP packet
};

struct PathAnswer {
  bool answered = false;  // the echo came back
  // errno of what the kernel refused, or of what ICMP told; 0 when neither was heard. ECONNREFUSED: nothing listens on the port.
  // EMSGSIZE: too big for a link on the way. EPERM: a firewall of this host refused it.
  int error = 0;
  std::string from;  // address of the router or host that told it by ICMP; empty when it was this kernel
  uint32_t mtu = 0;  // with EMSGSIZE, bytes of IP that fit; 0 when it was not told
};

// Sends all, then waits until each has its answer or the time is over. In the order of `probes`. Throws SysError: EINVAL for an address
// that is none, E2BIG for too many probes.
std::vector<PathAnswer> probe_paths(const std::vector<PathProbe>& probes, std::chrono::milliseconds limit);

}  // namespace weft

// Whether the offloads do what they promise: setsockopt and ioctl take more than some kernels get right. Super-frames are sent
// through the loopback device and through a TAP of a network namespace that exists only for this; nothing of the host is touched.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "sys/unique_fd.h"

namespace weft {

// Each empty when it works, else what happened in a few words ("4 of 5 datagrams arrived").
struct OffloadFaults {
  std::string udp_segment;
  std::string udp_gro;
  std::string tcp_super_frames;  // written to a TAP
  std::string udp_super_frames;
  std::string not_tested;  // why all or some of it is not known: the namespace could not be made, or not in time
};

using SelfTestDeadline = std::chrono::steady_clock::time_point;

// Takes some 50 milliseconds, and never longer than `limit`. Without CAP_SYS_ADMIN nothing is tested.
OffloadFaults test_offloads(std::chrono::milliseconds limit);

// ---- the parts, for their own tests; all work in the network namespace of the calling thread, and throw SysError where it lacks
// something

// Two UDP sockets of the loopback device (which must be up); the sender is connected to the receiver.
struct UdpPair {
  UniqueFd sender;
  UniqueFd receiver;
};
UdpPair open_udp_pair(bool gro);
// Bursts of equal datagrams, with a short one at the end, of two, and of as many as one send may have.
std::string test_udp_segment(const UdpPair& pair, SelfTestDeadline deadline);
// A burst with a short datagram at its end; the pair has UDP_GRO.
std::string test_udp_gro(const UdpPair& pair, SelfTestDeadline deadline);

// A TAP with an address, and the guest's sockets behind it. The tests write super-frames with a short last segment.
class TapSelfTest {
 public:
  TapSelfTest();
  // What a UDP socket gets of a USO super-frame.
  std::string test_udp();
  // What a TCP connection, whose other end is played here, gets of a TSO super-frame.
  std::string test_tcp();
  int tap() const { return tap_.get(); }
  int ifindex() const { return ifindex_; }

 private:
  UniqueFd tap_;
  int ifindex_ = 0;
  uint8_t mac_[6] = {};
};

}  // namespace weft

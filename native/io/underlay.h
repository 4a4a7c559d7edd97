// The VTEP's UDP sockets: where VXLAN datagrams come in and go out. Knows sockets and nothing about MAC addresses.
//
// Receiving: one socket for each family and UDP port, bound to the wildcard address so that an underlay address may come and go.
// Sending: one socket for each family and source port. Frames of one flow always leave by the same source port, so they stay in
// order while the underlay spreads flows over its paths (RFC 7348, 4.1 and 5). A separate socket sends with UDP checksum zero,
// for peers that need it; SO_NO_CHECK and UDP_SEGMENT exclude each other (net/ipv4/udp.c, udp_send_skb).
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/endpoint.h"

namespace weft {

inline constexpr uint32_t kMaxDatagramBytes = 65535;
inline constexpr uint32_t kMaxBursts = 16;  // datagrams, or bursts of them joined by UDP_GRO, taken by one receive call

// UDP_MAX_SEGMENTS: 64, and 128 since Linux 6.9 (include/linux/udp.h). One fewer on both, because the kernel holds the 8 bytes of
// the UDP header against the limit as well. 1 for a kernel without UDP_SEGMENT.
uint32_t kernel_max_segments();

// What one receive gave: one datagram, or (segment_size != 0) several of equal size one behind the other, the last perhaps
// shorter.
struct Burst {
  uint8_t* data = nullptr;
  uint32_t length = 0;
  uint32_t segment_size = 0;
  uint8_t traffic_class = 0;  // of the outer IP header: DSCP << 2 | ECN
  Endpoint source;
};

// A socket that receives. Tests put a fake behind it.
class VtepReceiver {
 public:
  virtual ~VtepReceiver() = default;
  virtual int fd() const = 0;
  // Fills up to bursts.size() (at most kMaxBursts) entries with data in the receiver's own buffers, valid until the next call.
  // The number of entries; 0 when there is nothing, or on an error that the next call may not have.
  virtual unsigned receive(std::span<Burst> bursts) = 0;
  // Datagrams that the kernel dropped because the socket's buffer was full, since the socket was opened.
  virtual uint64_t overflow() const = 0;
};

// A socket that sends. Tests put a fake behind it.
class VtepSender {
 public:
  virtual ~VtepSender() = default;
  // sendmmsg: the number of messages that were sent, at least 1; or -errno of the first one.
  virtual int send(mmsghdr* messages, unsigned count) = 0;
};

// An error of opening or binding: what was tried, and errno.
struct SocketError {
  std::string operation;
  int error = 0;
  std::string text;  // which address and port
};

struct UnderlayOptions {
  std::optional<Endpoint> ipv4;  // own address to send from; without one the kernel chooses per destination
  std::optional<Endpoint> ipv6;
  std::vector<uint16_t> ports;  // to receive on
  uint32_t source_ports = 4;    // sending sockets of each family
  bool accept_any = false;
  bool udp_gso = true;
  bool udp_gro = true;
};

// A receiving socket is known by its address family and UDP port.
using ReceiverKey = std::pair<Family, uint16_t>;

// Receiving sockets that a former process has left open, to be used instead of new ones: datagrams that came meanwhile wait in them.
class OfferedReceivers {
 public:
  // Owns the descriptor from here on, also when it throws SysError: EINVAL for what is no UDP socket bound to a port of every address.
  ReceiverKey add(int fd);
  // Null when there is none.
  std::shared_ptr<VtepReceiver> find(ReceiverKey key) const;
  // Closes those that nobody has taken.
  void clear() { receivers_.clear(); }

 private:
  std::map<ReceiverKey, std::shared_ptr<VtepReceiver>> receivers_;
};

// The sockets for one set of options, immutable once opened. Sockets that the former underlay had and this one needs too are
// shared with it, so that a change loses no datagram.
class Underlay {
 public:
  // Opens what is missing. On an error nothing is changed and `error` says why.
  static std::shared_ptr<const Underlay> open(const UnderlayOptions& options, const Underlay* former, const OfferedReceivers& offered,
                                              SocketError& error);
  // For tests.
  static std::shared_ptr<const Underlay> of(std::vector<std::shared_ptr<VtepReceiver>> receivers,
                                            std::vector<std::shared_ptr<VtepSender>> senders, const UnderlayOptions& options);

  const UnderlayOptions& options() const { return options_; }
  const std::vector<std::shared_ptr<VtepReceiver>>& receivers() const { return receivers_; }
  const std::map<ReceiverKey, std::shared_ptr<VtepReceiver>>& receivers_by_key() const { return receiver_by_key_; }

  // Senders are numbered; kNoSender when the family cannot be sent to (no such address family on this host).
  static constexpr uint32_t kNoSender = UINT32_MAX;
  uint32_t sender_count() const { return static_cast<uint32_t>(senders_.size()); }
  VtepSender& sender(uint32_t index) const { return *senders_[index]; }
  uint32_t sender_for(Family family, uint32_t flow_hash) const;
  uint32_t zero_checksum_sender_for(Family family) const;
  // The most datagrams that one UDP_SEGMENT send may hold; 1 when the kernel or the configuration has no UDP_SEGMENT.
  uint32_t max_segments() const { return max_segments_; }

 private:
  struct FamilySenders {
    uint32_t first = 0;
    uint32_t count = 0;
    uint32_t zero_checksum = kNoSender;
  };

  UnderlayOptions options_;
  std::vector<std::shared_ptr<VtepReceiver>> receivers_;
  std::vector<std::shared_ptr<VtepSender>> senders_;
  std::map<ReceiverKey, std::shared_ptr<VtepReceiver>> receiver_by_key_;
  FamilySenders by_family_[2];
  uint32_t max_segments_ = 1;
};

}  // namespace weft

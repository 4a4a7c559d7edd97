#include "sys/path_probe.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "sys/sys_error.h"
#include "sys/unique_fd.h"

namespace weft {

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kUdpHeader = 8;
constexpr uint32_t kEchoHeader = 8;
constexpr uint32_t kMostBytes = 65535;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  bool ipv6 = false;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address parse(const std::string& text, uint16_t port) {
  Address address;
  auto& ipv4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& ipv6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET, text.c_str(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    address.length = sizeof(ipv4);
  } else if (inet_pton(AF_INET6, text.c_str(), &ipv6.sin6_addr) == 1) {
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    address.length = sizeof(ipv6);
    address.ipv6 = true;
  } else {
    throw SysError(EINVAL, "probe", text + " is no IP address");
  }
  return address;
}

std::string to_text(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof(text));
  } else if (address->sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof(text));
  }
  return text;
}

uint16_t internet_checksum(const std::vector<uint8_t>& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(bytes[i] << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0));
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

class Sender {
 public:
  Sender(const PathProbe& probe, uint16_t identity)
      : address_(parse(probe.address, probe.port)), echo_(probe.port == 0), identity_(identity) {
    const uint32_t header = address_.ipv6 ? 40 : 20;
    const uint32_t bytes = std::clamp(probe.bytes, kLeastPathProbeBytes, kMostBytes) - header;
    if (!open()) {
      settle(errno);
      return;
    }
    if (::connect(fd_.get(), address_.get(), address_.length) != 0) {
      settle(errno);
      return;
    }
    const std::vector<uint8_t> packet = echo_ ? echo_request(bytes) : datagram(bytes - kUdpHeader);
    if (::send(fd_.get(), packet.data(), packet.size(), 0) < 0) {
      settle(errno);
      read_errors();  // tells the MTU
    }
  }

  int fd() const { return fd_.get(); }
  bool done() const { return done_; }
  const PathAnswer& answer() const { return answer_; }

  void read() {
    read_errors();
    uint8_t packet[2048];
    for (ssize_t size; (size = ::recv(fd_.get(), packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC)) >= 0;) {
      if (echo_ && is_reply(packet, std::min<size_t>(static_cast<size_t>(size), sizeof(packet)))) {
        answer_ = {};
        answer_.answered = done_ = true;
      }
    }
  }

 private:
  bool open() {
    const int family = address_.ipv6 ? AF_INET6 : AF_INET;
    const int icmp = address_.ipv6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
    fd_.reset(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, echo_ ? icmp : 0));
    // net.ipv4.ping_group_range may leave out even root, who has a raw socket instead.
    if (!fd_ && echo_) {
      fd_.reset(::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, icmp));
      raw_ = static_cast<bool>(fd_);
    }
    if (!fd_) return false;
    const int level = address_.ipv6 ? static_cast<int>(IPPROTO_IPV6) : static_cast<int>(IPPROTO_IP);
    const int mode = IP_PMTUDISC_PROBE;  // IPV6_PMTUDISC_PROBE has the same value
    const int on = 1;
    return ::setsockopt(fd_.get(), level, address_.ipv6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &mode, sizeof(mode)) == 0 &&
           ::setsockopt(fd_.get(), level, address_.ipv6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on)) == 0;
  }

  std::vector<uint8_t> datagram(uint32_t bytes) const {
    std::vector<uint8_t> packet(bytes);
    const uint8_t head[] = {0x08, 0, 0, 0, 0xff, 0xff, 0xff, 0,                                 // VXLAN, VNI 0xFFFFFF
                            0x02, 'w', 'e', 'f', 't', 0, 0x02, 'w', 'e', 'f', 't', 0, 0x88, 0xb5,  // Ethernet
                            'w', 'e', 'f', 't', 1, 0, 0, 16};                                  // a control frame of type 0
    std::copy(std::begin(head), std::end(head), packet.begin());
    return packet;
  }

  std::vector<uint8_t> echo_request(uint32_t bytes) const {
    std::vector<uint8_t> packet(bytes);
    packet[0] = address_.ipv6 ? static_cast<uint8_t>(ICMP6_ECHO_REQUEST) : static_cast<uint8_t>(ICMP_ECHO);
    packet[4] = static_cast<uint8_t>(identity_ >> 8);
    packet[5] = static_cast<uint8_t>(identity_);
    if (raw_ && !address_.ipv6) {  // the kernel does it for all others
      const uint16_t sum = internet_checksum(packet);
      packet[2] = static_cast<uint8_t>(sum >> 8);
      packet[3] = static_cast<uint8_t>(sum);
    }
    return packet;
  }

  bool is_reply(const uint8_t* packet, size_t size) const {
    if (raw_ && !address_.ipv6) {
      const size_t header = size == 0 ? 0 : static_cast<size_t>(packet[0] & 0xf) * 4;
      if (size < header) return false;
      packet += header;
      size -= header;
    }
    if (size < kEchoHeader) return false;
    if (packet[0] != (address_.ipv6 ? static_cast<uint8_t>(ICMP6_ECHO_REPLY) : static_cast<uint8_t>(ICMP_ECHOREPLY))) return false;
    return !raw_ || (packet[4] << 8 | packet[5]) == identity_;
  }

  void read_errors() {
    for (;;) {
      uint8_t data[64];
      alignas(cmsghdr) uint8_t control[512];
      iovec part{data, sizeof(data)};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      if (::recvmsg(fd_.get(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
      for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
        const bool told = (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) ||
                          (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR);
        if (told && header->cmsg_len >= CMSG_LEN(sizeof(sock_extended_err))) take(header);
      }
    }
  }

  void take(cmsghdr* header) {
    sock_extended_err error;
    std::memcpy(&error, CMSG_DATA(header), sizeof(error));
    if (answer_.answered) return;
    answer_.error = static_cast<int>(error.ee_errno);
    if (error.ee_errno == EMSGSIZE) answer_.mtu = error.ee_info;
    const auto* offender = reinterpret_cast<const sockaddr*>(CMSG_DATA(header) + sizeof(error));
    const bool by_icmp = error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6;
    if (by_icmp && header->cmsg_len >= CMSG_LEN(sizeof(error) + sizeof(sockaddr_in))) answer_.from = to_text(offender);
    done_ = true;
  }

  void settle(int error) {
    answer_.error = error;
    done_ = true;
  }

  Address address_;
  bool echo_;
  bool raw_ = false;
  uint16_t identity_;
  UniqueFd fd_;
  bool done_ = false;
  PathAnswer answer_;
};

}  // namespace

std::vector<PathAnswer> probe_paths(const std::vector<PathProbe>& probes, std::chrono::milliseconds limit) {
  if (probes.size() > kMostPathProbes) throw SysError(E2BIG, "probe");
  const Clock::time_point deadline = Clock::now() + limit;
  std::random_device random;
  std::vector<Sender> senders;
  senders.reserve(probes.size());
  for (const PathProbe& probe : probes) senders.emplace_back(probe, static_cast<uint16_t>(random()));
  for (;;) {
    std::vector<pollfd> waiting;
    std::vector<Sender*> owners;
    for (Sender& sender : senders) {
      if (sender.done()) continue;
      waiting.push_back({sender.fd(), POLLIN, 0});
      owners.push_back(&sender);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (waiting.empty() || left.count() <= 0) break;
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) throw_errno("poll");
    for (size_t i = 0; i < waiting.size(); i++) {
      if (waiting[i].revents != 0) owners[i]->read();
    }
  }
  std::vector<PathAnswer> answers;
  for (const Sender& sender : senders) answers.push_back(sender.answer());
  return answers;
}

}  // namespace weft

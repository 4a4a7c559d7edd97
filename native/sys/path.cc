#include "sys/path.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sys/sys_error.h"
#include "sys/unique_fd.h"

namespace weft {

namespace {

constexpr uint16_t kAnyPort = 4789;  // connect() wants one; routes by port are rare, and then this is the one to ask for

struct Connected {
  UniqueFd fd;
  bool ipv6;
};

Connected connect_to(const std::string& address) {
  sockaddr_in ipv4{};
  sockaddr_in6 ipv6{};
  const bool is_ipv6 = inet_pton(AF_INET6, address.c_str(), &ipv6.sin6_addr) == 1;
  if (!is_ipv6 && inet_pton(AF_INET, address.c_str(), &ipv4.sin_addr) != 1) {
    throw SysError(EINVAL, "connect", address + " is no IP address");
  }
  Connected connected{UniqueFd(check(::socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket")), is_ipv6};
  const int fd = connected.fd.get();
  if (is_ipv6) {
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(kAnyPort);
    const int mode = IPV6_PMTUDISC_DO;
    check(::setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &mode, sizeof(mode)), "IPV6_MTU_DISCOVER");
    check(::connect(fd, reinterpret_cast<const sockaddr*>(&ipv6), sizeof(ipv6)), "connect");
  } else {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(kAnyPort);
    const int mode = IP_PMTUDISC_DO;
    check(::setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof(mode)), "IP_MTU_DISCOVER");
    check(::connect(fd, reinterpret_cast<const sockaddr*>(&ipv4), sizeof(ipv4)), "connect");
  }
  return connected;
}

}  // namespace

uint32_t path_mtu(const std::string& address) {
  const Connected socket = connect_to(address);
  int mtu = 0;
  socklen_t size = sizeof(mtu);
  if (socket.ipv6) {
    check(::getsockopt(socket.fd.get(), IPPROTO_IPV6, IPV6_MTU, &mtu, &size), "IPV6_MTU");
  } else {
    check(::getsockopt(socket.fd.get(), IPPROTO_IP, IP_MTU, &mtu, &size), "IP_MTU");
  }
  return static_cast<uint32_t>(mtu);
}

std::string source_address(const std::string& address) {
  const Connected socket = connect_to(address);
  sockaddr_storage own{};
  socklen_t size = sizeof(own);
  check(::getsockname(socket.fd.get(), reinterpret_cast<sockaddr*>(&own), &size), "getsockname");
  char text[INET6_ADDRSTRLEN];
  const void* bytes = socket.ipv6 ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6&>(own).sin6_addr)
                                  : static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(own).sin_addr);
  if (inet_ntop(own.ss_family, bytes, text, sizeof(text)) == nullptr) throw_errno("inet_ntop");
  return text;
}

}  // namespace weft

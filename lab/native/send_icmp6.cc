// send_icmp6 IFNAME HEX: sends one ICMPv6 message to all hosts on the link, from the link-local address and with a hop limit of
// 255, as neighbour discovery wants it. The kernel fills in the checksum (RFC 3542, section 3.1).
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: send_icmp6 IFNAME HEX\n");
    return 2;
  }
  const std::string_view hex = argv[2];
  std::vector<unsigned char> message;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    const char digits[3] = {hex[i], hex[i + 1], 0};
    message.push_back(static_cast<unsigned char>(std::strtoul(digits, nullptr, 16)));
  }

  const int fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  if (fd < 0) fail("socket");
  const int hops = 255;
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) < 0) fail("IPV6_MULTICAST_HOPS");
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_addr = {{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}};
  to.sin6_scope_id = if_nametoindex(argv[1]);
  if (to.sin6_scope_id == 0) fail(argv[1]);
  if (sendto(fd, message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0) fail("sendto");
  return 0;
}

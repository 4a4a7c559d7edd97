// raw_udp SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT CLASS CHECKSUM HEX: sends one UDP datagram whose header is made here,
// so that its checksum (4 hex digits, as on the wire) may be wrong or zero. CLASS is the ToS or the traffic class of its IP
// header.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

std::vector<unsigned char> bytes_of(std::string_view hex) {
  std::vector<unsigned char> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    const char digits[3] = {hex[i], hex[i + 1], 0};
    bytes.push_back(static_cast<unsigned char>(std::strtoul(digits, nullptr, 16)));
  }
  return bytes;
}

void put16(std::vector<unsigned char>& to, unsigned long value) {
  to.push_back(static_cast<unsigned char>(value >> 8));
  to.push_back(static_cast<unsigned char>(value));
}

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

addrinfo* resolve(const char* address) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address, nullptr, &hints, &found) != 0) fail(address);
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: raw_udp SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT CLASS CHECKSUM HEX\n");
    return 2;
  }
  addrinfo* from = resolve(argv[1]);
  addrinfo* to = resolve(argv[2]);
  const std::vector<unsigned char> payload = bytes_of(argv[7]);
  std::vector<unsigned char> datagram;
  put16(datagram, std::strtoul(argv[3], nullptr, 10));
  put16(datagram, std::strtoul(argv[4], nullptr, 10));
  put16(datagram, 8 + payload.size());
  put16(datagram, std::strtoul(argv[6], nullptr, 16));
  datagram.insert(datagram.end(), payload.begin(), payload.end());

  const bool ipv6 = to->ai_family == AF_INET6;
  const int fd = socket(to->ai_family, SOCK_RAW, IPPROTO_UDP);
  if (fd < 0) fail("socket");
  const int traffic_class = std::atoi(argv[5]);
  if (setsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_TCLASS : IP_TOS, &traffic_class, sizeof traffic_class) < 0) {
    fail("traffic class");
  }
  if (bind(fd, from->ai_addr, from->ai_addrlen) < 0) fail("bind");
  if (sendto(fd, datagram.data(), datagram.size(), 0, to->ai_addr, to->ai_addrlen) < 0) fail("sendto");
  freeaddrinfo(from);
  freeaddrinfo(to);
  return 0;
}

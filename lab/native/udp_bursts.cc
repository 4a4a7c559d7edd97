// udp_bursts SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT: sends what standard input lists, one "SIZE HEX" a line: the bytes
// by one UDP_SEGMENT send in datagrams of SIZE, the last of which may be shorter; as one datagram where SIZE is 0.
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "hex.h"

namespace {

constexpr int kUdpSegment = 103;  // UDP_SEGMENT of linux/udp.h

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

addrinfo* resolve(const char* address, const char* port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address, port, &hints, &found) != 0) fail(address);
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: udp_bursts SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT\n");
    return 2;
  }
  std::vector<std::pair<int, std::vector<uint8_t>>> bursts;
  int size = 0;
  std::string hex;
  while (std::cin >> size >> hex) bursts.emplace_back(size, bytes_of(hex));

  addrinfo* from = resolve(argv[1], argv[3]);
  addrinfo* to = resolve(argv[2], argv[4]);
  const int fd = socket(to->ai_family, SOCK_DGRAM, 0);
  if (fd < 0) fail("socket");
  if (bind(fd, from->ai_addr, from->ai_addrlen) < 0) fail("bind");
  if (connect(fd, to->ai_addr, to->ai_addrlen) < 0) fail("connect");
  for (const auto& [segment, bytes] : bursts) {
    if (setsockopt(fd, IPPROTO_UDP, kUdpSegment, &segment, sizeof segment) < 0) fail("UDP_SEGMENT");
    if (send(fd, bytes.data(), bytes.size(), 0) < 0) fail("send");
  }
  freeaddrinfo(from);
  freeaddrinfo(to);
  return 0;
}

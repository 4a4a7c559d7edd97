// gso_send ADDRESS PORT SIZE COUNT BURST [HEX]: sends COUNT datagrams of SIZE bytes by UDP_SEGMENT, BURST in one send; a BURST of
// 1 makes plain datagrams. ADDRESS may be that of a broadcast or a group. A datagram begins with its number as 4 bytes in network
// order, then has the bytes of HEX, then zeros.
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr int kUdpSegment = 103;  // UDP_SEGMENT of linux/udp.h

std::vector<unsigned char> bytes_of(std::string_view hex) {
  std::vector<unsigned char> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    const char digits[3] = {hex[i], hex[i + 1], 0};
    bytes.push_back(static_cast<unsigned char>(std::strtoul(digits, nullptr, 16)));
  }
  return bytes;
}

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: gso_send ADDRESS PORT SIZE COUNT BURST [HEX]\n");
    return 2;
  }
  const int size = std::atoi(argv[3]);
  const unsigned long count = std::strtoul(argv[4], nullptr, 10);
  const unsigned long burst = std::strtoul(argv[5], nullptr, 10);
  const std::vector<unsigned char> content = bytes_of(argc > 6 ? argv[6] : "");
  if (size < static_cast<int>(content.size()) + 4 || burst == 0 || burst > 64) {
    std::fprintf(stderr, "gso_send: SIZE holds HEX and 4 bytes, BURST is 1 to 64\n");
    return 2;
  }

  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* to = nullptr;
  if (getaddrinfo(argv[1], argv[2], &hints, &to) != 0) fail("address");
  const int fd = socket(to->ai_family, SOCK_DGRAM, 0);
  const int yes = 1;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes) < 0) fail("socket");
  if (connect(fd, to->ai_addr, to->ai_addrlen) < 0) fail("connect");
  if (setsockopt(fd, SOL_UDP, kUdpSegment, &size, sizeof size) < 0) fail("UDP_SEGMENT");

  std::vector<unsigned char> data;
  for (unsigned long number = 0; number < count;) {
    data.clear();
    for (const unsigned long end = std::min(count, number + burst); number < end; ++number) {
      const size_t start = data.size();
      data.resize(start + static_cast<size_t>(size));
      const std::uint32_t order = htonl(static_cast<std::uint32_t>(number));
      std::memcpy(&data[start], &order, sizeof order);
      std::copy(content.begin(), content.end(), data.begin() + static_cast<long>(start + sizeof order));
    }
    if (send(fd, data.data(), data.size(), 0) < 0) fail("send");
  }
  freeaddrinfo(to);
  return 0;
}

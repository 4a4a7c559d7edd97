// udp_sink PORT SIZE COUNT SECONDS [HEX]: receives what gso_send sends, until COUNT datagrams came or none for SECONDS, and
// prints {"received":…,"wrongSize":…,"reordered":…}; with HEX also "wrongContent", the number of those that do not have it at
// byte 4 or not zeros behind it.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::vector<unsigned char> bytes_of(std::string_view hex) {
  std::vector<unsigned char> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    const char digits[3] = {hex[i], hex[i + 1], 0};
    bytes.push_back(static_cast<unsigned char>(std::strtoul(digits, nullptr, 16)));
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: udp_sink PORT SIZE COUNT SECONDS [HEX]\n");
    return 2;
  }
  const long size = std::atol(argv[2]);
  const unsigned long count = std::strtoul(argv[3], nullptr, 10);
  std::vector<unsigned char> content = bytes_of(argc > 5 ? argv[5] : "");
  content.resize(static_cast<size_t>(size > 4 ? size - 4 : 0));

  const int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  if (fd < 0) fail("socket");
  const int buffer = 64 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  const timeval patience{std::atol(argv[4]), 0};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) fail("SO_RCVTIMEO");
  sockaddr_in6 local{};
  local.sin6_family = AF_INET6;
  local.sin6_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
  if (bind(fd, reinterpret_cast<sockaddr*>(&local), sizeof local) < 0) fail("bind");

  unsigned long received = 0, wrong_size = 0, wrong_content = 0, reordered = 0;
  std::uint32_t next = 0;
  std::vector<unsigned char> data(65536);
  while (received < count) {
    const ssize_t n = recv(fd, data.data(), data.size(), 0);
    if (n < 0) break;
    ++received;
    if (n != size) {
      ++wrong_size;
      continue;
    }
    std::uint32_t number;
    std::memcpy(&number, data.data(), sizeof number);
    number = ntohl(number);
    if (number < next) ++reordered;
    next = number + 1;
    if (std::memcmp(data.data() + sizeof number, content.data(), content.size()) != 0) ++wrong_content;
  }
  std::printf("{\"received\":%lu,\"wrongSize\":%lu,\"reordered\":%lu", received, wrong_size, reordered);
  if (argc > 5) std::printf(",\"wrongContent\":%lu", wrong_content);
  std::printf("}\n");
  return 0;
}

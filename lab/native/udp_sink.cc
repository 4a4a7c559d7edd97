// udp_sink PORT SIZE COUNT SECONDS: receives what gso_send sends, until COUNT datagrams came or none for SECONDS, and prints
// {"received":…,"wrongSize":…,"reordered":…}.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: udp_sink PORT SIZE COUNT SECONDS\n");
    return 2;
  }
  const long size = std::atol(argv[2]);
  const unsigned long count = std::strtoul(argv[3], nullptr, 10);

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

  unsigned long received = 0, wrong_size = 0, reordered = 0;
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
  }
  std::printf("{\"received\":%lu,\"wrongSize\":%lu,\"reordered\":%lu}\n", received, wrong_size, reordered);
  return 0;
}

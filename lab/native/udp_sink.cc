// udp_sink PORT SIZE COUNT SECONDS [OFFSET]: receives what gso_send sends, until COUNT datagrams came or none for SECONDS, and prints
// {"received":…,"wrongSize":…,"reordered":…,"checksumErrors":…}. The number is at OFFSET. checksumErrors is what the kernel of this
// namespace refused meanwhile.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// InCsumErrors of /proc/net/snmp plus Udp6InCsumErrors of /proc/net/snmp6.
unsigned long checksum_errors() {
  unsigned long sum = 0;
  std::ifstream snmp("/proc/net/snmp");
  std::string names, values;
  while (std::getline(snmp, names) && std::getline(snmp, values)) {
    std::istringstream name_words(names), value_words(values);
    std::string name, value;
    while (name_words >> name && value_words >> value) {
      if (name == "InCsumErrors") sum += std::strtoul(value.c_str(), nullptr, 10);
    }
  }
  std::ifstream snmp6("/proc/net/snmp6");
  for (std::string name, value; snmp6 >> name >> value;) {
    if (name.find("InCsumErrors") != std::string::npos) sum += std::strtoul(value.c_str(), nullptr, 10);
  }
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: udp_sink PORT SIZE COUNT SECONDS [OFFSET]\n");
    return 2;
  }
  const long size = std::atol(argv[2]);
  const unsigned long count = std::strtoul(argv[3], nullptr, 10);
  const size_t offset = argc > 5 ? std::strtoul(argv[5], nullptr, 10) : 0;
  const unsigned long errors_before = checksum_errors();

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
    std::memcpy(&number, &data[offset], sizeof number);
    number = ntohl(number);
    if (number < next) ++reordered;
    next = number + 1;
  }
  std::printf("{\"received\":%lu,\"wrongSize\":%lu,\"reordered\":%lu,\"checksumErrors\":%lu}\n", received, wrong_size, reordered,
              checksum_errors() - errors_before);
  return 0;
}

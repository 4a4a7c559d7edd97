// echo_sizes ADDRESS FROM TO WINDOW: one ICMP echo request for every size of payload from FROM to TO, at most WINDOW of them
// unanswered, and fragmented where they do not fit. Every answer is compared byte by byte. Prints
// {"answered":…,"wrong":…,"missing":[…]}, with the first 20 sizes that had no answer when none came for 10 s.
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr int kPatience = 10'000;  // ms
constexpr size_t kHeader = 8;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

unsigned char content(size_t size, size_t at) { return static_cast<unsigned char>(size * 31 + at * 7 + (at >> 8)); }

std::uint16_t checksum(const std::vector<unsigned char>& bytes) {
  std::uint32_t sum = 0;
  for (size_t at = 0; at < bytes.size(); at += 2) {
    sum += static_cast<std::uint32_t>(bytes[at] << 8) + (at + 1 < bytes.size() ? bytes[at + 1] : 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void put16(unsigned char* at, size_t value) {
  at[0] = static_cast<unsigned char>(value >> 8);
  at[1] = static_cast<unsigned char>(value);
}

size_t get16(const unsigned char* at) { return static_cast<size_t>(at[0]) << 8 | at[1]; }

struct Echoes {
  int fd;
  bool ipv6;
  std::uint16_t id = static_cast<std::uint16_t>(getpid());
  // By size: answered or not.
  std::vector<bool> answered = std::vector<bool>(65536);
  size_t right = 0, wrong = 0;

  void request(size_t size) const {
    std::vector<unsigned char> message(kHeader + size);
    message[0] = ipv6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    put16(&message[4], id);
    put16(&message[6], size);
    for (size_t at = 0; at < size; ++at) message[kHeader + at] = content(size, at);
    // The kernel computes that of ICMPv6 (RFC 3542, section 3.1).
    if (!ipv6) put16(&message[2], checksum(message));
    if (send(fd, message.data(), message.size(), 0) < 0) fail("send");
  }

  void take() {
    unsigned char bytes[65536];
    const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n < 0) fail("recv");
    const size_t start = ipv6 ? 0 : static_cast<size_t>(bytes[0] & 15) * 4;
    const auto length = static_cast<size_t>(n);
    if (length < start + kHeader || bytes[start] != (ipv6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) || get16(&bytes[start + 4]) != id)
      return;
    const size_t size = get16(&bytes[start + 6]);
    bool same = length == start + kHeader + size && !answered[size];
    for (size_t at = 0; same && at < size; ++at) same = bytes[start + kHeader + at] == content(size, at);
    ++(same ? right : wrong);
    answered[size] = true;
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: echo_sizes ADDRESS FROM TO WINDOW\n");
    return 2;
  }
  const size_t from = std::strtoul(argv[2], nullptr, 10), to = std::strtoul(argv[3], nullptr, 10);
  const size_t window = std::strtoul(argv[4], nullptr, 10);
  if (from > to || to > 65000 || window == 0) return 2;

  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* address = nullptr;
  if (getaddrinfo(argv[1], nullptr, &hints, &address) != 0) fail("address");
  const bool ipv6 = address->ai_family == AF_INET6;
  Echoes echoes{socket(address->ai_family, SOCK_RAW, ipv6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP)), ipv6};
  if (echoes.fd < 0 || connect(echoes.fd, address->ai_addr, address->ai_addrlen) < 0) fail("socket");
  freeaddrinfo(address);
  const int dont = 0;  // IP_PMTUDISC_DONT and its twin of IPv6: what does not fit is fragmented
  if (!ipv6 && setsockopt(echoes.fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof dont) < 0) fail("IP_MTU_DISCOVER");

  size_t next = from;
  pollfd ready{echoes.fd, POLLIN, 0};
  for (;;) {
    while (next <= to && next - from - echoes.right - echoes.wrong < window) echoes.request(next++);
    if (echoes.right + echoes.wrong >= to - from + 1 || poll(&ready, 1, kPatience) <= 0) break;
    echoes.take();
  }

  std::printf("{\"answered\":%zu,\"wrong\":%zu,\"missing\":[", echoes.right, echoes.wrong);
  int listed = 0;
  for (size_t size = from; size <= to && listed < 20; ++size) {
    if (!echoes.answered[size]) std::printf("%s%zu", listed++ == 0 ? "" : ",", size);
  }
  std::printf("]}\n");
  return 0;
}

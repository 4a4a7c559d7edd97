// How long a path is interrupted: numbered datagrams at a steady rate, and the longest time between two that arrive.
// udp_gap send ADDRESS PORT RATE      until it is killed
// udp_gap receive PORT                until SIGTERM; then a line of JSON
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

volatile sig_atomic_t ended = 0;

int64_t nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

int send_all(const char* address, int port, int64_t rate) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  if (fd < 0 || rate <= 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1) return 2;
  const int64_t began = nanoseconds();
  for (uint64_t number = 0;; ++number) {
    const int64_t due = began + static_cast<int64_t>(number) * 1'000'000'000 / rate;
    const timespec until{.tv_sec = due / 1'000'000'000, .tv_nsec = due % 1'000'000'000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
    char datagram[22] = {};
    memcpy(datagram, &number, sizeof number);
    sendto(fd, datagram, sizeof datagram, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
}

int receive_all(int port) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_port = htons(static_cast<uint16_t>(port));
  const timeval patience{.tv_sec = 0, .tv_usec = 100'000};
  const int buffer = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) return 1;
  struct sigaction action {};
  action.sa_handler = [](int) { ended = 1; };
  sigaction(SIGTERM, &action, nullptr);

  uint64_t received = 0, reordered = 0, first = 0, last = 0;
  int64_t latest = 0, longest = 0;
  while (ended == 0) {
    char datagram[64];
    if (recv(fd, datagram, sizeof datagram, 0) < static_cast<ssize_t>(sizeof(uint64_t))) continue;
    const int64_t now = nanoseconds();
    uint64_t number = 0;
    memcpy(&number, datagram, sizeof number);
    if (received++ == 0) {
      first = number;
    } else {
      if (now - latest > longest) longest = now - latest;
      if (number <= last) ++reordered;
    }
    latest = now;
    if (number > last) last = number;
  }
  const uint64_t expected = received == 0 ? 0 : last - first + 1;
  printf("{\"received\":%llu,\"missing\":%llu,\"reordered\":%llu,\"longestGap\":%.3f}\n", static_cast<unsigned long long>(received),
         static_cast<unsigned long long>(expected > received ? expected - received : 0), static_cast<unsigned long long>(reordered),
         static_cast<double>(longest) / 1e6);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && strcmp(argv[1], "send") == 0) return send_all(argv[2], atoi(argv[3]), atoll(argv[4]));
  if (argc == 3 && strcmp(argv[1], "receive") == 0) return receive_all(atoi(argv[2]));
  fputs("usage: udp_gap send ADDRESS PORT RATE | udp_gap receive PORT\n", stderr);
  return 2;
}

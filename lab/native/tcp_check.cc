// tcp_check listen PORT BYTES, tcp_check connect ADDRESS PORT BYTES: one TCP connection on which both ends send BYTES bytes at
// the same time and compare what they receive. Prints {"received":…,"wrongAt":…}; wrongAt is the place of the first wrong byte,
// or -1.
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr int kPatience = 20'000;  // ms

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// The byte at a place of the stream: from a word that is mixed so that neighbours, and places a segment apart, differ.
unsigned char content(std::uint64_t at) {
  std::uint64_t word = (at >> 3) * 0x9e3779b97f4a7c15;
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
  return static_cast<unsigned char>((word ^ (word >> 27)) >> (at % 8 * 8));
}

int accepted(const char* port) {
  const int listener = socket(AF_INET6, SOCK_STREAM, 0);
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in6 local{};
  local.sin6_family = AF_INET6;
  local.sin6_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  if (bind(listener, reinterpret_cast<sockaddr*>(&local), sizeof local) < 0 || listen(listener, 1) < 0) fail("listen");
  const int fd = accept(listener, nullptr, nullptr);
  if (fd < 0) fail("accept");
  close(listener);
  return fd;
}

int connected(const char* address, const char* port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* to = nullptr;
  if (getaddrinfo(address, port, &hints, &to) != 0) fail("address");
  const int fd = socket(to->ai_family, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) < 0) fail("connect");
  freeaddrinfo(to);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  const bool listens = argc == 4 && std::string_view(argv[1]) == "listen";
  if (!listens && !(argc == 5 && std::string_view(argv[1]) == "connect")) {
    std::fprintf(stderr, "usage: tcp_check listen PORT BYTES | connect ADDRESS PORT BYTES\n");
    return 2;
  }
  const std::uint64_t bytes = std::strtoull(argv[argc - 1], nullptr, 10);
  const int fd = listens ? accepted(argv[2]) : connected(argv[2], argv[3]);
  fcntl(fd, F_SETFL, O_NONBLOCK);

  std::vector<unsigned char> out, in(262'144);
  std::uint64_t sent = 0, received = 0;
  long long wrong_at = -1;
  bool ended = false;
  while (!ended || sent < bytes) {
    pollfd ready{fd, static_cast<short>((sent < bytes ? POLLOUT : 0) | (ended ? 0 : POLLIN)), 0};
    if (poll(&ready, 1, kPatience) <= 0) break;
    if (ready.revents & POLLOUT) {
      out.resize(std::min<std::uint64_t>(65'536, bytes - sent));
      for (size_t i = 0; i < out.size(); ++i) out[i] = content(sent + i);
      const ssize_t n = send(fd, out.data(), out.size(), MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) fail("send");
      if (n > 0 && (sent += static_cast<std::uint64_t>(n)) == bytes) shutdown(fd, SHUT_WR);
    }
    if (ready.revents & (POLLIN | POLLHUP | POLLERR)) {
      const ssize_t n = recv(fd, in.data(), in.size(), 0);
      if (n < 0 && errno != EAGAIN) fail("recv");
      if (n == 0) ended = true;
      for (ssize_t i = 0; i < n; ++i, ++received) {
        if (wrong_at < 0 && in[static_cast<size_t>(i)] != content(received)) wrong_at = static_cast<long long>(received);
      }
    }
  }
  std::printf("{\"received\":%llu,\"wrongAt\":%lld}\n", static_cast<unsigned long long>(received), wrong_at);
  return 0;
}

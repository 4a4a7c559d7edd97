// TCP connections one after the other: each is opened, carries one byte there and one back, and is closed.
//
//   connection_rate serve [--port P]
//   connection_rate connect --to ADDRESS [--port P] [--warmup W] [--seconds T]
//
// `serve` listens for IPv4 and IPv6, prints "ready" and runs until it is killed. `connect` ends with a line of JSON: connections,
// seconds, perSecond, failed, and percentiles of one connection's time in microseconds, from the first packet to the answer.
// The client's ports run out unless net.ipv4.tcp_tw_reuse is 1 in its namespace; whoever runs it sees to that.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "measuring.h"

namespace {

using namespace bench;

struct Options {
  std::string mode;
  std::string address;
  uint16_t port = 5302;
  double warmup = 0;
  double seconds = 5;
};

Options parse(int argc, char** argv) {
  Options options;
  if (argc < 2) misused("a mode is missing");
  options.mode = argv[1];
  for (int i = 2; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) misused(name + " needs a value");
    const char* value = argv[i + 1];
    if (name == "--to") options.address = value;
    else if (name == "--port") options.port = static_cast<uint16_t>(number(name, value, 1, 65535));
    else if (name == "--warmup") options.warmup = number(name, value, 0, 86400);
    else if (name == "--seconds") options.seconds = number(name, value, 0.01, 86400);
    else misused("unknown option " + name);
  }
  return options;
}

// An IPv4 address is told as one of IPv6, so that one kind of socket does for both.
sockaddr_in6 endpoint(const std::string& text, uint16_t port) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(port);
  const std::string mapped = text.find(':') == std::string::npos ? "::ffff:" + text : text;
  if (inet_pton(AF_INET6, mapped.c_str(), &out.sin6_addr) != 1) misused("not a numeric address: " + text);
  return out;
}

int serve(const Options& options) {
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) fail("SO_REUSEADDR");
  const sockaddr_in6 at = endpoint("::", options.port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0) fail("bind");
  if (listen(fd, 64) < 0) fail("listen");
  announce_ready();
  while (true) {
    const int client = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) fail("accept");
    char byte = 0;
    while (recv(client, &byte, 1, 0) == 1 && send(client, &byte, 1, MSG_NOSIGNAL) == 1) continue;
    close(client);
  }
}

// False when it was refused or broke off.
bool exchange(const sockaddr_in6& to) {
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  char byte = 'w';
  const bool open = connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  const bool done = open && send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1;
  close(fd);
  return done;
}

int run_connect(const Options& options) {
  if (options.address.empty()) misused("--to is missing");
  const sockaddr_in6 to = endpoint(options.address, options.port);
  std::vector<double> microseconds;
  uint64_t failed = 0;
  const Clock::time_point start = Clock::now() + clock_time(options.warmup);
  const Clock::time_point end = start + clock_time(options.seconds);
  Clock::time_point before = Clock::now();
  while (before < end) {
    const bool done = exchange(to);
    const Clock::time_point after = Clock::now();
    if (before >= start) {
      if (done) microseconds.push_back(Seconds(after - before).count() * 1e6);
      else ++failed;
    }
    before = after;
  }
  if (microseconds.empty()) misused("no connection was made");
  const double seconds = Seconds(before - start).count();
  std::sort(microseconds.begin(), microseconds.end());
  std::printf("{\"connections\":%zu,\"seconds\":%.6f,\"perSecond\":%.1f,\"failed\":%llu,"
              "\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f}\n",
              microseconds.size(), seconds, static_cast<double>(microseconds.size()) / seconds,
              static_cast<unsigned long long>(failed), percentile(microseconds, 0.5), percentile(microseconds, 0.99),
              percentile(microseconds, 0.999));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (options.mode == "serve") return serve(options);
  if (options.mode == "connect") return run_connect(options);
  misused("unknown mode " + options.mode);
}

// Receiving sockets that a former process left open, against the real kernel, over loopback.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/underlay.h"
#include "sys/sys_error.h"
#include "sys/unique_fd.h"

using namespace weft;

namespace {

// A UDP socket bound to the wildcard address and some port.
UniqueFd bound(int domain, int type = SOCK_DGRAM, bool loopback = false) {
  UniqueFd fd(::socket(domain, type | SOCK_CLOEXEC, 0));
  REQUIRE(fd);
  sockaddr_storage local{};
  local.ss_family = static_cast<sa_family_t>(domain);
  if (domain == AF_INET6) {
    const int on = 1;
    REQUIRE(::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
  } else if (loopback) {
    reinterpret_cast<sockaddr_in*>(&local)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  const socklen_t length = domain == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), length) == 0);
  return fd;
}

uint16_t port_of(int fd) {
  sockaddr_storage local{};
  socklen_t length = sizeof local;
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length) == 0);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&local)->sin_port);
}

void send_to(uint16_t port, const char* text) {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(port);
  REQUIRE(::sendto(fd.get(), text, strlen(text), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) > 0);
}

int refusal(UniqueFd fd) {
  OfferedReceivers offered;
  try {
    offered.add(fd.release());
  } catch (const SysError& error) {
    return error.error();
  }
  return 0;
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

}  // namespace

TEST_CASE("an offered socket is used in the place of a new one, with the datagrams that wait in it") {
  UniqueFd fd = bound(AF_INET);
  const int number = fd.get();
  const uint16_t port = port_of(number);
  send_to(port, "patient");
  OfferedReceivers offered;
  CHECK(offered.add(fd.release()) == ReceiverKey{Family::ipv4, port});

  SocketError error;
  const UnderlayOptions options{.ipv4 = {}, .ipv6 = {}, .ports = {port}};
  auto underlay = Underlay::open(options, nullptr, offered, error);
  REQUIRE(underlay != nullptr);
  const auto receiver = underlay->receivers_by_key().at({Family::ipv4, port});
  CHECK(receiver->fd() == number);
  Burst bursts[2];
  REQUIRE(receiver->receive(bursts) == 1);
  CHECK(std::string(reinterpret_cast<const char*>(bursts[0].data), bursts[0].length) == "patient");

  offered.clear();
  CHECK(is_open(number));
}

TEST_CASE("an offered socket that nobody needs is closed") {
  UniqueFd fd = bound(AF_INET6);
  const int number = fd.get();
  OfferedReceivers offered;
  CHECK(offered.add(fd.release()).first == Family::ipv6);
  offered.clear();
  CHECK_FALSE(is_open(number));
}

TEST_CASE("what is no receiving socket of ours is refused and closed") {
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const int number = null.get();
  CHECK(refusal(std::move(null)) == EINVAL);
  CHECK_FALSE(is_open(number));

  CHECK(refusal(UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))) == EINVAL);  // bound to nothing
  CHECK(refusal(bound(AF_INET, SOCK_STREAM)) == EINVAL);
  CHECK(refusal(bound(AF_INET, SOCK_DGRAM, true)) == EINVAL);  // to one address only

  UniqueFd connected = bound(AF_INET);
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  peer.sin_port = htons(9);
  REQUIRE(::connect(connected.get(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer) == 0);
  CHECK(refusal(std::move(connected)) == EINVAL);

  UniqueFd both(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));  // IPv4 datagrams, too
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  REQUIRE(::bind(both.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
  CHECK(refusal(std::move(both)) == EINVAL);
}

TEST_CASE("what a former process lost is not counted again, and what was lost since it read is") {
  const UnderlayOptions options{.ipv4 = {}, .ipv6 = {}, .ports = {port_of(bound(AF_INET).get())}};
  const ReceiverKey key{Family::ipv4, options.ports[0]};
  const std::string large(1000, 'x');
  SocketError error;
  const OfferedReceivers none;
  auto former = Underlay::open(options, nullptr, none, error);
  REQUIRE(former != nullptr);
  const auto before = former->receivers_by_key().at(key);
  const int small = 1;  // the kernel's least
  REQUIRE(::setsockopt(before->fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
  Burst bursts[1];
  const auto overflow = [&](VtepReceiver& receiver) {
    for (int i = 0; i < 100; ++i) send_to(key.second, large.c_str());
    while (receiver.receive(bursts) != 0) continue;
    send_to(key.second, "told by the next one");
    REQUIRE(receiver.receive(bursts) == 1);
  };
  overflow(*before);
  const uint64_t lost = before->overflow();
  CHECK(lost > 0);

  // Between the two processes some come, and more than there is room for.
  for (int i = 0; i < 100; ++i) send_to(key.second, large.c_str());
  OfferedReceivers offered;
  offered.add(::dup(before->fd()));
  const auto now = offered.find(key);
  REQUIRE(now != nullptr);
  REQUIRE(now->receive(bursts) == 1);
  CHECK(now->overflow() == 0);
  int read = 1;
  while (now->receive(bursts) != 0) ++read;
  send_to(key.second, "told by the next one");
  REQUIRE(now->receive(bursts) == 1);
  CHECK(now->overflow() == static_cast<uint64_t>(100 - read));
  overflow(*now);
  CHECK(now->overflow() > static_cast<uint64_t>(100 - read));
}

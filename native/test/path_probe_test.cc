// Probes of the path and of duplicate addresses against the real kernel: needs root. Each runs in the network namespace of this program.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include "sys/duplicate_address.h"
#include "sys/link.h"
#include "sys/path_probe.h"
#include "sys/sys_error.h"
#include "sys/tap.h"

using namespace weft;
using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 20'000ms;  // of what comes; a busy machine is slow
constexpr auto kShort = 50ms;         // of what never comes
constexpr size_t kVnetHeader = 10;

template <class Work>
int error_of(Work&& work) {
  try {
    work();
  } catch (const SysError& error) {
    return error.error();
  }
  return 0;
}

PathAnswer probe(const std::string& address, uint16_t port, uint32_t bytes, std::chrono::milliseconds limit) {
  const std::vector<PathAnswer> answers = probe_paths({{address, port, bytes}}, limit);
  REQUIRE(answers.size() == 1);
  return answers[0];
}

// A UDP socket on a port of the loopback that nobody else has.
struct Listener {
  Listener() {
    fd = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    socklen_t size = sizeof(address);
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
  }
  UniqueFd fd;
  uint16_t port = 0;
};

// A link of which the test is the far end.
struct Cable {
  Cable() {
    TapOptions options;
    options.ifname = "wprobe0";
    options.mac = "02:11:22:33:44:55";
    options.mtu = 1430;
    options.addresses = {"10.42.0.1/24"};
    options.alias = "weft:test-host:port-1";
    tap = create_tap(options);
  }
  ~Cable() {
    NetlinkSocket netlink;
    delete_tagged_link(netlink, "wprobe0", "weft:test-host:");
  }

  // The next ARP request for an address, as Ethernet frame.
  std::vector<uint8_t> next_request(in_addr wanted) const {
    for (;;) {
      pollfd waiting{tap.queues[0].get(), POLLIN, 0};
      REQUIRE(::poll(&waiting, 1, 20'000) == 1);
      std::vector<uint8_t> frame(2048);
      const ssize_t size = ::read(tap.queues[0].get(), frame.data(), frame.size());
      if (size < static_cast<ssize_t>(kVnetHeader + 42)) continue;
      frame.assign(frame.begin() + kVnetHeader, frame.begin() + size);
      if (frame[12] == 0x08 && frame[13] == 0x06 && std::equal(frame.begin() + 38, frame.begin() + 42, reinterpret_cast<uint8_t*>(&wanted)))
        return frame;
    }
  }

  // An ARP reply that says that `mac` has what was asked for.
  void answer(const std::vector<uint8_t>& request, const std::vector<uint8_t>& mac) const {
    std::vector<uint8_t> frame(kVnetHeader, 0);
    frame.insert(frame.end(), request.begin() + 6, request.begin() + 12);
    frame.insert(frame.end(), mac.begin(), mac.end());
    const uint8_t head[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2};
    frame.insert(frame.end(), std::begin(head), std::end(head));
    frame.insert(frame.end(), mac.begin(), mac.end());
    frame.insert(frame.end(), request.begin() + 38, request.begin() + 42);
    frame.insert(frame.end(), request.begin() + 22, request.begin() + 32);
    REQUIRE(::write(tap.queues[0].get(), frame.data(), frame.size()) == static_cast<ssize_t>(frame.size()));
  }

  Tap tap;
};

const in_addr kOwn{inet_addr("10.42.0.1")};

}  // namespace

TEST_CASE("a port that nobody listens on is told, and by whom") {
  uint16_t closed = 0;
  {
    const Listener listener;
    closed = listener.port;
  }
  const PathAnswer answer = probe("127.0.0.1", closed, 100, kPatience);
  CHECK(answer.error == ECONNREFUSED);
  CHECK(answer.from == "127.0.0.1");
  CHECK_FALSE(answer.answered);
  const PathAnswer ipv6 = probe("::1", closed, 100, kPatience);
  CHECK(ipv6.error == ECONNREFUSED);
  CHECK(ipv6.from == "::1");
}

TEST_CASE("an open port gets a datagram of the size, and tells nothing") {
  const Listener listener;
  const PathAnswer answer = probe("127.0.0.1", listener.port, 1000, kShort);
  CHECK(answer.error == 0);
  CHECK_FALSE(answer.answered);
  uint8_t datagram[2048];
  REQUIRE(::recv(listener.fd.get(), datagram, sizeof(datagram), 0) == 1000 - 28);
  CHECK(datagram[0] == 0x08);
  CHECK((datagram[4] << 16 | datagram[5] << 8 | datagram[6]) == 0xffffff);
}

TEST_CASE("an echo comes back, of both families and of any size") {
  for (const char* address : {"127.0.0.1", "::1"}) {
    for (const uint32_t bytes : {96U, 1500U, 9000U}) {
      const PathAnswer answer = probe(address, 0, bytes, kPatience);
      CHECK(answer.answered);
      CHECK(answer.error == 0);
    }
  }
}

TEST_CASE("what is larger than the link is told with what fits") {
  const Cable cable;
  for (const uint16_t port : {uint16_t{4789}, uint16_t{0}}) {
    const PathAnswer answer = probe("10.42.0.9", port, 1431, kPatience);
    CHECK(answer.error == EMSGSIZE);
    CHECK(answer.mtu == 1430);
    CHECK(answer.from.empty());
  }
}

TEST_CASE("no route, no address, too many") {
  CHECK(probe("192.0.2.1", 4789, 100, kPatience).error == ENETUNREACH);
  CHECK(error_of([] { probe_paths({{"host.example", 4789, 100}}, 1ms); }) == EINVAL);
  CHECK(error_of([] { probe_paths(std::vector<PathProbe>(kMostPathProbes + 1, {"127.0.0.1", 4789, 100}), 1ms); }) == E2BIG);
  CHECK(probe_paths({}, 1ms).empty());
}

TEST_CASE("many are answered in their order") {
  uint16_t closed = 0;
  const Listener open;
  {
    const Listener listener;
    closed = listener.port;
  }
  std::vector<PathProbe> probes;
  for (size_t i = 0; i < kMostPathProbes; i++) probes.push_back({"127.0.0.1", i % 2 == 0 ? closed : open.port, 100});
  const std::vector<PathAnswer> answers = probe_paths(probes, 2000ms);
  REQUIRE(answers.size() == probes.size());
  CHECK(answers[1].error == 0);
  CHECK(answers[0].error == ECONNREFUSED);
  CHECK(answers[kMostPathProbes - 1].error == 0);
}

TEST_CASE("another machine with the address is found, and we are none") {
  const Cable cable;
  CHECK(find_duplicate_address("wprobe0", "10.42.0.1", kShort) == std::nullopt);
  std::thread other([&] {
    cable.next_request(kOwn);  // of the probe above
    const std::vector<uint8_t> request = cable.next_request(kOwn);
    cable.answer(request, {0x02, 0x11, 0x22, 0x33, 0x44, 0x55});
    cable.answer(request, {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee});
  });
  CHECK(find_duplicate_address("wprobe0", "10.42.0.1", kPatience) == "02:aa:bb:cc:dd:ee");
  other.join();
  CHECK(error_of([] { find_duplicate_address("nowhere0", "10.42.0.1", 1ms); }) == ENODEV);
  CHECK(error_of([] { find_duplicate_address("lo", "127.0.0.1", 1ms); }) == EINVAL);
  CHECK(error_of([] { find_duplicate_address("wprobe0", "fd00::1", 1ms); }) == EINVAL);
}

int main(int argc, char** argv) {
  if (::unshare(CLONE_NEWNET) != 0) {
    std::perror("unshare(CLONE_NEWNET)");
    return 1;
  }
  NetlinkSocket netlink;
  LinkChange up;
  up.up = true;
  change_link(netlink, require_link(netlink, "lo").ifindex, up);
  return doctest::Context(argc, argv).run();
}

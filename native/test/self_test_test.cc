// The self-test of the offloads against the real kernel: it finds nothing wrong here, and each fault that can be played. Needs
// root.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <linux/filter.h>
#include <sched.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>

#include "io/self_test.h"
#include "sys/link.h"
#include "sys/netns.h"

using namespace weft;

namespace {

SelfTestDeadline in_a_while() { return std::chrono::steady_clock::now() + std::chrono::seconds(60); }

void set_loopback_up() {
  NetlinkSocket netlink;
  LinkChange up;
  up.up = true;
  change_link(netlink, require_link(netlink, "lo").ifindex, up);
}

// The socket gets only what is at least so long, UDP header included.
void drop_shorter_than(int fd, uint32_t bytes) {
  sock_filter program[] = {{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0},
                           {BPF_JMP | BPF_JGE | BPF_K, 0, 1, bytes},
                           {BPF_RET | BPF_K, 0, 0, 0xffffffff},
                           {BPF_RET | BPF_K, 0, 0, 0}};
  sock_fprog filter{4, program};
  REQUIRE(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0);
}

}  // namespace

TEST_CASE("this kernel has no fault, and the test leaves nothing behind") {
  const auto links = [] {
    NetlinkSocket netlink;
    return list_links(netlink).size();
  };
  const size_t before = links();
  const NetnsInfo own = netns_info(std::nullopt);
  const OffloadFaults faults = test_offloads(std::chrono::seconds(60));
  CHECK(faults.not_tested == "");
  CHECK(faults.udp_segment == "");
  CHECK(faults.udp_gro == "");
  CHECK(faults.tcp_super_frames == "");
  CHECK(faults.udp_super_frames == "");
  CHECK(links() == before);
  CHECK(netns_info(std::nullopt).cookie == own.cookie);
}

TEST_CASE("a limit that has passed tells nothing, and at once") {
  const OffloadFaults faults = test_offloads(std::chrono::milliseconds(0));
  CHECK(faults.not_tested == "it took too long");
  CHECK(faults.udp_segment == "");
}

TEST_CASE("UDP_SEGMENT that loses the short last datagram") {
  const UdpPair pair = open_udp_pair(false);
  drop_shorter_than(pair.receiver.get(), 400);
  CHECK(test_udp_segment(pair, in_a_while()) == "a short last datagram: 4 of 5 datagrams arrived");
}

TEST_CASE("UDP_SEGMENT that the socket refuses") {
  const UdpPair pair = open_udp_pair(false);
  const int one = 1;
  REQUIRE(setsockopt(pair.sender.get(), SOL_SOCKET, SO_NO_CHECK, &one, sizeof one) == 0);
  CHECK(test_udp_segment(pair, in_a_while()).starts_with("equal datagrams: E"));
}

TEST_CASE("a burst that is delivered as one datagram") {
  // A receiver that has UDP_GRO but does not look at what it says.
  CHECK(test_udp_segment(open_udp_pair(true), in_a_while()) == "equal datagrams: 1 of 5 datagrams arrived");
}

TEST_CASE("UDP_GRO that loses a burst; one that joins nothing is no fault") {
  CHECK(test_udp_gro(open_udp_pair(true), in_a_while()) == "");
  CHECK(test_udp_gro(open_udp_pair(false), in_a_while()) == "");
  const UdpPair lossy = open_udp_pair(true);
  // The sentinel has 4001 bytes and the burst has 4300.
  sock_filter program[] = {{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0},
                           {BPF_JMP | BPF_JGE | BPF_K, 0, 1, 4200},
                           {BPF_RET | BPF_K, 0, 0, 0},
                           {BPF_RET | BPF_K, 0, 0, 0xffffffff}};
  sock_fprog filter{4, program};
  REQUIRE(setsockopt(lossy.receiver.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0);
  CHECK(test_udp_gro(lossy, in_a_while()) == "0 of 4300 bytes arrived");
}

TEST_CASE("a TAP that takes no frame tells how it refused") {
  TapSelfTest tap;
  CHECK(tap.test_udp() == "");
  CHECK(tap.test_tcp() == "");
  {
    NetlinkSocket netlink;
    LinkChange down;
    down.up = false;
    change_link(netlink, tap.ifindex(), down);
  }
  CHECK(tap.test_udp() == "EIO");
  CHECK(tap.test_tcp() == "EIO");
}

// In a namespace of its own, so that what others do on this machine neither disturbs it nor counts.
int main(int argc, char** argv) {
  if (unshare(CLONE_NEWNET) != 0) {
    std::perror("unshare (this test needs root)");
    return 1;
  }
  set_loopback_up();
  doctest::Context context(argc, argv);
  return context.run();
}

// vnet_send IFNAME [CPU]: sends the frames that standard input lists, one "VNET FRAME" of hexadecimal digits a line: a virtio
// header (10 bytes; gso and checksum offsets as a guest would give them) and an Ethernet frame, which may be a super-frame.
//
// With CPU it sends all of them before any other thread of normal priority runs on that CPU, so that a threaded NAPI pinned there
// finds them in one poll.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "hex.h"

namespace {

constexpr size_t kVnetBytes = 10;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

void run_alone_on(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(cpu), &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) < 0) fail("sched_setaffinity");
  const sched_param priority{.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_FIFO, &priority) < 0) fail("sched_setscheduler");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: vnet_send IFNAME [CPU]\n");
    return 2;
  }
  std::vector<std::vector<uint8_t>> frames;
  std::string vnet;
  std::string frame;
  while (std::cin >> vnet >> frame) {
    frames.push_back(bytes_of(vnet + frame));
    if (vnet.size() != 2 * kVnetBytes || frames.back().size() < kVnetBytes + ETH_HLEN) {
      std::fprintf(stderr, "vnet_send: a line is 10 bytes of virtio header and an Ethernet frame\n");
      return 2;
    }
  }

  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0) fail("PACKET_VNET_HDR");
  const int room = 64 << 20;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0) fail("SO_SNDBUFFORCE");
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(if_nametoindex(argv[1]));
  if (to.sll_ifindex == 0) fail(argv[1]);
  if (argc == 3) run_alone_on(std::atoi(argv[2]));

  for (size_t i = 0; i < frames.size(); ++i) {
    if (sendto(fd, frames[i].data(), frames[i].size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) {
      fail(("frame " + std::to_string(i)).c_str());
    }
  }
  return 0;
}

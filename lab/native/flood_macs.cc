// flood_macs IFNAME COUNT DESTINATION_MAC RATE: sends COUNT minimal frames, each from another random unicast source MAC, RATE of
// them a second at most.
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace {

constexpr unsigned kBatch = 64;
constexpr unsigned kFrameBytes = 60;
constexpr unsigned short kExperimentalEtherType = 0x88b5;

using Frame = std::array<unsigned char, kFrameBytes>;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  Frame frame{};
  const bool parsed = argc == 5 && std::sscanf(argv[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &frame[0], &frame[1], &frame[2],
                                               &frame[3], &frame[4], &frame[5]) == 6;
  if (!parsed) {
    std::fprintf(stderr, "usage: flood_macs IFNAME COUNT DESTINATION_MAC RATE\n");
    return 2;
  }
  frame[12] = kExperimentalEtherType >> 8;
  frame[13] = kExperimentalEtherType & 0xff;

  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(if_nametoindex(argv[1]));
  if (to.sll_ifindex == 0) fail(argv[1]);
  if (bind(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0) fail("bind");

  std::mt19937_64 random{std::random_device{}()};
  std::vector<Frame> frames(kBatch, frame);
  std::vector<iovec> parts(kBatch);
  std::vector<mmsghdr> messages(kBatch);
  for (unsigned i = 0; i < kBatch; ++i) {
    parts[i] = {frames[i].data(), frames[i].size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const double seconds_a_frame = 1.0 / std::max(1.0, std::strtod(argv[4], nullptr));
  const auto began = std::chrono::steady_clock::now();
  unsigned long done = 0;
  for (unsigned long left = std::strtoul(argv[2], nullptr, 10); left > 0;) {
    const unsigned batch = left < kBatch ? static_cast<unsigned>(left) : kBatch;
    for (unsigned i = 0; i < batch; ++i) {
      const std::uint64_t bits = random();
      std::memcpy(&frames[i][6], &bits, 6);
      frames[i][6] = static_cast<unsigned char>((frames[i][6] & 0xfc) | 0x02);  // unicast, locally administered
    }
    for (unsigned sent = 0; sent < batch;) {
      const int n = sendmmsg(fd, &messages[sent], batch - sent, 0);
      if (n > 0) sent += static_cast<unsigned>(n);
      if (n < 0 && errno != ENOBUFS && errno != EINTR) fail("sendmmsg");
    }
    left -= batch;
    done += batch;
    std::this_thread::sleep_until(began + std::chrono::duration<double>(static_cast<double>(done) * seconds_a_frame));
  }
  return 0;
}

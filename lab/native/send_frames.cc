// send_frames IFNAME HEX…: sends Ethernet frames as they are given, from the destination MAC on, whatever their source is.
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: send_frames IFNAME HEX...\n");
    return 2;
  }
  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(if_nametoindex(argv[1]));
  if (to.sll_ifindex == 0) fail(argv[1]);
  for (int i = 2; i < argc; ++i) {
    const std::string_view hex = argv[i];
    std::vector<unsigned char> frame;
    for (size_t at = 0; at + 1 < hex.size(); at += 2) {
      const char digits[3] = {hex[at], hex[at + 1], 0};
      frame.push_back(static_cast<unsigned char>(std::strtoul(digits, nullptr, 16)));
    }
    if (sendto(fd, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0) fail("sendto");
  }
  return 0;
}

// vnet_capture IFNAME: prints every frame that comes in on an interface as the kernel has it, super-frames whole: "VNET FRAME" in
// hexadecimal digits a line, VNET the virtio header (10 bytes). VLAN tags are put back. The first line is "ready".
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "hex.h"

namespace {

constexpr size_t kVnetBytes = 10;
constexpr size_t kHeaderLengthAt = 2;   // in the virtio header
constexpr size_t kChecksumStartAt = 6;
constexpr size_t kAddressBytes = 12;    // of Ethernet: the tag stands behind them

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// The tag that the kernel took out of a frame before anybody saw it, or nothing.
std::vector<uint8_t> tag_of(msghdr& message) {
  for (const cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(at))) {
    if (at->cmsg_level != SOL_PACKET || at->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata aux;
    std::memcpy(&aux, CMSG_DATA(at), sizeof aux);
    if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0) continue;
    const uint16_t type = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? aux.tp_vlan_tpid : ETH_P_8021Q;
    return {static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type), static_cast<uint8_t>(aux.tp_vlan_tci >> 8),
            static_cast<uint8_t>(aux.tp_vlan_tci)};
  }
  return {};
}

// Lets the virtio header's 16 bits at `at`, a place in the frame, speak of the frame with its tag; 0 is none.
void move(uint8_t* vnet, size_t at, size_t bytes) {
  uint16_t place;
  std::memcpy(&place, vnet + at, sizeof place);
  if (place == 0) return;
  place = static_cast<uint16_t>(place + bytes);
  std::memcpy(vnet + at, &place, sizeof place);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: vnet_capture IFNAME\n");
    return 2;
  }
  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0) fail("PACKET_VNET_HDR");
  if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0) fail("PACKET_AUXDATA");
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0) fail("PACKET_IGNORE_OUTGOING");
  const int room = 64 << 20;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0) fail("SO_RCVBUFFORCE");
  sockaddr_ll here{};
  here.sll_family = AF_PACKET;
  here.sll_protocol = htons(ETH_P_ALL);
  here.sll_ifindex = static_cast<int>(if_nametoindex(argv[1]));
  if (here.sll_ifindex == 0) fail(argv[1]);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here) < 0) fail("bind");
  std::puts("ready");
  std::fflush(stdout);

  std::vector<uint8_t> bytes(1 << 18);
  std::string line;
  for (;;) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(tpacket_auxdata))];
    iovec space{.iov_base = bytes.data(), .iov_len = bytes.size()};
    msghdr message{};
    message.msg_iov = &space;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t length = recvmsg(fd, &message, 0);
    if (length < 0) fail("recvmsg");
    const std::span<uint8_t> got(bytes.data(), static_cast<size_t>(length));
    if (got.size() < kVnetBytes + ETH_HLEN) continue;
    const std::vector<uint8_t> tag = tag_of(message);
    move(got.data(), kHeaderLengthAt, tag.size());
    move(got.data(), kChecksumStartAt, tag.size());
    line.clear();
    append_hex(line, got.first(kVnetBytes));
    line += ' ';
    append_hex(line, got.subspan(kVnetBytes, kAddressBytes));
    append_hex(line, tag);
    append_hex(line, got.subspan(kVnetBytes + kAddressBytes));
    std::puts(line.c_str());
    std::fflush(stdout);
  }
}

// hostile_frames IFNAME KIND SECONDS DESTINATION_MAC FORGED_MAC: sends frames that nobody honest sends, as fast as it can, half
// of them to DESTINATION_MAC and half to everybody, and prints {"sent":…,"refused":…}, where `refused` counts what the kernel
// here would not send. KIND:
//   lies     super-frames whose virtio header, IP length or checksum place is not what the frame is
//   chains   IPv6 extension headers in any order, fragments that overlap, stacks of VLAN tags
//   arp      ARP and neighbour advertisements that claim addresses, each from another MAC, some cut off
//   random   random bytes behind an Ethernet header
//   flap     frames that bear FORGED_MAC
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

namespace {

constexpr int kPacketVnetHeader = 15;  // PACKET_VNET_HDR of linux/if_packet.h
constexpr size_t kLargestPlain = 1400;

using Bytes = std::vector<uint8_t>;

// The virtio header, native byte order.
struct Vnet {
  uint8_t flags = 0, gso_type = 0;
  uint16_t header_length = 0, gso_size = 0, checksum_start = 0, checksum_offset = 0;
};
static_assert(sizeof(Vnet) == 10);

std::mt19937 random_engine{std::random_device{}()};

uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_engine()) % bound; }

template <typename T>
T one_of(std::initializer_list<T> values) {
  return values.begin()[below(static_cast<uint32_t>(values.size()))];
}

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::array<uint8_t, 6> mac_of(const char* text) {
  std::array<uint8_t, 6> mac{};
  if (std::sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) != 6) fail(text);
  return mac;
}

void put16(Bytes& to, uint32_t value) {
  to.push_back(static_cast<uint8_t>(value >> 8));
  to.push_back(static_cast<uint8_t>(value));
}

void put32(Bytes& to, uint32_t value) {
  put16(to, value >> 16);
  put16(to, value & 0xffff);
}

void put_random(Bytes& to, size_t count) {
  while (count-- > 0) to.push_back(static_cast<uint8_t>(random_engine()));
}

// Of fd42::/64 or 10.42.0.0/24, beyond what the lab gives to guests.
void put_address(Bytes& to, bool v6) {
  if (v6) {
    put32(to, 0xfd420000);
    put32(to, 0);
    put32(to, 0);
  }
  put32(to, (v6 ? 0 : 0x0a2a0000) + 100 + below(150));
}

void put_ipv4(Bytes& to, uint32_t total, uint32_t fragment, uint8_t protocol) {
  put32(to, 0x45000000 | total);
  put32(to, below(4) << 16 | fragment);
  put32(to, 0x40000000 | static_cast<uint32_t>(protocol) << 16 | below(65536));
  put_address(to, false);
  put_address(to, false);
}

void put_ipv6(Bytes& to, uint32_t payload, uint8_t next) {
  put32(to, 0x60000000);
  put32(to, payload << 16 | static_cast<uint32_t>(next) << 8 | 64);
  put_address(to, true);
  put_address(to, true);
}

void put_tcp(Bytes& to) {
  put32(to, below(64) << 16 | 80);
  put_random(to, 8);
  put32(to, static_cast<uint32_t>(one_of<uint32_t>({5, 6, 15, 0})) << 28 | below(256) << 16 | 500);
  put32(to, 0);
}

void put_udp(Bytes& to, uint32_t length) {
  put32(to, below(64) << 16 | 9);
  put32(to, length << 16);
}

void add_lies(Bytes& frame, Vnet& vnet) {
  const bool v6 = below(2) == 0, udp = below(2) == 0;
  const uint32_t payload = one_of<uint32_t>({0, 1, 700, 3000, 9000, 40000});
  const uint32_t l4 = payload + (udp ? 8 : 20);
  const uint32_t said = one_of<uint32_t>({l4, l4, l4, 0, 8, 65500, l4 / 2});
  put16(frame, v6 ? 0x86dd : 0x0800);
  const uint8_t protocol = udp ? 17 : 6;
  if (v6) put_ipv6(frame, said, protocol);
  else put_ipv4(frame, std::min(said + 20, 65535u), below(8) == 0 ? below(65536) : 0x4000, protocol);
  const size_t at = frame.size();
  if (udp) put_udp(frame, one_of<uint32_t>({l4, 0, 8, 65535}));
  else put_tcp(frame);
  frame.resize(frame.size() + payload, 0x5a);
  vnet.flags = below(8) == 0 ? static_cast<uint8_t>(below(256)) : 1;
  vnet.gso_type = below(8) == 0 ? static_cast<uint8_t>(below(256)) : udp ? 5 : v6 ? 4 : 1;
  vnet.header_length = static_cast<uint16_t>(below(3) == 0 ? below(65536) : at + (udp ? 8 : 20));
  vnet.gso_size = one_of<uint16_t>({0, 1, 7, 48, 500, 1400, 1400, 1400, 65535});
  vnet.checksum_start = static_cast<uint16_t>(below(4) == 0 ? below(100) : at);
  vnet.checksum_offset = static_cast<uint16_t>(below(4) == 0 ? below(100) : udp ? 6 : 16);
}

void add_chains(Bytes& frame) {
  for (uint32_t tags = below(3) == 0 ? below(9) : 0; tags > 0; --tags) {
    put32(frame, one_of<uint32_t>({0x81000000, 0x88a80000}) | below(4096));
  }
  if (below(2) == 0) {
    const uint32_t size = below(60) * 8;
    put16(frame, 0x0800);
    put_ipv4(frame, 20 + size, (below(2) << 13) | below(16), one_of<uint8_t>({6, 17, 1}));
    put_random(frame, size);
    return;
  }
  const uint32_t headers = 1 + below(40);
  const auto kind = [] { return one_of<uint8_t>({0, 43, 44, 51, 60, 60, 59, 6, 17, 58}); };
  put16(frame, 0x86dd);
  put_ipv6(frame, one_of<uint32_t>({headers * 8 + 64, headers * 8 + 64, 0, 65535}), kind());
  for (uint32_t i = 0; i < headers; ++i) {
    frame.push_back(kind());
    frame.push_back(below(20) == 0 ? 255 : 0);
    put_random(frame, 6);
  }
  put_random(frame, 64);
}

void add_arp(Bytes& frame) {
  const size_t start = frame.size();
  const Bytes sender(frame.begin() + 6, frame.begin() + 12);
  if (below(2) == 0) {
    put16(frame, 0x0806);
    put32(frame, 0x00010800);
    put32(frame, 0x06040000 | one_of<uint32_t>({1, 2, 2, 3, 9}));
    frame.insert(frame.end(), sender.begin(), sender.end());
    put_address(frame, false);
    put_random(frame, 6);
    put_address(frame, false);
  } else {
    put16(frame, 0x86dd);
    put_ipv6(frame, 32, 58);
    put32(frame, one_of<uint32_t>({135, 136}) << 24);
    put32(frame, 0x20000000);
    put_address(frame, true);
    put16(frame, 0x0201);
    frame.insert(frame.end(), sender.begin(), sender.end());
  }
  if (below(10) == 0) frame.resize(start + 2 + below(static_cast<uint32_t>(frame.size() - start - 2)));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: hostile_frames IFNAME KIND SECONDS DESTINATION_MAC FORGED_MAC\n");
    return 2;
  }
  const std::string_view kind = argv[2];
  if (kind != "lies" && kind != "chains" && kind != "arp" && kind != "random" && kind != "flap") {
    std::fprintf(stderr, "hostile_frames: no such kind: %s\n", argv[2]);
    return 2;
  }
  const auto destination = mac_of(argv[4]), forged = mac_of(argv[5]);
  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  if (setsockopt(fd, SOL_PACKET, kPacketVnetHeader, &on, sizeof on) < 0) fail("PACKET_VNET_HDR");
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = 0;
  to.sll_ifindex = static_cast<int>(if_nametoindex(argv[1]));
  if (to.sll_ifindex == 0 || bind(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0) fail(argv[1]);

  unsigned long sent = 0, refused = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(std::atof(argv[3]));
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 64; ++i) {
      Vnet vnet;
      Bytes frame(6, 0xff);
      if (below(2) == 0) std::copy(destination.begin(), destination.end(), frame.begin());
      put16(frame, 0x02bd);
      put_random(frame, 4);
      if (kind == "flap") std::copy(forged.begin(), forged.end(), frame.begin() + 6);
      if (kind == "lies") add_lies(frame, vnet);
      if (kind == "chains") add_chains(frame);
      if (kind == "arp") add_arp(frame);
      if (kind == "random") put_random(frame, 2 + below(kLargestPlain));
      if (kind == "flap") {
        put16(frame, 0x88b5);
        frame.resize(60);
      }
      const iovec parts[] = {{&vnet, sizeof vnet}, {frame.data(), frame.size()}};
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(parts);
      message.msg_iovlen = 2;
      if (sendmsg(fd, &message, 0) >= 0) ++sent;
      else if (errno == EINVAL || errno == EMSGSIZE || errno == ENOBUFS || errno == ENOMEM || errno == EINTR) ++refused;
      else fail("sendmsg");
    }
  }
  std::printf("{\"sent\":%lu,\"refused\":%lu}\n", sent, refused);
  return 0;
}

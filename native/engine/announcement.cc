#include "engine/announcement.h"

#include <cstring>

#include "offload/checksum.h"
#include "wire/bytes.h"
#include "wire/neighbour.h"
#include "wire/packet.h"

namespace weft {
namespace {

constexpr uint32_t kEthernetBytes = 14;
constexpr uint32_t kArpBytes = 28;
constexpr uint32_t kIpv6Bytes = 40;
constexpr uint32_t kAdvertisementBytes = 32;  // with the option
constexpr uint8_t kOverride = 0x20;
constexpr uint8_t kTargetLinkLayer = 2;
constexpr Mac kBroadcast = 0xffff'ffff'ffff;
constexpr Mac kAllNodesMac = 0x3333'0000'0001;  // RFC 2464, 7
constexpr uint8_t kAllNodes[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

void store_mac(uint8_t* at, Mac mac) {
  store_be16(at, static_cast<uint16_t>(mac >> 32));
  store_be32(at + 2, static_cast<uint32_t>(mac));
}

void write_ethernet(uint8_t* frame, Mac to, Mac from, uint16_t ether_type) {
  store_mac(frame, to);
  store_mac(frame + 6, from);
  store_be16(frame + 12, ether_type);
}

uint32_t write_arp(uint8_t* frame, Mac mac, const uint8_t* address) {
  write_ethernet(frame, kBroadcast, mac, kEtherArp);
  uint8_t* arp = frame + kEthernetBytes;
  store_be16(arp, 1);           // Ethernet
  store_be16(arp + 2, 0x0800);  // IPv4
  arp[4] = 6;
  arp[5] = 4;
  store_be16(arp + 6, kArpRequest);
  store_mac(arp + 8, mac);
  std::memcpy(arp + 14, address, 4);
  store_mac(arp + 18, 0);
  std::memcpy(arp + 24, address, 4);
  return kEthernetBytes + kArpBytes;
}

uint32_t write_advertisement(uint8_t* frame, Mac mac, const uint8_t* address) {
  write_ethernet(frame, kAllNodesMac, mac, 0x86dd);
  uint8_t* ip = frame + kEthernetBytes;
  store_be32(ip, 6u << 28);
  store_be16(ip + 4, kAdvertisementBytes);
  ip[6] = kProtocolIcmpv6;
  ip[7] = 255;
  std::memcpy(ip + 8, address, 16);
  std::memcpy(ip + 24, kAllNodes, 16);
  uint8_t* message = ip + kIpv6Bytes;
  std::memset(message, 0, 8);
  message[0] = kNeighbourAdvertisement;
  message[4] = kOverride;
  std::memcpy(message + 8, address, 16);
  message[24] = kTargetLinkLayer;
  message[25] = 1;  // times 8 bytes
  store_mac(message + 26, mac);

  const uint32_t length = kEthernetBytes + kIpv6Bytes + kAdvertisementBytes;
  Packet packet{.data = frame, .length = length};
  parse(packet);
  const uint64_t sum = checksum_add(message, kAdvertisementBytes, pseudo_header_sum(packet, kAdvertisementBytes));
  store_raw16(message + 2, static_cast<uint16_t>(~checksum_fold(sum)));
  return length;
}

}  // namespace

uint32_t write_announcement(uint8_t* frame, Mac mac, const Endpoint& address) {
  if (address.family() == Family::ipv4) return write_arp(frame, mac, address.bytes());
  return write_advertisement(frame, mac, address.bytes());
}

}  // namespace weft

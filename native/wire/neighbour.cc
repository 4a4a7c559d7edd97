#include "wire/neighbour.h"

#include <algorithm>

#include "wire/bytes.h"

namespace weft {
namespace {

constexpr uint32_t kEthernetBytes = 14;
constexpr uint32_t kVlanTagBytes = 4;
constexpr uint32_t kMacBytes = 6;

constexpr uint32_t kArpBytes = 28;
constexpr uint32_t kArpEthernet = 0x0001;
constexpr uint32_t kArpIpv4 = 0x0800;
constexpr uint32_t kArpLengths = 0x0604;  // of hardware and protocol addresses

constexpr int kMaxExtensionHeaders = 8;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;

constexpr uint8_t kSourceLinkLayer = 1;
constexpr uint8_t kTargetLinkLayer = 2;
constexpr uint32_t kTargetAt = 8;
constexpr uint32_t kAddressBytes = 16;

// IANA's registry of IPv6 extension headers, without ESP (behind which nothing can be read) and No Next Header.
bool is_extension_header(uint8_t protocol) {
  switch (protocol) {
    case 0:    // hop-by-hop options
    case 43:   // routing
    case 44:   // fragment
    case 51:   // authentication
    case 60:   // destination options
    case 135:  // mobility
    case 139:  // HIP
    case 140:  // Shim6
      return true;
    default:
      return false;
  }
}

// Of the fixed part of an ND message; 0 for other types of ICMPv6.
uint32_t fixed_bytes(uint8_t type) {
  switch (type) {
    case kRouterSolicitation:
      return 8;
    case kRouterAdvertisement:
      return 16;
    case kNeighbourSolicitation:
    case kNeighbourAdvertisement:
      return kTargetAt + kAddressBytes;
    case kNdRedirect:
      return kTargetAt + 2 * kAddressBytes;
    default:
      return 0;
  }
}

bool is_zero(const uint8_t* address, uint32_t bytes) {
  return std::all_of(address, address + bytes, [](uint8_t byte) { return byte == 0; });
}

Neighbour read_arp(const Packet& packet) {
  Neighbour said{.kind = Neighbour::Kind::unclear};
  // parse() has walked the tags: each was whole, or ether_type would not be ARP.
  uint32_t offset = kEthernetBytes;
  for (uint32_t at = 12; load_be16(packet.data + at) != kEtherArp; at += kVlanTagBytes) offset += kVlanTagBytes;
  if (packet.length - offset < kArpBytes) return said;
  const uint8_t* arp = packet.data + offset;
  if (load_be16(arp) != kArpEthernet || load_be16(arp + 2) != kArpIpv4 || load_be16(arp + 4) != kArpLengths) return said;
  said.kind = Neighbour::Kind::arp;
  said.operation = load_be16(arp + 6);
  said.mac = arp + 8;
  if (!is_zero(arp + 14, 4)) {
    said.claimed_address = arp + 14;
    said.claimed_mac = said.mac;
  }
  return said;
}

// The options of an ND message between `at` and `end`. False when they are not what RFC 4861, 4.6 allows.
bool read_options(const uint8_t* at, const uint8_t* end, Neighbour& said) {
  while (at != end) {
    if (end - at < 8) return false;
    const uint32_t bytes = at[1] * 8u;
    if (bytes == 0 || bytes > end - at) return false;
    if (at[0] == kSourceLinkLayer || at[0] == kTargetLinkLayer) {
      if (said.mac == nullptr) said.mac = at + 2;
      else if (!std::equal(at + 2, at + 2 + kMacBytes, said.mac)) said.several_macs = true;
    }
    at += bytes;
  }
  return true;
}

Neighbour read_icmpv6(const Packet& packet) {
  Neighbour said;
  const Ipv6Contents contents = find_contents(packet);
  if (contents.found == Ipv6Contents::Found::later_fragment) return said;
  said.kind = Neighbour::Kind::unclear;
  if (contents.found == Ipv6Contents::Found::unclear) return said;
  said.kind = Neighbour::Kind::none;
  if (contents.protocol != kProtocolIcmpv6) return said;
  if (contents.offset == packet.ip_end) {
    said.kind = Neighbour::Kind::unclear;
    return said;
  }
  const uint8_t* message = packet.data + contents.offset;
  const uint8_t* end = packet.data + packet.ip_end;
  said.operation = message[0];
  const uint32_t fixed = fixed_bytes(message[0]);
  if (fixed == 0) return said;

  said.kind = Neighbour::Kind::unclear;
  if (contents.fragment || end - message < fixed) return said;  // RFC 6980: ND is never fragmented
  if (!read_options(message + fixed, end, said)) return said;
  said.kind = Neighbour::Kind::nd;
  const uint8_t* source = packet.data + packet.l3_offset + 8;
  if (fixed >= kTargetAt + kAddressBytes) said.target = message + kTargetAt;
  if (message[0] == kNeighbourAdvertisement) {
    said.claimed_address = said.target;
    said.claimed_mac = said.mac != nullptr ? said.mac : packet.data + kMacBytes;
  } else if (message[0] != kNdRedirect && said.mac != nullptr && !is_zero(source, kAddressBytes)) {
    said.claimed_address = source;
    said.claimed_mac = said.mac;
  }
  return said;
}

}  // namespace

Ipv6Contents find_contents(const Packet& packet) {
  Ipv6Contents contents;
  contents.protocol = packet.data[packet.l3_offset + 6];
  contents.offset = packet.l3_offset + 40u;
  for (int count = 0; count <= kMaxExtensionHeaders; ++count) {
    const uint8_t kind = contents.protocol;
    if (!is_extension_header(kind)) {
      contents.found = Ipv6Contents::Found::yes;
      return contents;
    }
    // What stands behind a fragment header can be overwritten by an overlapping fragment, the chain of headers with it.
    if (contents.fragment || packet.ip_end - contents.offset < 8) return contents;
    const uint8_t* header = packet.data + contents.offset;
    contents.protocol = header[0];
    uint32_t size = (header[1] + 1u) * 8;
    if (kind == kAuthentication) size = (header[1] + 2u) * 4;
    if (kind == kFragment) {
      size = 8;
      contents.fragment = true;
      if ((load_be16(header + 2) & 0xfff8) != 0) {
        contents.found = Ipv6Contents::Found::later_fragment;
        return contents;
      }
    }
    if (size > packet.ip_end - contents.offset) return contents;
    contents.offset += size;
  }
  return contents;
}

Neighbour read_neighbour(const Packet& packet) {
  if (packet.ip_version == 6) return read_icmpv6(packet);
  if (packet.ether_type == kEtherArp) return read_arp(packet);
  return {};
}

}  // namespace weft

#include "wire/packet.h"

#include "wire/bytes.h"

namespace weft {
namespace {

constexpr uint32_t kEthernetBytes = 14;
constexpr uint32_t kVlanTagBytes = 4;
constexpr int kMaxVlanTags = 4;
constexpr int kMaxExtensionHeaders = 8;

constexpr uint16_t kEtherIpv4 = 0x0800;
constexpr uint16_t kEtherIpv6 = 0x86dd;
constexpr uint16_t kEtherVlan = 0x8100;         // 802.1Q
constexpr uint16_t kEtherServiceVlan = 0x88a8;  // 802.1ad

constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;
constexpr uint32_t kTcpMinBytes = 20;
constexpr uint32_t kUdpBytes = 8;

// IPv6 extension headers that can stand before TCP and UDP (RFC 8200 section 4).
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kDestinationOptions = 60;

// Odd constants of high entropy (the digits of pi); only placement depends on them, nothing secret does.
constexpr uint64_t kMixA = 0x243f6a8885a308d3;
constexpr uint64_t kMixB = 0x13198a2e03707345;
constexpr uint64_t kMixC = 0xa4093822299f31d1;

// Both halves of the 128-bit product: every input bit reaches every output bit.
uint64_t mix(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Each end of the flow is mixed alone and the two are added, so that the order of the ends does not matter.
uint32_t flow_hash_of(uint64_t source, uint64_t destination, uint64_t kind) {
  return static_cast<uint32_t>(mix((source + destination) ^ kMixC, kMixA + (kind << 1)) >> 16);
}

uint32_t hash_ethernet(const uint8_t* frame, uint16_t ether_type) {
  const auto end = [](const uint8_t* mac) {
    return mix((static_cast<uint64_t>(load_raw<uint32_t>(mac)) << 16 | load_raw<uint16_t>(mac + 4)) ^ kMixA, kMixB);
  };
  return flow_hash_of(end(frame), end(frame + 6), ether_type);
}

uint32_t hash_ipv4(const uint8_t* ip, uint8_t protocol, uint32_t source_port, uint32_t destination_port) {
  const auto end = [](const uint8_t* address, uint32_t port) {
    return mix((static_cast<uint64_t>(load_raw<uint32_t>(address)) << 16 | port) ^ kMixA, kMixB);
  };
  return flow_hash_of(end(ip + 12, source_port), end(ip + 16, destination_port), protocol);
}

uint32_t hash_ipv6(const uint8_t* ip, uint8_t protocol, uint32_t source_port, uint32_t destination_port) {
  const auto end = [](const uint8_t* address, uint64_t port) {
    return mix(load_raw<uint64_t>(address) ^ kMixA ^ (port << 24), load_raw<uint64_t>(address + 8) ^ kMixB);
  };
  return flow_hash_of(end(ip + 8, source_port), end(ip + 24, destination_port), protocol);
}

// Finds the TCP or UDP header at `offset`, if all of it is there.
void parse_transport(Packet& packet, uint32_t offset) {
  const uint32_t available = packet.ip_end - offset;
  uint32_t header = 0;
  if (packet.protocol == kProtocolTcp) {
    if (available < kTcpMinBytes) return;
    header = static_cast<uint32_t>(packet.data[offset + 12] >> 4) * 4;
    if (header < kTcpMinBytes || header > available) return;
  } else if (packet.protocol == kProtocolUdp) {
    if (available < kUdpBytes) return;
    header = kUdpBytes;
  } else {
    return;
  }
  if (offset + header > UINT16_MAX) return;
  packet.l4_offset = static_cast<uint16_t>(offset);
  packet.payload_offset = static_cast<uint16_t>(offset + header);
}

void become_opaque(Packet& packet) {
  packet.ip_version = 0;
  packet.l3_offset = 0;
  packet.ip_end = 0;
  packet.flow_hash = hash_ethernet(packet.data, packet.ether_type);
}

ParseResult parse_ipv4(Packet& packet, uint32_t offset) {
  const uint8_t* ip = packet.data + offset;
  const uint32_t available = packet.length - offset;
  if (available < 4 || ip[0] >> 4 != 4) return become_opaque(packet), ParseResult::ok;
  const uint32_t total = load_be16(ip + 2);
  if (total > available) return ParseResult::ip_length;
  const uint32_t header = static_cast<uint32_t>(ip[0] & 0x0f) * 4;
  if (header < 20 || header > total) return become_opaque(packet), ParseResult::ok;

  packet.ip_version = 4;
  packet.l3_offset = static_cast<uint16_t>(offset);
  packet.ip_end = offset + total;
  packet.traffic_class = ip[1];
  packet.protocol = ip[9];
  packet.ip_options = header > 20;
  packet.fragment = (load_be16(ip + 6) & 0x3fff) != 0;  // more fragments, or an offset
  if (!packet.fragment) parse_transport(packet, offset + header);
  uint32_t source_port = 0;
  uint32_t destination_port = 0;
  if (packet.l4_offset != 0) {
    source_port = load_raw<uint16_t>(packet.data + packet.l4_offset);
    destination_port = load_raw<uint16_t>(packet.data + packet.l4_offset + 2);
  }
  packet.flow_hash = hash_ipv4(ip, packet.protocol, source_port, destination_port);
  return ParseResult::ok;
}

// Walks the extension headers and leaves in packet.protocol the first header that is none. Returns its offset, or 0 when the
// transport header cannot or must not be looked at.
uint32_t skip_extension_headers(Packet& packet, uint32_t offset) {
  for (int count = 0; count < kMaxExtensionHeaders; ++count) {
    const uint8_t kind = packet.protocol;
    if (kind != kHopByHop && kind != kRouting && kind != kFragment && kind != kAuthentication && kind != kDestinationOptions) {
      return offset;
    }
    packet.ip_options = true;
    if (packet.ip_end - offset < 8) return 0;
    const uint8_t* header = packet.data + offset;
    packet.protocol = header[0];
    if (kind == kFragment) {
      packet.fragment = true;
      return 0;
    }
    if (kind == kAuthentication) packet.authenticated = true;
    const uint32_t size = kind == kAuthentication ? (header[1] + 2u) * 4 : (header[1] + 1u) * 8;
    if (size > packet.ip_end - offset) return 0;
    // With segments left, the L4 checksum is over another destination than the header's (RFC 8200 section 8.1).
    if (kind == kRouting && header[3] != 0) return 0;
    offset += size;
  }
  return 0;
}

ParseResult parse_ipv6(Packet& packet, uint32_t offset) {
  const uint8_t* ip = packet.data + offset;
  const uint32_t available = packet.length - offset;
  if (available < 6 || ip[0] >> 4 != 6) return become_opaque(packet), ParseResult::ok;
  const uint32_t total = 40u + load_be16(ip + 4);
  if (total > available) return ParseResult::ip_length;

  packet.ip_version = 6;
  packet.l3_offset = static_cast<uint16_t>(offset);
  packet.ip_end = offset + total;
  packet.traffic_class = static_cast<uint8_t>(load_be16(ip) >> 4);
  packet.protocol = ip[6];
  const uint32_t transport = skip_extension_headers(packet, offset + 40);
  if (transport != 0) parse_transport(packet, transport);
  uint32_t source_port = 0;
  uint32_t destination_port = 0;
  if (packet.l4_offset != 0) {
    source_port = load_raw<uint16_t>(packet.data + packet.l4_offset);
    destination_port = load_raw<uint16_t>(packet.data + packet.l4_offset + 2);
  }
  packet.flow_hash = hash_ipv6(ip, packet.protocol, source_port, destination_port);
  return ParseResult::ok;
}

}  // namespace

ParseResult parse(Packet& packet) {
  packet = Packet{.data = packet.data, .length = packet.length};
  if (packet.length < kEthernetBytes) return ParseResult::runt;
  uint32_t offset = kEthernetBytes;
  packet.ether_type = load_be16(packet.data + 12);
  for (int tags = 0; tags < kMaxVlanTags; ++tags) {
    if (packet.ether_type != kEtherVlan && packet.ether_type != kEtherServiceVlan) break;
    packet.vlan = true;
    if (packet.length - offset < kVlanTagBytes) break;
    packet.ether_type = load_be16(packet.data + offset + 2);
    offset += kVlanTagBytes;
  }
  if (packet.ether_type == kEtherIpv4) return parse_ipv4(packet, offset);
  if (packet.ether_type == kEtherIpv6) return parse_ipv6(packet, offset);
  become_opaque(packet);
  return ParseResult::ok;
}

}  // namespace weft

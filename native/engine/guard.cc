#include "engine/guard.h"

#include <algorithm>

#include "wire/bytes.h"
#include "wire/neighbour.h"

namespace weft {
namespace {

constexpr uint16_t kEtherIpv4 = 0x0800;
constexpr uint16_t kEtherIpv6 = 0x86dd;
constexpr uint16_t kEtherVlan = 0x8100;
constexpr uint16_t kEtherServiceVlan = 0x88a8;
constexpr uint16_t kFirstEtherType = 0x0600;
constexpr uint16_t kDhcpClient = 68;
constexpr uint16_t kDhcpServer = 67;
constexpr uint16_t kDhcpv6Client = 546;

constexpr uint8_t kProtocolIcmp = 1;
constexpr uint8_t kProtocolIgmp = 2;
constexpr uint8_t kProtocolUdp = 17;

// An IEEE 802.3 frame that names its contents by SNAP (IEEE 802, 10.3). `llc` is where IEEE 802.2 begins.
bool is_snap(const Packet& packet) {
  uint32_t llc = 14;
  for (uint32_t at = 12; load_be16(packet.data + at) != packet.ether_type; at += 4) llc += 4;
  return packet.length > llc && (packet.data[llc] & 0xfe) == 0xaa;
}

bool is_dhcp_request(const Packet& packet, const VnetHeader& vnet) {
  if (!packet.is_udp()) return false;
  const uint8_t* udp = packet.data + packet.l4_offset;
  if (load_be16(udp) != kDhcpClient || load_be16(udp + 2) != kDhcpServer) return false;
  return !vnet.needs_checksum() || (vnet.checksum_start == packet.l4_offset && vnet.checksum_offset == 6);
}

// The types of ICMP (RFC 792, RFC 1256), IGMP (RFC 9776) and ICMPv6 (RFC 4861, RFC 9777) that only routers send; RFC 4286 for the
// two multicast router advertisements.
bool is_of_router(uint8_t protocol, uint8_t type) {
  switch (protocol) {
    case kProtocolIcmp:
      return type == 5 || type == 9;  // redirect, router advertisement
    case kProtocolIgmp:
      return type == 0x11 || type == 0x30;  // query, multicast router advertisement
    default:
      return type == kRouterAdvertisement || type == kNdRedirect || type == kMldQuery || type == 151;
  }
}

// Whether the contents of IP at `at`, in a whole packet or a first fragment, are what only routers and DHCP servers send. So they
// count when they are cut off before it can be told, or when a checksum is yet to be written where it stands.
bool is_rogue(const Packet& packet, uint8_t protocol, uint32_t at, uint16_t dhcp_client, const VnetHeader& vnet) {
  uint32_t telling = 1;
  switch (protocol) {
    case kProtocolUdp:
      telling = 4;  // the ports
      break;
    case kProtocolIcmp:
    case kProtocolIgmp:
    case kProtocolIcmpv6:
      break;
    default:
      return false;
  }
  if (packet.ip_end - at < telling) return true;
  if (vnet.needs_checksum() && uint32_t{vnet.checksum_start} + vnet.checksum_offset < at + telling) return true;
  const uint8_t* contents = packet.data + at;
  return protocol == kProtocolUdp ? load_be16(contents + 2) == dhcp_client : is_of_router(protocol, contents[0]);
}

// What a host may say before it has an address: RFC 4862, 5.4.2 and RFC 4861, 4.1; MLD besides (RFC 3590).
bool may_be_unspecified(const Neighbour& said) {
  switch (said.operation) {
    case kNeighbourSolicitation:
    case kRouterSolicitation:
    case kMldReport:
    case kMldDone:
    case kMldReportV2:
      return true;
    default:
      return false;
  }
}

}  // namespace

Guard::Guard(Mac mac, std::vector<Endpoint> addresses) : mac_(mac), addresses_(std::move(addresses)) {
  const uint8_t link_local[16] = {0xfe,
                                  0x80,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0,
                                  static_cast<uint8_t>((mac >> 40 & 0xff) ^ 2),
                                  static_cast<uint8_t>(mac >> 32),
                                  static_cast<uint8_t>(mac >> 24),
                                  0xff,
                                  0xfe,
                                  static_cast<uint8_t>(mac >> 16),
                                  static_cast<uint8_t>(mac >> 8),
                                  static_cast<uint8_t>(mac)};
  ipv6_.push_back({load_raw<uint64_t>(link_local), load_raw<uint64_t>(link_local + 8)});
  for (const Endpoint& address : addresses_) {
    const uint8_t* bytes = address.bytes();
    if (address.family() == Family::ipv4) ipv4_.push_back(load_raw<uint32_t>(bytes));
    else ipv6_.push_back({load_raw<uint64_t>(bytes), load_raw<uint64_t>(bytes + 8)});
  }
}

bool Guard::allows_ipv4(const uint8_t* address) const {
  return std::find(ipv4_.begin(), ipv4_.end(), load_raw<uint32_t>(address)) != ipv4_.end();
}

bool Guard::allows_ipv6(const uint8_t* address) const {
  const Ipv6 wanted{load_raw<uint64_t>(address), load_raw<uint64_t>(address + 8)};
  return std::find(ipv6_.begin(), ipv6_.end(), wanted) != ipv6_.end();
}

std::optional<Drop> Guard::refuse(const Packet& packet, const VnetHeader& vnet) const {
  if (load_mac(packet.data + 6) != mac_) return Drop::spoofed_mac;
  if (packet.ip_version == 4) return refuse_ipv4(packet, vnet);
  if (packet.ip_version == 6) return refuse_ipv6(packet, vnet);
  switch (packet.ether_type) {
    case kEtherArp:
      return refuse_arp(packet, vnet);
    case kEtherIpv4:
    case kEtherIpv6:
    case kEtherVlan:
    case kEtherServiceVlan:
      return Drop::spoofed_address;
    default:
      break;
  }
  const bool length = packet.ether_type < kFirstEtherType;
  if (length && is_snap(packet)) return Drop::spoofed_address;
  // The place of the checksum is anywhere behind the first ether type; behind a tag or a length that is not far enough.
  if (vnet.needs_checksum() && (length || packet.vlan)) return Drop::spoofed_address;
  return std::nullopt;
}

std::optional<Drop> Guard::refuse_ipv4(const Packet& packet, const VnetHeader& vnet) const {
  const uint8_t* ip = packet.data + packet.l3_offset;
  const uint8_t* source = ip + 12;
  const bool nobody = load_raw<uint32_t>(source) == 0;
  if (!allows_ipv4(source) && !(nobody && is_dhcp_request(packet, vnet))) return Drop::spoofed_address;
  // What a later fragment completes was decided on its first.
  if (packet.fragment && (load_be16(ip + 6) & 0x1fff) != 0) return std::nullopt;
  const uint32_t contents = packet.l3_offset + (ip[0] & 0x0fu) * 4;
  return is_rogue(packet, packet.protocol, contents, kDhcpClient, vnet) ? std::optional(Drop::rogue_service) : std::nullopt;
}

std::optional<Drop> Guard::refuse_ipv6(const Packet& packet, const VnetHeader& vnet) const {
  const uint8_t* source = packet.data + packet.l3_offset + 8;
  const bool allowed = allows_ipv6(source);
  if (packet.l4_offset != 0 && !packet.ip_options) {
    if (!allowed) return Drop::spoofed_address;
    const bool rogue = is_rogue(packet, packet.protocol, packet.l4_offset, kDhcpv6Client, vnet);
    return rogue ? std::optional(Drop::rogue_service) : std::nullopt;
  }

  const Neighbour said = read_neighbour(packet);
  if (said.kind == Neighbour::Kind::unclear) return Drop::spoofed_address;
  const Ipv6Contents contents = find_contents(packet);
  if (vnet.needs_checksum()) {
    // Nobody leaves the checksum of ICMPv6 to the hardware.
    if (contents.found != Ipv6Contents::Found::yes || contents.protocol == kProtocolIcmpv6) return Drop::spoofed_address;
    if (vnet.checksum_start < contents.offset) return Drop::spoofed_address;
  }
  const bool unspecified = (load_raw<uint64_t>(source) | load_raw<uint64_t>(source + 8)) == 0;
  if (!allowed && !(unspecified && may_be_unspecified(said))) return Drop::spoofed_address;
  const bool first = contents.found == Ipv6Contents::Found::yes;
  if (first && is_rogue(packet, contents.protocol, contents.offset, kDhcpv6Client, vnet)) return Drop::rogue_service;
  if (said.kind != Neighbour::Kind::nd) return std::nullopt;

  if (said.mac != nullptr && (said.several_macs || load_mac(said.mac) != mac_)) return Drop::spoofed_mac;
  const bool claims = said.operation == kNeighbourAdvertisement || (said.operation == kNeighbourSolicitation && unspecified);
  return claims && !allows_ipv6(said.target) ? std::optional(Drop::spoofed_address) : std::nullopt;
}

std::optional<Drop> Guard::refuse_arp(const Packet& packet, const VnetHeader& vnet) const {
  const Neighbour said = read_neighbour(packet);
  if (said.kind != Neighbour::Kind::arp || vnet.needs_checksum()) return Drop::spoofed_address;
  if (load_mac(said.mac) != mac_) return Drop::spoofed_mac;
  const bool allowed = said.claimed_address == nullptr ? said.operation == kArpRequest : allows_ipv4(said.claimed_address);
  return allowed ? std::nullopt : std::optional(Drop::spoofed_address);
}

}  // namespace weft

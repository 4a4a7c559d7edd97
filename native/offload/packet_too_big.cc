#include "offload/packet_too_big.h"

#include <algorithm>
#include <cstring>

#include "offload/checksum.h"
#include "wire/bytes.h"
#include "wire/neighbour.h"

namespace weft {
namespace {

constexpr uint32_t kIpv4Bytes = 20;
constexpr uint32_t kIpv6Bytes = 40;
constexpr uint32_t kIcmpBytes = 8;
constexpr uint32_t kIpv4ErrorBytes = 576;   // RFC 791: what every host takes
constexpr uint32_t kIpv6ErrorBytes = 1280;  // RFC 4443, 3.2: as much as fits into the minimum MTU

constexpr uint16_t kDontFragment = 0x4000;

constexpr uint8_t kProtocolIcmp = 1;
constexpr uint8_t kUnreachable = 3;
constexpr uint8_t kFragmentationNeeded = 4;
constexpr uint8_t kSourceQuench = 4;
constexpr uint8_t kRedirect = 5;
constexpr uint8_t kTimeExceeded = 11;
constexpr uint8_t kParameterProblem = 12;

constexpr uint8_t kPacketTooBig = 2;
constexpr uint8_t kFirstInformational = 128;  // ICMPv6: all types below are errors
constexpr uint8_t kRedirectV6 = 137;

bool is_one_host_ipv4(const uint8_t* address) {
  const bool multicast = address[0] >> 4 == 14;
  return address[0] != 0 && address[0] != 127 && !multicast && load_raw<uint32_t>(address) != UINT32_MAX;
}

bool is_one_host_ipv6(const uint8_t* address) {
  if (address[0] == 0xff) return false;
  const bool zeros = std::all_of(address, address + 15, [](uint8_t byte) { return byte == 0; });
  return !zeros || address[15] > 1;  // neither unspecified nor loopback
}

bool is_icmp_error(uint8_t type) {
  return type == kUnreachable || type == kSourceQuench || type == kRedirect || type == kTimeExceeded || type == kParameterProblem;
}

bool may_tell_ipv4(const Packet& packet, uint32_t mtu) {
  const uint8_t* ip = packet.data + packet.l3_offset;
  if (mtu < kIpv4ErrorBytes || load_be16(ip + 6) != kDontFragment) return false;
  if (!is_one_host_ipv4(ip + 12) || !is_one_host_ipv4(ip + 16)) return false;
  if (packet.protocol != kProtocolIcmp) return true;
  const uint32_t header = (ip[0] & 0x0fu) * 4;
  return packet.l3_offset + header < packet.ip_end && !is_icmp_error(ip[header]);
}

bool may_tell_ipv6(const Packet& packet, uint32_t mtu) {
  const uint8_t* ip = packet.data + packet.l3_offset;
  if (mtu < kIpv6ErrorBytes || !is_one_host_ipv6(ip + 8) || !is_one_host_ipv6(ip + 24)) return false;
  const Ipv6Contents contents = find_contents(packet);
  if (contents.found != Ipv6Contents::Found::yes) return false;
  if (contents.protocol != kProtocolIcmpv6) return true;
  if (contents.offset >= packet.ip_end) return false;
  const uint8_t type = packet.data[contents.offset];
  return type >= kFirstInformational && type != kRedirectV6;
}

void finish_quote(const Packet& packet, VnetHeader& vnet, const SegmentPlan& plan) {
  if (!vnet.is_super_frame()) {
    if (vnet.needs_checksum()) finish_checksum(packet, vnet);
    return;
  }
  SegmentPlan first = plan;
  first.count = 1;
  first.payload_length = plan.payload_of(0);
  uint8_t header[kMaxSegmentHeaderBytes];
  write_segment_headers(packet, vnet, first, header, sizeof header);
  std::memcpy(packet.data, header, plan.header_length);
}

// Moves `quoted` bytes of the packet back, to where an error with an IP header of `ip_bytes` quotes them. Returns its ICMP
// header.
uint8_t* make_room(uint8_t* ip, uint32_t ip_bytes, uint32_t quoted, uint8_t type, uint8_t code, uint32_t mtu) {
  uint8_t* icmp = ip + ip_bytes;
  std::memmove(icmp + kIcmpBytes, ip, quoted);
  icmp[0] = type;
  icmp[1] = code;
  store_raw16(icmp + 2, 0);
  store_be32(icmp + 4, mtu);  // in ICMP the upper half is unused, and zero
  return icmp;
}

void write_ipv4_error(uint8_t* ip, uint32_t mtu) {
  constexpr uint32_t kQuoted = kIpv4ErrorBytes - kIpv4Bytes - kIcmpBytes;
  uint8_t* icmp = make_room(ip, kIpv4Bytes, kQuoted, kUnreachable, kFragmentationNeeded, std::min<uint32_t>(mtu, UINT16_MAX));
  store_raw16(icmp + 2, static_cast<uint16_t>(~checksum_fold(checksum_add(icmp, kIcmpBytes + kQuoted, 0))));

  const uint8_t* quote = icmp + kIcmpBytes;
  ip[0] = 0x45;
  ip[1] = 0;
  store_be16(ip + 2, kIpv4ErrorBytes);
  store_be16(ip + 4, 0);
  store_be16(ip + 6, kDontFragment);
  ip[8] = quote[8];
  ip[9] = kProtocolIcmp;
  store_raw16(ip + 10, 0);
  std::memcpy(ip + 12, quote + 16, 4);
  std::memcpy(ip + 16, quote + 12, 4);
  store_raw16(ip + 10, static_cast<uint16_t>(~checksum_fold(checksum_add(ip, kIpv4Bytes, 0))));
}

void write_ipv6_error(uint8_t* ip, uint32_t mtu) {
  constexpr uint32_t kQuoted = kIpv6ErrorBytes - kIpv6Bytes - kIcmpBytes;
  uint8_t* icmp = make_room(ip, kIpv6Bytes, kQuoted, kPacketTooBig, 0, mtu);
  const uint8_t* quote = icmp + kIcmpBytes;
  store_be32(ip, 6u << 28);
  store_be16(ip + 4, kIcmpBytes + kQuoted);
  ip[6] = kProtocolIcmpv6;
  ip[7] = quote[7];
  std::memcpy(ip + 8, quote + 24, 16);
  std::memcpy(ip + 24, quote + 8, 16);
}

void finish_icmpv6_checksum(const Packet& packet) {
  uint8_t* icmp = packet.data + packet.l3_offset + kIpv6Bytes;
  const uint32_t length = packet.ip_end - packet.l3_offset - kIpv6Bytes;
  store_raw16(icmp + 2, static_cast<uint16_t>(~checksum_fold(checksum_add(icmp, length, pseudo_header_sum(packet, length)))));
}

}  // namespace

bool may_be_told(const Packet& packet, const VnetHeader& vnet, const SegmentPlan& plan, uint32_t mtu) {
  if (packet.ip_version == 0) return false;
  const uint32_t end = vnet.is_super_frame() ? plan.header_length + plan.payload_of(0) : packet.ip_end;
  // Larger than an MTU that is itself as large as the error or larger, so the error fits where the packet is.
  if (end - packet.l3_offset <= mtu) return false;
  return packet.ip_version == 4 ? may_tell_ipv4(packet, mtu) : may_tell_ipv6(packet, mtu);
}

bool become_packet_too_big(Packet& packet, VnetHeader& vnet, const SegmentPlan& plan, uint32_t mtu) {
  if (!may_be_told(packet, vnet, plan, mtu)) return false;
  const uint32_t l3 = packet.l3_offset;
  const bool ipv4 = packet.ip_version == 4;

  finish_quote(packet, vnet, plan);
  vnet = {};
  uint8_t macs[12];
  std::memcpy(macs, packet.data + 6, 6);
  std::memcpy(macs + 6, packet.data, 6);
  std::memcpy(packet.data, macs, sizeof macs);
  uint8_t* ip = packet.data + l3;
  if (ipv4) {
    write_ipv4_error(ip, mtu);
  } else {
    write_ipv6_error(ip, mtu);
  }
  packet.length = l3 + (ipv4 ? kIpv4ErrorBytes : kIpv6ErrorBytes);
  parse(packet);
  if (!ipv4) finish_icmpv6_checksum(packet);
  return true;
}

}  // namespace weft

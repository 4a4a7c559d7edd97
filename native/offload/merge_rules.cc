#include "offload/merge_rules.h"

#include <cstring>

#include "offload/checksum.h"
#include "offload/segment.h"
#include "wire/bytes.h"

namespace weft {
namespace {

constexpr uint32_t kTcpFlagsAt = 13;
constexpr uint8_t kTcpLastOnly = 0x01 | 0x08;  // FIN, PSH
constexpr uint8_t kTcpCwr = 0x80;
constexpr uint8_t kTcpNever = 0x02 | 0x04 | 0x20 | kTcpCwr;  // SYN, RST, URG, CWR
constexpr uint16_t kOtherZero = 0xffff;

constexpr uint16_t kDhcpServer = 67;
constexpr uint16_t kDhcpClient = 68;

// A checksum has two zeros. Segments are always made with the one, so a frame with the other (which some senders make of TCP)
// would not be the same again: it is taken for bad, and goes out as it came.
bool checksum_is_good(const Packet& packet) {
  const uint8_t* l4 = packet.data + packet.l4_offset;
  if (packet.is_tcp() && load_raw<uint16_t>(l4 + checksum_offset_of(packet)) == kOtherZero) return false;
  return checksum_fold(checksum_add(l4, l4_length_of(packet), pseudo_header_sum(packet, l4_length_of(packet)))) == 0xffff;
}

bool ipv4_header_is_good(const Packet& packet) {
  const uint8_t* ip = packet.data + packet.l3_offset;
  return load_raw<uint16_t>(ip + 10) != kOtherZero && checksum_fold(checksum_add(ip, 20, 0)) == 0xffff;
}

// What RFC 791 leaves undefined beside DF and MF. The kernel joins no such frame.
bool has_reserved_bit(const Packet& packet) { return (packet.data[packet.l3_offset + 6] & 0x80) != 0; }

bool same_bytes(const uint8_t* a, const uint8_t* b, size_t length) { return std::memcmp(a, b, length) == 0; }

}  // namespace

bool checksum_is_unfinished(const Packet& packet) {
  const uint8_t* field = packet.data + packet.l4_offset + checksum_offset_of(packet);
  return load_raw<uint16_t>(field) == checksum_fold(pseudo_header_sum(packet, l4_length_of(packet)));
}

bool is_dhcp(const Packet& packet) {
  if (!packet.is_udp()) return false;
  const uint16_t to = load_be16(packet.data + packet.l4_offset + 2);
  return to == kDhcpServer || to == kDhcpClient;
}

bool is_mergeable(const Packet& packet) {
  if (packet.payload_offset > kMaxSegmentHeaderBytes || payload_of(packet) == 0) return false;
  // Extension headers may be equal in all frames, an authentication header covers each frame's own payload.
  if (packet.ip_version == 4 ? packet.ip_options || has_reserved_bit(packet) : packet.authenticated) return false;
  const uint8_t* l4 = packet.data + packet.l4_offset;
  if (packet.is_tcp()) return (l4[kTcpFlagsAt] & kTcpNever) == 0;
  // A UDP checksum of zero is none (RFC 768), and a length that differs from IP's is not ours to judge.
  return load_raw<uint16_t>(l4 + checksum_offset_of(packet)) != 0 && load_be16(l4 + 4) == l4_length_of(packet);
}

bool ends_super_frame(const Packet& packet) {
  return packet.is_tcp() && (packet.data[packet.l4_offset + kTcpFlagsAt] & kTcpLastOnly) != 0;
}

bool has_cwr(const Packet& packet) { return packet.is_tcp() && (packet.data[packet.l4_offset + kTcpFlagsAt] & kTcpCwr) != 0; }

bool headers_match(const Packet& first, const Packet& next) {
  if (first.l3_offset != next.l3_offset || first.l4_offset != next.l4_offset || first.payload_offset != next.payload_offset ||
      first.ip_version != next.ip_version || first.protocol != next.protocol) {
    return false;
  }
  const uint8_t* a = first.data;
  const uint8_t* b = next.data;
  if (!same_bytes(a, b, first.l3_offset)) return false;
  a += first.l3_offset;
  b += first.l3_offset;
  if (first.ip_version == 4) {
    // Version and ToS; flags and offset, TTL, protocol; addresses.
    if (!same_bytes(a, b, 2) || !same_bytes(a + 6, b + 6, 4) || !same_bytes(a + 12, b + 12, 8)) return false;
  } else {
    // Version, traffic class, flow label; next header, hop limit, addresses, extension headers.
    if (!same_bytes(a, b, 4) || !same_bytes(a + 6, b + 6, first.l4_offset - first.l3_offset - 6u)) return false;
  }
  a = first.data + first.l4_offset;
  b = next.data + next.l4_offset;
  if (!same_bytes(a, b, 4)) return false;
  if (first.protocol != 6) return true;
  // Acknowledgement, header length and reserved bits; window; urgent pointer (which the kernel lets differ) and options.
  return same_bytes(a + 8, b + 8, 5) && ((a[kTcpFlagsAt] ^ b[kTcpFlagsAt]) & ~kTcpLastOnly) == 0 &&
         same_bytes(a + 14, b + 14, 2) && same_bytes(a + 18, b + 18, first.payload_offset - first.l4_offset - 18u);
}

bool next_id_fits(const Packet& packet, uint16_t last_id, IdStep& step) {
  if (packet.ip_version != 4) return true;
  const uint8_t* ip = packet.data + packet.l3_offset;
  const uint16_t advance = static_cast<uint16_t>(load_be16(ip + 4) - last_id);
  if (step == IdStep::undecided) {
    const bool may_fragment = (ip[6] & 0x40) == 0;
    step = advance == 0 && !may_fragment ? IdStep::constant : IdStep::consecutive;
  }
  return advance == (step == IdStep::constant ? 0 : 1);
}

Checksum verify(const Packet& packet, Checksum known) {
  if (packet.ip_version == 4 && !ipv4_header_is_good(packet)) return Checksum::bad;
  if (known != Checksum::unverified) return known;
  return checksum_is_good(packet) ? Checksum::verified : Checksum::bad;
}

}  // namespace weft

#include "offload/segment.h"

#include <algorithm>
#include <cstring>

#include "offload/checksum.h"
#include "offload/merge_rules.h"
#include "wire/bytes.h"

namespace weft {
namespace {

// What the coalescer joins at most. A guest that routes gets such super-frames from us, with segments as small as the frames on
// the wire were, and must be able to send them on.
constexpr uint32_t kMaxSmallSegments = 64;

constexpr uint8_t kTcpFin = 0x01;
constexpr uint8_t kTcpPsh = 0x08;
constexpr uint8_t kTcpCwr = 0x80;

constexpr uint32_t kTcpChecksumAt = 16;
constexpr uint32_t kUdpChecksumAt = 6;

bool gso_type_fits(const Packet& packet, uint8_t gso_type) {
  switch (gso_type) {
    case kGsoTcp4:
    case kGsoTcp4 | kGsoEcn:
      return packet.is_tcp() && packet.ip_version == 4;
    case kGsoTcp6:
    case kGsoTcp6 | kGsoEcn:
      return packet.is_tcp() && packet.ip_version == 6;
    case kGsoUdpL4:
      return packet.is_udp();
    default:
      return false;
  }
}

uint16_t inverted(uint64_t sum) { return static_cast<uint16_t>(~checksum_fold(sum)); }

// An all-zero UDP checksum means "none" (RFC 768); its other form is as good for TCP.
uint16_t inverted_not_zero(uint64_t sum) {
  const uint16_t checksum = inverted(sum);
  return checksum == 0 ? 0xffff : checksum;
}

// Padding behind the IP datagram is not summed.
uint32_t checksum_end(const Packet& packet) { return packet.ip_version != 0 ? packet.ip_end : packet.length; }

}  // namespace

SegmentError plan_segments(const Packet& packet, const VnetHeader& vnet, SegmentPlan& plan) {
  if (!gso_type_fits(packet, vnet.gso_type) || packet.authenticated) return SegmentError::bad_gso;
  if (vnet.gso_size == 0 || packet.payload_offset > kMaxSegmentHeaderBytes) return SegmentError::bad_gso;
  const uint32_t payload = packet.ip_end - packet.payload_offset;
  const uint32_t count = std::max(1u, (payload + vnet.gso_size - 1) / vnet.gso_size);
  const uint32_t most = vnet.gso_size < kMinGsoSize ? kMaxSmallSegments : kMaxSegments;
  if (count > most) return SegmentError::bad_gso;
  plan.count = count;
  plan.header_length = packet.payload_offset;
  plan.payload_length = payload;
  plan.segment_payload = vnet.gso_size;
  return SegmentError::ok;
}

void write_segment_headers(const Packet& packet, const VnetHeader&, const SegmentPlan& plan, uint8_t* blocks, size_t stride,
                           L4Checksums checksums) {
  const uint32_t l3 = packet.l3_offset;
  const uint32_t l4 = packet.l4_offset;
  const uint32_t header = plan.header_length;
  const uint32_t l4_header = header - l4;
  const bool tcp = packet.protocol == 6;
  const uint32_t checksum_at = l4 + (tcp ? kTcpChecksumAt : kUdpChecksumAt);

  // The template: everything that changes from segment to segment is zero, so that its sums can be completed by adding.
  uint8_t base[kMaxSegmentHeaderBytes];
  std::memcpy(base, packet.data, header);
  uint16_t ip_id = 0;
  if (packet.ip_version == 4) {
    ip_id = load_be16(base + l3 + 4);
    store_raw16(base + l3 + 2, 0);
    store_raw16(base + l3 + 4, 0);
    store_raw16(base + l3 + 10, 0);
  }
  uint32_t sequence = 0;
  uint8_t flags = 0;
  if (tcp) {
    sequence = load_be32(base + l4 + 4);
    flags = base[l4 + 13];
    store_be32(base + l4 + 4, 0);
    base[l4 + 13] = 0;
  } else {
    store_raw16(base + l4 + 4, 0);
  }
  store_raw16(base + checksum_at, 0);
  const uint64_t ip_sum = packet.ip_version == 4 ? checksum_add(base + l3, (base[l3] & 0x0fu) * 4, 0) : 0;
  const uint64_t pseudo_sum = pseudo_header_sum(packet, 0);
  const uint64_t l4_sum = checksum_add(base + l4, l4_header, pseudo_sum);

  const uint8_t* payload = packet.data + packet.payload_offset;
  for (uint32_t index = 0; index < plan.count; ++index) {
    uint8_t* out = blocks + index * stride;
    std::memcpy(out, base, header);
    const uint32_t size = plan.payload_of(index);
    const uint16_t l4_length = static_cast<uint16_t>(l4_header + size);

    if (packet.ip_version == 4) {
      store_be16(out + l3 + 2, static_cast<uint16_t>(header - l3 + size));
      store_be16(out + l3 + 4, static_cast<uint16_t>(ip_id + index));
      store_raw16(out + l3 + 10, inverted(ip_sum + load_raw<uint32_t>(out + l3 + 2)));
    } else {
      store_be16(out + l3 + 4, static_cast<uint16_t>(header - l3 - 40 + size));
    }

    // The pseudo-header carries the L4 length as well.
    uint64_t sum = l4_sum + swap_if_little(l4_length);
    if (tcp) {
      uint8_t own_flags = flags;
      if (index != 0) own_flags &= static_cast<uint8_t>(~kTcpCwr);
      if (index + 1 != plan.count) own_flags &= static_cast<uint8_t>(~(kTcpFin | kTcpPsh));
      store_be32(out + l4 + 4, sequence + index * plan.segment_payload);
      out[l4 + 13] = own_flags;
      sum += load_raw<uint32_t>(out + l4 + 4);
      sum += swap_if_little(static_cast<uint16_t>(own_flags));
    } else {
      store_be16(out + l4 + 4, l4_length);
      sum += swap_if_little(l4_length);
    }
    if (checksums == L4Checksums::unfinished) {
      store_raw16(out + checksum_at, checksum_fold(pseudo_sum + swap_if_little(l4_length)));
      continue;
    }
    sum = checksum_add(payload + static_cast<size_t>(index) * plan.segment_payload, size, sum);
    store_raw16(out + checksum_at, tcp ? inverted(sum) : inverted_not_zero(sum));
  }
}

bool may_stay_unfinished(const Packet& packet, const VnetHeader& vnet) {
  if (packet.l4_offset == 0 || packet.ip_options || is_dhcp(packet)) return false;
  if (vnet.is_super_frame()) return true;
  return vnet.needs_checksum() && vnet.checksum_start == packet.l4_offset && vnet.checksum_offset == checksum_offset_of(packet) &&
         packet.length == packet.ip_end && checksum_is_unfinished(packet);
}

bool checksum_place_is_valid(const Packet& packet, const VnetHeader& vnet) {
  const uint32_t start = vnet.checksum_start;
  const uint32_t first = packet.ip_version == 4 ? packet.l3_offset + 20u : packet.ip_version == 6 ? packet.l3_offset + 40u : 14u;
  return start >= first && start + vnet.checksum_offset + 2 <= checksum_end(packet);
}

bool finish_checksum(const Packet& packet, VnetHeader& vnet) {
  if (!checksum_place_is_valid(packet, vnet)) return false;
  const uint32_t start = vnet.checksum_start;
  const uint32_t at = start + vnet.checksum_offset;
  const uint32_t end = checksum_end(packet);
  const uint64_t sum = checksum_add(packet.data + start, end - start, 0);
  store_raw16(packet.data + at, inverted_not_zero(sum));
  vnet.flags &= static_cast<uint8_t>(~kVnetNeedsChecksum);
  vnet.checksum_start = 0;
  vnet.checksum_offset = 0;
  return true;
}

}  // namespace weft

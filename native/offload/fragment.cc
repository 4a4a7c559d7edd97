#include "offload/fragment.h"

#include <cstring>

#include "offload/checksum.h"
#include "wire/bytes.h"

namespace weft {
namespace {

constexpr uint32_t kIpv4Bytes = 20;
constexpr uint8_t kEndOfOptions = 0;
constexpr uint8_t kNoOperation = 1;
constexpr uint8_t kCopied = 0x80;
constexpr uint32_t kLeastMtu = 68;  // RFC 791: what every link carries
constexpr uint16_t kMoreFragments = 0x2000;
constexpr uint16_t kOffsetMask = 0x1fff;  // in units of 8 bytes
constexpr uint16_t kNeverFragment = 0xc000;  // DF, and the bit that must be zero

uint32_t header_bytes(const Packet& packet) { return (packet.data[packet.l3_offset] & 0x0fu) * 4; }

// What is for the first fragment alone becomes padding, so that all headers have one length. Options that are not as RFC 791
// has them, and what follows them, stay as they are.
void forget_first_options(uint8_t* at, const uint8_t* end) {
  while (at != end && *at != kEndOfOptions) {
    uint32_t bytes = 1;
    if (*at != kNoOperation) {
      if (end - at < 2 || at[1] < 2 || at[1] > end - at) return;
      bytes = at[1];
      if ((*at & kCopied) == 0) std::memset(at, kNoOperation, bytes);
    }
    at += bytes;
  }
}

}  // namespace

bool plan_fragments(const Packet& packet, uint32_t mtu, SegmentPlan& plan) {
  if (packet.ip_version != 4 || mtu < kLeastMtu) return false;
  const uint16_t bits = load_be16(packet.data + packet.l3_offset + 6);
  if ((bits & kNeverFragment) != 0) return false;
  const uint32_t header = packet.l3_offset + header_bytes(packet);
  const uint32_t payload = packet.ip_end - header;
  const uint32_t each = (mtu - header_bytes(packet)) & ~7u;
  const uint32_t count = (payload + each - 1) / each;
  if (count == 0 || count > kMaxSegments) return false;
  if ((bits & kOffsetMask) + (count - 1) * each / 8 > kOffsetMask) return false;
  plan = {.count = count, .header_length = header, .payload_length = payload, .segment_payload = each};
  return true;
}

void write_fragment_headers(const Packet& packet, const SegmentPlan& plan, uint8_t* blocks, size_t stride) {
  const uint32_t l3 = packet.l3_offset;
  const uint32_t ip_header = header_bytes(packet);
  const uint16_t bits = load_be16(packet.data + l3 + 6);
  for (uint32_t index = 0; index < plan.count; ++index) {
    uint8_t* out = blocks + index * stride;
    std::memcpy(out, packet.data, plan.header_length);
    uint8_t* ip = out + l3;
    const bool last = index + 1 == plan.count;
    const uint32_t offset = index * plan.segment_payload / 8;
    store_be16(ip + 2, static_cast<uint16_t>(ip_header + plan.payload_of(index)));
    store_be16(ip + 6, static_cast<uint16_t>((bits + offset) | (last ? 0 : kMoreFragments)));
    if (index != 0) forget_first_options(ip + kIpv4Bytes, ip + ip_header);
    store_raw16(ip + 10, 0);
    store_raw16(ip + 10, static_cast<uint16_t>(~checksum_fold(checksum_add(ip, ip_header, 0))));
  }
}

}  // namespace weft

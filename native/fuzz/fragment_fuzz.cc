// plan_fragments() and write_fragment_headers() on any frame: fragments fit, and give the payload back.
//
// Input: MTU (2 bytes), frame.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "offload/checksum.h"
#include "offload/fragment.h"
#include "wire/bytes.h"

using namespace weft;

namespace {

void require(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint32_t mtu = load_be16(data);
  const size_t length = size - 2;
  // An allocation of exactly this size lets AddressSanitizer see a read beyond the frame.
  auto frame = std::make_unique<uint8_t[]>(length);
  memcpy(frame.get(), data + 2, length);
  Packet packet{.data = frame.get(), .length = static_cast<uint32_t>(length)};
  SegmentPlan plan;
  if (parse(packet) != ParseResult::ok || !plan_fragments(packet, mtu, plan)) return 0;
  require(plan.count >= 1 && plan.count <= kMaxSegments && plan.header_length <= kMaxSegmentHeaderBytes);
  require(plan.header_length + plan.payload_length == packet.ip_end);

  std::vector<uint8_t> blocks(size_t{plan.count} * plan.header_length);
  write_fragment_headers(packet, plan, blocks.data(), plan.header_length);
  const uint32_t original = load_be16(packet.data + packet.l3_offset + 6);
  uint32_t at = 0;
  for (uint32_t i = 0; i < plan.count; ++i) {
    std::vector<uint8_t> piece(blocks.begin() + i * plan.header_length, blocks.begin() + (i + 1) * plan.header_length);
    const uint8_t* payload = packet.data + plan.header_length + at;
    piece.insert(piece.end(), payload, payload + plan.payload_of(i));
    Packet parsed{.data = piece.data(), .length = static_cast<uint32_t>(piece.size())};
    require(parse(parsed) == ParseResult::ok && parsed.ip_version == 4 && parsed.ip_end == piece.size());
    const uint8_t* ip = parsed.data + parsed.l3_offset;
    require(piece.size() - parsed.l3_offset <= mtu);
    require(checksum_fold(checksum_add(ip, (ip[0] & 0x0fu) * 4, 0)) == 0xffff);
    const uint32_t bits = load_be16(ip + 6);
    const bool last = i + 1 == plan.count;
    require((bits & 0x1fff) == (original & 0x1fff) + at / 8 && (bits & 0x2000) == (last ? original & 0x2000 : 0x2000));
    require(last || plan.payload_of(i) % 8 == 0);
    at += plan.payload_of(i);
  }
  require(at == plan.payload_length);
  return 0;
}

// become_packet_too_big() on any frame with any virtio header: it stays inside the frame, keeps its rules as a simpler reader
// sees them, and what it writes parses and holds its checksums.
//
// Input: MTU (2 bytes), virtio header (10 bytes), frame.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "offload/checksum.h"
#include "offload/packet_too_big.h"
#include "wire/bytes.h"

using namespace weft;

namespace {

void require(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  VnetHeader vnet;
  if (size < 2 + sizeof vnet) return 0;
  const uint32_t mtu = load_be16(data);
  memcpy(&vnet, data + 2, sizeof vnet);
  const size_t length = size - 2 - sizeof vnet;
  // An allocation of exactly this size lets AddressSanitizer see a write beyond the frame.
  auto frame = std::make_unique<uint8_t[]>(length);
  memcpy(frame.get(), data + 2 + sizeof vnet, length);
  Packet packet{.data = frame.get(), .length = static_cast<uint32_t>(length)};
  if (parse(packet) != ParseResult::ok) return 0;
  SegmentPlan plan;
  if (vnet.is_super_frame()) {
    if (plan_segments(packet, vnet, plan) != SegmentError::ok) return 0;
  } else if (vnet.needs_checksum() && !checksum_place_is_valid(packet, vnet)) {
    return 0;
  }

  const std::vector<uint8_t> before(frame.get(), frame.get() + length);
  const Packet was = packet;
  if (!become_packet_too_big(packet, vnet, plan, mtu)) {
    require(length == 0 || memcmp(frame.get(), before.data(), length) == 0);
    require(packet.length == was.length);
    return 0;
  }
  require(packet.data == frame.get() && packet.length <= length);
  require(memcmp(packet.data, &before[6], 6) == 0 && memcmp(packet.data + 6, &before[0], 6) == 0);
  require(!vnet.is_super_frame() && !vnet.needs_checksum());
  require(packet.ip_version == was.ip_version && packet.l3_offset == was.l3_offset && packet.ip_end == packet.length);
  const uint8_t* ip = packet.data + packet.l3_offset;
  const uint32_t bytes = packet.length - packet.l3_offset;
  if (packet.ip_version == 4) {
    require(mtu >= 576 && bytes == 576 && packet.protocol == 1);
    require(load_be16(&before[was.l3_offset + 6u]) == 0x4000);
    require((before[was.l3_offset + 12u] & 0xf0) != 0xe0 && before[was.l3_offset + 12u] != 0);
    require(checksum_fold(checksum_add(ip, 20, 0)) == 0xffff);
    require(checksum_fold(checksum_add(ip + 20, bytes - 20, 0)) == 0xffff);
    require(load_be32(ip + 24) == mtu);
  } else {
    require(mtu >= 1280 && bytes == 1280 && packet.protocol == 58);
    require(before[was.l3_offset + 8u] != 0xff && before[was.l3_offset + 24u] != 0xff);
    require(checksum_fold(checksum_add(ip + 40, bytes - 40, pseudo_header_sum(packet, bytes - 40))) == 0xffff);
    require(load_be32(ip + 44) == mtu);
  }
  return 0;
}

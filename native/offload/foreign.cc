#include "offload/foreign.h"

#include "offload/checksum.h"
#include "offload/segment.h"
#include "wire/bytes.h"

namespace weft {
namespace {

constexpr uint8_t kTcpCwr = 0x80;

}  // namespace

bool describe_foreign_super_frame(const Packet& packet, uint32_t mtu, uint32_t udp_gso_size, VnetHeader& vnet,
                                  uint32_t& wire_frames) {
  if (packet.l4_offset == 0 || packet.payload_offset > kMaxSegmentHeaderBytes) return false;
  const uint32_t headers = packet.payload_offset - packet.l3_offset;  // of IP and above
  const uint32_t payload = packet.ip_end - packet.payload_offset;
  const uint8_t* l4 = packet.data + packet.l4_offset;
  const uint32_t l4_length = packet.ip_end - packet.l4_offset;
  const uint16_t checksum_offset = packet.is_tcp() ? 16 : 6;

  // A finished checksum shows a plain frame of a larger MTU, not a super-frame.
  if (load_raw<uint16_t>(l4 + checksum_offset) != checksum_fold(pseudo_header_sum(packet, l4_length))) return false;

  if (mtu <= headers) return false;
  const uint32_t room = mtu - headers;
  uint32_t size = room;
  uint8_t type = packet.ip_version == 4 ? kGsoTcp4 : kGsoTcp6;
  if (packet.is_udp()) {
    if (udp_gso_size == 0 || udp_gso_size > room || load_be16(l4 + 4) != l4_length) return false;
    size = udp_gso_size;
    type = kGsoUdpL4;
  } else if ((l4[13] & kTcpCwr) != 0) {
    type |= kGsoEcn;
  }
  if (payload <= size || size > UINT16_MAX) return false;
  const uint32_t count = (payload + size - 1) / size;
  if (count > kMaxSegments) return false;

  vnet = VnetHeader{.flags = kVnetNeedsChecksum,
                    .gso_type = type,
                    .header_length = packet.payload_offset,
                    .gso_size = static_cast<uint16_t>(size),
                    .checksum_start = packet.l4_offset,
                    .checksum_offset = checksum_offset};
  wire_frames = count;
  return true;
}

}  // namespace weft

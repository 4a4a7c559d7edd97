// A guest's virtio header and super-frame, both hostile. Input: 10 bytes of virtio header, then the frame. Sums are checked by
// the tests' own arithmetic.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "offload/foreign.h"
#include "offload/segment.h"
#include "test/frame_builder.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// Each segment must be a frame in its own right, with checksums that hold.
void check_segment(const weft::Packet& super, const weft::SegmentPlan& plan, uint32_t index, const uint8_t* header) {
  const uint32_t payload = plan.payload_of(index);
  const uint32_t length = plan.header_length + payload;
  weft::test::Bytes frame(header, header + plan.header_length);
  const uint8_t* from = super.data + super.payload_offset + index * plan.segment_payload;
  require(from + payload <= super.data + super.ip_end);
  frame.insert(frame.end(), from, from + payload);
  weft::Packet packet{.data = frame.data(), .length = length};
  require(weft::parse(packet) == weft::ParseResult::ok);
  require(packet.ip_end == length && packet.l4_offset == super.l4_offset && packet.payload_offset == super.payload_offset);
  const size_t at = packet.l4_offset + (packet.is_tcp() ? 16u : 6u);
  const bool none = packet.is_udp() && weft::test::get16(frame, at) == 0;  // a sender's choice, never ours
  require(none ? super.data[at] == 0 && super.data[at + 1] == 0 : weft::test::l4_checksum_holds(frame, packet));
  require(weft::test::ipv4_checksum_holds(frame, packet));
  require(payload <= plan.segment_payload && (index + 1 == plan.count || payload == plan.segment_payload));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::VnetHeader vnet;
  if (size < sizeof vnet) return 0;
  std::memcpy(&vnet, data, sizeof vnet);
  data += sizeof vnet;
  size -= sizeof vnet;
  auto frame = std::make_unique<uint8_t[]>(size);
  if (size != 0) std::memcpy(frame.get(), data, size);
  weft::Packet packet{.data = frame.get(), .length = static_cast<uint32_t>(size)};
  if (weft::parse(packet) != weft::ParseResult::ok) return 0;

  weft::VnetHeader described;
  uint32_t wire_frames = 0;
  if (weft::describe_foreign_super_frame(packet, vnet.header_length, vnet.gso_size, described, wire_frames)) {
    require(wire_frames > 1 && wire_frames <= weft::kMaxSegments && described.gso_size != 0);
  }

  weft::SegmentPlan plan;
  if (weft::plan_segments(packet, vnet, plan) == weft::SegmentError::ok) {
    require(plan.count >= 1 && plan.count <= weft::kMaxSegments);
    require(plan.header_length <= weft::kMaxSegmentHeaderBytes);
    require(plan.header_length + plan.payload_length == packet.ip_end);
    auto blocks = std::make_unique<uint8_t[]>(size_t{plan.count} * plan.header_length);
    weft::write_segment_headers(packet, vnet, plan, blocks.get(), plan.header_length);
    uint32_t payload = 0;
    for (uint32_t i = 0; i < plan.count; ++i) {
      check_segment(packet, plan, i, blocks.get() + size_t{i} * plan.header_length);
      payload += plan.payload_of(i);
    }
    require(payload == plan.payload_length);
  }

  // What the forwarding decision was made from may not change.
  uint8_t ethernet[14];
  std::memcpy(ethernet, packet.data, sizeof ethernet);
  if (weft::finish_checksum(packet, vnet)) require(!vnet.needs_checksum());
  require(std::memcmp(ethernet, packet.data, sizeof ethernet) == 0);
  return 0;
}

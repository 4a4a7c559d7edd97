// A guest's virtio header and super-frame, both hostile. Input: 10 bytes of virtio header, then the frame.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "offload/checksum.h"
#include "offload/foreign.h"
#include "offload/segment.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// Each segment must be a frame in its own right, with checksums that hold.
void check_segment(const weft::Packet& super, const weft::SegmentPlan& plan, uint32_t index, const uint8_t* header) {
  const uint32_t payload = plan.payload_of(index);
  const uint32_t length = plan.header_length + payload;
  auto frame = std::make_unique<uint8_t[]>(length);
  std::memcpy(frame.get(), header, plan.header_length);
  std::memcpy(frame.get() + plan.header_length, super.data + super.payload_offset + index * plan.segment_payload, payload);
  weft::Packet packet{.data = frame.get(), .length = length};
  require(weft::parse(packet) == weft::ParseResult::ok);
  require(packet.ip_end == length && packet.l4_offset == super.l4_offset && packet.payload_offset == super.payload_offset);
  const uint32_t l4_length = packet.ip_end - packet.l4_offset;
  const uint64_t pseudo = weft::pseudo_header_sum(packet, l4_length);
  require(weft::checksum_fold(weft::checksum_add(packet.data + packet.l4_offset, l4_length, pseudo)) == 0xffff);
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
    for (uint32_t i = 0; i < plan.count; ++i) check_segment(packet, plan, i, blocks.get() + size_t{i} * plan.header_length);
  }

  // What the forwarding decision was made from may not change.
  uint8_t ethernet[14];
  std::memcpy(ethernet, packet.data, sizeof ethernet);
  if (weft::finish_checksum(packet, vnet)) require(!vnet.needs_checksum());
  require(std::memcmp(ethernet, packet.data, sizeof ethernet) == 0);
  return 0;
}

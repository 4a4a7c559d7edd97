// One round of a coalescer, for its tests: keeps the frames, and hands out the writes as flat bytes.
#pragma once

#include <cstring>
#include <deque>
#include <vector>

#include "offload/coalesce.h"
#include "offload/segment.h"
#include "test/frame_builder.h"

namespace weft::test {

struct Written {
  uint32_t port = 0;
  uint32_t wire_frames = 0;
  VnetHeader vnet;
  Bytes frame;
};

class Round {
 public:
  Round() = default;
  explicit Round(const Coalescer::Limits& limits) : coalescer_(limits) {}

  bool add_bytes(const Bytes& frame, uint32_t port = 1, const VnetHeader& vnet = {}, uint32_t wire_frames = 1) {
    frames_.push_back(frame);
    copies_.push_back(frame);
    return coalescer_.add(port, parsed(frames_.back()), vnet, wire_frames);
  }

  bool add(const Frame& spec, uint32_t port = 1) { return add_bytes(build(spec), port); }

  std::vector<Written> finish() {
    std::vector<Written> out;
    for (const TapWrite& write : coalescer_.finish()) {
      Written one{.port = write.port, .wire_frames = write.wire_frames, .vnet = {}, .frame = {}};
      if (write.iov_count < 2 || write.iov[0].iov_len != sizeof(VnetHeader)) throw std::runtime_error("no virtio header");
      std::memcpy(&one.vnet, write.iov[0].iov_base, sizeof one.vnet);
      for (uint32_t i = 1; i < write.iov_count; ++i) {
        const uint8_t* from = static_cast<const uint8_t*>(write.iov[i].iov_base);
        one.frame.insert(one.frame.end(), from, from + write.iov[i].iov_len);
      }
      if (one.frame.size() != write.bytes) throw std::runtime_error("the byte count is wrong");
      out.push_back(std::move(one));
    }
    if (!std::equal(frames_.begin(), frames_.end(), copies_.begin())) throw std::runtime_error("a frame was written to");
    return out;
  }

  void clear() {
    coalescer_.clear();
    frames_.clear();
    copies_.clear();
  }

  bool empty() const { return coalescer_.empty(); }

 private:
  Coalescer coalescer_;
  std::deque<Bytes> frames_;
  std::deque<Bytes> copies_;
};

// What a kernel would make of the write: the frames of a super-frame, or the frame with its checksum finished. With unfinished
// ones what goes to a peer that takes them.
inline std::vector<Bytes> as_wire_frames(Written write, L4Checksums checksums = L4Checksums::finished) {
  const Packet packet = parsed(write.frame);
  if (!write.vnet.is_super_frame()) {
    if (write.vnet.needs_checksum() && !finish_checksum(packet, write.vnet)) throw std::runtime_error("bad checksum offset");
    return {write.frame};
  }
  SegmentPlan plan;
  if (plan_segments(packet, write.vnet, plan) != SegmentError::ok) throw std::runtime_error("not a valid super-frame");
  Bytes blocks(size_t{plan.count} * plan.header_length);
  write_segment_headers(packet, write.vnet, plan, blocks.data(), plan.header_length, checksums);
  std::vector<Bytes> out;
  for (uint32_t i = 0; i < plan.count; ++i) {
    const uint8_t* header = blocks.data() + size_t{i} * plan.header_length;
    const uint8_t* payload = packet.data + packet.payload_offset + size_t{i} * plan.segment_payload;
    Bytes one(header, header + plan.header_length);
    one.insert(one.end(), payload, payload + plan.payload_of(i));
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace weft::test

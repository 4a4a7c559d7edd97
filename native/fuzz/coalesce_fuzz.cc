// A round of hostile frames. Input: records of port (1 byte; its high bit: instead of the frame, the one that follows the
// previous one), length (2 bytes, little endian), frame. Whatever comes in must come out: as many wire frames for each port, all
// valid; and once a kernel has cut and finished them, byte for byte the same ones, in order within each flow.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "offload/coalesce.h"
#include "offload/segment.h"
#include "test/coalesce_round.h"

namespace {

constexpr uint32_t kPorts = 4;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Totals {
  std::array<uint64_t, kPorts> frames{};
  bool operator==(const Totals&) const = default;
};

using Bytes = weft::test::Bytes;
using Flows = std::map<std::pair<uint32_t, uint32_t>, std::vector<Bytes>>;

// A frame without what may differ: padding, the ID of IPv4 with DF, and which of its two forms a checksum of zero has. One that
// is unfinished is finished. A frame that came with a wrong IP checksum stays as it is.
void note(Flows& flows, uint32_t port, Bytes frame) {
  using namespace weft::test;
  weft::Packet packet{.data = frame.data(), .length = static_cast<uint32_t>(frame.size())};
  require(weft::parse(packet) == weft::ParseResult::ok);
  const std::pair<uint32_t, uint32_t> flow{port, packet.flow_hash};
  if (packet.ip_version != 0) frame.resize(packet.ip_end);
  if (packet.l4_offset != 0) {
    const size_t at = packet.l4_offset + (packet.is_tcp() ? 16u : 6u);
    const auto sum = [&](bool whole) {
      return reference_l4_sum(frame, packet.l3_offset, packet.l4_offset, packet.ip_end, packet.ip_version == 6, packet.protocol, whole);
    };
    if (get16(frame, at) == sum(false)) {
      set16(frame, at, 0);
      const uint32_t whole = ~sum(true) & 0xffff;
      set16(frame, at, whole == 0 ? 0xffff : whole);
    }
    if (packet.is_tcp() && get16(frame, at) == 0) set16(frame, at, 0xffff);
  }
  if (packet.ip_version == 4 && (frame[packet.l3_offset + 6u] & 0x40) != 0 && ipv4_checksum_holds(frame, packet)) {
    set16(frame, packet.l3_offset + 4u, 0);
    refresh_ipv4_checksum(frame, packet.l3_offset);
  }
  flows[flow].push_back(std::move(frame));
}

// A write must be what a TAP takes: one virtio header, and a super-frame that our own segmentation accepts.
void check_write(const weft::TapWrite& write, Flows& flows) {
  weft::VnetHeader vnet;
  require(write.iov_count >= 2 && write.iov[0].iov_len == sizeof vnet);
  std::memcpy(&vnet, write.iov[0].iov_base, sizeof vnet);
  std::vector<uint8_t> frame;
  for (uint32_t i = 1; i < write.iov_count; ++i) {
    const uint8_t* from = static_cast<const uint8_t*>(write.iov[i].iov_base);
    frame.insert(frame.end(), from, from + write.iov[i].iov_len);
  }
  require(frame.size() == write.bytes);
  weft::Packet packet{.data = frame.data(), .length = static_cast<uint32_t>(frame.size())};
  require(weft::parse(packet) == weft::ParseResult::ok);
  if (vnet.is_super_frame()) {
    weft::SegmentPlan plan;
    require(weft::plan_segments(packet, vnet, plan) == weft::SegmentError::ok);
    require(plan.count == write.wire_frames);
  } else {
    require(write.wire_frames == 1);
    weft::VnetHeader finished = vnet;
    std::vector<uint8_t> copy = frame;
    weft::Packet of_copy = packet;
    of_copy.data = copy.data();
    if (vnet.needs_checksum()) require(weft::finish_checksum(of_copy, finished));
  }
  const weft::test::Written written{.port = write.port, .wire_frames = write.wire_frames, .vnet = vnet, .frame = frame};
  for (Bytes& one : weft::test::as_wire_frames(written)) note(flows, write.port, std::move(one));
}

// Makes the frame the one that follows `previous`, so that the fuzzer reaches the merging of frames with good checksums.
bool continue_flow(std::vector<uint8_t>& frame, const std::vector<uint8_t>& previous) {
  std::vector<uint8_t> copy = previous;
  weft::Packet packet{.data = copy.data(), .length = static_cast<uint32_t>(copy.size())};
  if (weft::parse(packet) != weft::ParseResult::ok || packet.l4_offset == 0) return false;
  if (packet.is_tcp()) {
    uint8_t* at = copy.data() + packet.l4_offset + 4;
    uint32_t sequence = static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 |
                        static_cast<uint32_t>(at[2]) << 8 | at[3];
    sequence += packet.ip_end - packet.payload_offset;
    for (int i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(sequence >> (24 - 8 * i));
  }
  weft::VnetHeader vnet{.gso_type = packet.is_udp() ? weft::kGsoUdpL4 : packet.ip_version == 4 ? weft::kGsoTcp4 : weft::kGsoTcp6,
                        .gso_size = UINT16_MAX};
  weft::SegmentPlan plan;
  if (weft::plan_segments(packet, vnet, plan) != weft::SegmentError::ok) return false;
  // One segment of itself: the same frame with all checksums right.
  frame = copy;
  weft::write_segment_headers(packet, vnet, plan, frame.data(), plan.header_length);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static weft::Coalescer coalescer(weft::Coalescer::Limits{.writes = 16, .super_frame_bytes = 9000});
  std::vector<std::unique_ptr<std::vector<uint8_t>>> frames;
  Totals in;
  Totals out;
  Flows sent, received;
  while (size >= 3) {
    const uint32_t port = data[0] % kPorts;
    const bool go_on = (data[0] & 0x80) != 0;
    const size_t length = std::min<size_t>(size - 3, data[1] | static_cast<size_t>(data[2]) << 8);
    auto frame = std::make_unique<std::vector<uint8_t>>(data + 3, data + 3 + length);
    if (go_on && !frames.empty()) continue_flow(*frame, *frames.back());
    data += 3 + length;
    size -= 3 + length;
    weft::Packet packet{.data = frame->data(), .length = static_cast<uint32_t>(frame->size())};
    if (weft::parse(packet) != weft::ParseResult::ok) continue;
    if (!coalescer.add(port, packet, weft::VnetHeader{}, 1)) break;
    in.frames[port]++;
    note(sent, port, *frame);
    frames.push_back(std::move(frame));
  }
  for (const weft::TapWrite& write : coalescer.finish()) {
    check_write(write, received);
    out.frames[write.port] += write.wire_frames;
  }
  require(in == out);
  require(sent == received);
  coalescer.clear();
  return 0;
}

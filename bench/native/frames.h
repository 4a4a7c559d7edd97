// Frames for the micro-benchmarks: one TCP or UDP packet over IPv4 each, between two hosts of 10.0.0.0/24.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "offload/checksum.h"
#include "offload/segment.h"
#include "wire/bytes.h"

namespace bench {

// From 02:00:00:00:00:02 to 02:00:00:00:00:01. The L4 checksum is left out.
inline std::vector<uint8_t> make_frame(bool tcp, uint16_t flow, uint32_t payload) {
  const uint32_t header = tcp ? 54 : 42;
  std::vector<uint8_t> out(header + payload, 0x5a);
  const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
  std::memcpy(out.data(), ethernet, sizeof ethernet);
  uint8_t* ip = out.data() + 14;
  std::memset(ip, 0, header - 14);
  ip[0] = 0x45;
  weft::store_be16(ip + 2, static_cast<uint16_t>(out.size() - 14));
  ip[6] = 0x40;
  ip[8] = 64;
  ip[9] = tcp ? 6 : 17;
  weft::store_be32(ip + 12, 0x0a000001);
  weft::store_be32(ip + 16, 0x0a000002);
  weft::store_be16(ip + 20, flow);
  weft::store_be16(ip + 22, 5201);
  if (tcp) {
    ip[32] = 0x50;
    ip[33] = 0x10;
  } else {
    weft::store_be16(ip + 24, static_cast<uint16_t>(out.size() - 34));
  }
  return out;
}

inline weft::Packet parsed(std::vector<uint8_t>& frame) {
  weft::Packet packet{.data = frame.data(), .length = static_cast<uint32_t>(frame.size())};
  weft::parse(packet);
  return packet;
}

// What a sender leaves to its device: only the sum of the pseudo-header.
inline void leave_checksum_unfinished(std::vector<uint8_t>& frame) {
  const weft::Packet packet = parsed(frame);
  weft::store_raw16(frame.data() + packet.l4_offset + (packet.is_tcp() ? 16 : 6),
                    weft::checksum_fold(weft::pseudo_header_sum(packet, packet.ip_end - packet.l4_offset)));
}

// The wire frames of a super-frame, as a peer sends them; `unfinished` as a weft peer or a local port does.
inline std::vector<std::vector<uint8_t>> wire_frames(bool tcp, uint16_t flow, uint32_t payload, uint32_t size, bool unfinished) {
  using namespace weft;
  std::vector<uint8_t> super = make_frame(tcp, flow, payload);
  const Packet packet = parsed(super);
  const VnetHeader vnet{.gso_type = tcp ? kGsoTcp4 : kGsoUdpL4, .gso_size = static_cast<uint16_t>(size)};
  SegmentPlan plan;
  plan_segments(packet, vnet, plan);
  std::vector<uint8_t> blocks(size_t{plan.count} * plan.header_length);
  write_segment_headers(packet, vnet, plan, blocks.data(), plan.header_length);
  std::vector<std::vector<uint8_t>> out;
  for (uint32_t i = 0; i < plan.count; ++i) {
    const uint8_t* header = blocks.data() + size_t{i} * plan.header_length;
    std::vector<uint8_t> one(header, header + plan.header_length);
    const uint8_t* from = packet.data + packet.payload_offset + size_t{i} * plan.segment_payload;
    one.insert(one.end(), from, from + plan.payload_of(i));
    if (unfinished) leave_checksum_unfinished(one);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace bench

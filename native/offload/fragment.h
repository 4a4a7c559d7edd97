// Cuts an IPv4 packet that is too large for its path, and that may be fragmented, as a router would (RFC 791, 3.2). Its sender
// left DF clear, so it is told nothing and would send the same again for ever. A Linux vxlan device fragments the outer packet
// then; RFC 7348, 4.3 forbids that.
#pragma once

#include <cstddef>
#include <cstdint>

#include "offload/segment.h"
#include "wire/packet.h"

namespace weft {

// How the packet, which parse() found to be ok and which is no super-frame, is cut into fragments of at most `mtu` bytes of IP:
// plan.count headers of plan.header_length bytes, payload behind each. False when it may not be, or cannot: not IPv4, DF, an
// `mtu` that no link need carry, more than kMaxSegments, or offsets beyond what a header holds.
bool plan_fragments(const Packet& packet, uint32_t mtu, SegmentPlan& plan);

// Writes the headers, from Ethernet to IPv4, as write_segment_headers() does. Payload i begins at packet.data +
// plan.header_length + i * plan.segment_payload. Options that are not to be copied (RFC 791, 3.1) are in the first fragment only,
// and padding in the others, as Linux has it (net/ipv4/ip_options.c, ip_options_fragment).
void write_fragment_headers(const Packet& packet, const SegmentPlan& plan, uint8_t* blocks, size_t stride);

}  // namespace weft

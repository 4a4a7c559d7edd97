// Splits a super-frame into the frames that go on the wire, by the kernel's own rules (net/ipv4/tcp_offload.c,
// net/ipv4/udp_offload.c). Payload is not copied: each segment is a new header block plus a slice of the super-frame.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/packet.h"
#include "wire/virtio.h"

namespace weft {

inline constexpr uint32_t kMaxSegments = 128;
inline constexpr uint32_t kMinGsoSize = 48;            // a guest chooses gso_size; smaller ones are an attack
inline constexpr uint32_t kMaxSegmentHeaderBytes = 256;  // Ethernet, VLAN tags, IP, extension headers, TCP with options

enum class SegmentError : uint8_t { ok, bad_gso };

// What the TCP or UDP checksum of a frame on the wire is: right, or the folded sum of the pseudo-header, for who takes it so.
enum class L4Checksums : uint8_t { finished, unfinished };

// How a super-frame will be cut. All sizes in bytes.
struct SegmentPlan {
  uint32_t count = 0;           // segments, 1..kMaxSegments
  uint32_t header_length = 0;   // of each segment: from the Ethernet header to the start of the payload
  uint32_t payload_length = 0;  // of all segments together
  uint32_t segment_payload = 0; // of each segment but the last

  uint32_t payload_of(uint32_t index) const {
    return index + 1 < count ? segment_payload : payload_length - segment_payload * (count - 1);
  }
};

// Checks what the guest said in `vnet` against what the frame is. Nothing is trusted: gso_type must match the frame, the
// headers must be complete, and count and sizes must keep the limits above.
SegmentError plan_segments(const Packet& packet, const VnetHeader& vnet, SegmentPlan& plan);

// Writes the header block of every segment: block i begins at `blocks + i * stride`, and is plan.header_length bytes long.
// stride >= header_length. Payload i begins at packet.data + packet.payload_offset + i * plan.segment_payload and is read for its
// checksum, unless that stays unfinished.
void write_segment_headers(const Packet& packet, const VnetHeader& vnet, const SegmentPlan& plan, uint8_t* blocks, size_t stride,
                           L4Checksums checksums = L4Checksums::finished);

// Whether a frame can go to a peer that takes unfinished checksums without its own being completed. Not when its guest finished
// it (then it travels as it is), or asks for something else than the checksum of TCP or UDP, or left something else in its place:
// the peer knows an unfinished checksum by its value alone. Not DHCP, which clients read raw. Not behind IP options or extension
// headers, of which a routing header changes the pseudo-header. Not with padding, which the peer would leave out.
bool may_stay_unfinished(const Packet& packet, const VnetHeader& vnet);

// Whether NEEDS_CSUM names a place that may be written: inside the frame, and behind the headers that the forwarding decision is
// made from.
bool checksum_place_is_valid(const Packet& packet, const VnetHeader& vnet);

// Completes, in place, the checksum of a frame that is not a super-frame and has NEEDS_CSUM, for any protocol; clears the flag.
// False, and the frame unchanged, when checksum_place_is_valid() says no.
bool finish_checksum(const Packet& packet, VnetHeader& vnet);

}  // namespace weft

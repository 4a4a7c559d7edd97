// Which frames may become one super-frame: the questions that the coalescer asks about one frame, or about two.
#pragma once

#include <cstdint>

#include "wire/packet.h"

namespace weft {

// What is known of a frame's checksums. An unfinished L4 checksum holds the folded pseudo-header sum only.
enum class Checksum : uint8_t { unverified, verified, unfinished, bad };

// How the IPv4 IDs of a super-frame go on. Datagrams that may not be fragmented may also all have the same one (RFC 6864).
enum class IdStep : uint8_t { undecided, constant, consecutive };

// Where the checksum lies in the L4 header. As everything below, for TCP and UDP packets only (l4_offset != 0).
inline uint16_t checksum_offset_of(const Packet& packet) { return packet.is_tcp() ? 16 : 6; }
inline uint32_t payload_of(const Packet& packet) { return packet.ip_end - packet.payload_offset; }
inline uint32_t l4_length_of(const Packet& packet) { return packet.ip_end - packet.l4_offset; }

bool checksum_is_unfinished(const Packet& packet);

// DHCP clients read raw frames and take an unfinished checksum for a bad one.
bool is_dhcp(const Packet& packet);

// Whether a frame can be part of a super-frame at all, whatever the others are.
bool is_mergeable(const Packet& packet);

// Whether nothing may be joined behind the frame: PSH and FIN say that its sender has come to an end.
bool ends_super_frame(const Packet& packet);

// Whether the frame is TCP with CWR, which only the first segment of a super-frame keeps.
bool has_cwr(const Packet& packet);

// Whether all is equal that the segments of a super-frame share, so everything but lengths, checksums, IPv4 ID, TCP sequence
// number, PSH and FIN. Both frames are mergeable.
bool headers_match(const Packet& first, const Packet& next);

// Whether the frame's IPv4 ID follows `last_id`; `step` becomes how the IDs go on from then on. True for IPv6.
bool next_id_fits(const Packet& packet, uint16_t last_id, IdStep& step);

// Checks what has not been checked before a frame is merged. The merged headers get new checksums, which must not hide damage.
Checksum verify(const Packet& packet, Checksum known);

}  // namespace weft

// The blocks of a pcapng file (draft-ietf-opsawg-pcapng): each function appends one whole block to `to`. Native byte order, as the
// section header tells; times are nanoseconds since 1970.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "capture/frame_ring.h"

namespace weft::pcapng {

using Bytes = std::vector<uint8_t>;

// Texts are UTF-8; what is longer than kMostText bytes is cut.
inline constexpr size_t kMostText = 4096;

void section_header(Bytes& to, std::string_view application, std::string_view comment);

// Ethernet. An empty text is left out.
void interface_description(Bytes& to, std::string_view name, std::string_view description, std::string_view filter, uint32_t snaplen);

// What comes before and after the bytes of a packet, which the caller appends in between: `captured` of them. Returned is where the
// block begins, for finish_packet().
size_t begin_packet(Bytes& to, uint32_t interface, const CapturedFrame& frame);
// `comment` may be empty.
void finish_packet(Bytes& to, size_t begin, const CapturedFrame& frame, std::string_view comment);

struct Statistics {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t received = 0;  // frames that were to be captured ...
  uint64_t dropped = 0;   // ... and of them those that had no room
};
void interface_statistics(Bytes& to, uint32_t interface, const Statistics& statistics, std::string_view comment);

}  // namespace weft::pcapng

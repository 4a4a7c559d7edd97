// parse() on any bytes: every offset that it gives must lie inside the frame and in order.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "wire/packet.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // An allocation of exactly this size lets AddressSanitizer see a read beyond the frame.
  auto frame = std::make_unique<uint8_t[]>(size);
  if (size != 0) std::memcpy(frame.get(), data, size);
  weft::Packet packet{.data = frame.get(), .length = static_cast<uint32_t>(size)};
  if (weft::parse(packet) != weft::ParseResult::ok) return 0;
  require(packet.length == size);
  require(packet.ip_end <= size);
  require((packet.ip_version != 0) == (packet.l3_offset != 0));
  if (packet.l3_offset != 0) require(packet.l3_offset + (packet.ip_version == 4 ? 20u : 40u) <= packet.ip_end);
  if (packet.l4_offset != 0) {
    require(!packet.fragment);
    require(packet.is_tcp() || packet.is_udp());
    require(packet.l4_offset >= packet.l3_offset + (packet.ip_version == 4 ? 20u : 40u));
    require(packet.payload_offset >= packet.l4_offset + (packet.is_tcp() ? 20u : 8u));
    require(packet.payload_offset <= packet.ip_end);
  }
  return 0;
}

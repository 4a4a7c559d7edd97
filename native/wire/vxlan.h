// VXLAN header, RFC 7348 section 5: flags (8 bits), reserved (24), VNI (24), reserved (8), all big endian.
#pragma once

#include <cstdint>
#include <optional>

namespace weft {

inline constexpr uint32_t kVxlanHeaderBytes = 8;
inline constexpr uint16_t kVxlanPort = 4789;
inline constexpr uint8_t kVxlanFlagVni = 0x08;
inline constexpr uint32_t kMaxVni = 0xffffff;

// Writes the 8 bytes with every reserved bit zero, as section 5 demands of a sender.
inline void write_vxlan_header(uint8_t* at, uint32_t vni) {
  at[0] = kVxlanFlagVni;
  at[1] = at[2] = at[3] = 0;
  at[4] = static_cast<uint8_t>(vni >> 16);
  at[5] = static_cast<uint8_t>(vni >> 8);
  at[6] = static_cast<uint8_t>(vni);
  at[7] = 0;
}

// The VNI, or nothing when the I flag is clear. Reserved bits are ignored on receipt (section 5). `at` has 8 bytes.
inline std::optional<uint32_t> read_vxlan_header(const uint8_t* at) {
  if ((at[0] & kVxlanFlagVni) == 0) return std::nullopt;
  return static_cast<uint32_t>(at[4]) << 16 | static_cast<uint32_t>(at[5]) << 8 | at[6];
}

}  // namespace weft

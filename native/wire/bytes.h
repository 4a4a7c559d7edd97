// Unaligned reads and writes of network byte order.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace weft {

inline uint16_t swap_if_little(uint16_t value) {
  return std::endian::native == std::endian::little ? __builtin_bswap16(value) : value;
}

inline uint32_t swap_if_little(uint32_t value) {
  return std::endian::native == std::endian::little ? __builtin_bswap32(value) : value;
}

// The bytes as they lie, for comparing and for checksums.
template <typename Word>
inline Word load_raw(const uint8_t* at) {
  Word value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline void store_raw16(uint8_t* at, uint16_t value) { std::memcpy(at, &value, sizeof value); }

inline uint16_t load_be16(const uint8_t* at) { return swap_if_little(load_raw<uint16_t>(at)); }
inline uint32_t load_be32(const uint8_t* at) { return swap_if_little(load_raw<uint32_t>(at)); }

inline void store_be16(uint8_t* at, uint16_t value) { store_raw16(at, swap_if_little(value)); }

inline void store_be32(uint8_t* at, uint32_t value) {
  value = swap_if_little(value);
  std::memcpy(at, &value, sizeof value);
}

}  // namespace weft

// The two words of an FDB entry.
//
// key:   bit 63 set (an empty slot has key 0), bits 59..48 the network, bits 47..0 the MAC.
// value: bits 15..0 index and bit 16 kind of the destination, bit 17 declared, bits 31..18 the slot's version,
//        bits 47..32 the network's tick at which it was last used (low 16 bits), bits 55..48 the destination's generation,
//        bits 63..56 the network's generation: that of its declared entries or that of its learned ones.
//
// tick:  the seconds plus one for so many new entries of the network (fdb.cc): in a flood it counts faster than the clock.
#pragma once

#include <bit>
#include <cstdint>

#include "fdb/fdb.h"

namespace weft {

inline constexpr uint32_t kDestinationCodes = 2 * kMaxDestinations;

inline uint32_t encode(Destination where) { return static_cast<uint32_t>(where.kind) << 16 | where.index; }
// As one word: a destination that is written in two halves and read as a whole stalls the reader.
inline Destination decode_destination(uint32_t code) {
  static_assert(std::endian::native == std::endian::little);
  return std::bit_cast<Destination>(code << 16 | (code >> 16 & 1));
}

inline uint64_t make_key(NetworkIndex network, Mac mac) {
  return uint64_t{1} << 63 | static_cast<uint64_t>(network) << 48 | (mac & 0xffff'ffff'ffff);
}
inline NetworkIndex network_of(uint64_t key) { return static_cast<NetworkIndex>(key >> 48 & 0xfff); }
inline Mac mac_of(uint64_t key) { return key & 0xffff'ffff'ffff; }

struct Value {
  static constexpr uint64_t kVersionMask = uint64_t{0x3fff} << 18;
  static constexpr uint64_t kVersionOne = uint64_t{1} << 18;

  uint64_t bits = 0;

  static Value make(uint32_t destination, bool declared, uint32_t tick, uint8_t destination_generation,
                    uint8_t network_generation) {
    return {destination | static_cast<uint64_t>(declared) << 17 | static_cast<uint64_t>(tick & 0xffff) << 32 |
            static_cast<uint64_t>(destination_generation) << 48 | static_cast<uint64_t>(network_generation) << 56};
  }
  uint32_t destination() const { return bits & 0x1ffff; }
  bool declared() const { return (bits >> 17 & 1) != 0; }
  uint16_t tick() const { return static_cast<uint16_t>(bits >> 32); }
  uint8_t destination_generation() const { return static_cast<uint8_t>(bits >> 48); }
  uint8_t network_generation() const { return static_cast<uint8_t>(bits >> 56); }
  uint64_t version() const { return bits & kVersionMask; }
};

}  // namespace weft

// The Internet checksum, RFC 1071. Sums are unfolded 64-bit accumulators of native-endian 16-bit words, so that they can be added
// in any order; fold() makes the 16 bits that go on the wire, already in wire order when stored natively.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/packet.h"

namespace weft {

// Adds `length` bytes at `data` (any alignment) to `sum`. An odd last byte is padded with zero, so only the last piece of a
// checksum may have odd length. Uses the fastest form that the processor has.
uint64_t checksum_add(const uint8_t* data, size_t length, uint64_t sum);

// What checksum_add() chooses from once, at start: the forms that this processor can run, the slowest (which is portable) first.
// All do the same.
struct ChecksumForm {
  const char* name;
  uint64_t (*add)(const uint8_t* data, size_t length, uint64_t sum);
};
std::span<const ChecksumForm> checksum_forms();

// The folded sum, not inverted.
uint16_t checksum_fold(uint64_t sum);

// The pseudo-header sum (RFC 9293 3.1, RFC 8200 8.1) of a parsed TCP or UDP packet for an L4 length in bytes.
uint64_t pseudo_header_sum(const Packet& packet, uint32_t l4_length);

}  // namespace weft

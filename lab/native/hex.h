// Frames as text: what the lab's programs read from and write to whoever runs them.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The bytes of an even number of hexadecimal digits.
inline std::vector<uint8_t> bytes_of(std::string_view hex) {
  std::vector<uint8_t> bytes;
  bytes.reserve(hex.size() / 2);
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    const char digits[3] = {hex[i], hex[i + 1], 0};
    bytes.push_back(static_cast<uint8_t>(std::strtoul(digits, nullptr, 16)));
  }
  return bytes;
}

inline void append_hex(std::string& to, std::span<const uint8_t> bytes) {
  constexpr char digits[] = "0123456789abcdef";
  for (const uint8_t byte : bytes) {
    to += digits[byte >> 4];
    to += digits[byte & 15];
  }
}

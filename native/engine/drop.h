// The reasons of drops.def as an enum, and the table of their names and sentences.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace weft {

enum class Drop : uint8_t {
#define WEFT_DROP(name, fault, sentence) name,
#include "engine/drops.def"
#undef WEFT_DROP
  count_,
};

inline constexpr size_t kDropCount = static_cast<size_t>(Drop::count_);

struct DropInfo {
  const char* name;
  const char* fault;
  const char* sentence;
};

inline constexpr std::array<DropInfo, kDropCount> kDropTable = {{
#define WEFT_DROP(name, fault, sentence) {#name, #fault, sentence},
#include "engine/drops.def"
#undef WEFT_DROP
}};

// Ingress reasons are verdicts on received frames; egress reasons end what was queued to one destination.
inline constexpr bool is_egress(Drop reason) { return reason >= Drop::port_down; }

}  // namespace weft

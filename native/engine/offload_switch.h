// Whether one offload is used towards one destination: UDP_SEGMENT to a peer, super-frames of one kind to a port. The kernel may
// refuse what it took a moment ago (another route, another device), so an offload is given up per destination, with its reason,
// and tried again after a pause that grows with every refusal.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "fdb/fdb.h"

namespace weft {

enum class Offload : uint8_t { udp_segment, tcp_super_frames, udp_super_frames };

enum class OffloadState : uint8_t {
  in_use,
  refused,   // the kernel answered with an error; tried again after a pause
  corrupts,  // what was sent arrived changed or not at all; stays until whoever found it says otherwise
  unwanted,  // by configuration, or because the device has it not
};

struct OffloadOff {
  OffloadState state = OffloadState::in_use;
  int error = 0;  // errno of `refused`
};

class OffloadSwitch {
 public:
  static constexpr Seconds kFirstPause = 60;
  static constexpr Seconds kLongestPause = 3600;

  // Any thread.
  OffloadOff get() const {
    const uint32_t word = word_.load(std::memory_order_relaxed);
    return {state_of(word), static_cast<int>(word & 0xffff)};
  }
  // `state` is anything but `refused`. What the worker found out before is forgotten.
  void set(OffloadState state) { word_.store(word_of(state, 0), std::memory_order_relaxed); }
  // Takes back one verdict, and leaves any other.
  void take_back(OffloadState state) {
    uint32_t word = word_.load(std::memory_order_relaxed);
    if (state_of(word) == state) word_.compare_exchange_strong(word, word_of(OffloadState::in_use, 0), std::memory_order_relaxed);
  }

  // Worker.
  bool usable(Seconds now) {
    uint32_t word = word_.load(std::memory_order_relaxed);
    if (word == word_of(OffloadState::in_use, 0)) return true;
    if (state_of(word) != OffloadState::refused || now < retry_) return false;
    return word_.compare_exchange_strong(word, word_of(OffloadState::in_use, 0), std::memory_order_relaxed);
  }
  // True when it was in use until now. `error` is a positive errno.
  bool refuse(int error, Seconds now) {
    uint32_t expected = word_of(OffloadState::in_use, 0);
    if (!word_.compare_exchange_strong(expected, word_of(OffloadState::refused, error), std::memory_order_relaxed)) return false;
    pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
    retry_ = now + pause_;
    return true;
  }

 private:
  static constexpr uint32_t word_of(OffloadState state, int error) {
    return static_cast<uint32_t>(state) << 16 | (static_cast<uint32_t>(error) & 0xffff);
  }

  static constexpr OffloadState state_of(uint32_t word) { return static_cast<OffloadState>(word >> 16); }

  std::atomic<uint32_t> word_{word_of(OffloadState::in_use, 0)};
  Seconds retry_ = 0;  // worker only: when to try it again ...
  Seconds pause_ = 0;  // ... and how long the last pause was
};

}  // namespace weft

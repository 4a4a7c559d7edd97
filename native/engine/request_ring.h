// What the control thread asks of the worker: single producer, single consumer, bounded.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace weft {

template <typename Request>
class RequestRing {
 public:
  static constexpr uint32_t kSlots = 64;

  // Control thread. False while all slots wait; the worker is to be woken either way.
  bool push(const Request& request) {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) == kSlots) return false;
    slots_[head % kSlots] = request;
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  // Worker.
  template <typename Serve>
  void take(Serve serve) {
    uint32_t tail = tail_.load(std::memory_order_relaxed);
    for (const uint32_t head = head_.load(std::memory_order_acquire); tail != head; ++tail) serve(slots_[tail % kSlots]);
    tail_.store(tail, std::memory_order_release);
  }

 private:
  std::array<Request, kSlots> slots_;
  std::atomic<uint32_t> head_{0};
  std::atomic<uint32_t> tail_{0};
};

}  // namespace weft

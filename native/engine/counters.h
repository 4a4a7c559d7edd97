// Counters that one worker writes and anybody reads. The unit is the frame on the wire: a super-frame counts its segments.
//
// Every received frame gets exactly one verdict: received = unicast + flooded + consumed + dropped(ingress reasons).
// What was queued to a destination ends there:    queued = sent + dropped(egress reasons).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "engine/drop.h"

namespace weft {

// A plain add for its single writer, without the cost of a locked instruction; torn values are impossible for a reader.
class Counter {
 public:
  void add(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Of one port or one peer. rx: what the engine received from there; tx: what it sent there. Bytes are those of the Ethernet
// frames (of a super-frame as it was read or written).
struct DestinationCounters {
  Counter rx_frames, rx_bytes, rx_super_frames, rx_dropped;
  Counter tx_frames, tx_bytes, tx_super_frames, tx_dropped;
};

struct alignas(64) WorkerCounters {
  Counter received, unicast, flooded, consumed;
  Counter queued, sent;
  Counter rounds;
  Counter polled;  // of them: found work by looking for it, instead of sleeping
  Counter path_mtu_answered, path_mtu_unanswered;  // frames too big for a peer whose sender was told; was not, by the rate limit
  std::array<Counter, kDropCount> dropped;
};

}  // namespace weft

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

// Why frames from or to one destination were dropped. Only a drop writes here.
struct DropLog {
  std::array<Counter, kDropCount> frames;
  std::array<std::atomic<uint32_t>, kDropCount> last{};  // second of the last one, by the engine's clock; 0: never

  void note(Drop reason, uint64_t count, uint32_t now) {
    frames[static_cast<size_t>(reason)].add(count);
    last[static_cast<size_t>(reason)].store(now, std::memory_order_relaxed);
  }
};

// Of one port or one peer. rx: what the engine received from there; tx: what it sent there. Bytes are those of the Ethernet
// frames (of a super-frame as it was read or written).
struct DestinationCounters {
  Counter rx_frames, rx_bytes, rx_super_frames, rx_dropped;
  Counter tx_frames, tx_bytes, tx_super_frames, tx_dropped;
  DropLog drops;  // of rx_dropped and tx_dropped
};

struct alignas(64) WorkerCounters {
  Counter received, unicast, flooded, consumed;
  Counter queued, sent;
  Counter rounds;
  Counter polled;  // of them: found work by looking for it, instead of sleeping
  Counter waited_ns;  // between rounds, for frames: asleep, or looking for them
  Counter path_mtu_answered, path_mtu_unanswered;  // frames too big for a peer whose sender was told; was not, by the rate limit
  std::array<Counter, kDropCount> dropped;
  std::atomic<uint32_t> now{1};  // the worker's clock, in seconds

  // The verdict on what was received from there; null: from nobody that is known.
  void drop_received(DestinationCounters* from, Drop reason, uint64_t frames) {
    dropped[static_cast<size_t>(reason)].add(frames);
    if (from == nullptr) return;
    from->rx_dropped.add(frames);
    from->drops.note(reason, frames, now.load(std::memory_order_relaxed));
  }
  // The end of what was queued to there.
  void drop_queued(DestinationCounters& to, Drop reason, uint64_t frames) {
    dropped[static_cast<size_t>(reason)].add(frames);
    to.tx_dropped.add(frames);
    to.drops.note(reason, frames, now.load(std::memory_order_relaxed));
  }
};

}  // namespace weft

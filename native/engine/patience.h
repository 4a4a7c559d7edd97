// How long a worker looks for work before it sleeps.
//
// A thread that sleeps until its descriptor is ready pays for being woken: an idle virtual CPU has to be called back by the
// hypervisor, tens of microseconds each time, and a request and its response wake four workers on their way. So a worker that
// expects work soon keeps asking for it instead, and lets every other thread that wants the CPU go first between two looks
// (sched_yield): polling takes time that is idle otherwise. Without that, on hosts whose CPUs are busy, it would keep off the CPU
// the very process that it waits for. Where somebody did go first, the CPU will not go idle, and there is nothing to be won: the
// worker sleeps. It does so, too, amid bulk, whose throughput lives by what gathers meanwhile.
//
// What is expected follows from the waits of late, their moving average. Where they are longer than the limit, as on a quiet
// host, nothing is polled, and a single frame after a pause costs no CPU beyond its own. It is the way of KVM's halt_poll_ns. Not
// thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>

namespace weft {

class Patience {
 public:
  // Longer than a request and its response take on one machine, and short beside what they take between two that are far apart.
  static constexpr uint64_t kLimitNanoseconds = 100'000;

  // A yield that took this long let another thread run.
  static constexpr uint64_t kCrowdedNanoseconds = 10'000;

  // Rounds of so many bytes, by their moving average, are bulk.
  static constexpr uint64_t kBulkBytes = 16'384;

  bool worth_polling() const { return expected_ < kLimitNanoseconds && bytes_ < kBulkBytes; }

  // A wait was over after so many nanoseconds, polled or not, with work or without.
  void waited(uint64_t nanoseconds) { expected_ = (expected_ * (kMemory - 1) + std::min(nanoseconds, kMost)) / kMemory; }

  // A round was of so many bytes.
  void worked(uint64_t bytes) { bytes_ = (bytes_ * (kMemory - 1) + bytes) / kMemory; }

 private:
  static constexpr uint64_t kMemory = 4;                     // waits
  static constexpr uint64_t kMost = kLimitNanoseconds * 16;     // so that a long pause is forgotten after a few frames
  uint64_t expected_ = kMost;
  uint64_t bytes_ = 0;
};

}  // namespace weft

// The lock of the FDB's writers. Workers only try it; control threads wait, and give the CPU away while they do, because the
// holder may be a worker on the same core. What is long they do in slices, without sleeping in between: on a busy machine each
// sleep lasts until a worker's time slice ends.
#pragma once

#include <sched.h>

#include <atomic>

namespace weft {

class SpinLock {
 public:
  bool try_lock() { return !held_.load(std::memory_order_relaxed) && !held_.exchange(true, std::memory_order_acquire); }
  void lock() {
    while (!try_lock()) sched_yield();
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

}  // namespace weft

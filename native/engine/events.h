// What the worker tells the control plane. Bounded: when nobody takes them, events are lost and counted, and the worker never
// waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "engine/offload_switch.h"
#include "fdb/fdb.h"
#include "io/endpoint.h"
#include "wire/control_frame.h"

namespace weft {

enum class EventType : uint8_t {
  mac_learned,
  mac_moved,
  mac_frozen,
  port_gone,
  port_error,
  port_offload_disabled,
  peer_offload_disabled,
  peer_too_big,
  stranger,
  address_conflict,
  offload_report,
  hello_answer,
  hello_failed,
  hello_misplaced,
};

struct Event {
  EventType type;
  NetworkIndex network = 0;
  Mac mac = 0;
  Destination where;
  int error = 0;     // errno of port_error, offload_report and hello_failed
  Endpoint address;  // of stranger and address_conflict; of hello_misplaced; of hello_answer: where the peer sees us, if it is full
  uint16_t port = 0; // of address_conflict: whose address it is
  Offload offload = {};  // of peer_offload_disabled and port_offload_disabled ...
  OffloadOff off = {};   // ... and why
  // Of offload_report: the far end's answer about a burst, or, with an error, that the burst or the question could not be sent.
  uint64_t nonce = 0;  // of hello_answer, hello_failed and hello_misplaced too: of the question
  uint16_t probes = 0;  // in the burst
  ProbeSet arrived = {};
  // Of hello_answer.
  uint64_t features = 0;
  uint32_t microseconds = 0;  // that the answer took
  uint32_t bytes = 0;  // of the Ethernet frame of the question
  bool full = false;   // the peer said who it is
  HostSelf self = {};
};

// Single producer (the worker), single consumer (the control thread).
class EventRing {
 public:
  explicit EventRing(std::function<void()> wake) : wake_(std::move(wake)), slots_(kSlots) {}

  // Worker.
  void push(const Event& event) {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) == kSlots) {
      lost_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    slots_[head % kSlots] = event;
    head_.store(head + 1, std::memory_order_release);
    announce();
  }

  // Worker. Wakes the control thread, unless it was woken and has not looked since.
  void announce() {
    if (!announced_.exchange(true, std::memory_order_acq_rel)) wake_();
  }

  // Control thread. Everything that is there, and how many were lost since the last call.
  std::vector<Event> take(uint64_t& lost) {
    announced_.exchange(false);  // before head_ is read: what is pushed from here on wakes again
    lost = lost_.exchange(0, std::memory_order_relaxed);
    std::vector<Event> events;
    uint32_t tail = tail_.load(std::memory_order_relaxed);
    const uint32_t head = head_.load(std::memory_order_acquire);
    for (; tail != head; ++tail) events.push_back(slots_[tail % kSlots]);
    tail_.store(tail, std::memory_order_release);
    return events;
  }

 private:
  static constexpr uint32_t kSlots = 1024;
  std::function<void()> wake_;
  std::vector<Event> slots_;
  alignas(64) std::atomic<uint32_t> head_{0};
  alignas(64) std::atomic<uint32_t> tail_{0};
  std::atomic<uint64_t> lost_{0};
  std::atomic<bool> announced_{false};
};

}  // namespace weft

// What the tests of the switch as a whole share: many MACs behind few ports, and what became of each frame.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "test/rig.h"

namespace weft::test {

// MAC number `n` of those that are kept apart by `set`.
inline Mac mac_of(uint32_t set, uint32_t n) { return 0x020000000000 | static_cast<Mac>(set) << 20 | n; }

// The verdicts on received frames since the last look.
struct Verdicts {
  uint64_t unicast = 0, flooded = 0, dropped = 0;
  friend bool operator==(const Verdicts&, const Verdicts&) = default;
  friend doctest::String toString(const Verdicts& v) {
    return doctest::String(("unicast " + std::to_string(v.unicast) + ", flooded " + std::to_string(v.flooded) + ", dropped " +
                            std::to_string(v.dropped)).c_str());
  }
};

class Watch {
 public:
  explicit Watch(const Rig& rig) : rig_(rig) { look(); }

  Verdicts look() {
    const WorkerCounters& c = rig_.worker.counters();
    Verdicts now{c.unicast.get(), c.flooded.get(), 0};
    for (size_t i = 0; i < kDropCount; ++i) {
      if (!is_egress(static_cast<Drop>(i))) now.dropped += c.dropped[i].get();
    }
    const Verdicts since{now.unicast - before_.unicast, now.flooded - before_.flooded, now.dropped - before_.dropped};
    before_ = now;
    return since;
  }

 private:
  const Rig& rig_;
  Verdicts before_;
};

// Sweeps until everything that has aged or was flushed is gone.
inline void pass_time(Rig& rig, Seconds now) {
  rig.worker.set_time(now);
  for (int turn = 0; turn < 128; ++turn) rig.fdb.sweep(now);
}

// How many of MACs 1 to `count` of a set are known to be there.
inline uint32_t known_at(const Rig& rig, NetworkIndex network, uint32_t set, uint32_t count, const Rig::PortHandle& port) {
  uint32_t known = 0;
  for (uint32_t n = 1; n <= count; ++n) {
    known += rig.fdb.find(network, mac_of(set, n)) == Destination{DestinationKind::port, port.port->index} ? 1 : 0;
  }
  return known;
}

inline uint32_t events_of(const std::vector<Event>& events, EventType type) {
  uint32_t count = 0;
  for (const Event& event : events) count += event.type == type ? 1 : 0;
  return count;
}

}  // namespace weft::test

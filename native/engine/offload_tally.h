// What the offload check (offload_check.h) remembers of one peer, for the worker alone.
#pragma once

#include <cstdint>

#include "wire/control_frame.h"

namespace weft {

struct OffloadTally {
  // The peer's last burst, as far as it arrived here. Another nonce takes its place, so this is all that bursts can fill.
  uint64_t nonce = 0;
  uint16_t count = 0;
  ProbeSet arrived;

  // Our last burst to it.
  uint64_t asked_nonce = 0;
  uint16_t asked_count = 0;
  uint16_t questions = 0;
  uint16_t flow = 0;
  bool waiting = false;  // for an answer
};

}  // namespace weft
